//! What a stranger writes is never a path here, and never ends a header: every string that the server takes
//! is tried with what would lead out of its folders, or into the next line.

use std::collections::BTreeSet;
use std::path::Path;

use longhaul_protocol::Digest;
use longhaul_protocol::wire::header::UPLOAD_CREATE;
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use serde_json::{Value, json};

use crate::program::{command, start, terminate};
use crate::support::{Answer, Connection, Request};

/// What lies beside the folders, and must come out in no answer.
const CANARY: &str = "the canary sings";

/// Ways out of a folder, and into another one.
const WAYS: [&str; 22] = [
    "../secret.txt",
    "../../secret.txt",
    "..\\..\\secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "....//secret.txt",
    "..",
    ".",
    "./secret.txt",
    "a/../../secret.txt",
    "%2e%2e%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "..%5csecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%c0%afsecret.txt",
    "secret.txt%00.html",
    "file:///etc/passwd",
    "C:\\secret.txt",
    "\\\\host\\share",
    "~/secret.txt",
    "blobs/../../secret.txt",
];

/// What would end a header, a quoted string or a line of a log.
const BREAKS: [&str; 9] = [
    "a\r\nx-injected: 1",
    "a\nx-injected: 1",
    "a\rx-injected: 1",
    "a\r\n\r\nHTTP/1.1 200 OK\r\nx-injected: 1",
    "a\"; x-injected=\"1",
    "a\u{2028}x-injected: 1",
    "a\0x-injected: 1",
    "a\u{85}x-injected: 1",
    "\u{1b}[2Jx-injected",
];

/// Nothing of what is beside the folders, and no header that a caller wrote.
fn is_harmless(answer: &Answer, what: &str) {
    let body = String::from_utf8_lossy(&answer.body);
    assert!(!body.contains(CANARY) && !body.contains("root:x:"), "{what}: {body}");
    for (name, value) in answer.headers() {
        assert_ne!(name, "x-injected", "{what}");
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{what}: {name}: {value}");
    }
    assert!(answer.status < 500, "{what}: {} {body}", answer.status);
}

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => files(&entry.path()).iter().map(|it| format!("{name}/{it}")).collect(),
                false => vec![name],
            }
        })
        .collect()
}

/// The server's folder, its site's, and the canary beside both.
fn ground() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("www")).unwrap();
    std::fs::write(root.path().join("www/index.html"), "<!doctype html>").unwrap();
    std::fs::write(root.path().join("secret.txt"), CANARY).unwrap();
    root
}

/// Requests that have this text wherever one may stand in a path or a query.
fn addressed(text: &str, file: &FileInfo) -> Vec<Request> {
    let get = |path: String| Request::new("GET", &path);
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let of_file = path::file(file.id);
    let mut all = vec![
        get(format!("/v1/uploads/{encoded}")),
        get(format!("/v1/files/{encoded}")),
        get(format!("/v1/files/{encoded}/manifest")),
        get(format!("{of_file}/{encoded}")),
        get(format!("/{encoded}")),
        get(format!("/v1/files?after={encoded}")),
        get(format!("/v1/uploads?after={encoded}&limit={encoded}")),
        get(format!("{of_file}/manifest?start={encoded}")),
        get(format!("{of_file}?expires=9999999999999&name={encoded}&signature={encoded}")),
        get(format!("{of_file}?expires={encoded}&signature=AAAA")),
    ];
    // As it is, where a path can have it.
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        for before in ["/", "/v1/files/", "/v1/uploads/", "/v1/", "/www/", "//"] {
            all.push(get(format!("{before}{text}")));
        }
        all.push(Request::new("DELETE", &format!("/v1/files/{text}")));
        all.push(Request::new("POST", &format!("/v1/uploads/{text}/seal")).json(&json!({})));
    }
    all
}

/// Requests that have this text wherever one may stand in a body or a header. The size is part of each, so
/// that no two are the same.
fn said(text: &str, file: &FileInfo) -> Vec<Request> {
    let plain = json!({"protocolVersion": 1, "size": 5, "name": "plain.txt"});
    let with = |changes: Value| {
        let mut create = plain.clone();
        create.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        create
    };
    let creates = [
        with(json!({"name": text})),
        with(json!({"name": "plain.txt", "relativePath": format!("{text}/plain.txt")})),
        with(json!({"relativePath": text})),
        with(json!({"type": text})),
        with(json!({"type": format!("text/plain; charset={text}")})),
        with(json!({"metadata": {text: text}})),
    ];
    let digest = Digest::of(b"hello").to_header();
    let begin = |create: &Value| Request::new("POST", path::UPLOADS).json(create);
    let in_one = |create: &Value| {
        let header = base64_of(&create.to_string());
        let request = Request::new("POST", path::FILES).header(UPLOAD_CREATE, &header);
        request.header("chunk-digest", &digest).body(b"hello")
    };
    let link = json!({"lastsSeconds": 60, "name": text});
    let mut all: Vec<_> =
        creates.iter().flat_map(|create| [begin(create), in_one(create)]).collect();
    all.push(Request::new("POST", &path::links(file.id)).json(&link));
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        all.push(begin(&plain).header("idempotency-key", text));
        all.push(begin(&plain).header("x-forwarded-host", text));
        let get = || Request::new("GET", &path::file(file.id));
        all.extend(
            ["range", "if-range", "if-none-match", "origin", "authorization", "referer"]
                .map(|name| get().header(name, text)),
        );
        all.push(get().header("host", text));
    }
    all
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn no_string_of_a_strangers_is_a_path_or_ends_a_header() {
    let root = ground();
    let (data, www) = (root.path().join("data"), root.path().join("www"));
    let mut serve = command(&data);
    serve.args(["--www", www.to_str().unwrap(), "--log", "warn"]);
    let (child, address) = start(serve);
    let mut connection = Connection::to(address);
    let create = json!({"protocolVersion": 1, "size": 5, "name": "plain.txt"});
    let in_one = Request::new("POST", path::FILES)
        .header(UPLOAD_CREATE, &base64_of(&create.to_string()))
        .header("chunk-digest", &Digest::of(b"hello").to_header());
    let file: FileInfo = connection.send(in_one.body(b"hello")).ok(201);
    let mut begun = 0;
    for text in WAYS.into_iter().chain(BREAKS) {
        for request in addressed(text, &file).into_iter().chain(said(text, &file)) {
            let what = format!("{text:?} in {} {}", request.method, request.path);
            let is_new = request.method == "POST";
            let answer = Connection::to(address).send(request);
            is_harmless(&answer, &what);
            if is_new && answer.status == 201 {
                begun += 1;
                follow(address, &answer, &what);
            }
        }
    }
    assert!(begun > 20, "some are fine as names, and were kept: {begun}");
    let output = terminate(child);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let own = ["lock", "index.redb", "index.redb.spare", "link.key"];
    for name in files(root.path()) {
        let is_own = own.iter().any(|own| name == format!("data/{own}"));
        assert!(
            is_own || is_blob(&name) || ["www/index.html", "secret.txt"].contains(&name.as_str()),
            "{name}"
        );
    }
    assert_eq!(std::fs::read_to_string(root.path().join("secret.txt")).unwrap(), CANARY);
}

/// Looks at what was taken: an upload, a file, or a link.
fn follow(address: std::net::SocketAddr, answer: &Answer, what: &str) {
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    let location = answer.header("location").unwrap();
    let at = location.strip_prefix("http://localhost").expect("one of its own names").to_owned();
    let got = Connection::to(address).send(Request::new("GET", &at));
    is_harmless(&got, what);
    assert_eq!(got.status, 200, "{what}");
    if at.starts_with("/v1/uploads/") {
        let upload: UploadStatus = got.ok(200);
        assert_eq!(json!(upload.id), told["id"], "{what}");
    } else {
        assert_eq!(got.body, b"hello", "{what}");
        let told = got.header("content-disposition").unwrap();
        assert!(told.starts_with("attachment; filename=\""), "{what}: {told}");
        assert_eq!(told.matches('"').count(), 2, "{what}: {told}");
    }
}

/// `data/blobs/<xx>/<id>`, both of the server's choice.
fn is_blob(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("data/blobs/") else { return false };
    let Some((folder, id)) = rest.split_once('/') else { return false };
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    id.len() == 32 && is_hex(id) && id.starts_with(folder) && folder.len() == 2
}
