//! Chunks whose bodies break off, and the requests that go on from there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::CHUNK_OFFSET;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{FileInfo, path};
use longhaul_protocol::{Digest, ProblemCode};
use longhaul_server::store::disk::work::{Job, Repeat, Step, Threads, Work};

use crate::support::{Answer, MIB_8, Request, Server, bytes, chunk};

/// How much of a chunk comes before its body breaks off, bytes: no whole piece of anything.
const CAME: usize = 3_000_001;

/// A disk that is slow for everybody.
#[derive(Debug)]
struct Slow;

impl Work for Slow {
    fn run(&self, job: Job) {
        Threads.run(Box::new(|| {
            std::thread::sleep(Duration::from_millis(50));
            job();
        }));
    }

    fn repeat(&self, name: &str, step: Step) -> io::Result<Box<dyn Repeat>> {
        Threads.repeat(name, step)
    }
}

fn server() -> Server {
    Server::start_with(|config| {
        config.chunk_len = MIB_8 as u64;
        config.limits.idle_body_timeout = Duration::from_millis(300);
    })
}

/// The head of a request for a whole chunk, and the first bytes of its body.
fn begun(id: UploadId, whole: &[u8]) -> Request {
    chunk(id, 0, whole).header("content-length", &whole.len().to_string())
}

fn rest(server: &Server, id: UploadId, whole: &[u8], offset: usize) -> Answer {
    let request = chunk(id, 0, whole).header(CHUNK_OFFSET, &offset.to_string());
    server.send(request.body(&whole[offset..]))
}

fn kept(server: &Server, id: UploadId) -> Option<u64> {
    server.status(id).holding.partial.first().map(|kept| kept.offset)
}

#[test]
fn after_a_connection_that_went_away_only_the_rest_is_sent() {
    let server = server();
    let whole = bytes(MIB_8);
    let upload = server.create(whole.len() as u64);
    let mut connection = server.connect();
    connection.send_head(&begun(upload.id, &whole));
    connection.write(&whole[..CAME]).unwrap();
    drop(connection);
    let pause = || std::thread::sleep(Duration::from_millis(20));
    let all_came = |_: &usize| kept(&server, upload.id) == Some(CAME as u64);
    assert!(
        (0..500).inspect(|_| pause()).any(|at| all_came(&at)),
        "{:?}",
        kept(&server, upload.id)
    );
    assert_eq!(rest(&server, upload.id, &whole, CAME).status, 204);
    let file: FileInfo = server.seal(upload.id, root([Digest::of(&whole)])).ok(201);
    assert!(server.get(&path::file(file.id)).body == whole);
}

#[test]
fn what_was_sent_before_a_connection_went_away_counts_however_slow_the_disk_is() {
    let server = Server::start_with_disk(
        |config| config.chunk_len = MIB_8 as u64,
        |disk| disk.work = Arc::new(Slow),
    );
    let whole = bytes(MIB_8);
    let upload = server.create(whole.len() as u64);
    let mut connection = server.connect();
    connection.send_head(&begun(upload.id, &whole));
    let has_begun = |_: &u32| kept(&server, upload.id).is_some();
    connection.write(&whole[..CAME / 4]).unwrap();
    assert!((0..500).any(|at| has_begun(&at)), "nothing of it is kept");
    connection.write(&whole[CAME / 4..CAME]).unwrap();
    drop(connection);
    // No sender asks at once: by then the server knows that there is more to read.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(kept(&server, upload.id), Some(CAME as u64));
    assert_eq!(rest(&server, upload.id, &whole, CAME).status, 204);
}

#[test]
fn what_came_before_a_body_stalled_is_kept() {
    let server = server();
    let whole = bytes(MIB_8);
    let upload = server.create(whole.len() as u64);
    let mut connection = server.connect();
    connection.send_head(&begun(upload.id, &whole));
    connection.write(&whole[..CAME]).unwrap();
    connection.answer("POST").problem(ProblemCode::Stalled);
    assert_eq!(kept(&server, upload.id), Some(CAME as u64));
    let problem = rest(&server, upload.id, &whole, CAME - 1).problem(ProblemCode::OffsetMismatch);
    assert_eq!(problem.facts.offset, Some(CAME as u64));
    assert_eq!(rest(&server, upload.id, &whole, CAME).status, 204);
}

#[test]
fn a_body_that_is_not_the_rest_of_the_chunk_is_refused_unread() {
    let server = server();
    let whole = bytes(MIB_8);
    let upload = server.create(whole.len() as u64);
    let mut connection = server.connect();
    connection.send_head(&begun(upload.id, &whole));
    connection.write(&whole[..CAME]).unwrap();
    connection.answer("POST").problem(ProblemCode::Stalled);
    let request = chunk(upload.id, 0, &whole).header(CHUNK_OFFSET, &CAME.to_string());
    server.send(request.body(&whole)).problem(ProblemCode::WrongLength);
    assert_eq!(kept(&server, upload.id), Some(CAME as u64), "and costs nothing");
    assert_eq!(rest(&server, upload.id, &whole, CAME).status, 204);
}
