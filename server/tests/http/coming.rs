//! Uploads that are read while they are still coming.

use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::CHUNK_REPLACE;
use longhaul_protocol::wire::{DigestRun, FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

use crate::support::{Answer, CHUNK, Request, Server, bytes, chunk, create_request};

const LEN: usize = 3 * CHUNK as usize + 100;

/// An upload of four chunks of which the first is there.
fn begun(server: &Server, whole: &[u8]) -> UploadStatus {
    let upload = server.create(whole.len() as u64);
    put(server, &upload, whole, 0);
    upload
}

fn part(whole: &[u8], index: u64) -> &[u8] {
    whole.chunks(CHUNK as usize).nth(index as usize).unwrap()
}

fn put(server: &Server, upload: &UploadStatus, whole: &[u8], index: u64) {
    assert_eq!(server.put(upload.id, index, part(whole, index)).status, 204);
}

fn seal(server: &Server, upload: &UploadStatus, whole: &[u8]) -> FileInfo {
    server.seal(upload.id, root(whole.chunks(CHUNK as usize).map(Digest::of))).ok(201)
}

fn ranged(server: &Server, upload: &UploadStatus, range: &str) -> Answer {
    server.send(Request::new("GET", &path::content(upload.id)).header("range", range))
}

fn impatient() -> Server {
    Server::start_with(|config| config.limits.content_wait = Duration::from_millis(300))
}

#[test]
fn what_has_come_is_served_at_once_and_nobody_may_keep_it() {
    let (server, whole) = (Server::start(), bytes(LEN));
    let upload = begun(&server, &whole);
    let answer = ranged(&server, &upload, "bytes=100-65535");
    assert_eq!(answer.status, 206);
    assert!(answer.body == whole[100..65_536]);
    let place = format!("bytes 100-65535/{LEN}");
    assert_eq!(answer.header("content-range"), Some(place.as_str()));
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
    for absent in ["etag", "last-modified", "repr-digest"] {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
    let sandbox = answer.header("content-security-policy");
    assert_eq!(sandbox, Some("sandbox; default-src 'none'; frame-ancestors 'none'"));
    let head = server.send(Request::new("HEAD", &path::content(upload.id)));
    let len = LEN.to_string();
    assert_eq!((head.status, head.header("content-length")), (200, Some(len.as_str())));
}

#[test]
fn what_is_still_to_come_is_waited_for_and_a_seal_in_between_changes_nothing() {
    let (server, whole) = (Server::start(), bytes(LEN));
    let upload = begun(&server, &whole);
    let mut reader = server.connect();
    reader.send_head(&Request::new("GET", &path::content(upload.id)));
    // The last first: bytes are sent in their order, not in that in which they come.
    for index in [3, 1, 2] {
        put(&server, &upload, &whole, index);
    }
    let file = seal(&server, &upload, &whole);
    let answer = reader.answer("GET");
    assert_eq!(answer.status, 200);
    assert!(answer.body == whole);
    let moved = server.get(&path::content(upload.id));
    assert_eq!(moved.status, 308);
    let location = moved.header("location").unwrap();
    assert!(location.ends_with(&path::file(file.id)), "{location}");
}

#[test]
fn a_reader_who_is_slower_than_the_upload_gets_the_rest_out_of_the_file() {
    let server = Server::start();
    let whole = bytes(200 * CHUNK as usize);
    let upload = begun(&server, &whole);
    let mut reader = server.connect();
    reader.send_head(&Request::new("GET", &path::content(upload.id)));
    assert_eq!(reader.read_head().0, 200);
    for index in 1..200 {
        put(&server, &upload, &whole, index);
    }
    seal(&server, &upload, &whole);
    let mut came = Vec::new();
    while came.len() < whole.len() {
        let read = reader.read(whole.len() - came.len());
        assert!(!read.is_empty(), "it broke off after {}", came.len());
        came.extend(read);
    }
    assert!(came == whole);
}

#[test]
fn what_does_not_come_in_time_is_told_and_who_has_a_part_is_cut_off() {
    let (server, whole) = (impatient(), bytes(LEN));
    let upload = begun(&server, &whole);
    let late = ranged(&server, &upload, "bytes=65536-");
    let told = late.problem(ProblemCode::Unavailable);
    assert!(told.detail.contains("65536"), "from where on: {told}");
    let is_to_a_sender =
        ["takes no uploads", "is safe"].map(|words| told.to_string().contains(words));
    assert_eq!(is_to_a_sender, [false, false], "he sends nothing: {told}");
    assert!(late.header("retry-after").is_some());
    let mut reader = server.connect();
    reader.send_head(&Request::new("GET", &path::content(upload.id)).header("range", "bytes=0-"));
    assert_eq!(reader.read_head().0, 206);
    let mut came = Vec::new();
    while came.len() < CHUNK as usize {
        came.extend(reader.read(CHUNK as usize - came.len()));
    }
    assert!(came == part(&whole, 0), "what has come is not held back");
    assert!(reader.is_closed(), "he is not told less than he was promised");
    // It comes after all: the next who asks gets it.
    put(&server, &upload, &whole, 1);
    let answer = ranged(&server, &upload, "bytes=65536-131071");
    assert!(answer.status == 206 && answer.body == whole[65_536..131_072]);
}

#[test]
fn who_waits_is_told_when_the_upload_goes() {
    let (server, whole) = (Server::start(), bytes(LEN));
    let upload = begun(&server, &whole);
    let mut reader = server.connect();
    reader.send_head(&Request::new("GET", &path::content(upload.id)).header("range", "bytes=-1"));
    assert_eq!(server.send(Request::new("DELETE", &path::upload(upload.id))).status, 204);
    reader.answer("GET").problem(ProblemCode::NotFound);
    server.get(&path::content(upload.id)).problem(ProblemCode::NotFound);
}

#[test]
fn a_chunk_that_was_replaced_is_read_as_it_is_now() {
    let (server, mut whole) = (Server::start(), bytes(LEN));
    let upload = begun(&server, &whole);
    assert!(ranged(&server, &upload, "bytes=0-9").body == whole[..10]);
    let before = Digest::of(part(&whole, 0)).to_header();
    // A replacement waits for the sync of what it replaces.
    whole[3] ^= 1;
    let first = part(&whole, 0);
    let request = chunk(upload.id, 0, first).header(CHUNK_REPLACE, &before).body(first);
    assert_eq!(server.send(request).status, 204);
    assert!(ranged(&server, &upload, "bytes=0-9").body == whole[..10]);
}

#[test]
fn what_is_borrowed_from_another_file_is_read_there() {
    let (server, whole) = (Server::start(), bytes(LEN));
    server.file(&whole[..2 * CHUNK as usize]);
    let mut create = create_request(LEN as u64);
    let digests = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    create.digests = Some(DigestRun { start: ChunkIndex(0), digests });
    let upload: UploadStatus =
        server.send(Request::new("POST", path::UPLOADS).json(&create)).ok(201);
    assert_eq!(upload.holding.held, "0-1".parse().unwrap());
    let answer = ranged(&server, &upload, "bytes=5-131071");
    assert!(answer.status == 206 && answer.body == whole[5..131_072], "{}", answer.status);
}

#[test]
fn it_has_no_validators_and_one_range() {
    let (server, whole) = (Server::start(), bytes(1000));
    let upload = begun(&server, &whole);
    let get = |headers: &[(&str, &str)]| {
        let request = Request::new("GET", &path::content(upload.id));
        server.send(
            headers.iter().fold(request, |request, (name, value)| request.header(name, value)),
        )
    };
    assert_eq!(get(&[("if-range", "\"x\""), ("range", "bytes=0-1")]).status, 200);
    assert_eq!(get(&[("if-match", "*")]).status, 200);
    let there = get(&[("if-none-match", "*")]);
    assert_eq!((there.status, there.body.len()), (304, 0));
    assert_eq!(there.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(get(&[("if-none-match", "\"x\"")]).status, 200);
    get(&[("if-match", "\"x\"")]).problem(ProblemCode::PreconditionFailed);
    assert_eq!(get(&[("range", "bytes=0-1,900-901")]).status, 200);
    let past = get(&[("range", "bytes=1000-")]);
    past.problem(ProblemCode::RangeNotSatisfiable);
    assert_eq!(past.header("content-range"), Some("bytes */1000"));
}
