//! JSON's types, as the OpenAPI document has them, in words.

use serde_json::{Map, Value};

use crate::markdown::{code, section, table};

/// What a problem's name ends with in the document; they have a table of their own.
pub(crate) const PROBLEM: &str = "Problem";
const PREFIX: &str = "#/components/schemas/";

/// Where a link of the document leads.
pub(crate) fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let there = value["$ref"].as_str().and_then(|path| document.pointer(path.strip_prefix('#')?));
    there.unwrap_or(value)
}

/// By their names: the order in a file is not always kept when it is read.
pub(crate) fn sorted(map: &Value) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.as_object().into_iter().flatten().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
}

/// Every type that is no problem of its own, under a heading each.
pub(crate) fn types(document: &Value) -> String {
    let schemas = sorted(&document["components"]["schemas"]);
    let own = schemas.iter().filter(|(name, _)| !name.ends_with(PROBLEM) || *name == PROBLEM);
    own.map(|(name, schema)| section(&format!("### {name}"), &shown(schema))).collect()
}

fn shown(schema: &Value) -> String {
    let mut text = schema["description"].as_str().unwrap_or_default().to_owned();
    let bases: Vec<_> = listed(schema, "allOf");
    if !bases.is_empty() {
        text += &format!(" It has what {} has too.", bases.join(" and "));
    }
    let fields = table(&["field", "type", "meaning"], &fields(schema));
    let fields =
        if fields.is_empty() && bases.is_empty() { format!("{}\n", kind(schema)) } else { fields };
    format!("{}\n\n{fields}", text.trim())
}

/// Those that have to be there first.
fn fields(schema: &Value) -> Vec<Vec<String>> {
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = sorted(&schema["properties"]);
    fields.sort_by_key(|(name, _)| !required.contains(&name.as_str()));
    let row = |(name, field): (&String, &Value)| {
        let mark = if required.contains(&name.as_str()) { "" } else { ", optional" };
        let about = field["description"].as_str().unwrap_or_default();
        vec![format!("{}{mark}", code(name)), kind(field), about.to_owned()]
    };
    fields.into_iter().map(row).collect()
}

fn listed(schema: &Value, of: &str) -> Vec<String> {
    schema[of].as_array().into_iter().flatten().map(kind).collect()
}

/// What a value is, in a few words.
pub(crate) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix(PREFIX)) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    let either = listed(schema, "oneOf");
    if !either.is_empty() {
        return either.join(" or ");
    }
    if let Some(only) = schema.get("const") {
        return code(&only.to_string());
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| code(&value.to_string()))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => match schema.get("additionalProperties").filter(|it| it.is_object()) {
            Some(values) => format!("object of {}", kind(values)),
            None => "object".to_owned(),
        },
        Some("integer") => schema.as_object().map(bounds).unwrap_or_default(),
        Some(other) => other.to_owned(),
        None => String::new(),
    }
}

/// A whole number, from and to.
fn bounds(schema: &Map<String, Value>) -> String {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    match (bound("minimum"), bound("maximum").filter(|most| *most < u64::from(u32::MAX))) {
        (Some(least), Some(most)) => format!("number, {least} to {most}"),
        (Some(least), None) if least > 0 => format!("number, at least {least}"),
        _ => "number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_said_in_words() {
        let said = [
            (json!({ "$ref": "#/components/schemas/FileInfo" }), "[FileInfo](#fileinfo)"),
            (json!({ "oneOf": [{ "type": "string" }, { "type": "null" }] }), "string or null"),
            (json!({ "const": "sha-256" }), "`\"sha-256\"`"),
            (json!({ "type": "array", "items": { "enum": [1, 2] } }), "list of `1` or `2`"),
            (json!({ "type": "integer", "minimum": 1, "maximum": 5 }), "number, 1 to 5"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "object of string",
            ),
        ];
        for (schema, words) in said {
            assert_eq!(kind(&schema), words);
        }
    }
}
