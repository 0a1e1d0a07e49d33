//! What a token allows, and how keys and tokens are made: by the program, as a person does.

use std::path::Path;
use std::process::Command;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{CreateRequest, FileInfo, UploadStatus, path};
use longhaul_server::permits::{Permits, Scope, TypePattern};
use longhaul_server::store::Owner;
use longhaul_server::token::Grant;

use crate::owners::{BODY, server, signed};
use crate::program::{command, refused, start, terminate};
use crate::support::{Answer, Connection, Request, create_request, one_request};

/// A token of one owner's.
fn token(permits: Permits) -> String {
    signed(&Grant { permits, ..Grant::of(Owner("alice".into())) })
}

fn types(patterns: &[&str]) -> Permits {
    let types = patterns.iter().map(|text| TypePattern::parse(text).unwrap()).collect();
    Permits { types: Some(types), ..Permits::of_owner() }
}

fn of_type(media_type: &str) -> CreateRequest {
    let mut request = create_request(BODY.len() as u64);
    request.meta.media_type = media_type.into();
    request
}

fn begin(request: &CreateRequest) -> Request {
    Request::new("POST", path::UPLOADS).json(request)
}

#[test]
fn a_file_that_is_larger_than_the_token_allows_is_begun_in_no_way() {
    let server = server();
    let token = token(Permits { size_max: Some(BODY.len() as u64), ..Permits::of_owner() });
    let send = |request: Request| server.send(request.bearer(&token));
    let (fits, longer) = (create_request(5), create_request(6));
    let refused = |answer: Answer| {
        let problem = answer.problem(ProblemCode::TooLarge);
        assert_eq!(problem.facts.limit, Some(5), "{}", problem.detail);
        assert!(problem.detail.contains("the token allows 5"), "{}", problem.detail);
    };
    refused(send(begin(&longer)));
    refused(send(one_request(&longer, b"longer").body(b"longer")));
    assert_eq!(send(begin(&fits)).status, 201);
    assert_eq!(send(one_request(&fits, BODY).body(BODY)).status, 201);
}

#[test]
fn a_file_of_a_type_that_the_token_does_not_allow_is_begun_in_no_way() {
    let server = server();
    let token = token(types(&["image/*", "application/pdf"]));
    let send = |request: Request| server.send(request.bearer(&token));
    for (media_type, is_allowed) in [
        ("image/png", true),
        ("image/svg+xml", true),
        ("application/pdf; version=1", true),
        ("APPLICATION/PDF", true),
        ("application/pdfx", false),
        ("text/html", false),
        ("text/html; image/png", false),
        ("", false),
    ] {
        let request = of_type(media_type);
        for answer in [send(begin(&request)), send(one_request(&request, BODY).body(BODY))] {
            if is_allowed {
                assert_eq!(answer.status, 201, "{media_type}");
                continue;
            }
            let problem = answer.problem(ProblemCode::TypeNotAllowed);
            for part in ["`image/*`, `application/pdf`", media_type] {
                assert!(problem.detail.contains(part), "{}", problem.detail);
            }
        }
    }
}

#[test]
fn no_server_starts_with_a_public_key_that_it_would_take_for_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("page.pub");
    let public = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    for (text, what) in [
        (format!("ssh-ed25519 {public} page"), "a key of OpenSSH"),
        (format!("# of the page\n-----BEGIN PUBLIC KEY-----\n{public}"), "something before it"),
        (format!("{{\"kty\": \"OKP\", \"x\": \"{public}\"}}"), "a JWK"),
    ] {
        std::fs::write(&key, &text).unwrap();
        assert!(Command::new("chmod").arg("600").arg(&key).status().unwrap().success());
        for asked in [&[][..], &["--check-config"]] {
            let mut command = command(dir.path());
            let said = refused(command.arg("--token-key").arg(&key).args(asked));
            assert!(said.contains(what) && said.contains("BEGIN PUBLIC KEY"), "{said}");
        }
    }
}

#[test]
fn what_the_scope_does_not_allow_is_refused_with_its_name() {
    let server = server();
    let token = token(Permits::only([Scope::Upload, Scope::Admin]));
    let answer = server.send(Request::new("GET", path::FILES).bearer(&token));
    let problem = answer.problem(ProblemCode::InsufficientScope);
    assert!(problem.detail.contains("`read`") && problem.detail.contains("`upload admin`"));
    let challenge = "Bearer realm=\"longhaul\", error=\"insufficient_scope\", scope=\"read\"";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(server.send(begin(&create_request(1)).bearer(&token)).status, 201);
}

/// What the program prints when it is told to make something.
fn made(args: &[&str]) -> String {
    let output = program(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    command.args(args);
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_server_with_the_public_half_of_a_key_believes_what_the_private_one_signs() {
    let dir = tempfile::tempdir().unwrap();
    let (private, secret) = (dir.path().join("token.key"), dir.path().join("secret"));
    let said = made(&["key", "--out", text(&private)]);
    let public = format!("{}.pub", text(&private));
    assert!(said.contains(&format!("--token-key {public}")), "{said}");
    made(&["key", "--out", text(&secret), "--algorithm", "hs256"]);
    let token = |key: &Path, more: &[&str]| {
        let args = ["token", "--key", text(key), "--owner", "alice", "--expires", "1h"];
        made(&[&args[..], more].concat())
    };
    let mut both = command(&dir.path().join("data"));
    both.args(["--token-key", &public, "--token-key", text(&secret)]);
    let (child, address) = start(both);
    let send = |request: Request, token: &str| Connection::to(address).send(request.bearer(token));
    let made_by_both = [token(&private, &[]), token(&secret, &[])];
    for token in &made_by_both {
        let upload: UploadStatus = send(begin(&create_request(1)), token).ok(201);
        assert_eq!(send(Request::new("DELETE", &path::upload(upload.id)), token).status, 204);
    }
    let scopes =
        ["--scope", "upload", "--max-size", "5", "--type", "image/*", "--type", "text/css"];
    let limited = token(&private, &scopes);
    send(begin(&of_type("text/html")), &limited).problem(ProblemCode::TypeNotAllowed);
    send(begin(&create_request(6)), &limited).problem(ProblemCode::TooLarge);
    send(Request::new("GET", path::FILES), &limited).problem(ProblemCode::InsufficientScope);
    let css = one_request(&of_type("text/css"), BODY).body(BODY);
    send(css, &limited).ok::<FileInfo>(201);
    terminate(child);

    // The secret has had its time; and what judges cannot sign.
    let mut one = command(&dir.path().join("data"));
    one.args(["--token-key", &public]);
    let (child, address) = start(one);
    let list =
        |token: &str| Connection::to(address).send(Request::new("GET", path::FILES).bearer(token));
    assert_eq!(list(&made_by_both[0]).status, 200);
    list(&made_by_both[1]).problem(ProblemCode::Unauthorized);
    terminate(child);
    let args = ["token", "--key", &public, "--owner", "alice", "--expires", "1h"];
    let said = refused(&mut program(&args));
    assert!(said.contains("private"), "{said}");
}

/// Guests are signed for by the server itself, which has no more than a public key.
#[test]
fn guests_are_let_in_beside_those_whose_tokens_others_sign() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("token.key");
    made(&["key", "--out", text(&private)]);
    let mut guests = command(&dir.path().join("data"));
    guests.args(["--token-key", &format!("{}.pub", text(&private)), "--allow-anonymous"]);
    let (child, address) = start(guests);
    let begun = Connection::to(address).send(begin(&create_request(1)));
    let token = begun.header("upload-token").expect("a guest's token").to_owned();
    let upload: UploadStatus = begun.ok(201);
    let status = Request::new("GET", &path::upload(upload.id));
    assert_eq!(Connection::to(address).send(status.clone().bearer(&token)).status, 200);
    let args = ["token", "--key", text(&private), "--owner", "alice", "--expires", "1h"];
    let alices = made(&args);
    Connection::to(address).send(status.bearer(&alices)).problem(ProblemCode::NotFound);
    terminate(child);
}

#[test]
fn a_key_is_never_written_over_and_no_more_are_taken_than_are_tried() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("token.key");
    made(&["key", "--out", text(&key)]);
    let said = refused(&mut program(&["key", "--out", text(&key)]));
    assert!(said.contains("is there already"), "{said}");
    let mut many = command(&dir.path().join("data"));
    many.args(["--token-key", text(&key)].repeat(9));
    let said = refused(&mut many);
    assert!(said.contains("9 keys"), "{said}");
}

#[test]
fn what_a_token_may_say_is_explained() {
    let help = made(&["token", "--help"]);
    for part in
        ["--scope", "`upload`", "--max-size", "--type", "Examples:", "Authorization: Bearer"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
    let help = made(&["key", "--help"]);
    for part in ["--token-key NEW --token-key OLD", "FILE.pub"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}
