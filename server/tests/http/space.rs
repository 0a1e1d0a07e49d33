//! Room, over the wire: who may keep no more is told so before the first byte.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{FileInfo, UploadList, UploadStatus, path};
use longhaul_server::access::Access;

use crate::owners::{key, token};
use crate::program::{command, start, terminate};
use crate::support::{Answer, CHUNK, Connection, Request, Server, bytes, create_request};
use crate::support::{chunk, one_request};

fn begin(server: &Server, owner: &str, size: u64) -> Answer {
    let create = Request::new("POST", path::UPLOADS).json(&create_request(size));
    server.send(create.bearer(&token(owner)))
}

#[test]
fn an_owner_who_keeps_as_much_as_they_may_is_told_so_and_the_others_are_not() {
    let server = Server::start_with_disk(
        |config| config.access = Access::Tokens(key().into()),
        |disk| disk.bytes_per_owner_max = Some(2 * CHUNK),
    );
    let alice = token("alice");
    let whole = bytes(CHUNK as usize);
    let small = |owner: &str| {
        one_request(&create_request(CHUNK), &whole).body(&whole).bearer(&token(owner))
    };
    let file: FileInfo = server.send(small("alice")).ok(201);
    let problem = begin(&server, "alice", CHUNK + 1).problem(ProblemCode::NoSpace);
    assert!(!problem.retryable);
    let detail = problem.detail;
    assert!(detail.contains(&CHUNK.to_string()), "how much is in use is told: {detail}");
    assert!(detail.contains(&(2 * CHUNK).to_string()), "and how much may be: {detail}");

    let open: UploadStatus = begin(&server, "alice", CHUNK).ok(201);
    begin(&server, "alice", 1).problem(ProblemCode::NoSpace);
    server.send(small("alice")).problem(ProblemCode::NoSpace);
    let list = Request::new("GET", path::UPLOADS).bearer(&alice);
    let listed: UploadList = server.send(list).ok(200);
    assert_eq!(listed.uploads.len(), 1, "what was refused was not begun");
    let put = chunk(open.id, 0, &whole).body(&whole).bearer(&alice);
    assert_eq!(server.send(put).status, 204, "what was begun can be finished");
    begin(&server, "bob", 2 * CHUNK).ok::<UploadStatus>(201);

    let delete = Request::new("DELETE", &path::file(file.id)).bearer(&alice);
    assert_eq!(server.send(delete).status, 204);
    begin(&server, "alice", CHUNK).ok::<UploadStatus>(201);
}

#[test]
fn an_owner_with_as_many_open_uploads_as_may_be_is_asked_to_wait_until_one_is_through() {
    let server = Server::start_with_disk(
        |config| config.access = Access::Tokens(key().into()),
        |disk| disk.uploads_per_owner_max = 2,
    );
    let [first, _] = [(); 2].map(|()| begin(&server, "alice", 5).ok::<UploadStatus>(201));
    let refused = begin(&server, "alice", 5);
    let problem = refused.problem(ProblemCode::TooManyRequests);
    assert!(problem.retryable && problem.detail.contains("2 uploads"), "{}", problem.detail);
    assert_eq!(refused.header("retry-after"), Some("5"));
    begin(&server, "bob", 5).ok::<UploadStatus>(201);
    let cancel = Request::new("DELETE", &path::upload(first.id)).bearer(&token("alice"));
    assert_eq!(server.send(cancel).status, 204);
    begin(&server, "alice", 5).ok::<UploadStatus>(201);
}

#[test]
fn a_file_larger_than_the_server_takes_is_refused_with_how_large_it_may_be() {
    let server = Server::start_with(|config| config.file_bytes_max = Some(CHUNK));
    let create = |size| Request::new("POST", path::UPLOADS).json(&create_request(size));
    assert_eq!(server.send(create(CHUNK)).status, 201);
    let problem = server.send(create(CHUNK + 1)).problem(ProblemCode::TooLarge);
    assert_eq!(problem.facts.limit, Some(CHUNK));
    let small = one_request(&create_request(CHUNK + 1), b"x").body(b"x");
    server.send(small).problem(ProblemCode::TooLarge);
}

#[test]
fn each_bound_of_the_command_line_is_kept() {
    for (bound, bytes, code) in [
        ("--owner-bytes-max", "9", ProblemCode::NoSpace),
        ("--total-bytes-max", "9", ProblemCode::NoSpace),
        ("--disk-free-min", "1152921504606846976", ProblemCode::NoSpace),
        ("--file-bytes-max", "9", ProblemCode::TooLarge),
        ("--owner-uploads-max", "0", ProblemCode::TooManyRequests),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut program = command(data.path());
        program.args([bound, bytes]);
        let (child, address) = start(program);
        let create = Request::new("POST", path::UPLOADS).json(&create_request(10));
        Connection::to(address).send(create).problem(code);
        terminate(child);
    }
}
