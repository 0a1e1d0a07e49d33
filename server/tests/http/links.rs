//! Links to files: who has one reads one file until its time, and nothing else.

use std::time::Duration;

use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link::{LinkInfo, LinkRequest};
use longhaul_protocol::wire::{FileList, Manifest, path};
use longhaul_protocol::{Millis, ProblemCode};
use longhaul_server::link::{Link, now};
use serde_json::json;

use crate::owners::{BODY, belongings, server, token};
use crate::support::{Answer, Request, Server, links};

fn ask(file: FileId, request: &LinkRequest) -> Request {
    Request::new("POST", &path::links(file)).json(request)
}

fn lasting(lasts_seconds: u64) -> LinkRequest {
    LinkRequest { lasts_seconds, name: None }
}

/// A link to a file of alice's, as the path that a browser asks for.
fn link(server: &Server, file: FileId, request: &LinkRequest) -> String {
    let link: LinkInfo = server.send(ask(file, request).bearer(&token("alice"))).ok(201);
    link.url.strip_prefix("http://localhost").expect("an absolute address").to_owned()
}

/// What is signed by the server's own key.
fn signed(file: FileId, expires_at: Millis, name: Option<&str>) -> String {
    links().sign(&Link { file, expires_at, name: name.map(str::to_owned) })
}

fn refused(answer: &Answer, why: &str) {
    let problem = answer.problem(ProblemCode::LinkRefused);
    assert!(problem.detail.contains(why), "{} lacks {why}", problem.detail);
}

#[test]
fn whoever_has_a_link_reads_the_file_with_ranges_and_its_manifest() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let link = link(&server, file, &lasting(60));
    let query = link.split_once('?').unwrap().1;
    let whole = server.get(&link);
    assert_eq!((whole.status, &whole.body[..]), (200, BODY));
    assert_eq!(whole.header("content-security-policy").unwrap().split(';').next(), Some("sandbox"));
    let part = server.send(Request::new("GET", &link).header("range", "bytes=1-2"));
    assert_eq!((part.status, &part.body[..]), (206, &BODY[1..3]));
    assert_eq!(server.send(Request::new("HEAD", &link)).status, 200);
    let manifest = format!("{}?start=0&{query}", path::manifest(file));
    let manifest: Manifest = server.get(&manifest).ok(200);
    assert_eq!((manifest.file.id, manifest.file.size), (file, BODY.len() as u64));
    let etag = whole.header("etag").unwrap().to_owned();
    assert_eq!(server.send(Request::new("GET", &link).header("if-none-match", &etag)).status, 304);
    // Whatever token comes with it.
    for token in [token("bob"), token("alice"), "x".to_owned()] {
        assert_eq!(server.send(Request::new("GET", &link).bearer(&token)).status, 200);
    }
}

#[test]
fn a_link_is_absolute_and_tells_its_time() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let before = now().0;
    let request = ask(file, &lasting(3600)).bearer(&token("alice"));
    let answer = server.send(request.header("host", "127.0.0.1:8443"));
    let told: LinkInfo = answer.ok(201);
    assert_eq!(answer.header("location"), Some(told.url.as_str()));
    assert!(told.url.starts_with(&format!("http://127.0.0.1:8443{}?", path::file(file))));
    assert!((before + 3_600_000..=now().0 + 3_600_000).contains(&told.expires_at.0));
    assert!(told.url.contains(&format!("expires={}", told.expires_at.0)), "{}", told.url);
}

#[test]
fn a_link_can_give_the_file_another_name() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let request = LinkRequest { name: Some("Grüße \"1\".txt".into()), ..lasting(60) };
    let named = server.get(&link(&server, file, &request));
    let disposition =
        "attachment; filename=\"Gr__e _1_.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.txt";
    assert_eq!(named.header("content-disposition"), Some(disposition));
    for name in ["", "a/b", "..", "a\r\nset-cookie: b", "a\0"] {
        let request = LinkRequest { name: Some(name.into()), ..lasting(60) };
        let answer = server.send(ask(file, &request).bearer(&token("alice")));
        answer.problem(ProblemCode::InvalidName);
    }
}

#[test]
fn a_link_is_good_for_so_long_as_was_asked_for() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    for lasts in [json!(0), json!(2_678_401), json!(u64::MAX)] {
        let request =
            Request::new("POST", &path::links(file)).json(&json!({"lastsSeconds": lasts}));
        server.send(request.bearer(&token("alice"))).problem(ProblemCode::InvalidRequest);
    }
    for body in [json!({}), json!({"lastsSeconds": -1}), json!({"lastsSeconds": "60"}), json!([])] {
        let request = Request::new("POST", &path::links(file)).json(&body);
        server.send(request.bearer(&token("alice"))).problem(ProblemCode::InvalidJson);
    }
    let link = link(&server, file, &lasting(1));
    let answer = server.get(&link);
    assert_eq!(answer.status, 200);
    let kept = answer.header("cache-control").unwrap();
    assert!(kept.starts_with("private, max-age=0, "), "a cache has it for longer: {kept}");
    std::thread::sleep(Duration::from_millis(1100));
    refused(&server.get(&link), "has expired");
}

#[test]
fn a_link_that_is_over_is_followed_no_more_however_often_it_was() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let past = |ms| format!("{}?{}", path::file(file), signed(file, Millis(now().0 - ms), None));
    for ms in [0, 1, 3_600_000] {
        refused(&server.get(&past(ms)), "has expired");
        let as_owner = Request::new("GET", &past(ms)).bearer(&token("alice"));
        refused(&server.send(as_owner), "has expired");
    }
}

#[test]
fn a_link_that_was_tampered_with_is_refused_whatever_was_changed() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let (_, other) = belongings(&server, &token("alice"));
    let expires = Millis(now().0 + 60_000);
    let query = signed(file, expires, Some("a.txt"));
    let at = |file: FileId, query: &str| format!("{}?{query}", path::file(file));
    assert_eq!(server.get(&at(file, &query)).status, 200);
    let later = (expires.0 + 1).to_string();
    let (rest, signature) = query.rsplit_once('=').unwrap();
    let changed_signature = if signature.starts_with('A') { "B" } else { "A" };
    for (path, why) in [
        (at(other, &query), "was changed"),
        (at(file, &query.replace(&expires.0.to_string(), &later)), "was changed"),
        (at(file, &query.replace("a.txt", "a.exe")), "was changed"),
        (at(file, &query.replace("name=a.txt&", "")), "was changed"),
        (at(file, &format!("{rest}={changed_signature}{}", &signature[1..])), "was changed"),
        (at(file, &format!("{rest}=")), "was changed"),
        (at(file, &format!("signature={signature}")), "not whole"),
        (at(file, rest.strip_suffix("&signature").unwrap()), "not whole"),
        (at(file, &format!("{query}&name=b.txt")), "not whole"),
        (at(file, &format!("{query}&signature={signature}")), "not whole"),
        (format!("{}?{query}", path::manifest(other)), "was changed"),
        (at(FileId([1; 16]), &query), "was changed"),
    ] {
        refused(&server.get(&path), why);
        assert_eq!(server.send(Request::new("HEAD", &path)).status, 403, "{path}");
        // No token makes a bad link good, and no missing file is told from one that is there.
        refused(&server.send(Request::new("GET", &path).bearer(&token("alice"))), why);
    }
}

#[test]
fn a_link_is_for_no_other_verb_also_where_nobody_is_asked() {
    let asked = server();
    let alice = token("alice");
    let free = Server::start();
    for (server, alice) in [(&asked, Some(&alice)), (&free, None)] {
        let (upload, file) = belongings(server, alice.map_or("x", String::as_str));
        let query = signed(file, Millis(now().0 + 60_000), None);
        for (method, path) in [
            ("DELETE", path::file(file)),
            ("POST", path::links(file)),
            ("GET", path::FILES.to_owned()),
            ("POST", path::FILES.to_owned()),
            ("GET", path::UPLOADS.to_owned()),
            ("POST", path::UPLOADS.to_owned()),
            ("GET", path::upload(upload)),
            ("GET", path::content(upload)),
            ("DELETE", path::upload(upload)),
        ] {
            let request = Request::new(method, &format!("{path}?{query}"));
            refused(&server.send(request), "nothing else");
        }
        let get = Request::new("GET", &path::file(file));
        let get = alice.map_or(get.clone(), |token| get.bearer(token));
        assert_eq!(server.send(get).body, BODY, "nothing was done");
    }
}

#[test]
fn a_link_ends_with_its_file_and_is_given_out_by_its_owner_only() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let link = link(&server, file, &lasting(60));
    for id in [file, FileId([1; 16])] {
        let answer = server.send(ask(id, &lasting(60)).bearer(&token("bob")));
        answer.problem(ProblemCode::NotFound);
    }
    let delete = Request::new("DELETE", &path::file(file)).bearer(&token("alice"));
    assert_eq!(server.send(delete).status, 204);
    server.get(&link).problem(ProblemCode::NotFound);
    // Without a token nobody gets one; and a link of nobody's is not even looked for.
    server.send(ask(file, &lasting(60))).problem(ProblemCode::Unauthorized);
    let files: FileList =
        server.send(Request::new("GET", path::FILES).bearer(&token("alice"))).ok(200);
    assert!(files.files.is_empty());
}
