//! Downloads that nobody reads, and what they keep from others.

use std::time::{Duration, Instant};

use longhaul_protocol::wire::{FileInfo, path};
use longhaul_protocol::{Digest, ProblemCode, digest};
use longhaul_server::Config;

use crate::support::{Answer, Connection, MIB_8, Request, Server, bytes, create_request};

/// More than both systems keep between a server and who does not read, bytes.
const SIZE: usize = 5 * MIB_8;

/// Room for one such file.
fn server(idle_answer_timeout: Duration) -> Server {
    let impatient = |config: &mut Config| {
        config.chunk_len = MIB_8 as u64;
        config.limits.idle_answer_timeout = idle_answer_timeout;
    };
    Server::start_with_disk(impatient, |disk| disk.bytes_total_max = Some(SIZE as u64 + 1))
}

fn file(server: &Server, whole: &[u8]) -> FileInfo {
    let upload = server.create(whole.len() as u64);
    for (index, chunk) in (0..).zip(whole.chunks(MIB_8)) {
        assert_eq!(server.put(upload.id, index, chunk).status, 204);
    }
    server.seal(upload.id, digest::root(whole.chunks(MIB_8).map(Digest::of))).ok(201)
}

/// A download of which only the head was read.
fn begun(server: &Server, file: &FileInfo) -> Connection {
    let mut connection = server.connect();
    connection.send_head(&Request::new("GET", &path::file(file.id)));
    assert_eq!(connection.read_head().0, 200);
    connection
}

fn create(server: &Server) -> Answer {
    server.send(Request::new("POST", path::UPLOADS).json(&create_request(SIZE as u64)))
}

#[test]
fn who_takes_no_byte_is_cut_off_and_what_was_deleted_meanwhile_makes_room_then() {
    let server = server(Duration::from_millis(700));
    let file = file(&server, &bytes(SIZE));
    let mut connection = begun(&server, &file);
    let deleted = server.send(Request::new("DELETE", &path::file(file.id)));
    assert_eq!(deleted.status, 204);
    create(&server).problem(ProblemCode::NoSpace);
    let since = Instant::now();
    while create(&server).status != 201 {
        assert!(since.elapsed() < Duration::from_secs(20), "the room never comes back");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut came = 0;
    while let len @ 1.. = connection.read(MIB_8).len() {
        came += len;
    }
    assert!(came < SIZE, "all of it came after all");
}

#[test]
fn who_reads_slowly_is_not_cut_off() {
    let server = server(Duration::from_millis(700));
    let whole = bytes(SIZE);
    let mut connection = begun(&server, &file(&server, &whole));
    let mut came = Vec::new();
    // Three seconds, in which what the systems keep in between is never read empty.
    for _ in 0..30 {
        std::thread::sleep(Duration::from_millis(100));
        came.extend(connection.read(200_000));
    }
    assert!(came.len() < SIZE / 2, "{}", came.len());
    while came.len() < SIZE {
        let more = connection.read(MIB_8);
        assert!(!more.is_empty(), "cut off after {} bytes", came.len());
        came.extend(more);
    }
    assert!(came == whole);
}
