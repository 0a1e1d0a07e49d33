//! What the program is told: by the command line, else by the environment, else by a file.
//!
//! What the environment and the file say is put in front of the command line, so that a value is judged
//! alike wherever it stands. Only what nobody says there before is taken: two of them are never mixed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::args::Args;

mod file;

/// What the name of an option in the environment begins with.
pub const ENVIRONMENT: &str = "LONGHAUL_";

/// What begins so and is the terminal's, for whom it may be set for a whole session.
const OF_OTHERS: [&str; 1] = ["LONGHAUL_TOKEN"];

/// How the program ends that was told something wrong; clap ends it so too.
pub fn usage_error() -> ExitCode {
    ExitCode::from(2)
}

/// What is told, and by whom.
#[derive(Debug)]
pub struct Settings {
    /// What is told.
    pub args: Args,
    /// Each option of the server.
    pub listing: Vec<Line>,
}

/// An option, as it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Without its dashes.
    pub name: String,
    /// In words; without any where nothing is said.
    pub values: Vec<String>,
    /// Who says so.
    pub source: Source,
}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody: it is so if nothing is said.
    Default,
    /// The command line.
    CommandLine,
    /// The environment: the variable.
    Environment(String),
    /// The file, and in which line.
    File(PathBuf, usize),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::CommandLine => write!(f, "command line"),
            Self::Environment(name) => write!(f, "{name}"),
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
        }
    }
}

/// What is wrong, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    source: Source,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.what)
    }
}

/// Why it cannot be gone by.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("--config {}: {source}. Give a file that can be read, or leave it out.", .path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the environment or the file says is wrong.
    #[error("{}", .0.iter().map(|mistake| format!("{mistake}\n")).collect::<String>().trim_end())]
    Mistakes(Vec<Mistake>),
    /// What is wrong all together, or on the command line.
    #[error(transparent)]
    Clap(#[from] clap::Error),
}

/// An option with values, as the environment or the file has it.
struct Said {
    id: String,
    key: String,
    values: Vec<String>,
    source: Source,
}

/// What the program is told.
///
/// # Errors
/// [`SettingsError`].
pub fn read(
    argv: Vec<OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Settings, SettingsError> {
    let command = Args::command();
    // Only to see what is said: what is missing may be in the file.
    let spoken = command.clone().ignore_errors(true).try_get_matches_from(&argv)?;
    if spoken.subcommand_name().is_some() {
        let args = Args::from_arg_matches(&command.try_get_matches_from(argv)?)?;
        return Ok(Settings { args, listing: Vec::new() });
    }
    let said = gather(&command, &spoken, environment)?;
    let mut whole: Vec<OsString> = argv.first().cloned().into_iter().collect();
    whole.extend(said.iter().flat_map(|said| options(&command, said)));
    whole.extend(argv.into_iter().skip(1));
    let matches = command.clone().try_get_matches_from(whole)?;
    let sources = said.into_iter().map(|said| (said.id, said.source)).collect();
    let listing = listing(&command, &matches, &sources);
    Ok(Settings { args: Args::from_arg_matches(&matches)?, listing })
}

/// The variables that look like options and are none: who set them takes them for said.
pub fn unknown(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let command = Args::command();
    let known: Vec<_> = command.get_arguments().map(variable).collect();
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    let strange = names.iter().filter(|name| {
        name.starts_with(ENVIRONMENT) && !known.contains(name) && !OF_OTHERS.contains(&&***name)
    });
    let told = strange.map(|name| {
        let key = name.trim_start_matches(ENVIRONMENT).to_lowercase().replace('_', "-");
        match file::meant(&command, &key) {
            Some(meant) => {
                let meant = meant.to_uppercase().replace('-', "_");
                format!("{name}: there is no such option; perhaps {ENVIRONMENT}{meant} is meant")
            }
            None => format!("{name}: there is no such option: `longhaul-server --help` lists them"),
        }
    });
    told.collect()
}

/// What the environment says, then what the file says, but for what was said before.
fn gather(
    command: &Command,
    spoken: &ArgMatches,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Said>, SettingsError> {
    let is_spoken = |id: &str| spoken.value_source(id) == Some(ValueSource::CommandLine);
    let mut mistakes = Vec::new();
    let mut said = Vec::new();
    let variables = command.get_arguments().filter(|arg| file::may_say(arg));
    for arg in variables.filter(|arg| !is_spoken(arg.get_id().as_str())) {
        let name = variable(arg);
        let Some(value) = environment(&name) else { continue };
        match from_variable(command, arg, &name, &value) {
            Ok(it) => said.push(it),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let path = match spoken.try_get_one::<PathBuf>("config").ok().flatten() {
        Some(path) => Some(path.clone()),
        None => environment(&format!("{ENVIRONMENT}CONFIG")).map(PathBuf::from),
    };
    if let Some(path) = path {
        let unread = |source| SettingsError::Unread { path: path.clone(), source };
        let text = std::fs::read_to_string(&path).map_err(unread)?;
        let (from_file, wrong) = file::read(command, &path, &text);
        let is_new = |it: &Said| !is_spoken(&it.id) && said.iter().all(|other| other.id != it.id);
        let from_file: Vec<_> = from_file.into_iter().filter(is_new).collect();
        said.extend(from_file);
        mistakes.extend(wrong);
    }
    if mistakes.is_empty() { Ok(said) } else { Err(SettingsError::Mistakes(mistakes)) }
}

/// What an option is called in the environment.
fn variable(arg: &Arg) -> String {
    let name = arg.get_long().unwrap_or_default();
    format!("{ENVIRONMENT}{}", name.to_uppercase().replace('-', "_"))
}

fn from_variable(command: &Command, arg: &Arg, name: &str, value: &OsStr) -> Result<Said, Mistake> {
    let source = Source::Environment(name.to_owned());
    let wrong = |what: String| Mistake { source: source.clone(), what };
    let value = value.to_str().ok_or_else(|| wrong("this is no UTF-8".to_owned()))?;
    let key = arg.get_long().unwrap_or_default();
    if is_switch(arg) && !["true", "false"].contains(&value) {
        return Err(wrong(format!("`{value}` is neither `true` nor `false`")));
    }
    let values: Vec<_> = match arg.get_action() {
        ArgAction::Append => value.split(',').map(|one| one.trim().to_owned()).collect(),
        _ => vec![value.to_owned()],
    };
    judge(command, key, arg, &values).map_err(wrong)?;
    Ok(Said { id: arg.get_id().to_string(), key: key.to_owned(), values, source })
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// As a command line has it.
fn options(command: &Command, said: &Said) -> Vec<OsString> {
    let is_switch = command.get_arguments().any(|arg| arg.get_id() == &*said.id && is_switch(arg));
    if is_switch {
        let is_on = said.values.iter().any(|value| value == "true");
        return is_on.then(|| format!("--{}", said.key).into()).into_iter().collect();
    }
    said.values.iter().map(|value| format!("--{}={value}", said.key).into()).collect()
}

/// What the command line would say of these values, whatever else is needed with them.
fn judge(command: &Command, key: &str, arg: &Arg, values: &[String]) -> Result<(), String> {
    if is_switch(arg) {
        return Ok(());
    }
    let given = values.iter().map(|value| format!("--{key}={value}"));
    let argv = std::iter::once("longhaul-server".to_owned()).chain(given);
    let Err(error) = command.clone().try_get_matches_from(argv) else { return Ok(()) };
    if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict) {
        return Ok(());
    }
    let said = error.to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    let said = said.split("\n\nFor more").next().unwrap_or(said);
    Err(said.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Every option, in the order of `--help`.
fn listing(
    command: &Command,
    matches: &ArgMatches,
    sources: &BTreeMap<String, Source>,
) -> Vec<Line> {
    let told = |arg: &Arg| {
        let id = arg.get_id().as_str();
        let raw = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
        let values = raw.map(|value| without_secret(&value.to_string_lossy())).collect();
        let source = match (sources.get(id), matches.value_source(id)) {
            (Some(source), _) => source.clone(),
            (None, Some(ValueSource::CommandLine)) => Source::CommandLine,
            (None, _) => Source::Default,
        };
        Line { name: arg.get_long().unwrap_or_default().to_owned(), values, source }
    };
    command.get_arguments().filter(|arg| file::may_say(arg)).map(told).collect()
}

/// An address without what may be a password in it: who it is for, and what stands behind its path.
pub fn without_secret(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?…"));
    let host = place.split('/').next().unwrap_or(place);
    let user = host.rfind('@').map_or(0, |at| at + 1);
    let hidden = if user > 0 { "…@" } else { "" };
    format!("{scheme}://{hidden}{}{query}", place.get(user..).unwrap_or_default())
}

/// The listing in columns.
pub fn table(listing: &[Line]) -> String {
    let said = |line: &Line| {
        if line.values.is_empty() { "-".to_owned() } else { line.values.join(", ") }
    };
    let longest = |of: &dyn Fn(&Line) -> usize| listing.iter().map(of).max().unwrap_or(0);
    let names = longest(&|line| line.name.len());
    let values = longest(&|line| said(line).chars().count());
    listing
        .iter()
        .map(|line| format!("{:names$}  {:values$}  {}\n", line.name, said(line), line.source))
        .collect()
}

#[cfg(test)]
mod tests;
