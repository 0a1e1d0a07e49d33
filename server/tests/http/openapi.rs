//! The OpenAPI document is one, and says what the code does: every path and method, every bound, every row
//! of the error table. That every answer is as it says is looked at wherever these tests send a request
//! (`document.rs`); here is the way through all of its good ones.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

use longhaul_protocol::digest::root;
use longhaul_protocol::name::{NAME_CHARS_MAX, PATH_CHARS_MAX};
use longhaul_protocol::plan::{CHUNK_COUNT_MAX, CHUNK_LEN_MAX, CHUNK_LEN_MIN, LANES_MAX, RATE_MIN};
use longhaul_protocol::problem::Retry;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::{PROOFS_PER_REQUEST_MAX, ProofRequest};
use longhaul_protocol::wire::{
    DIGESTS_PER_PAGE_MAX, DigestRun, FileInfo, IDEMPOTENCY_KEY_BYTES_MAX, JSON_BYTES_MAX,
    LIST_ROWS_MAX, METADATA_BYTES_MAX, PROTOCOL_VERSION, TYPE_BYTES_MAX, path,
};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};
use longhaul_server::access::Access;
use longhaul_server::link::LINK_LASTS_SECONDS_MAX;
use longhaul_server::route::Target;
use serde_json::{Value, json};

use crate::document::{DOCUMENT, METHODS, alone, assert_valid, members, resolved, template};
use crate::owners::key;
use crate::support::{Answer, CHUNK, Request, Server, bytes, chunk, create_request, one_request};

const UPLOAD: UploadId = UploadId([7; 16]);
const FILE: FileId = FileId([9; 16]);

/// Every target that the document is to have, and its path; what is missing here is not compiled.
fn targets() -> impl Iterator<Item = (Target, String)> {
    let next = |(target, _): &(Target, String)| {
        Some(match target {
            Target::Uploads => (Target::Upload(UPLOAD), path::upload(UPLOAD)),
            Target::Upload(_) => (Target::Digests(UPLOAD), path::digests(UPLOAD)),
            Target::Digests(_) => (Target::Proofs(UPLOAD), path::proofs(UPLOAD)),
            Target::Proofs(_) => (Target::Chunks(UPLOAD), path::chunks(UPLOAD)),
            Target::Chunks(_) => (Target::Content(UPLOAD), path::content(UPLOAD)),
            Target::Content(_) => (Target::Seal(UPLOAD), path::seal(UPLOAD)),
            Target::Seal(_) => (Target::Files, path::FILES.to_owned()),
            Target::Files => (Target::File(FILE), path::file(FILE)),
            Target::File(_) => (Target::Manifest(FILE), path::manifest(FILE)),
            Target::Manifest(_) => (Target::Links(FILE), path::links(FILE)),
            Target::Links(_) => (Target::Guests, path::GUESTS.to_owned()),
            Target::Guests => (Target::Problems, path::PROBLEMS.to_owned()),
            Target::Problems => (Target::Healthz, path::HEALTHZ.to_owned()),
            Target::Healthz => (Target::Readyz, path::READYZ.to_owned()),
            Target::Readyz => (Target::Metrics, path::METRICS.to_owned()),
            Target::Metrics => (Target::OpenApi, path::OPENAPI.to_owned()),
            Target::OpenApi | Target::Nowhere | Target::Site => return None,
        })
    };
    successors(Some((Target::Uploads, path::UPLOADS.to_owned())), next)
}

/// Every operation: its path, its method and itself.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    members(&DOCUMENT, "paths").flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        let operations = operations.filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(move |(method, operation)| (path, method.as_str(), operation))
    })
}

/// The methods that a path of the document takes.
fn documented(path: &str) -> BTreeSet<String> {
    let of_path = operations().filter(|(of, ..)| *of == template(path));
    of_path.map(|(_, method, _)| method.to_ascii_uppercase()).collect()
}

#[test]
fn the_document_is_valid_openapi_3_1_and_its_schemas_are_json_schema() {
    let official: Value = serde_json::from_str(include_str!("openapi/schema-3.1.json")).unwrap();
    assert_valid(&DOCUMENT, &official, "openapi.json");
    // The official schema leaves schemas unlooked at.
    let dialect = json!({"$ref": "https://json-schema.org/draft/2020-12/schema"});
    for_each_schema(&DOCUMENT, "", &mut |place, schema| {
        assert_valid(schema, &dialect, place);
        let compiled = jsonschema::validator_for(&alone(schema));
        assert!(compiled.is_ok(), "{place}: {:?}", compiled.err());
    });
}

/// Calls with every schema that does not lie in another, and where it is.
fn for_each_schema(value: &Value, place: &str, look: &mut impl FnMut(&str, &Value)) {
    let Some(members) = value.as_object() else {
        let items = value.as_array().into_iter().flatten().enumerate();
        return items.for_each(|(at, item)| for_each_schema(item, &format!("{place}/{at}"), look));
    };
    for (name, value) in members {
        let place = format!("{place}/{name}");
        match name.as_str() {
            "schema" => look(&place, value),
            "schemas" => value.as_object().unwrap().values().for_each(|value| look(&place, value)),
            _ => for_each_schema(value, &place, look),
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    fn follow(value: &'static Value) {
        resolved(value);
        match value {
            Value::Object(members) => members.values().for_each(follow),
            Value::Array(items) => items.iter().for_each(follow),
            _ => {}
        }
    }
    follow(&DOCUMENT);
    let names: BTreeSet<_> = operations().map(|(.., it)| it["operationId"].as_str()).collect();
    assert_eq!(names.len(), operations().count());
    assert!(!names.contains(&None));
    for (name, link) in members(&DOCUMENT["components"], "links") {
        assert!(names.contains(&link["operationId"].as_str()), "{name}");
    }
}

#[test]
fn the_document_has_every_path_of_the_server_with_its_methods_and_no_other() {
    let of_code: BTreeMap<_, BTreeSet<_>> = targets()
        .map(|(target, path)| {
            (template(&path), target.methods().iter().map(ToString::to_string).collect())
        })
        .collect();
    let of_document: BTreeMap<_, _> =
        members(&DOCUMENT, "paths").map(|(path, _)| (path.to_owned(), documented(path))).collect();
    assert_eq!(of_document, of_code);
}

#[test]
fn a_server_takes_the_documented_methods_and_answers_405_to_all_others_whoever_asks() {
    let wants_tokens = Server::start_with(|config| config.access = Access::Tokens(key().into()));
    for server in [Server::start(), wants_tokens] {
        for (_, path) in targets() {
            for method in METHODS.map(str::to_ascii_uppercase) {
                let answer = server.send(Request::new(&method, &path));
                let (is_documented, status) = (documented(&path).contains(&method), answer.status);
                assert_eq!(status != 405, is_documented, "{method} {path}: {status}");
                if let Some(allowed) = answer.header("allow") {
                    let allowed = allowed.split(", ").map(str::to_owned).collect();
                    assert_eq!(documented(&path), allowed, "{method} {path}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_id_is_not_found_whatever_the_method() {
    let server = Server::start();
    for (path, method, operation) in operations().filter(|(path, ..)| path.contains("{id}")) {
        let path = path.replace("{id}", "x");
        let answer = server.send(Request::new(&method.to_ascii_uppercase(), &path));
        assert_eq!(answer.status, 404, "{method} {path}");
        assert!(operation["responses"].get("404").is_some(), "{method} {path}");
    }
}

#[test]
fn who_may_ask_without_a_token_is_as_documented() {
    for (target, path) in targets() {
        for (_, method, operation) in operations().filter(|(of, ..)| *of == template(&path)) {
            let method_of_code = method.to_ascii_uppercase().parse().unwrap();
            let is_owned = target.scope(&method_of_code).is_some();
            let is_open = operation.get("security") == Some(&json!([]));
            assert_eq!(is_open, !is_owned, "{method} {path}");
            assert_eq!(operation["responses"].get("401").is_some(), is_owned, "{method} {path}");
        }
    }
}

#[test]
fn every_row_of_the_error_table_is_documented_as_it_is() {
    let problems: BTreeMap<_, _> = members(&DOCUMENT["components"], "schemas")
        .filter_map(|(_, schema)| {
            Some((schema.pointer("/properties/code/const")?.as_str()?, schema))
        })
        .collect();
    assert_eq!(problems.len(), ProblemCode::ALL.len());
    for row in ProblemCode::ALL.iter().map(|code| code.row()) {
        let schema = problems.get(row.code).unwrap_or_else(|| panic!("{} is missing", row.code));
        let told = |name: &str| schema["properties"][name]["const"].clone();
        let retryable = !matches!(row.retry, Retry::Never | Retry::Renew);
        assert_eq!(told("type"), json!(format!("{}#{}", path::PROBLEMS, row.code)));
        assert_eq!((told("title"), told("status")), (json!(row.title), json!(row.status)));
        assert_eq!(told("retryable"), json!(retryable), "{}", row.code);
        assert_eq!(schema["description"], json!(row.advice));
    }
}

#[test]
fn every_status_tells_the_problems_of_that_status() {
    for (path, method, operation) in operations() {
        for (status, response) in members(operation, "responses") {
            let schema = resolved(response).pointer("/content/application~1problem+json/schema");
            let Some(schema) = schema else {
                // A HEAD has no bodies, and hyper writes a bare 431.
                let is_good = status < "400" || method == "head" || status == "431";
                assert!(is_good, "{method} {path} {status} says nothing of its problems");
                continue;
            };
            let one = std::slice::from_ref(schema);
            for problem in schema.get("oneOf").and_then(Value::as_array).map_or(one, Vec::as_slice)
            {
                let told = &resolved(problem)["properties"]["status"]["const"];
                assert_eq!(told.to_string(), status, "{method} {path}");
            }
        }
    }
}

#[test]
fn what_is_told_without_a_body_has_the_documented_headers_of_what_is_told_with_it() {
    let headers = |response: &'static Value| -> BTreeMap<_, _> {
        members(resolved(response), "headers").collect()
    };
    for (path, _, head) in operations().filter(|(_, method, _)| *method == "head") {
        for (status, response) in members(head, "responses") {
            let got = &DOCUMENT["paths"][path]["get"]["responses"][status];
            assert!(got.is_object(), "{path} {status}: `GET` has none");
            assert_eq!(headers(response), headers(got), "{path} {status}");
        }
    }
}

#[test]
fn the_bounds_of_the_document_are_those_of_the_code() {
    let (ids, rows) = (44, LIST_ROWS_MAX as u64);
    let of_code: BTreeMap<&str, u64> = [
        ("paths/v1/uploads/{id}/chunks/post/requestBody/maxLength", CHUNK_LEN_MAX),
        ("paths/v1/files/post/requestBody/maxLength", CHUNK_LEN_MAX),
        ("parameters/IdempotencyKey/maxLength", IDEMPOTENCY_KEY_BYTES_MAX as u64),
        ("parameters/ChunkOffset/maximum", CHUNK_LEN_MAX),
        ("parameters/Limit/maximum", rows),
        ("parameters/Limit/default", rows),
        ("schemas/Digest/minLength", ids),
        ("schemas/Digest/maxLength", ids),
        ("schemas/FileName/maxLength", NAME_CHARS_MAX as u64),
        ("schemas/RelativePath/maxLength", PATH_CHARS_MAX as u64),
        ("schemas/MediaType/maxLength", TYPE_BYTES_MAX as u64),
        ("schemas/Size/maximum", CHUNK_COUNT_MAX * CHUNK_LEN_MAX),
        ("schemas/ChunkSize/minimum", CHUNK_LEN_MIN),
        ("schemas/ChunkSize/maximum", CHUNK_LEN_MAX),
        ("schemas/ChunkCount/maximum", CHUNK_COUNT_MAX),
        ("schemas/ChunkIndex/maximum", CHUNK_COUNT_MAX - 1),
        ("schemas/DigestRun/start/maximum", CHUNK_COUNT_MAX),
        ("schemas/DigestRun/digests/maxItems", DIGESTS_PER_PAGE_MAX),
        ("schemas/PartialChunk/offset/maximum", CHUNK_LEN_MAX),
        ("schemas/DigestPage/digests/maxItems", DIGESTS_PER_PAGE_MAX),
        ("schemas/UploadStatus/lanes/maximum", LANES_MAX),
        ("schemas/DigestsAnswer/differs/maxItems", DIGESTS_PER_PAGE_MAX),
        ("schemas/ProofRequest/proofs/maxItems", PROOFS_PER_REQUEST_MAX as u64),
        ("schemas/UploadList/uploads/maxItems", rows),
        ("schemas/FileList/files/maxItems", rows),
        ("schemas/LinkRequest/lastsSeconds/maximum", LINK_LASTS_SECONDS_MAX),
        ("schemas/Manifest/digests/digests/maxItems", DIGESTS_PER_PAGE_MAX),
        ("schemas/Problem/status/minimum", 400),
        ("schemas/Problem/status/maximum", 599),
        ("schemas/OffsetMismatchProblem/offset/maximum", CHUNK_LEN_MAX),
    ]
    .into();
    let mut found = BTreeMap::new();
    bounds(&DOCUMENT, "", &mut found);
    let found: BTreeMap<_, _> =
        found.iter().map(|(place, bound)| (place.as_str(), *bound)).collect();
    assert_eq!(found, of_code);
    assert_eq!(Digest::of(b"").to_base64().len() as u64, ids);
}

/// What bounds anything, but what any number of its type is within: by its place, without what every
/// place has.
fn bounds(value: &Value, place: &str, found: &mut BTreeMap<String, u64>) {
    const BOUNDS: [&str; 6] =
        ["default", "maximum", "maxItems", "maxLength", "minimum", "minLength"];
    const BETWEEN: [&str; 5] =
        ["components", "properties", "schema", "content", "application/octet-stream"];
    for (at, value) in value.as_array().into_iter().flatten().enumerate() {
        bounds(value, &format!("{place}/{at}"), found);
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = name.trim_start_matches('/');
        let place = if BETWEEN.contains(&name) {
            place.to_owned()
        } else {
            format!("{place}/{name}").trim_start_matches('/').to_owned()
        };
        match value.as_u64().filter(|_| BOUNDS.contains(&name)) {
            Some(0 | 1 | u64::MAX) => {}
            Some(bound) if bound == u64::from(u32::MAX) => {}
            Some(bound) => drop(found.insert(place, bound)),
            None => bounds(value, &place, found),
        }
    }
}

#[test]
fn the_bounds_that_are_told_in_words_are_those_of_the_code() {
    let says = |pointer: &str, number: u64| {
        let text = DOCUMENT.pointer(pointer).and_then(Value::as_str).expect(pointer);
        assert!(text.contains(&format!(" {number} ")), "{text}");
    };
    for schema in ["CreateRequest", "FileMeta"] {
        let place = format!("/components/schemas/{schema}/properties/metadata/description");
        says(&place, METADATA_BYTES_MAX as u64);
    }
    says("/components/parameters/ChunkRateMax/description", RATE_MIN);
    for (_, _, operation) in operations() {
        if operation.pointer("/requestBody/content/application~1json").is_some() {
            let text = operation["requestBody"]["description"].as_str().unwrap();
            assert_eq!(text, format!("At most {JSON_BYTES_MAX} bytes."));
        }
    }
    let digests = DOCUMENT["paths"]["/v1/files/{id}/manifest"]["get"]["summary"].as_str().unwrap();
    assert!(digests.contains(&format!("at most {DIGESTS_PER_PAGE_MAX} a page")), "{digests}");
    let version =
        DOCUMENT.pointer("/components/schemas/CreateRequest/properties/protocolVersion/const");
    assert_eq!(version, Some(&json!(PROTOCOL_VERSION)));
    assert_eq!(DOCUMENT["info"]["version"], json!(PROTOCOL_VERSION.to_string()));
}

#[test]
fn a_page_may_send_every_header_that_is_documented() {
    let server = Server::start();
    let answer = server.send(Request::new("OPTIONS", path::UPLOADS));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    let allowed: BTreeSet<_> = allowed.split(", ").collect();
    let named = members(&DOCUMENT["components"], "parameters").map(|(_, parameter)| parameter);
    let named = named.filter(|parameter| parameter["in"] == "header");
    // What the server sends, and nobody sends it.
    let named = named.filter(|it| !it["name"].as_str().unwrap().starts_with("webhook-"));
    let mut named: BTreeSet<_> =
        named.map(|it| it["name"].as_str().unwrap().to_ascii_lowercase()).collect();
    // OpenAPI has other places for these two.
    named.extend(["authorization".to_owned(), "content-type".to_owned()]);
    assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), allowed);
}

#[test]
fn the_server_serves_the_document_to_anybody_and_caches_may_keep_it() {
    let server = Server::start();
    let answer = server.get(path::OPENAPI);
    assert_eq!(answer.ok::<Value>(200), *DOCUMENT);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
}

/// Sends a request, and takes down which of the documented answers it got.
fn send(
    server: &Server,
    seen: &mut BTreeSet<(String, u16)>,
    request: Request,
    status: u16,
) -> Value {
    let item = &DOCUMENT["paths"][template(&request.path)];
    let operation = &item[request.method.to_ascii_lowercase()]["operationId"];
    let what = format!("{} {}", request.method, request.path);
    let answer =
        if request.is_head() { head_like_get(server, &request) } else { server.send(request) };
    assert_eq!(answer.status, status, "{what}: {}", String::from_utf8_lossy(&answer.body));
    seen.insert((operation.as_str().expect(&what).to_owned(), status));
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// How often two answers to `GET` are asked for until they are alike.
const ALIKE_TRIES: u32 = 100;

/// The answer to `HEAD`, which is as that to `GET`: asked between two of those that are alike, since a sync may come between.
fn head_like_get(server: &Server, head: &Request) -> Answer {
    let mut get = head.clone();
    get.method = "GET".to_owned();
    for _ in 0..ALIKE_TRIES {
        let [before, answer, after] =
            [&get, head, &get].map(|request| server.send(request.clone()));
        if lasting(&before) == lasting(&after) {
            assert_eq!(lasting(&answer), lasting(&after), "HEAD {}", head.path);
            return answer;
        }
    }
    panic!("GET {} is never the same twice", head.path);
}

/// The headers of an answer, but what may be another each time: when, by which name, how long what was counted is, and
/// what becomes known of a file. hyper tells that there is nothing only where there could be something.
fn lasting(answer: &Answer) -> Vec<(&str, &str)> {
    let is_counted = answer.header("content-type").is_some_and(|it| it.contains("version="));
    let changes = |name: &str, value: &str| match name {
        "date" | "request-id" | "repr-digest" => true,
        "content-length" => is_counted || value == "0",
        _ => false,
    };
    answer.headers().filter(|(name, value)| !changes(name, value)).collect()
}

#[test]
fn every_good_answer_of_the_document_is_given_as_it_says() {
    let server = Server::start();
    let mut seen = BTreeSet::new();
    let mut sent = |request, status| send(&server, &mut seen, request, status);
    let [get, head] = ["GET", "HEAD"].map(|method| move |path: &str| Request::new(method, path));
    let whole = bytes(2 * CHUNK as usize);
    let digests: Vec<_> = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    let id = |answer: &Value| -> String { answer["id"].as_str().unwrap().to_owned() };

    let begun = sent(Request::new("POST", path::UPLOADS).json(&create_request(2 * CHUNK)), 201);
    let upload: UploadId = id(&begun).parse().unwrap();
    let run = DigestRun { start: ChunkIndex(0), digests: digests.clone() };
    sent(Request::new("POST", &path::digests(upload)).json(&run), 200);
    sent(Request::new("POST", &path::proofs(upload)).json(&ProofRequest::default()), 200);
    for (index, part) in (0..).zip(whole.chunks(CHUNK as usize)) {
        sent(chunk(upload, index, part).body(part), 204);
    }
    for read in [get, head] {
        sent(read(&format!("{}?digests=0", path::upload(upload))), 200);
        sent(read(path::UPLOADS), 200);
        sent(read(&path::content(upload)), 200);
        sent(read(&path::content(upload)).header("if-none-match", "*"), 304);
    }
    sent(get(&path::content(upload)).header("range", "bytes=1-2"), 206);
    let sealed = json!({ "root": root(digests) });
    let file = sent(Request::new("POST", &path::seal(upload)).json(&sealed), 201);
    let file: FileInfo = serde_json::from_value(file).unwrap();
    for read in [get, head] {
        sent(read(&path::content(upload)), 308);
        sent(read(&path::file(file.id)), 200);
        let known = format!("\"{}-{}\"", file.root, file.chunk_count);
        sent(read(&path::file(file.id)).header("if-none-match", &known), 304);
        sent(read(&path::manifest(file.id)), 200);
        for page in
            [path::FILES, path::PROBLEMS, path::HEALTHZ, path::READYZ, path::METRICS, path::OPENAPI]
        {
            sent(read(page), 200);
        }
    }
    for range in ["bytes=1-2", "bytes=1-2,70000-70001"] {
        sent(get(&path::file(file.id)).header("range", range), 206);
    }
    sent(Request::new("POST", &path::links(file.id)).json(&json!({ "lastsSeconds": 60 })), 201);
    sent(Request::new("POST", path::GUESTS), 204);
    sent(one_request(&create_request(5), b"hello").body(b"hello"), 201);
    sent(Request::new("DELETE", &path::file(file.id)), 204);
    let begun = sent(Request::new("POST", path::UPLOADS).json(&create_request(1)), 201);
    sent(Request::new("DELETE", &path::upload(id(&begun).parse().unwrap())), 204);
    for (_, path) in targets() {
        sent(Request::new("OPTIONS", &path), 204);
    }

    let good = operations().flat_map(|(.., operation)| {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        let statuses = members(operation, "responses").filter(|(status, _)| *status < "400");
        statuses.map(move |(status, _)| (name.clone(), status.parse().unwrap()))
    });
    assert_eq!(seen, good.collect::<BTreeSet<(String, u16)>>());
}
