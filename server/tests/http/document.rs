//! The OpenAPI document as a judge: every request that any of these tests sends, and what the server
//! answers, is held to it.
//!
//! It is held to more than a reader of it is: what has no place in the document is an error here, so that a
//! new field or header of the code has to be written down.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use longhaul_protocol::problem::CONTENT_TYPE;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_server::route::Target;
use serde_json::{Map, Value, json};

use crate::support::{Answer, Request};

/// The document.
pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi.json")).unwrap());

/// What any answer may have: what the document says of all of them, and what is HTTP's own.
const HEADERS_OF_ALL: [&str; 14] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "referrer-policy",
    "request-id",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
    "x-frame-options",
];

/// The methods that a path of a document may have.
pub const METHODS: [&str; 8] =
    ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// What is referred to, wherever a reference may stand.
pub fn resolved(mut value: &'static Value) -> &'static Value {
    while let Some(reference) = value.get("$ref") {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        value = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}"));
    }
    value
}

/// The members of an object; none where there is none.
pub fn members(
    value: &'static Value,
    name: &str,
) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let members = value.get(name).and_then(Value::as_object);
    members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// A path as the document has it: `{id}` for any id.
pub fn template(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let part = |part: &str| if part.parse::<UploadId>().is_ok() { "{id}" } else { part }.to_owned();
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Holds a request and its answer to the document.
pub fn check(request: &Request, answer: &Answer) {
    let what = format!("{} {} -> {}", request.method, request.path, answer.status);
    check_is_secure(answer, &what);
    let Some(path) = DOCUMENT["paths"].get(template(&request.path)) else {
        let target = Target::of(request.path.split('?').next().unwrap());
        return assert!(matches!(target, Target::Nowhere | Target::Site), "{what}: not documented");
    };
    let Some(operation) = path.get(request.method.to_ascii_lowercase()) else {
        return assert!((400..500).contains(&answer.status), "{what}: not documented");
    };
    let response = &operation["responses"][answer.status.to_string()];
    assert!(!response.is_null(), "{what}: this status is not documented");
    check_headers(resolved(response), answer, &what);
    check_body(resolved(response), request, answer, &what);
    if answer.status < 300 {
        check_taken(path, operation, request, &what);
    }
}

/// What keeps a browser from making more of an answer than it is.
pub fn check_is_secure(answer: &Answer, what: &str) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    let parts: Vec<_> = policy.split("; ").collect();
    let is_site = parts == ["frame-ancestors 'self'"];
    let is_api = parts.ends_with(&["default-src 'none'", "frame-ancestors 'none'"]);
    assert!(is_site || is_api, "{what}: {policy}");
    let frames = if is_site { "SAMEORIGIN" } else { "DENY" };
    let may_load = answer.header("cross-origin-resource-policy");
    assert!([Some("same-site"), Some("cross-origin")].contains(&may_load), "{what}: {may_load:?}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", frames),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    for never in ["set-cookie", "server", "x-powered-by", "access-control-allow-credentials"] {
        assert_eq!(answer.header(never), None, "{what}");
    }
}

fn check_headers(response: &'static Value, answer: &Answer, what: &str) {
    let id = answer.header("request-id").expect(what);
    assert!(id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit()), "{what}: {id}");
    assert!(answer.all("vary").contains(&"origin"), "{what}: {:?}", answer.all("vary"));
    let documented: HashMap<_, _> = members(response, "headers")
        .map(|(name, header)| (name.to_ascii_lowercase(), resolved(header)))
        .collect();
    for (name, header) in &documented {
        match answer.header(name) {
            Some(value) => assert_text(value, &header["schema"], &format!("{what}: `{name}`")),
            None => assert_ne!(header["required"], json!(true), "{what}: `{name}` is missing"),
        }
    }
    for (name, _) in answer.headers() {
        let is_known = HEADERS_OF_ALL.contains(&name) || documented.contains_key(name);
        assert!(is_known, "{what}: the header `{name}` is not documented");
    }
}

fn check_body(response: &'static Value, request: &Request, answer: &Answer, what: &str) {
    let contents: HashMap<_, _> = members(response, "content").collect();
    if request.is_head() || contents.is_empty() {
        return assert!(answer.body.is_empty(), "{what}: it has a body");
    }
    let content_type = answer.header("content-type").expect(what);
    let content = contents.get(content_type).or_else(|| contents.get("*/*"));
    let content = content.unwrap_or_else(|| panic!("{what}: {content_type} is not documented"));
    if ["application/json", CONTENT_TYPE].contains(&content_type) && content.get("schema").is_some()
    {
        let body: Value = serde_json::from_slice(&answer.body).expect(what);
        if content_type == CONTENT_TYPE {
            assert_eq!(body["requestId"].as_str(), answer.header("request-id"), "{what}");
        }
        assert_valid(&body, &closed(&content["schema"]), what);
    }
}

/// What the server takes is what the document says that it takes; it takes more than is known to it, and
/// passes over what it does not know.
fn check_taken(path: &'static Value, operation: &'static Value, request: &Request, what: &str) {
    let body = resolved(&operation["requestBody"]);
    if let Some(schema) = body.pointer("/content/application~1json/schema") {
        let json = serde_json::from_slice(&request.body).expect(what);
        assert_valid(&json, schema, &format!("{what}: the request"));
    }
    let parameters = [&path["parameters"], &operation["parameters"]];
    for parameter in parameters.into_iter().filter_map(Value::as_array).flatten() {
        let parameter = resolved(parameter);
        let name = parameter["name"].as_str().unwrap();
        let value = match parameter["in"].as_str().unwrap() {
            "header" => request.header_value(&name.to_ascii_lowercase()),
            "query" => request.query_value(name),
            _ => continue,
        };
        match value {
            Some(value) => assert_text(&value, &parameter["schema"], &format!("{what}: `{name}`")),
            None => assert_ne!(parameter["required"], json!(true), "{what}: `{name}` is missing"),
        }
    }
}

/// Text, where a number is written in digits.
pub fn assert_text(text: &str, schema: &'static Value, what: &str) {
    let is_number = resolved(schema)["type"] == "integer";
    let value = if is_number { json!(text.parse::<u64>().expect(what)) } else { json!(text) };
    assert_valid(&value, schema, what);
}

/// Fails with everything that is wrong.
pub fn assert_valid(value: &Value, schema: &Value, what: &str) {
    let validator = validator(schema);
    let errors = validator.iter_errors(value);
    let errors: Vec<_> =
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {}\n{value}", errors.join("\n"));
}

/// Each schema is compiled once.
fn validator(schema: &Value) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || Arc::new(jsonschema::validator_for(&alone(schema)).unwrap());
    Arc::clone(known.entry(schema.to_string()).or_insert_with(new))
}

/// A schema of the document outside of it, with all that it may refer to.
pub fn alone(schema: &Value) -> Value {
    let is_closed = schema.to_string().contains(CLOSED);
    let named = members(&DOCUMENT["components"], "schemas");
    let named = named.map(|(name, schema)| {
        (name.to_owned(), if is_closed { close_inside(schema) } else { schema.clone() })
    });
    let mut alone = schema.clone();
    alone["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    alone["components"] = json!({ "schemas": named.collect::<Map<_, _>>() });
    alone
}

/// Says that an object has no members but those that are named.
const CLOSED: &str = "unevaluatedProperties";

/// A schema that takes no members which are not documented.
pub fn closed(schema: &Value) -> Value {
    let mut closed = close_inside(schema);
    let is_any_object = schema.get("$ref").is_none() && schema.get("properties").is_none();
    if let (false, Some(schema)) = (is_any_object, closed.as_object_mut()) {
        schema.insert(CLOSED.to_owned(), json!(false));
    }
    closed
}

/// The same for what lies in it, but not for what its own members are added to.
fn close_inside(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let inside = |(name, value): (&String, &Value)| {
                let value = match (name.as_str(), value) {
                    ("properties", Value::Object(of)) => {
                        of.iter().map(|(name, value)| (name.clone(), closed(value))).collect()
                    }
                    ("items", value) => closed(value),
                    ("oneOf", Value::Array(of)) => of.iter().map(closed).collect(),
                    _ => value.clone(),
                };
                (name.clone(), value)
            };
            Value::Object(members.iter().map(inside).collect())
        }
        other => other.clone(),
    }
}
