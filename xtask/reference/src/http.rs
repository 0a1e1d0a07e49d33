//! The page of the HTTP API, of its OpenAPI document.

use serde_json::Value;

use crate::Error;
use crate::markdown::{code, section, table};
use crate::schema::{PROBLEM, followed, kind, sorted, types};

/// The verbs that are worth a heading, in their order. `HEAD` and `OPTIONS` are told of once for all.
const VERBS: [&str; 3] = ["post", "get", "delete"];
/// What every path may answer, told of once for all.
const EVERYWHERE: [&str; 5] = ["421", "429", "431", "500", "503"];

pub(crate) fn page(openapi: &str) -> Result<String, Error> {
    let form = || Error::Form { what: "server/openapi.json".to_owned() };
    let document: Value = serde_json::from_str(openapi).map_err(|_| form())?;
    let about = document["info"]["description"].as_str().ok_or_else(form)?;
    let mut page = format!(
        "# The HTTP API\n\n{about}\n\nThis page is made of `/openapi.json`, which every server has, and which says more: \
         patterns, headers of answers, examples. Each `GET` has a `HEAD`, which answers the same without a body, and each path \
         an `OPTIONS`, which browsers ask before. [What every path may answer](#answers-of-every-path) is told once.\n\n"
    );
    page += &section("## Who asks", &who(&document));
    page += &section("## Answers of every path", &everywhere(&document));
    for tag in document["tags"].as_array().ok_or_else(form)? {
        let name = tag["name"].as_str().ok_or_else(form)?;
        let about = tag["description"].as_str().unwrap_or_default();
        let operations = operations(&document, name);
        page += &section(&format!("## {}", titled(name)), &format!("{about}\n\n{operations}"));
    }
    page += &section("## Types", &types(&document));
    page += &section("## Problems", &problems(&document));
    Ok(page)
}

fn titled(name: &str) -> String {
    name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect()
}

fn who(document: &Value) -> String {
    let ways = sorted(&document["components"]["securitySchemes"]);
    let told = |way: &Value| way["description"].as_str().unwrap_or_default().to_owned();
    let rows: Vec<_> = ways.into_iter().map(|(name, way)| vec![name.clone(), told(way)]).collect();
    table(&["by", "meaning"], &rows)
}

/// Those under a tag, of paths and of what the server tells others.
fn operations(document: &Value, tag: &str) -> String {
    let mut text = String::new();
    for (path, item) in sorted(&document["paths"]).into_iter().chain(sorted(&document["webhooks"]))
    {
        for verb in VERBS {
            let operation = &item[verb];
            let tags = operation["tags"].as_array().into_iter().flatten();
            if tags.into_iter().any(|it| it == tag) {
                text += &one(document, &format!("{} {path}", verb.to_uppercase()), item, operation);
            }
        }
    }
    text
}

fn one(document: &Value, name: &str, item: &Value, operation: &Value) -> String {
    let words = |field: &str| operation[field].as_str().unwrap_or_default();
    let mut text =
        format!("{} {}", words("summary"), words("description")).trim().to_owned() + "\n\n";
    let both = [&item["parameters"], &operation["parameters"]];
    let parameters = both.into_iter().filter_map(Value::as_array).flatten();
    let rows: Vec<_> = parameters.map(|it| parameter(followed(document, it))).collect();
    text += &table(&["it takes", "in", "type", "meaning"], &rows);
    text += &body(&operation["requestBody"]);
    let answers = sorted(&operation["responses"]).into_iter();
    let own = answers
        .filter(|(status, it)| !EVERYWHERE.contains(&status.as_str()) || it.get("$ref").is_none());
    text += &answers_table(document, own);
    section(&format!("### {}", code(name)), &text)
}

/// What every path may answer, of one that does.
fn everywhere(document: &Value) -> String {
    let answers = &document["paths"]["/v1/uploads"]["get"]["responses"];
    let shared =
        sorted(answers).into_iter().filter(|(status, _)| EVERYWHERE.contains(&status.as_str()));
    answers_table(document, shared)
}

fn answers_table<'a>(
    document: &Value,
    answers: impl Iterator<Item = (&'a String, &'a Value)>,
) -> String {
    let rows = answers.map(|(status, it)| answer(document, status, followed(document, it)));
    table(&["answer", "meaning", "with"], &rows.collect::<Vec<_>>())
}

fn parameter(it: &Value) -> Vec<String> {
    let word = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
    let mark = if it["required"] == true { "" } else { ", optional" };
    vec![
        format!("{}{mark}", code(&word("name"))),
        word("in"),
        kind(&it["schema"]),
        word("description"),
    ]
}

fn body(body: &Value) -> String {
    let kinds = sorted(&body["content"]);
    if kinds.is_empty() {
        return String::new();
    }
    let kinds = kinds.iter().map(|(media, it)| match it["schema"].get("$ref") {
        Some(_) => format!("{}, {}", code(media), kind(&it["schema"])),
        None => code(media),
    });
    let kinds = kinds.collect::<Vec<_>>().join(" or ");
    format!("Its body: {kinds}. {}\n\n", body["description"].as_str().unwrap_or_default())
}

/// The status, what that means, and what comes with it.
fn answer(document: &Value, status: &str, it: &Value) -> Vec<String> {
    let about = it["description"].as_str().unwrap_or_default().to_owned();
    let mut with = Vec::new();
    for (media, content) in sorted(&it["content"]) {
        let schema = &content["schema"];
        if media == "application/problem+json" {
            with.extend(codes(document, schema));
        } else if schema.get("$ref").is_some() {
            with.push(kind(schema));
        }
    }
    let names = sorted(&it["headers"]).into_iter().map(|(name, _)| name.as_str());
    with.extend(
        names.filter(|name| ["Location", "Upload-Token", "Retry-After"].contains(name)).map(code),
    );
    // Where the words are the codes already.
    let about = if about.starts_with('`') { String::new() } else { about };
    vec![status.to_owned(), about, with.join(", ")]
}

/// Which problems an answer may be.
fn codes(document: &Value, schema: &Value) -> Vec<String> {
    let alone = [schema.clone()];
    let either = schema["oneOf"].as_array().map_or(&alone[..], Vec::as_slice);
    let codes = either
        .iter()
        .filter_map(|it| followed(document, it)["properties"]["code"]["const"].as_str());
    codes.map(|name| format!("[{}](#problems)", code(name))).collect()
}

/// Each with its status, what happened, and what to do.
fn problems(document: &Value) -> String {
    let schemas = sorted(&document["components"]["schemas"]);
    let own = schemas.into_iter().filter(|(name, _)| name.ends_with(PROBLEM) && *name != PROBLEM);
    let mut rows: Vec<_> = own.map(|(_, schema)| problem(schema)).collect();
    rows.sort();
    let about = "Each is a [Problem](#problem) with this `code`. `retryable` says whether the same request may work later.";
    format!(
        "{about}\n\n{}",
        table(&["status", "code", "retryable", "what happened, and what to do"], &rows)
    )
}

fn problem(schema: &Value) -> Vec<String> {
    let fixed = |field: &str| schema["properties"][field]["const"].clone();
    let word = |field: &str| fixed(field).as_str().unwrap_or_default().to_owned();
    let retryable = if fixed("retryable") == true { "yes" } else { "no" };
    let advice = schema["description"].as_str().unwrap_or_default();
    let about = format!("{}. {advice}", word("title"));
    vec![fixed("status").to_string(), code(&word("code")), retryable.to_owned(), about]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_operation_is_told_with_what_it_takes_and_answers() {
        let document = json!({
            "info": { "description": "About it." },
            "tags": [{ "name": "files", "description": "Files." }],
            "paths": { "/v1/files": { "get": {
                "tags": ["files"], "summary": "Lists them.",
                "parameters": [{ "$ref": "#/components/parameters/Limit" }],
                "responses": { "404": { "$ref": "#/components/responses/NotFound" } }
            } } },
            "components": {
                "parameters": { "Limit": { "name": "limit", "in": "query", "schema": { "type": "integer" }, "description": "How many." } },
                "responses": { "NotFound": { "description": "Nothing.", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/NotFoundProblem" } } } } },
                "schemas": { "NotFoundProblem": { "description": "Look.", "properties": {
                    "title": { "const": "Gone" }, "status": { "const": 404 }, "code": { "const": "not-found" }, "retryable": { "const": false }
                } } }
            }
        });
        let page = page(&document.to_string()).unwrap();
        for line in [
            "### `GET /v1/files`",
            "| `limit`, optional | query | number | How many. |",
            "| 404 | Nothing. | [`not-found`](#problems) |",
            "| 404 | `not-found` | no | Gone. Look. |",
        ] {
            assert!(page.contains(line), "no {line} in\n{page}");
        }
    }
}
