//! The page of the client's types.

use crate::Error;
use crate::markdown::{code, section, table};

/// The files that it is made of.
pub(crate) struct Texts<'a> {
    /// Of `longhaul`: what it has of its own, and the names of what it passes on.
    pub(crate) front: &'a str,
    /// Of the compiled client.
    pub(crate) client: &'a str,
    /// Of the element, for what is its own.
    pub(crate) upload: &'a str,
    pub(crate) downloader: &'a str,
    pub(crate) words: &'a str,
}

/// Something that is exported.
#[derive(Debug, PartialEq, Eq)]
struct Declared<'a> {
    doc: String,
    /// `interface`, `class`, `type`, `const` or `function`.
    kind: &'a str,
    name: &'a str,
    /// What comes after the name.
    rest: &'a str,
}

/// Of an interface or a class.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    doc: String,
    text: String,
}

pub(crate) fn page(texts: &Texts<'_>) -> Result<String, Error> {
    let client = declared(texts.client);
    let of_client = |name: &str| {
        client.iter().find(|it| it.name == name).ok_or_else(|| form(&format!("`{name}`")))
    };
    let mut page = "# The client for JavaScript\n\n\
        What `longhaul` exports, and then what its other parts do. Types are in the package; this page is made of them. \
        [The elements](elements.md) have a page of their own.\n\n## `longhaul`\n\n"
        .to_owned();
    for own in declared(texts.front).iter().filter(|it| it.name == "load") {
        page += &shown(own);
    }
    let uploader: Vec<_> =
        client.iter().filter(|it| (it.kind, it.name) == ("class", "Uploader")).collect();
    let [uploader] = uploader[..] else { return Err(form("`Uploader`")) };
    page += &shown(uploader);
    for name in passed_on(texts.front).ok_or_else(|| form("longhaul-client.d.ts"))? {
        page += &shown(of_client(name)?);
    }
    page += "## `longhaul/upload`\n\n";
    let elements = ["EventMap", "Attributes"];
    let own = declared(texts.upload);
    let own = own
        .iter()
        .filter(|it| it.kind != "class" && !elements.iter().any(|end| it.name.ends_with(end)));
    page += &own.map(shown).collect::<String>();
    page += "## `longhaul/downloader`\n\n";
    let (mut classes, others): (Vec<_>, Vec<_>) =
        declared(texts.downloader).into_iter().partition(|it| it.kind == "class");
    classes.extend(others);
    page += &classes.iter().map(shown).collect::<String>();
    page += "## `longhaul/words`\n\n";
    page += &declared(texts.words).iter().map(shown).collect::<String>();
    Ok(page)
}

fn form(what: &str) -> Error {
    Error::Form { what: format!("{what} among the client's types") }
}

/// The names in `export type { A, B } from "…"`.
fn passed_on(text: &str) -> Option<Vec<&str>> {
    let (_, rest) = text.split_once("export type {")?;
    let (names, _) = rest.split_once('}')?;
    Some(names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
}

/// Everything that a file exports by its own words.
fn declared(text: &str) -> Vec<Declared<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut doc = String::new();
    while let Some(at) = rest.find(['/', 'e', 'i']) {
        rest = &rest[at..];
        if let Some((comment, after)) = comment(rest) {
            doc = comment;
            rest = after.trim_start();
            continue;
        }
        if let Some(after) = remark(rest) {
            rest = after;
            continue;
        }
        let line = rest.lines().next().unwrap_or_default();
        let statement =
            line.strip_prefix("export ").or_else(|| line.starts_with("interface ").then_some(line));
        let length = statement_len(rest);
        if let Some((kind, of)) = statement.and_then(|it| it.split_once(' '))
            && ["interface", "class", "type", "const", "function"].contains(&kind)
            && let Some(name) =
                of.split(|it: char| !it.is_alphanumeric()).next().filter(|it| !it.is_empty())
        {
            let begins = rest.find(of).unwrap_or_default() + name.len();
            let doc = std::mem::take(&mut doc);
            found.push(Declared { doc, kind, name, rest: rest[begins..length].trim() });
        }
        doc.clear();
        rest = &rest[length..];
    }
    found
}

/// `/** … */`, without what makes it a comment, and what comes after it.
fn comment(text: &str) -> Option<(String, &str)> {
    let (comment, after) = text.strip_prefix("/**")?.split_once("*/")?;
    let lines = comment.lines().map(|line| line.trim().trim_start_matches('*').trim());
    Some((lines.collect::<Vec<_>>().join("\n").trim().to_owned(), after))
}

/// What comes after a comment that says nothing of what is exported.
fn remark(text: &str) -> Option<&str> {
    let long = text.strip_prefix("/*").and_then(|text| text.split_once("*/"));
    let short = || text.strip_prefix("//").map(|text| text.split_once('\n').unwrap_or_default());
    long.or_else(short).map(|(_, after)| after)
}

/// Up to the `;` or the `}` that ends it.
fn statement_len(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, it) in text.char_indices() {
        match it {
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' if depth <= 1 => {
                // `} from "…";` and `}[];` go on.
                let goes_on = text[at + 1..].starts_with([' ', ';', '[']);
                if !goes_on {
                    return at + 1;
                }
                depth = 0;
            }
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What is between the braces, one by one, but for what every class of the compiled client has.
fn members(body: &str) -> Vec<Member> {
    let Some((_, body)) = body.split_once('{') else { return Vec::new() };
    let mut rest = body.trim().trim_end_matches('}').trim();
    let mut found = Vec::new();
    let mut doc = String::new();
    while !rest.is_empty() {
        if let Some((comment, after)) = comment(rest) {
            doc = comment;
            rest = after.trim_start();
            continue;
        }
        let length = statement_len(rest);
        let text = rest[..length].trim_end_matches(';').trim().to_owned();
        found.push(Member { doc: std::mem::take(&mut doc), text });
        rest = rest[length..].trim_start();
    }
    let left_out = ["free(", "[Symbol.dispose]", "addEventListener", "removeEventListener"];
    found.retain(|member| !left_out.iter().any(|start| member.text.starts_with(start)));
    found
}

fn shown(declared: &Declared<'_>) -> String {
    let Declared { doc, kind, name, rest } = declared;
    let mut text = prose(doc);
    match *kind {
        "interface" | "class" => {
            if let Some((_, base)) = rest.split('{').next().and_then(|it| it.split_once("extends "))
            {
                text += &format!("\n\nIt has what {} has too.", linked(base.trim()));
            }
            let members = members(rest);
            let rows = members.iter().map(|member| {
                let doc = prose(&member.doc).replace("\n\n", "<br>");
                vec![code(&member.text), doc]
            });
            text += "\n\n";
            text += &table(&["member", "meaning"], &rows.collect::<Vec<_>>());
        }
        "type" => {
            text += &format!(
                "\n\n{}",
                code(rest.trim_start_matches(['=', '|', ' ', '\n']).trim_end_matches(';'))
            )
        }
        _ => text += &format!("\n\n{}", code(&format!("{name}{}", rest.trim_end_matches(';')))),
    }
    section(&format!("### {}", code(name)), text.trim())
}

/// Another type of the page, or one of the browser's.
fn linked(name: &str) -> String {
    match name {
        "EventTarget" => code(name),
        _ => format!("[{}](#{})", code(name), name.to_lowercase()),
    }
}

/// A comment as a page has it: what rustdoc has under a heading stands by itself, an example is left out.
fn prose(doc: &str) -> String {
    let doc = doc.split("@example").next().unwrap_or_default();
    doc.replace("# Errors\n", "It throws: ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "/* of: a linter; */\n// it's (so\nimport type { A } from \"./a.js\";\n\nexport type {\n  A, B,\n} from \"./a.js\";\n\n\
        /** How it stands.\n * Or not. */\nexport type State =\n| \"a\" | \"b\";\n\n\
        /** More. */\nexport interface Detail extends Base {\n  /** Its id. */\n  id: number;\n  call?: (a: string) => { b: number };\n}\n\n\
        export function load(): Promise<void>;\n";

    #[test]
    fn what_is_exported_is_found_with_what_is_said_of_it() {
        let found = declared(TEXT);
        let names: Vec<_> = found.iter().map(|it| (it.kind, it.name, &*it.doc)).collect();
        assert_eq!(
            names,
            [
                ("type", "State", "How it stands.\nOr not."),
                ("interface", "Detail", "More."),
                ("function", "load", "")
            ]
        );
        assert_eq!(found[2].rest, "(): Promise<void>;");
        let members: Vec<_> =
            members(found[1].rest).into_iter().map(|it| (it.doc, it.text)).collect();
        assert_eq!(
            members,
            [
                ("Its id.".to_owned(), "id: number".to_owned()),
                (String::new(), "call?: (a: string) => { b: number }".to_owned())
            ]
        );
        assert_eq!(passed_on(TEXT), Some(vec!["A", "B"]));
    }
}
