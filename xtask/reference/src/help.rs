//! Pages of what programs say of themselves, as clap writes it.

use crate::markdown::{code, section, table};

/// What every program can be told, which no page needs to say.
const EVERYWHERE: [&str; 3] = ["-h, --help", "-V, --version", "help"];
/// The part of a help that lists commands.
const COMMANDS: &str = "Commands";
/// How far in clap begins what has a name: short ones at 2 columns, options without a short name at 6; what each means
/// stands from 10 on.
const MEANING_INDENT: usize = 10;
/// Parts of a help that clap does not make: ours, at its end.
const EXAMPLES: &str = "Examples";
const EXIT_CODES: &str = "Exit codes";
const ENVIRONMENT: &str = "Environment";

/// A program's own words, or a command's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Help {
    about: Vec<String>,
    usage: Vec<String>,
    /// By their headings, in their order.
    parts: Vec<(String, Vec<String>)>,
}

/// An option, an argument or a command.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    name: String,
    text: Vec<String>,
    default: Option<String>,
}

impl Help {
    pub(crate) fn parse(text: &str) -> Self {
        let mut help = Self::default();
        for line in text.lines().map(str::trim_end) {
            if let Some(usage) = line.strip_prefix("Usage: ") {
                help.usage.push(usage.to_owned());
                continue;
            }
            match (&mut help.parts[..], heading(line)) {
                (_, Some(heading)) => help.parts.push((heading.to_owned(), Vec::new())),
                ([.., (_, lines)], None) => lines.push(line.to_owned()),
                ([], None) if help.usage.is_empty() => help.about.push(line.to_owned()),
                ([], None) if line.is_empty() => {}
                ([], None) => help.usage.push(line.trim_start().to_owned()),
            }
        }
        help
    }

    fn about(&self) -> String {
        self.about.join("\n").trim().to_owned()
    }

    /// The name of the command, as it is called.
    fn name(&self) -> String {
        let words = self.usage.first().into_iter().flat_map(|usage| usage.split(' '));
        let is_name = |word: &&str| word.chars().all(|it| it.is_ascii_lowercase() || it == '-');
        words.take_while(is_name).collect::<Vec<_>>().join(" ")
    }

    /// The names of the commands that it lists, in its order.
    pub(crate) fn commands(&self) -> Vec<String> {
        let names = self.part(COMMANDS).iter().filter_map(|line| {
            let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?;
            name.split(' ').next()
        });
        names.filter(|name| !EVERYWHERE.contains(name)).map(str::to_owned).collect()
    }

    fn usage(&self) -> String {
        self.usage.iter().map(|usage| code(usage)).collect::<Vec<_>>().join("  \n") + "\n"
    }

    fn part(&self, name: &str) -> &[String] {
        let part = self.parts.iter().find(|(heading, _)| heading == name);
        part.map_or(&[], |(_, lines)| lines)
    }

    /// Options, a table for each of their groups under headings of that depth; without one all together, arguments first.
    fn options(&self, depth: &str) -> String {
        let ours = [EXAMPLES, EXIT_CODES, ENVIRONMENT, COMMANDS];
        let groups = self.parts.iter().filter(|(heading, _)| !ours.contains(&heading.as_str()));
        let groups = groups.map(|(heading, lines)| (heading, entries(lines)));
        if depth.is_empty() {
            return options_table(&groups.flat_map(|(_, entries)| entries).collect::<Vec<_>>());
        }
        let shown = groups.map(|(heading, entries)| {
            section(&format!("{depth} {heading}"), &options_table(&entries))
        });
        shown.collect()
    }

    fn examples(&self) -> String {
        let lines = self.part(EXAMPLES).join("\n").replace("\\\n", "");
        let examples = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        examples.map(|example| format!("- {}\n", code(example))).collect()
    }

    /// What has a name, two spaces and a meaning on each line.
    fn pairs(&self, part: &str, heads: &[&str; 2]) -> String {
        let pairs = self.part(part).iter().filter_map(|line| line.trim().split_once("  "));
        let rows = pairs.map(|(name, text)| vec![code(name), text.trim().to_owned()]);
        table(heads, &rows.collect::<Vec<_>>())
    }

    /// A command, under a heading.
    fn command(&self) -> String {
        let (about, usage) = (self.about(), self.usage());
        let mut text = format!("{about}\n\n{usage}\n{}", self.options(""));
        text += &section("Examples:", &self.examples());
        section(&format!("## {}", code(&self.name())), &text)
    }
}

/// `Options` of `Options:`, where that is all there is on a line.
fn heading(line: &str) -> Option<&str> {
    line.strip_suffix(':').filter(|heading| heading.starts_with(|it: char| it.is_ascii_uppercase()))
}

/// What begins at the names' column; under it, further in, stands what it is.
fn entries(lines: &[String]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in lines {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        match entries.last_mut() {
            _ if !text.is_empty() && indent < MEANING_INDENT => {
                entries.push(Entry { name: text.to_owned(), ..Entry::default() });
            }
            Some(entry) => match text.strip_prefix("[default: ") {
                Some(default) => entry.default = Some(default.trim_end_matches(']').to_owned()),
                None => entry.text.push(text.to_owned()),
            },
            None => {}
        }
    }
    entries.retain(|entry| !EVERYWHERE.contains(&entry.name.as_str()));
    entries
}

fn options_table(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        let default = entry.default.as_deref().map(code).unwrap_or_default();
        vec![code(&entry.name), default, meaning(&entry.text)]
    });
    table(&["option", "if it is not said", "meaning"], &rows.collect::<Vec<_>>())
}

/// Paragraphs on one line, and possible values as a list in words.
fn meaning(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        match line.strip_prefix("- ").and_then(|value| value.split_once(':')) {
            Some((value, meaning)) => text += &format!("<br>{}: {}", code(value), meaning.trim()),
            None if line == "Possible values:" => {}
            None if text.is_empty() => text = line.clone(),
            None => text += &format!("<br>{line}"),
        }
    }
    text
}

/// The server's options, and its commands.
pub(crate) fn server(helps: &[Help]) -> String {
    let [own, commands @ ..] = helps else { return String::new() };
    let mut text = format!(
        "# The server's options\n\n{}\n\n{}\n\
         Each option can stand in the environment (`LONGHAUL_OWNER_BYTES_MAX` is `--owner-bytes-max`) and in a file \
         ([longhaul.toml](../longhaul.toml) is one); the command line goes before the environment, that before the file.\n\n",
        own.about(),
        own.usage()
    );
    text += &own.options("##");
    commands.iter().for_each(|command| text += &command.command());
    text
}

/// The terminal's commands, and how they end.
pub(crate) fn terminal(helps: &[Help]) -> String {
    let [own, commands @ ..] = helps else { return String::new() };
    let mut text = format!("# The terminal's commands\n\n{}.\n\n", own.about());
    commands.iter().for_each(|command| text += &command.command());
    text += &section("## Exit codes", &own.pairs(EXIT_CODES, &["code", "meaning"]));
    text += &section("## Environment", &own.pairs(ENVIRONMENT, &["variable", "meaning"]));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Does it.\n\nAnd more.\n\nUsage: it [OPTIONS]\n       it <COMMAND>\n\nOptions:\n      --one <N>\n          \
        How many\n          \n          [default: 5]\n\n      --two <WHICH>\n          Which\n\n          Possible values:\n          \
        - a:  First\n          - bc: Second\n          \n          [default: a]\n\n  -h, --help\n          Print help\n\nExit codes:\n  0    good\n  \
        130  Ctrl-C, 143 SIGTERM\n";

    #[test]
    fn commands_are_those_that_the_program_lists() {
        let said = "Does it.\n\nUsage: it <COMMAND>\n\nCommands:\n  send   Sends files\n  fetch  Fetches one, of which the line goes on\n         \
            below\n  help   Print this message\n\nOptions:\n  -h, --help\n          Print help\n";
        assert_eq!(Help::parse(said).commands(), ["send", "fetch"]);
        assert_eq!(Help::parse(SAID).commands(), [""; 0]);
    }

    #[test]
    fn what_a_program_says_becomes_tables() {
        let help = Help::parse(SAID);
        assert_eq!(help.about(), "Does it.\n\nAnd more.");
        assert_eq!(help.usage, ["it [OPTIONS]", "it <COMMAND>"]);
        assert_eq!(help.name(), "it");
        let expected = "| option | if it is not said | meaning |\n| --- | --- | --- |\n| `--one <N>` | `5` | How many |\n\
             | `--two <WHICH>` | `a` | Which<br>`a`: First<br>`bc`: Second |\n\n";
        assert_eq!(help.options(""), expected);
        assert_eq!(help.options("##"), format!("## Options\n\n{expected}"));
        assert_eq!(
            help.pairs(EXIT_CODES, &["code", "meaning"]),
            "| code | meaning |\n| --- | --- |\n| `0` | good |\n| `130` | Ctrl-C, 143 SIGTERM |\n\n"
        );
    }
}
