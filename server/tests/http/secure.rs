//! Every kind of answer has the headers that keep a browser from making more of it than it is. What they
//! are is in `document.rs`, which looks at each answer that any of these tests gets; here is one of each.

use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link::LinkInfo;
use longhaul_protocol::wire::path;
use serde_json::json;

use crate::document::check_is_secure;
use crate::support::{Answer, Request, Server, bytes, create_request};

fn site() -> tempfile::TempDir {
    let www = tempfile::tempdir().unwrap();
    std::fs::create_dir(www.path().join("below")).unwrap();
    for name in ["index.html", "below/index.html", "picture.svg"] {
        std::fs::write(www.path().join(name), "<!doctype html>").unwrap();
    }
    www
}

#[test]
fn every_kind_of_answer_is_secure() {
    let www = site();
    let server = Server::start_with(|config| config.www = Some(www.path().to_owned()));
    let file = server.file(&bytes(1000));
    let upload = server.create(1000);
    let [known, link] = [format!("\"{}-1\"", file.root), path::links(file.id)];
    let link = Request::new("POST", &link).json(&json!({ "lastsSeconds": 60 }));
    let link: LinkInfo = server.send(link).ok(201);
    let link = link.url.strip_prefix("http://localhost").unwrap().to_owned();
    let get = |path: &str| Request::new("GET", path);
    for (request, status, resource) in [
        (get("/"), 200, "cross-origin"),
        (get("/picture.svg"), 200, "cross-origin"),
        (get("/picture.svg").header("range", "bytes=0-1"), 206, "cross-origin"),
        (get("/picture.svg").header("range", "bytes=99-"), 416, "cross-origin"),
        (get("/picture.svg").header("if-modified-since", FAR), 304, "cross-origin"),
        (get("/below"), 307, "cross-origin"),
        (get("/none"), 404, "same-site"),
        (get("/v1/none"), 404, "same-site"),
        (get(path::UPLOADS), 200, "same-site"),
        (get(path::PROBLEMS), 200, "same-site"),
        (get(path::HEALTHZ), 200, "same-site"),
        (get(path::OPENAPI), 200, "same-site"),
        (get(&path::file(file.id)), 200, "same-site"),
        (get(&path::file(file.id)).header("range", "bytes=0-1"), 206, "same-site"),
        (get(&path::file(file.id)).header("range", "bytes=0-1,900-901"), 206, "same-site"),
        (get(&path::file(file.id)).header("range", "bytes=9999-"), 416, "same-site"),
        (get(&path::file(file.id)).header("if-none-match", &known), 304, "same-site"),
        (get(&path::file(file.id)).header("if-match", "\"x\""), 412, "same-site"),
        (get(&path::file(FileId([1; 16]))), 404, "same-site"),
        (get(&link), 200, "cross-origin"),
        (get(&link).header("range", "bytes=0-1"), 206, "cross-origin"),
        (get(&format!("{link}x")), 403, "same-site"),
        (get("/").header("host", "evil.example"), 421, "same-site"),
        (get("/").header("host", "a b"), 400, "same-site"),
        (Request::new("PUT", path::UPLOADS), 405, "same-site"),
        (Request::new("OPTIONS", path::UPLOADS), 204, "same-site"),
        (Request::new("HEAD", &path::file(file.id)), 200, "same-site"),
        (Request::new("POST", path::UPLOADS).header("origin", "null"), 403, "same-site"),
        (Request::new("POST", path::UPLOADS).json(&create_request(1)), 201, "same-site"),
        (Request::new("POST", path::UPLOADS).text_json(b"{"), 400, "same-site"),
        (Request::new("DELETE", &path::upload(upload.id)), 204, "same-site"),
    ] {
        let what = format!("{} {}", request.method, request.path);
        let answer: Answer = server.send(request);
        assert_eq!(answer.status, status, "{what}");
        check_is_secure(&answer, &what);
        assert_eq!(answer.header("cross-origin-resource-policy"), Some(resource), "{what}");
    }
}

const FAR: &str = "Fri, 31 Dec 2100 23:59:59 GMT";
