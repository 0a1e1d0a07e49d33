//! The page of the elements, of their manifest and their words.

use serde_json::Value;

use crate::Error;
use crate::markdown::{code, section, table};

/// The page that tells the types of what events carry.
const EVENT_DETAILS: &str = "client.md";

pub(crate) fn page(manifest: &str, words: &str) -> Result<String, Error> {
    let form = || Error::Form { what: "npm/custom-elements.json".to_owned() };
    let manifest: Value = serde_json::from_str(manifest).map_err(|_| form())?;
    let mut page = "# The elements\n\n\
        Attributes go in, events come out; all events bubble and are composed. [The tutorial](../tutorial.md) has a page with \
        one.\n\n"
        .to_owned();
    let modules = list(&manifest["modules"]);
    let elements = modules.iter().flat_map(|module| {
        list(&module["declarations"]).iter().map(move |element| (text(&module["path"]), element))
    });
    let mut count = 0;
    for (path, declared) in elements {
        page += &element(path, declared).ok_or_else(form)?;
        count += 1;
    }
    if count == 0 {
        return Err(form());
    }
    Ok(page + &spoken(words)?)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn element(path: &str, declared: &Value) -> Option<String> {
    let tag = declared["tagName"].as_str()?;
    let import = path.strip_prefix("longhaul-")?.strip_suffix(".js")?;
    let import = format!("`import \"longhaul/{import}\"`, or the script `{path}`, defines it.");
    let mut page = format!("{} {import}\n\n", text(&declared["description"]));
    let attributes = rows(&declared["attributes"], |it| vec![name(it), kind(it), meaning(it)]);
    page += &section("### Attributes", &table(&["attribute", "type", "meaning"], &attributes));
    let of_kind =
        |kind: &'static str| list(&declared["members"]).iter().filter(move |it| it["kind"] == kind);
    let fields = of_kind("field").map(|it| vec![field(it), kind(it), meaning(it)]);
    page += &section(
        "### Properties",
        &table(&["property", "type", "meaning"], &fields.collect::<Vec<_>>()),
    );
    let methods = of_kind("method").map(|it| vec![method(it), meaning(it)]);
    page += &section("### Methods", &table(&["method", "meaning"], &methods.collect::<Vec<_>>()));
    let events = rows(&declared["events"], |it| vec![name(it), detail(it), meaning(it)]);
    page += &section("### Events", &table(&["event", "its `detail`", "meaning"], &events));
    let properties = rows(&declared["cssProperties"], |it| vec![name(it), meaning(it)]);
    page += &section("### Custom properties", &table(&["property", "meaning"], &properties));
    let parts = rows(&declared["cssParts"], |it| vec![name(it), meaning(it)]);
    page += &section(&format!("### Parts: `{tag}::part(…)`"), &table(&["part", "meaning"], &parts));
    Some(section(&format!("## `<{tag}>`"), &page))
}

fn rows(values: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    list(values).iter().map(row).collect()
}

fn name(value: &Value) -> String {
    code(text(&value["name"]))
}

fn kind(value: &Value) -> String {
    code(text(&value["type"]["text"]))
}

fn meaning(value: &Value) -> String {
    text(&value["description"]).to_owned()
}

fn field(value: &Value) -> String {
    let only_read = if value["readonly"] == true { ", only read" } else { "" };
    format!("{}{only_read}", name(value))
}

fn method(value: &Value) -> String {
    let parameters = list(&value["parameters"]).iter().map(|it| {
        let mark = if it["optional"] == true { "?" } else { "" };
        format!("{}{mark}: {}", text(&it["name"]), text(&it["type"]["text"]))
    });
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    code(&format!(
        "{}({parameters}): {}",
        text(&value["name"]),
        text(&value["return"]["type"]["text"])
    ))
}

/// `AcceptDetail` of `CustomEvent<AcceptDetail>`, and where that is told.
fn detail(value: &Value) -> String {
    let kind = text(&value["type"]["text"]);
    match kind.strip_prefix("CustomEvent<").and_then(|kind| kind.strip_suffix('>')) {
        Some(detail) => format!("[{}]({EVENT_DETAILS}#{})", code(detail), detail.to_lowercase()),
        None => code(kind),
    }
}

/// What the elements say in English, each text by the name that another language has it under.
fn spoken(script: &str) -> Result<String, Error> {
    let form = || Error::Form { what: "www/longhaul-words.js".to_owned() };
    let (_, rest) = script.split_once("export const ENGLISH = {\n").ok_or_else(form)?;
    let (words, _) = rest.split_once("\n};").ok_or_else(form)?;
    let rows: Vec<_> =
        entries(words).into_iter().map(|(name, text)| vec![code(&name), code(&text)]).collect();
    if rows.is_empty() {
        return Err(form());
    }
    let about = "What the elements say, in English. Another language is an object with these names \
        ([`addWords`](client.md#addwords)); what it leaves out is said in English, and `error-` with an error's code is a name \
        too. `{name}` stands for what a text is about, and a text that depends on a number has a form for each of the \
        language's plural categories.";
    Ok(section("## Words", &format!("{about}\n\n{}", table(&["name", "in English"], &rows))))
}

/// `name: "text",` or `"name": { one: …, other: … },`, over one line or several.
fn entries(words: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let lines = words.lines().map(|line| (line.len() - line.trim_start().len(), line.trim()));
    for (indent, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("//")) {
        match (line.split_once(": "), found.last_mut()) {
            (Some((name, text)), _) if indent == 2 => {
                found.push((name.trim_matches('"').to_owned(), text.to_owned()));
            }
            (_, Some((_, text))) => *text += &format!(" {line}"),
            _ => {}
        }
    }
    for (_, text) in &mut found {
        let tidy = text.trim_end_matches(',');
        *text =
            tidy.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(tidy).to_owned();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_with_all_their_forms() {
        let words = "  pause: \"Pause\",\n  // A note: here.\n  \"a-b\": { one: \"x\", other: \"y\" },\n  long: {\n    one: \"One\",\n    other: \"{n}\",\n  },";
        let found = entries(words);
        let found: Vec<_> = found.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(
            found,
            [
                ("pause", "Pause"),
                ("a-b", "{ one: \"x\", other: \"y\" }"),
                ("long", "{ one: \"One\", other: \"{n}\", }")
            ]
        );
    }
}
