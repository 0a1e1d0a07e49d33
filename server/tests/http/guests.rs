//! Guests: let in without a token, given one, and met again by it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{FileInfo, FileList, UploadList, UploadStatus, path};
use longhaul_protocol::{Digest, ProblemCode, digest};
use longhaul_server::access::Access;
use longhaul_server::permits::{Permits, Scope, Scopes};
use longhaul_server::store::Owner;
use longhaul_server::token::Grant;

use crate::owners::{BODY, Verb, belongings, key, signed, token, verbs};
use crate::program::{command, refused, start, terminate};
use crate::support::{Answer, Connection, Request, Server, chunk, create_request, one_request};

fn server() -> Server {
    Server::start_with(|config| {
        config.access = Access::Guests { keys: key().into(), guests: Box::new(key()) };
        config.allow_origins = vec!["https://app.example".into()];
    })
}

fn create() -> Request {
    Request::new("POST", path::UPLOADS).json(&create_request(BODY.len() as u64))
}

fn kept(answer: &Answer) -> String {
    answer.header("upload-token").expect("a token").to_owned()
}

#[test]
fn a_guest_is_given_a_token_and_is_met_again_by_it() {
    let server = server();
    let begun = server.send(create());
    let token = kept(&begun);
    let upload: UploadStatus = begun.ok(201);
    assert_eq!(begun.header("cache-control"), Some("no-store"));
    assert!(key().judge(&token).unwrap().owner.is_guest());
    let put = chunk(upload.id, 0, BODY).body(BODY);
    assert_eq!(server.send(put.bearer(&token)).status, 204);
    let root = digest::root([Digest::of(BODY)]);
    let seal = Request::new("POST", &path::seal(upload.id))
        .json(&longhaul_protocol::wire::SealRequest { root });
    let sealed = server.send(seal.bearer(&token));
    assert_eq!(sealed.header("upload-token"), None);
    let file: FileInfo = sealed.ok(201);
    let files: FileList = server.send(Request::new("GET", path::FILES).bearer(&token)).ok(200);
    assert_eq!(files.files.as_slice(), std::slice::from_ref(&file));
    let got = server.send(Request::new("GET", &path::file(file.id)).bearer(&token));
    assert_eq!(got.body, BODY);
}

#[test]
fn a_file_in_one_request_makes_a_guest_too() {
    let server = server();
    let create = create_request(BODY.len() as u64);
    let made = server.send(one_request(&create, BODY).body(BODY));
    let token = kept(&made);
    let file: FileInfo = made.ok(201);
    assert_eq!(server.send(Request::new("GET", &path::file(file.id)).bearer(&token)).body, BODY);
}

#[test]
fn a_guest_stays_the_same_and_his_token_is_renewed_with_each_upload() {
    let server = server();
    let first = kept(&server.send(create()));
    let renewed = kept(&server.send(create().bearer(&first)));
    assert_eq!(key().judge(&first), key().judge(&renewed));
    let uploads: UploadList =
        server.send(Request::new("GET", path::UPLOADS).bearer(&renewed)).ok(200);
    assert_eq!(uploads.uploads.len(), 2);
}

/// Whoever has the key may have signed one that allows less, to give it away.
#[test]
fn a_guests_token_that_allows_less_is_not_exchanged_for_one_that_allows_all() {
    let server = server();
    let owner = Owner::new_guest().unwrap();
    let all = Permits::of_owner();
    let scopes = Scopes::from_iter([Scope::Upload]);
    for permits in [Permits { scopes, ..all.clone() }, Permits { size_max: Some(5), ..all }] {
        let less = signed(&Grant { owner: owner.clone(), permits });
        for (request, status) in [(create(), 201), (Request::new("POST", path::GUESTS), 204)] {
            let answer = server.send(request.bearer(&less));
            assert_eq!((answer.status, answer.header("upload-token")), (status, None));
        }
    }
}

#[test]
fn guests_are_strangers_to_each_other_and_to_owners() {
    let server = server();
    let (one, other) = (kept(&server.send(create())), kept(&server.send(create())));
    assert_ne!(key().judge(&one), key().judge(&other));
    let (upload, file) = belongings(&server, &one);
    let owner = token("alice");
    assert_eq!(server.send(create().bearer(&owner)).header("upload-token"), None);
    for Verb { request, other: expected, .. } in verbs(upload, file) {
        for token in [&other, &owner] {
            let answer = server.send(request.clone().bearer(token));
            assert_eq!(answer.status, expected, "{request:?}");
        }
    }
}

#[test]
fn without_a_token_nothing_is_listed_and_nothing_is_found() {
    let server = server();
    let (upload, file) = belongings(&server, &kept(&server.send(create())));
    let nothing = verbs(UploadId([1; 16]), FileId([2; 16]));
    for (verb, of_nothing) in verbs(upload, file).into_iter().zip(nothing) {
        let answer = server.send(verb.request.clone());
        assert_eq!(answer.status, verb.other, "{:?}", verb.request);
        if verb.names() {
            let missing = server.send(of_nothing.request);
            assert!(answer.is_told_apart_from(&missing).is_none(), "{:?}", verb.request);
        }
    }
    assert_eq!(server.get(path::UPLOADS).ok::<UploadList>(200), UploadList::default());
    assert_eq!(server.get(path::FILES).ok::<FileList>(200), FileList::default());
}

#[test]
fn a_token_that_is_not_valid_makes_no_guest() {
    let server = server();
    let other = longhaul_server::token::TokenKey::new(&[7; 32]).unwrap();
    let lost = other
        .sign(&Grant::of(Owner::new_guest().unwrap()), std::time::Duration::from_secs(60))
        .unwrap();
    for request in [create(), Request::new("GET", path::FILES)] {
        let answer = server.send(request.bearer(&lost));
        answer.problem(ProblemCode::Unauthorized);
        assert_eq!(answer.header("upload-token"), None);
    }
}

#[test]
fn a_page_of_another_origin_can_read_the_token_only_if_it_is_allowed() {
    let server = server();
    let allowed = server.send(create().header("origin", "https://app.example"));
    kept(&allowed);
    let exposed = allowed.header("access-control-expose-headers").unwrap();
    assert!(exposed.split(", ").any(|name| name == "upload-token"), "{exposed}");
    let foreign = server.send(create().header("origin", "https://evil.example"));
    foreign.problem(ProblemCode::ForeignOrigin);
    assert_eq!(foreign.header("upload-token"), None);
}

fn longhaul(data: &Path, args: &[&str]) -> Command {
    let mut command = command(data);
    command.args(args);
    command
}

/// The second start listens on every address, which is fine for a server that lets guests in.
#[test]
fn a_guest_is_met_again_after_a_restart_and_no_token_is_ever_logged() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(longhaul(data.path(), &["--allow-anonymous", "--log", "trace"]));
    let begun = Connection::to(address).send(create());
    let token = kept(&begun);
    let upload: UploadStatus = begun.ok(201);
    let first = terminate(child);
    let mode = std::fs::metadata(data.path().join("token.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut everywhere = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    everywhere.arg("--data").arg(data.path());
    everywhere.args(["--listen", "0.0.0.0:0", "--allow-anonymous", "--log", "trace"]);
    everywhere.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, mut address) = start(everywhere);
    address.set_ip([127, 0, 0, 1].into());
    let status = Request::new("GET", &path::upload(upload.id));
    let found: UploadStatus = Connection::to(address).send(status.clone().bearer(&token)).ok(200);
    assert_eq!(found.id, upload.id);
    Connection::to(address).send(status.clone()).problem(ProblemCode::NotFound);
    let by_address = status.header("host", "192.0.2.7").bearer(&token);
    Connection::to(address).send(by_address).problem(ProblemCode::Misdirected);
    let second = terminate(child);

    let secret = std::fs::read_to_string(data.path().join("token.key")).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    for output in [first, second] {
        let log = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        assert!(log.contains(&upload.id.to_string()), "it does log");
        assert!(!log.contains(signature) && !log.contains(secret.trim()), "{log}");
    }
}

fn make_token(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    command.arg("token").args(args);
    command
}

#[test]
fn a_token_made_by_the_program_opens_its_owners_files_and_no_others() {
    let data = tempfile::tempdir().unwrap();
    let key = data.path().join("key");
    let key_path = key.to_str().unwrap();
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let made = |owner| {
        let output =
            make_token(&["--key", key_path, "--owner", owner, "--expires", "1h"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let (child, address) = start(longhaul(&data.path().join("data"), &["--token-key", key_path]));
    let send = |request| Connection::to(address).send(request);
    send(create()).problem(ProblemCode::Unauthorized);
    let upload: UploadStatus = send(create().bearer(&made("alice"))).ok(201);
    let status = Request::new("GET", &path::upload(upload.id));
    assert_eq!(send(status.clone().bearer(&made("alice"))).status, 200);
    send(status.bearer(&made("bob"))).problem(ProblemCode::NotFound);
    terminate(child);
    assert!(!data.path().join("data/token.key").exists(), "none is made where one is given");
    let guest = make_token(&["--key", key_path, "--owner", "guest:1", "--expires", "1h"]).output();
    assert!(!guest.unwrap().status.success());
}

#[test]
fn a_key_that_is_no_secret_keeps_it_from_starting() {
    let data = tempfile::tempdir().unwrap();
    let key = data.path().join("key");
    let key_path = key.to_str().unwrap();
    let missing = refused(&mut longhaul(data.path(), &["--token-key", key_path]));
    assert!(missing.contains(key_path) && missing.contains("longhaul-server key"), "{missing}");
    for (bytes, mode, says) in
        [([7; 31].as_slice(), 0o600, "31 bytes"), ([7; 32].as_slice(), 0o644, "mode is 644")]
    {
        std::fs::write(&key, bytes).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let said = refused(&mut longhaul(data.path(), &["--token-key", key_path]));
        assert!(said.contains(says) && !said.contains("panicked"), "{said}");
        let said =
            refused(&mut make_token(&["--key", key_path, "--owner", "a", "--expires", "1h"]));
        assert!(said.contains(says), "{said}");
    }
    assert!(!data.path().join("index.redb").exists(), "nothing was begun");
}
