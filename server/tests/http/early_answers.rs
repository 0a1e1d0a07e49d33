//! An early answer is heard: by a client that goes on sending and only then looks.

use std::time::{Duration, Instant};

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::path;
use longhaul_protocol::{Digest, ProblemCode};

use crate::support::{MIB_8, Request, Server, bytes, chunk, create_request, one_request};

/// Sends 8 MiB under this head, slowly, then reads the answer; the connection stays good.
fn heard(server: &Server, request: Request, code: ProblemCode) {
    let mut connection = server.connect();
    let request = request.header("content-length", &MIB_8.to_string());
    connection.send_head(&request);
    connection.write_slowly(MIB_8, Duration::from_millis(300)).expect("the server reads on");
    connection.answer("POST").problem(code);
    assert_eq!(connection.send(Request::new("GET", path::HEALTHZ)).status, 200);
}

#[test]
fn a_400_is_heard_while_8_mib_are_coming() {
    let server = Server::start();
    let upload = server.create(10);
    heard(&server, Request::new("POST", &path::chunks(upload.id)), ProblemCode::InvalidRequest);
    heard(&server, chunk(upload.id, 0, b"x"), ProblemCode::WrongLength);
    heard(&server, chunk(upload.id, 1, b"x"), ProblemCode::ChunkOutOfRange);
}

#[test]
fn a_403_is_heard_while_8_mib_are_coming() {
    let server = Server::start();
    let upload = server.create(10);
    let request = chunk(upload.id, 0, b"x").header("origin", "https://evil.example");
    heard(&server, request, ProblemCode::ForeignOrigin);
}

#[test]
fn a_404_is_heard_while_8_mib_are_coming() {
    let server = Server::start();
    heard(&server, chunk(UploadId([7; 16]), 0, b"x"), ProblemCode::NotFound);
    heard(&server, Request::new("POST", "/v1/nothing"), ProblemCode::NotFound);
}

#[test]
fn a_405_is_heard_while_8_mib_are_coming() {
    let server = Server::start();
    heard(&server, Request::new("PUT", path::UPLOADS), ProblemCode::MethodNotAllowed);
}

#[test]
fn a_409_is_heard_while_8_mib_are_coming() {
    let server = Server::start_with(|config| config.chunk_len = MIB_8 as u64);
    let (held, other) = (bytes(MIB_8), vec![7; MIB_8]);
    let upload = server.create(MIB_8 as u64);
    assert_eq!(server.put(upload.id, 0, &held).status, 204);
    heard(&server, chunk(upload.id, 0, &other), ProblemCode::ChunkHeld);
    let root = longhaul_protocol::digest::root([Digest::of(&held)]);
    assert_eq!(server.seal(upload.id, root).status, 201);
    heard(&server, chunk(upload.id, 0, &other), ProblemCode::Sealed);
}

#[test]
fn a_413_is_heard_while_8_mib_are_coming() {
    let server = Server::start();
    let json = Request::new("POST", path::UPLOADS).header("content-type", "application/json");
    heard(&server, json, ProblemCode::TooLarge);
    heard(&server, one_request(&create_request(MIB_8 as u64), b"x"), ProblemCode::TooLarge);
}

#[test]
fn a_421_is_heard_while_8_mib_are_coming() {
    let server = Server::start();
    let request = Request::new("POST", path::UPLOADS).header("host", "evil.example");
    heard(&server, request, ProblemCode::Misdirected);
}

#[test]
fn a_chunk_that_is_held_already_is_read_to_its_end_and_answered_204() {
    let server = Server::start_with(|config| config.chunk_len = MIB_8 as u64);
    let upload = server.create(MIB_8 as u64);
    let held = vec![7; MIB_8];
    assert_eq!(server.put(upload.id, 0, &held).status, 204);
    let mut connection = server.connect();
    let length = MIB_8.to_string();
    connection.send_head(&chunk(upload.id, 0, &held).header("content-length", &length));
    connection.write_slowly(MIB_8, Duration::from_millis(300)).unwrap();
    assert_eq!(connection.answer("POST").status, 204);
    assert_eq!(connection.send(Request::new("GET", path::HEALTHZ)).status, 200);
}

#[test]
fn on_a_line_too_slow_to_wait_for_the_answer_is_there_when_the_body_is_sent() {
    let server = Server::start_with(|config| {
        config.limits.drain_timeout = Duration::from_millis(100);
    });
    heard(&server, chunk(UploadId([7; 16]), 0, b"x"), ProblemCode::NotFound);
}

#[test]
fn a_body_that_never_ends_is_not_read_for_ever() {
    let server = Server::start_with(|config| {
        config.limits.drain_bytes_max = 1 << 20;
    });
    let mut connection = server.connect();
    let request = chunk(UploadId([7; 16]), 0, b"x").header("content-length", "1000000000000");
    connection.send_head(&request);
    let mut sent = 0;
    while connection.write(&[7; 1 << 16]).is_ok() {
        sent += 1 << 16;
        assert!(sent < 100 << 20, "the server reads on and on");
    }
}

#[test]
fn a_body_that_trickles_is_not_waited_for_for_ever() {
    let server = Server::start_with(|config| {
        config.limits.drain_timeout = Duration::from_millis(100);
        config.limits.linger_timeout = Duration::from_millis(100);
    });
    let mut connection = server.connect();
    let request = chunk(UploadId([7; 16]), 0, b"x").header("content-length", "1000");
    connection.send_head(&request);
    connection.write(b"x").unwrap();
    connection.answer("POST").problem(ProblemCode::NotFound);
    assert!(connection.is_closed());
}

#[test]
fn a_client_that_asks_first_is_told_no_before_it_sends() {
    let server = Server::start();
    let mut connection = server.connect();
    let request = chunk(UploadId([7; 16]), 0, b"x").header("expect", "100-continue");
    let before = Instant::now();
    connection.send_head(&request.header("content-length", &MIB_8.to_string()));
    connection.answer("POST").problem(ProblemCode::NotFound);
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let server = Server::start();
    let upload = server.create(5);
    let mut connection = server.connect();
    let request = chunk(upload.id, 0, b"hello").header("expect", "100-continue");
    connection.send_head(&request.header("content-length", "5"));
    assert_eq!(connection.answer("POST").status, 100);
    connection.write(b"hello").unwrap();
    assert_eq!(connection.answer("POST").status, 204);
}
