//! Chunks that are not what they should be, and requests for them that hang or come twice.

use std::time::Duration;

use longhaul_protocol::wire::header::{CHUNK_DIGEST, CHUNK_INDEX, CHUNK_OFFSET, CHUNK_REPLACE};
use longhaul_protocol::wire::{UploadList, path};
use longhaul_protocol::{Digest, ProblemCode};

use crate::support::{CHUNK, Request, Server, bytes, chunk, create_request, one_request};

use super::{assert_first_is_held, half_done};

#[test]
fn a_chunk_past_the_last_one_is_refused() {
    let (server, upload, first) = half_done();
    for index in [2, u64::MAX] {
        server.put(upload.id, index, &first).problem(ProblemCode::ChunkOutOfRange);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_chunk_of_the_wrong_length_is_refused() {
    let (server, upload, first) = half_done();
    for wrong in [&first[..10], &[], &[first.as_slice(), b"x"].concat()] {
        server.put(upload.id, 1, wrong).problem(ProblemCode::WrongLength);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_chunk_without_a_length_of_its_own_is_counted() {
    let (server, upload, _) = half_done();
    let second = vec![5; CHUNK as usize];
    let framed = |bytes: &[u8]| {
        [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat()
    };
    for (body, expected) in
        [(vec![5; 10], 400), (vec![5; 2 * CHUNK as usize], 400), (second.clone(), 204)]
    {
        let mut connection = server.connect();
        connection.send_head(&chunk(upload.id, 1, &second).header("transfer-encoding", "chunked"));
        connection.write(&framed(&body)).unwrap();
        let answer = connection.answer("POST");
        assert_eq!(answer.status, expected);
        if expected == 400 {
            answer.problem(ProblemCode::WrongLength);
            assert_first_is_held(&server, upload.id);
        }
    }
}

#[test]
fn a_chunk_with_another_digest_is_refused_and_the_right_one_is_not_told() {
    let (server, upload, first) = half_done();
    let answer = server.send(chunk(upload.id, 1, b"what was meant").body(&first));
    answer.problem(ProblemCode::DigestMismatch);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(!text.contains(&Digest::of(&first).to_string()), "{text}");
    assert!(!text.contains(&Digest::of(&first).to_base64()), "{text}");
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_held_chunk_is_replaced_only_by_who_knows_what_it_is() {
    let (server, upload, first) = half_done();
    let other = vec![9; CHUNK as usize];
    server.put(upload.id, 0, &other).problem(ProblemCode::ChunkHeld);
    let guess = chunk(upload.id, 0, &other).header(CHUNK_REPLACE, &Digest::of(b"").to_header());
    server.send(guess.body(&other)).problem(ProblemCode::ChunkHeld);
    assert_first_is_held(&server, upload.id);
    let known = chunk(upload.id, 0, &other).header(CHUNK_REPLACE, &Digest::of(&first).to_header());
    assert_eq!(server.send(known.body(&other)).status, 204);
}

#[test]
fn a_chunk_that_goes_on_where_nothing_is_kept_is_told_where_to() {
    let (server, upload, first) = half_done();
    let rest = chunk(upload.id, 1, &first).header(CHUNK_OFFSET, "100");
    let problem = server.send(rest.body(&first[100..])).problem(ProblemCode::OffsetMismatch);
    assert_eq!(problem.facts.offset, Some(0));
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_chunk_that_goes_on_past_its_end_is_told_where_to() {
    let (server, upload, first) = half_done();
    for past in [first.len() as u64 + 1, u64::MAX] {
        let rest = chunk(upload.id, 1, &first).header(CHUNK_OFFSET, &past.to_string());
        let problem = server.send(rest.body(&[])).problem(ProblemCode::OffsetMismatch);
        assert_eq!(problem.facts.offset, Some(0));
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn chunk_headers_that_cannot_be_read_are_named() {
    let (server, upload, _) = half_done();
    let digest = Digest::of(b"").to_header();
    for (headers, named) in [
        (vec![(CHUNK_DIGEST, digest.as_str())], CHUNK_INDEX),
        (vec![(CHUNK_INDEX, "1")], CHUNK_DIGEST),
        (vec![(CHUNK_INDEX, "-1"), (CHUNK_DIGEST, &digest)], CHUNK_INDEX),
        (vec![(CHUNK_INDEX, "99999999999999999999"), (CHUNK_DIGEST, &digest)], CHUNK_INDEX),
        (vec![(CHUNK_INDEX, "1"), (CHUNK_DIGEST, "sha-256=:x:")], CHUNK_DIGEST),
        (vec![(CHUNK_INDEX, "1"), (CHUNK_DIGEST, &digest), (CHUNK_OFFSET, "x")], CHUNK_OFFSET),
    ] {
        let request = Request::new("POST", &path::chunks(upload.id)).body(b"x");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let problem = server.send(request).problem(ProblemCode::InvalidRequest);
        assert!(problem.detail.contains(named), "{}", problem.detail);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_body_that_stalls_is_given_up_and_the_chunk_can_be_sent_again() {
    let server = Server::start_with(|config| {
        config.limits.idle_body_timeout = Duration::from_millis(200);
    });
    let upload = server.create(CHUNK);
    let whole = bytes(CHUNK as usize);
    let mut connection = server.connect();
    connection.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    connection.write(&whole[..100]).unwrap();
    let problem = connection.answer("POST").problem(ProblemCode::Stalled);
    assert!(problem.retryable && problem.detail.contains("100"), "{}", problem.detail);
    assert_eq!(server.put(upload.id, 0, &whole).status, 204);
    connection.write(&whole[100..]).expect("what comes late is still read");
    assert_eq!(connection.send(Request::new("GET", path::HEALTHZ)).status, 200);
}

#[test]
fn a_newer_request_takes_over_the_chunk_of_one_that_hangs() {
    let server = Server::start();
    let upload = server.create(CHUNK);
    let whole = bytes(CHUNK as usize);
    let mut older = server.connect();
    older.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    older.write(&whole[..100]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.put(upload.id, 0, &whole).status, 204);
    older.write(&whole[100..]).unwrap();
    older.answer("POST").problem(ProblemCode::Superseded);
}

#[test]
fn a_request_that_was_superseded_is_told_so_while_it_is_silent() {
    let server = Server::start_with(|config| {
        config.limits.drain_timeout = Duration::from_millis(100);
    });
    let upload = server.create(CHUNK);
    let whole = bytes(CHUNK as usize);
    let mut older = server.connect();
    older.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    older.write(&whole[..100]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.put(upload.id, 0, &whole).status, 204);
    older.answer("POST").problem(ProblemCode::Superseded);
}

#[test]
fn a_file_in_one_request_that_fails_leaves_nothing_behind() {
    let server = Server::start();
    let create = create_request(5);
    server.send(one_request(&create, b"other").body(b"hello")).problem(ProblemCode::DigestMismatch);
    server.send(one_request(&create, b"hell").body(b"hell")).problem(ProblemCode::WrongLength);
    let bare = Request::new("POST", path::FILES).body(b"hello");
    server.send(bare).problem(ProblemCode::InvalidRequest);
    let garbled = Request::new("POST", path::FILES).header("upload-create", "e30").body(b"");
    server.send(garbled).problem(ProblemCode::InvalidRequest);
    let large = create_request(CHUNK + 1);
    let limit = server.send(one_request(&large, b"").body(b"")).problem(ProblemCode::TooLarge);
    assert_eq!(limit.facts.limit, Some(CHUNK));
    assert_eq!(server.get(path::UPLOADS).ok::<UploadList>(200).uploads, []);
}
