//! What a request that is repeated, or wrong in a way one could miss, must not do.

use std::time::Duration;

use longhaul_protocol::wire::header::{CHUNK_REPLACE, IDEMPOTENCY_KEY};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{FileInfo, UploadList, path};
use longhaul_protocol::{Digest, ProblemCode};

use crate::support::{CHUNK, Request, Server, bytes, chunk, create_request, one_request};

#[test]
fn a_replacement_of_the_wrong_length_leaves_the_held_chunk() {
    let server = Server::start();
    let (upload, old) = (server.create(CHUNK), bytes(CHUNK as usize));
    assert_eq!(server.put(upload.id, 0, &old).status, 204);
    while server.status(upload.id).holding.held.is_empty() {}
    let new = vec![7; CHUNK as usize];
    let request = chunk(upload.id, 0, &new).header(CHUNK_REPLACE, &Digest::of(&old).to_header());
    server.send(request.body(&new[1..])).problem(ProblemCode::WrongLength);
    assert_eq!(server.status(upload.id).holding.held.to_string(), "0");
}

#[test]
fn a_key_that_made_a_file_makes_no_other() {
    let server = Server::start();
    let of = |bytes: &[u8]| {
        let request = one_request(&create_request(5), bytes).header(IDEMPOTENCY_KEY, "key");
        server.send(request.body(bytes))
    };
    let first = of(b"hello");
    assert_eq!(first.status, 201);
    assert_eq!(of(b"hello").body, first.body, "the same again");
    of(b"world").problem(ProblemCode::KeyReused);
}

/// The one upload that is open, once its body has broken off.
fn broken_off(server: &Server) -> UploadId {
    for _ in 0..500 {
        let list: UploadList = server.get(path::UPLOADS).ok(200);
        if let [upload] = list.uploads.as_slice()
            && !upload.holding.partial.is_empty()
        {
            return upload.id;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it is not there");
}

#[test]
fn a_file_in_one_request_that_broke_off_is_there_for_the_request_that_is_its_retry() {
    let server = Server::start();
    let whole = bytes(CHUNK as usize);
    let request = || one_request(&create_request(CHUNK), &whole).header(IDEMPOTENCY_KEY, "key");
    let mut connection = server.connect();
    connection.send_head(&request().header("content-length", &CHUNK.to_string()));
    connection.write(&whole[..1000]).unwrap();
    drop(connection);
    let id = broken_off(&server);
    let file: FileInfo = server.send(request().body(&whole)).ok(201);
    assert_eq!(server.status(id).file.map(|file| file.id), Some(file.id));
    assert!(server.get(&path::file(file.id)).body == whole);
}

#[test]
fn an_empty_file_takes_no_bytes_however_they_come() {
    let server = Server::start();
    let request = one_request(&create_request(0), b"").header("transfer-encoding", "chunked");
    let mut connection = server.connect();
    connection.send_head(&request);
    connection.write(b"3\r\nxyz\r\n0\r\n\r\n").unwrap();
    connection.answer("POST").problem(ProblemCode::WrongLength);
}

#[test]
fn a_file_that_is_too_large_for_the_servers_chunks_gets_larger_ones_or_a_word_on_room() {
    let server = Server::start();
    let size = (1 << 20) * CHUNK + 1;
    let asked = Request::new("POST", path::UPLOADS).json(&create_request(size));
    let answer = server.send(asked);
    if answer.status != 201 {
        answer.problem(ProblemCode::NoSpace);
    }
}
