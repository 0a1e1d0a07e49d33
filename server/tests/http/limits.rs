//! What one address may have of the server, over sockets: who has too much is told so and can go on, and nobody
//! else notices. Every address of 127.0.0.0/8 is this machine, so a test has as many as it wants.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{UploadStatus, path};
use longhaul_server::config::PlaceLimits;

use crate::support::{Answer, Connection, Request, Server, chunk, create_request};

/// Another address than the one that everybody has who does not ask for one.
pub const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub fn server(change: impl FnOnce(&mut PlaceLimits)) -> Server {
    Server::start_with(|config| change(&mut config.places))
}

fn healthz() -> Request {
    Request::new("GET", path::HEALTHZ)
}

/// A problem of one that is asked to wait, for how many seconds.
fn wait(answer: &Answer, code: ProblemCode) -> u64 {
    assert!(answer.problem(code).retryable);
    answer.header("retry-after").expect("when to come back").parse().unwrap()
}

#[test]
fn one_connection_too_many_is_told_so_and_closed_while_another_address_is_served() {
    let server = server(|limits| limits.place_connections_max = 3);
    let mut held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.send(healthz()).status, 200);
    }
    let mut fourth = server.connect();
    let refused = fourth.send(healthz());
    assert_eq!(wait(&refused, ProblemCode::TooManyRequests), 1);
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(fourth.is_closed());
    assert_eq!(server.connect_from(OTHER).send(healthz()).status, 200);
    // Those that are in notice nothing, and who leaves makes room.
    assert_eq!(held[0].send(healthz()).status, 200);
    drop(held);
    let is_in = |_| {
        std::thread::sleep(Duration::from_millis(20));
        server.send(healthz()).status == 200
    };
    assert!((0..500).any(is_in));
}

#[test]
fn who_is_turned_away_with_a_chunk_on_his_way_hears_why() {
    let server = server(|limits| limits.place_connections_max = 1);
    let mut first = server.connect();
    assert_eq!(first.send(healthz()).status, 200);
    let bytes = vec![7; 1 << 20];
    let request = chunk(longhaul_protocol::wire::ids::UploadId([7; 16]), 0, &bytes).body(&bytes);
    wait(&server.send(request), ProblemCode::TooManyRequests);
}

#[test]
fn whom_there_is_no_time_to_tell_is_closed_at_once() {
    let server = server(|limits| limits.place_connections_max = 1);
    let mut first = server.connect();
    assert_eq!(first.send(healthz()).status, 200);
    // Several threads accept: which of them is the one too many is theirs to say.
    let silent: Vec<_> =
        (0..=longhaul_server::doors::TURNED_AWAY_MAX).map(|_| server.connect()).collect();
    let is_one_closed = |_| {
        std::thread::sleep(Duration::from_millis(20));
        silent.iter().any(Connection::is_over)
    };
    assert!((0..100).any(is_one_closed), "before the others had their time to ask");
    assert_eq!(silent.iter().filter(|connection| connection.is_over()).count(), 1);
    assert_eq!(first.send(healthz()).status, 200);
    assert_eq!(server.connect_from(OTHER).send(healthz()).status, 200);
}

#[test]
fn a_server_that_is_full_asks_everybody_to_wait() {
    let server = server(|limits| limits.connections_max = 2);
    let mut held = [server.connect(), server.connect_from(OTHER)];
    for connection in &mut held {
        assert_eq!(connection.send(healthz()).status, 200);
    }
    assert_eq!(wait(&server.send(healthz()), ProblemCode::Unavailable), 5);
}

#[test]
fn one_chunk_too_many_is_asked_to_wait_until_another_is_through() {
    let server = server(|limits| limits.place_bodies_max = 1);
    let upload: UploadStatus =
        server.send(Request::new("POST", path::UPLOADS).json(&create_request(5))).ok(201);
    let mut slow = server.connect();
    slow.send_head(&chunk(upload.id, 0, b"hello").header("content-length", "5"));
    slow.write(b"hel").unwrap();
    let put = || chunk(upload.id, 0, b"hello").body(b"hello");
    let mut quick = server.connect();
    let refused = |connection: &mut Connection| {
        std::thread::sleep(Duration::from_millis(20));
        connection.send(put()).status == 429
    };
    // The first one's head may still be on its way.
    assert!((0..500).any(|_| refused(&mut quick)));
    assert_eq!(wait(&quick.send(put()), ProblemCode::TooManyRequests), 1);
    assert_eq!(quick.send(Request::new("GET", &path::upload(upload.id))).status, 200);
    assert_eq!(server.connect_from(OTHER).send(healthz()).status, 200);
    slow.write(b"lo").unwrap();
    assert!([204, 409].contains(&slow.answer("POST").status));
    assert_eq!(quick.send(put()).status, 204);
}

/// A stranger may send one with whatever he asks, and over HTTP/2 it waits in memory until somebody reads it.
#[test]
fn a_body_counts_whatever_it_comes_with() {
    let server = server(|limits| limits.place_bodies_max = 1);
    let mut slow = server.connect();
    slow.send_head(&healthz().header("content-length", "5"));
    let is_refused = |_| {
        std::thread::sleep(Duration::from_millis(20));
        let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
        server.send(create).status == 429
    };
    assert!((0..200).any(is_refused));
    slow.write(b"hello").unwrap();
    assert_eq!(slow.answer("GET").status, 200);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back_and_nobody_else_is() {
    let server = server(|limits| {
        limits.place_requests_per_second = 1;
        limits.place_requests_burst = 5;
    });
    let mut connection = server.connect();
    let statuses: Vec<_> = (0..5).map(|_| connection.send(healthz()).status).collect();
    // One for the connection.
    assert_eq!(statuses[..4], [200; 4]);
    let refused: Vec<_> = (0..3).map(|_| connection.send(healthz())).collect();
    let refused = refused.iter().find(|answer| answer.status == 429).expect("one too many");
    assert!((1..=2).contains(&wait(refused, ProblemCode::TooManyRequests)));
    let mut other = server.connect_from(OTHER);
    assert_eq!([(); 3].map(|()| other.send(healthz()).status), [200; 3]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(connection.send(healthz()).status, 200);
}

/// What an honest page does at its worst: a folder of 10,000 small files by all its lanes.
#[test]
fn ten_thousand_requests_over_six_connections_are_all_answered() {
    let server = Server::start();
    let address = server.address();
    let ask = move || {
        let mut connection = TcpStream::connect(address).unwrap();
        let mut answers = vec![0; 1 << 16];
        for _ in 0..10_000 / 6 {
            connection.write_all(b"HEAD /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let len = connection.read(&mut answers).unwrap();
            assert!(answers[..len].starts_with(b"HTTP/1.1 200 "));
        }
    };
    let threads: Vec<_> = (0..6).map(|_| std::thread::spawn(ask)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A connection of some other address of this machine.
pub fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stream, &SocketAddr::from((from, 0))).unwrap();
    connect(&stream, &to).unwrap();
    stream.into()
}
