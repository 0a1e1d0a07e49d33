//! What is wrong is answered with a problem that says so, and takes nothing away that was held.

mod chunks;
mod json;

use std::sync::atomic::Ordering;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{DigestRun, DigestsAnswer, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

use crate::support::{CHUNK, Request, Server, bytes, create_request, stopped_clock};

/// A server with an upload of two chunks, the first of them held, and that chunk.
fn half_done() -> (Server, UploadStatus, Vec<u8>) {
    let server = Server::start();
    let upload = server.create(2 * CHUNK);
    let first = bytes(CHUNK as usize);
    assert_eq!(server.put(upload.id, 0, &first).status, 204);
    (server, upload, first)
}

/// Holds that the first chunk, and nothing else, is still there.
fn assert_first_is_held(server: &Server, id: UploadId) {
    let mut holding = server.status(id).holding;
    holding.held.union_with(&holding.pending);
    assert_eq!(holding.held.to_string(), "0");
}

#[test]
fn an_unknown_id_is_not_found() {
    let server = Server::start();
    let (upload, file) = (UploadId([1; 16]), FileId([2; 16]));
    for (method, path) in [
        ("GET", path::upload(upload)),
        ("DELETE", path::upload(upload)),
        ("GET", path::file(file)),
        ("DELETE", path::file(file)),
        ("GET", path::manifest(file)),
        ("GET", "/v1/uploads/0".to_owned()),
        ("GET", "/v1/uploads/..%2f..%2fetc%2fpasswd".to_owned()),
        ("GET", "/v1/files/../../etc/passwd".to_owned()),
        ("GET", format!("/v1/files/{file}/")),
    ] {
        let answer = server.send(Request::new(method, &path));
        answer.problem(ProblemCode::NotFound);
    }
    server.put(upload, 0, b"x").problem(ProblemCode::NotFound);
    server.seal(upload, Digest::of(b"")).problem(ProblemCode::NotFound);
    let run = DigestRun { start: ChunkIndex(0), digests: vec![Digest::of(b"")] };
    let offer = Request::new("POST", &path::digests(upload)).json(&run);
    server.send(offer).problem(ProblemCode::NotFound);
}

#[test]
fn another_root_is_refused_and_the_chunks_are_kept() {
    let (server, upload, first) = half_done();
    let missing = server.seal(upload.id, root([])).problem(ProblemCode::ChunksMissing);
    assert_eq!(missing.facts.missing.unwrap().to_string(), "1");
    assert_eq!(server.put(upload.id, 1, &first).status, 204);
    server.seal(upload.id, Digest::of(b"guess")).problem(ProblemCode::RootMismatch);
    assert!(server.status(upload.id).sealable);
    assert_eq!(server.seal(upload.id, root([Digest::of(&first); 2])).status, 201);
}

#[test]
fn digests_past_the_last_chunk_are_refused() {
    let (server, upload, first) = half_done();
    let offer = |start, count| {
        let digests = vec![Digest::of(&first); count];
        let run = DigestRun { start: ChunkIndex(start), digests };
        server.send(Request::new("POST", &path::digests(upload.id)).json(&run))
    };
    for (start, count) in [(0, 3), (2, 1), (u64::MAX, 1)] {
        offer(start, count).problem(ProblemCode::ChunkOutOfRange);
    }
    let answer: DigestsAnswer = offer(0, 2).ok(200);
    assert_eq!(answer.differs, []);
}

#[test]
fn parameters_that_are_no_numbers_are_named() {
    let (server, upload, first) = half_done();
    let file = server.file(&first);
    for (path, named) in [
        (format!("{}?digests=x", path::upload(upload.id)), "digests"),
        (format!("{}?start=-1", path::manifest(file.id)), "start"),
        (format!("{}?limit=x", path::UPLOADS), "limit"),
        (format!("{}?limit=0", path::FILES), "limit"),
        (format!("{}?limit=1001", path::FILES), "limit"),
        (format!("{}?after=x", path::FILES), "after"),
        (format!("{}?after=%00", path::UPLOADS), "after"),
    ] {
        let problem = server.get(&path).problem(ProblemCode::InvalidRequest);
        assert!(problem.detail.contains(named), "{}", problem.detail);
    }
}

#[test]
fn a_key_used_for_another_request_is_refused() {
    let server = Server::start();
    let keyed = |size, key: &str| {
        let request = Request::new("POST", path::UPLOADS).header("idempotency-key", key);
        server.send(request.json(&create_request(size)))
    };
    let first: UploadStatus = keyed(10, "k").ok(201);
    let again: UploadStatus = keyed(10, "k").ok(201);
    assert_eq!(first.id, again.id);
    let mut knows_more = create_request(10);
    knows_more.digests = Some(DigestRun { start: ChunkIndex(0), digests: vec![Digest::of(b"")] });
    let request = Request::new("POST", path::UPLOADS).header("idempotency-key", "k");
    assert_eq!(server.send(request.json(&knows_more)).ok::<UploadStatus>(201).id, first.id);
    keyed(11, "k").problem(ProblemCode::KeyReused);
    keyed(10, "").problem(ProblemCode::InvalidRequest);
    keyed(10, &"k".repeat(129)).problem(ProblemCode::InvalidRequest);
}

#[test]
fn a_method_that_an_address_does_not_take_is_answered_with_those_it_does() {
    let server = Server::start();
    let upload = server.create(1);
    for (method, path, allow) in [
        ("PUT", path::UPLOADS.to_owned(), "GET, HEAD, POST, OPTIONS"),
        ("POST", path::upload(upload.id), "GET, HEAD, DELETE, OPTIONS"),
        ("GET", path::chunks(upload.id), "POST, OPTIONS"),
        ("DELETE", path::PROBLEMS.to_owned(), "GET, HEAD, OPTIONS"),
        ("POST", "/".to_owned(), "GET, HEAD, OPTIONS"),
    ] {
        let answer = server.send(Request::new(method, &path));
        answer.problem(ProblemCode::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[test]
fn an_upload_whose_time_is_over_is_gone_and_says_so() {
    let (clock, hands) = stopped_clock();
    let server = Server::start_at(clock);
    let upload = server.create(5);
    hands.store(upload.expires_at.0 + 1, Ordering::Relaxed);
    server.get(&path::upload(upload.id)).problem(ProblemCode::Expired);
    server.put(upload.id, 0, b"hello").problem(ProblemCode::Expired);
}

#[test]
fn garbage_on_the_line_harms_nobody_else() {
    let server = Server::start();
    let upload = server.create(CHUNK);
    let pieces = [
        "POST ",
        "GET ",
        "/v1/uploads",
        "/v1/files",
        " HTTP/1.1\r\n",
        "host: localhost\r\n",
        "\r\n",
        "\r\n\r\n",
        "content-length: 5\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "ffffffffffffffffff\r\n",
        "{\"size\":",
        "\0\u{ff}",
        "expect: 100-continue\r\n",
        "range: bytes=0-\r\n",
        "chunk-index: 0\r\n",
    ];
    let mut at = 12_345_usize;
    for _ in 0..200 {
        let mut line = String::new();
        for _ in 0..12 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            line.push_str(pieces[(at >> 33) % pieces.len()]);
        }
        // It may be answered, closed or waited for; the next request is another connection's.
        let _ = server.connect().write(line.as_bytes());
    }
    assert_eq!(server.status(upload.id).chunk_count, 1);
}
