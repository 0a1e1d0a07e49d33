//! Room, over the wire: who may keep no more is told so before the first byte.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{FileInfo, SealRequest, UploadList, UploadStatus, path};
use longhaul_server::access::Access;

use crate::owners::{key, token};
use crate::program::{command, start, terminate};
use crate::support::{Answer, CHUNK, Connection, Request, Server, bytes, create_request};
use crate::support::{chunk, one_request};

/// What the rows of three uploads or files of short names count, and not those of a fourth, bytes.
const ROWS: u64 = 8 << 10;

fn begin(server: &Server, owner: &str, size: u64) -> Answer {
    let create = Request::new("POST", path::UPLOADS).json(&create_request(size));
    server.send(create.bearer(&token(owner)))
}

#[test]
fn an_owner_who_keeps_as_much_as_they_may_is_told_so_and_the_others_are_not() {
    let server = Server::start_with_disk(
        |config| config.access = Access::Tokens(key().into()),
        |disk| disk.bytes_per_owner_max = Some(2 * CHUNK + ROWS),
    );
    let alice = token("alice");
    let whole = bytes(CHUNK as usize);
    let small = |owner: &str| {
        one_request(&create_request(CHUNK), &whole).body(&whole).bearer(&token(owner))
    };
    let file: FileInfo = server.send(small("alice")).ok(201);
    let problem = begin(&server, "alice", CHUNK + ROWS).problem(ProblemCode::NoSpace);
    assert!(!problem.retryable);
    let detail = problem.detail;
    let mut told = detail.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok());
    assert!(told.any(|used: u64| used / CHUNK == 1 && used < CHUNK + ROWS), "in use: {detail}");
    assert!(detail.contains(&(2 * CHUNK + ROWS).to_string()), "and how much may be: {detail}");
    assert!(problem.advice.contains("Delete files of yours"), "{}", problem.advice);

    let open: UploadStatus = begin(&server, "alice", CHUNK).ok(201);
    begin(&server, "alice", ROWS).problem(ProblemCode::NoSpace);
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
        let problem = Connection::to(address).send(create).problem(code);
        assert!(
            !problem.to_string().contains("--"),
            "an option is none of its sender's: {problem}"
        );
        let log = String::from_utf8(terminate(child).stderr).unwrap();
        assert!(code != ProblemCode::NoSpace || log.contains(bound), "{log}");
    }
}

/// Empty files by guests, of whom each is another: what of them takes room are names and metadata.
#[test]
fn empty_files_count_by_their_rows_also_once_they_are_sealed_and_after_a_start() {
    let data = tempfile::tempdir().unwrap();
    let serve = |bound| {
        let mut program = command(data.path());
        program.args(["--allow-anonymous", bound, "200000"]);
        start(program)
    };
    let mut create = create_request(0);
    create.meta.metadata.insert("note".into(), "n".repeat(15 << 10));
    let begin =
        |address| Connection::to(address).send(Request::new("POST", path::UPLOADS).json(&create));
    let (child, address) = serve("--guest-bytes-max");
    let mut kept = Vec::new();
    let refused = loop {
        let answer = begin(address);
        if answer.status != 201 || kept.len() > 10 {
            break answer;
        }
        let upload: UploadStatus = answer.ok(201);
        let token = answer.header("upload-token").unwrap().to_owned();
        let root = longhaul_protocol::digest::root([]);
        let seal = Request::new("POST", &path::seal(upload.id)).json(&SealRequest { root });
        let file: FileInfo = Connection::to(address).send(seal.bearer(&token)).ok(201);
        kept.push((file.id, token));
    };
    refused.problem(ProblemCode::NoSpace);
    assert_eq!(kept.len(), 3, "each counts as 62 KB");
    terminate(child);
    for bound in ["--total-bytes-max", "--guest-bytes-max"] {
        let (child, address) = serve(bound);
        begin(address).problem(ProblemCode::NoSpace);
        terminate(child);
    }
    let (child, address) = serve("--guest-bytes-max");
    let (file, token) = kept.pop().unwrap();
    let delete = Request::new("DELETE", &path::file(file)).bearer(&token);
    assert_eq!(Connection::to(address).send(delete).status, 204);
    begin(address).ok::<UploadStatus>(201);
    terminate(child);
}

#[test]
fn a_server_on_which_no_upload_can_begin_is_not_ready() {
    let ready = |address| Connection::to(address).send(Request::new("GET", path::READYZ));
    let data = tempfile::tempdir().unwrap();
    let mut full = command(data.path());
    full.args(["--disk-free-min", "1152921504606846976"]);
    let (child, address) = start(full);
    let problem = ready(address).problem(ProblemCode::Unavailable);
    assert!(problem.detail.contains("--disk-free-min"), "{}", problem.detail);
    terminate(child);
    let (child, address) = start(command(data.path()));
    assert_eq!(ready(address).status, 200);
    std::fs::remove_dir_all(data.path().join("blobs")).unwrap();
    let is_away = |_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        ready(address).status == 503
    };
    assert!((0..100).any(is_away), "nobody would notice");
    let problem = ready(address).problem(ProblemCode::Unavailable);
    assert!(!problem.detail.contains(data.path().to_str().unwrap()), "{}", problem.detail);
    terminate(child);
}
