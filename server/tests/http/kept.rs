//! What one address can have the server keep by answers that it does not take, and open.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use longhaul_protocol::wire::{CreateRequest, UploadStatus, path};
use longhaul_server::shares::REFUSALS_MAX;

use crate::attacks::with_few_files;
use crate::certificates::Pair;
use crate::http2::HEADERS;
use crate::limits::connect_from;
use crate::program::{start, terminate};
use crate::support::{Connection, Request, Server, bytes, chunk, create_request};
use crate::untaken::{
    END, GET, OK, Reader, all, ended, heads, one_more, resets, server, server_file, silent,
};

/// The streams whose answer has begun and is not over.
fn told(came: &[u8]) -> Vec<u32> {
    let is_told = |it: &crate::untaken::Frame<'_>| it.kind == HEADERS && it.flags & END == 0;
    all(came).into_iter().filter(is_told).map(|it| it.stream).collect()
}

/// hyper is done with an answer that is only a head as soon as h2 has that, whenever it is sent.
#[test]
fn answers_that_are_only_heads_count_until_they_are_sent() {
    let (pair, server) = server(|config| config.places.place_answers_max = 10);
    let [long, short] = [8 << 20, 4000].map(|len| server_file(&pair, &server, len));
    let mut taker = Reader::new(&pair, &server, 1 << 20);
    (0..40).for_each(|_| taker.ask_head(path::HEALTHZ));
    taker.read_until(|came| ended(came).len() + resets(came).len() >= 40);
    assert_eq!(one_more(&pair, &server, &short), OK, "those that were taken are over");
    drop(taker);
    let mut silent = silent(&pair, &server);
    // More than the system keeps of what nobody reads.
    (0..4).for_each(|_| silent.ask(GET, &long));
    std::thread::sleep(Duration::from_millis(500));
    (0..6).for_each(|_| silent.ask_head(path::HEALTHZ));
    std::thread::sleep(Duration::from_millis(500));
    assert_ne!(one_more(&pair, &server, &short), OK, "it is one too many");
}

/// Each is an answer too, which somebody has to take.
#[test]
fn of_the_requests_that_are_one_too_many_only_so_many_are_told_so() {
    const FLOOD: u32 = 90;
    let (pair, server) = server(|config| config.places.place_answers_max = 1);
    let file = server_file(&pair, &server, 4000);
    let mut taker = Reader::new(&pair, &server, 0);
    taker.ask(GET, &file);
    taker.read_until(|came| heads(came) == [OK]);
    let mut flood = Reader::new(&pair, &server, 0);
    (0..FLOOD).for_each(|_| flood.ask(GET, &file));
    let of_flood = |ids: Vec<u32>| ids.into_iter().filter(|id| *id < 2 * FLOOD).count();
    flood.read_until(|came| of_flood(told(came)) + of_flood(resets(came)) == FLOOD as usize);
    assert_eq!(of_flood(told(&flood.came)), REFUSALS_MAX as usize);
    assert!(!heads(&flood.came).contains(&OK));
    drop(flood);
    let hears = |_| {
        std::thread::sleep(Duration::from_millis(20));
        let mut one = Reader::new(&pair, &server, 1 << 20);
        one.ask(GET, &file);
        one.read_until(|came| !heads(came).is_empty() || !resets(came).is_empty());
        !heads(&one.came).is_empty()
    };
    assert!((0..100).any(hears), "there is room to tell the next");
}

#[test]
fn an_answer_that_is_long_in_memory_counts_as_several() {
    let (pair, server) = server(|config| config.places.place_answers_max = 20);
    begin_many(&pair, &server);
    let begins = |path: &str| {
        let mut reader = Reader::new(&pair, &server, 0);
        reader.ask(GET, path);
        reader.read_until(|came| !heads(came).is_empty());
        (heads(&reader.came)[0], reader)
    };
    let (first, one) = begins(path::UPLOADS);
    assert_eq!(first, OK, "16 and one");
    assert_ne!(begins(path::UPLOADS).0, OK, "that is one too many");
    assert_eq!(begins(path::HEALTHZ).0, OK);
    drop(one);
    let is_told = |_| {
        std::thread::sleep(Duration::from_millis(20));
        begins(path::UPLOADS).0 == OK
    };
    assert!((0..100).any(is_told), "what is gone makes room");
}

/// A page of the listing has 256 KiB then.
fn begin_many(pair: &Pair, server: &Server) {
    let metadata = [("k".to_owned(), "v".repeat(14_000))].into_iter().collect();
    let mut create: CreateRequest = create_request(5);
    create.meta.metadata = metadata;
    for _ in 0..20 {
        let create = Request::new("POST", path::UPLOADS).json(&create);
        let mut stream = pair.connect(server, "http/1.1");
        stream.write_all(&create.header("connection", "close").to_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
}

#[test]
fn files_of_the_page_that_nobody_takes_are_only_so_many() {
    let www = tempfile::tempdir().unwrap();
    std::fs::write(www.path().join("long"), bytes(1 << 20)).unwrap();
    let (pair, server) = server(|config| {
        config.www = Some(www.path().to_owned());
        config.places.site_files_max = 2;
    });
    let mut reader = Reader::new(&pair, &server, 0);
    (0..2).for_each(|_| reader.ask(GET, "/long"));
    reader.read_until(|came| heads(came) == [OK; 2]);
    assert_ne!(one_more(&pair, &server, "/long"), OK);
    assert_eq!(one_more(&pair, &server, path::HEALTHZ), OK);
    drop(reader);
    let has_room = |_| {
        std::thread::sleep(Duration::from_millis(20));
        let mut reader = Reader::new(&pair, &server, 0);
        reader.ask(GET, "/long");
        reader.read_until(|came| !heads(came).is_empty());
        heads(&reader.came) == [OK]
    };
    assert!((0..100).any(has_room));
}

/// The page is everybody's, and each of its files that somebody is sent is open meanwhile.
#[test]
fn the_page_leaves_files_to_who_sends_where_the_system_allows_few() {
    let (data, www) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Longer than what the system takes of an answer ahead of its reader.
    std::fs::File::create(www.path().join("long")).unwrap().set_len(1 << 30).unwrap();
    let mut program = with_few_files(data.path(), 200);
    program.arg("--www").arg(www.path());
    let (child, address) = start(program);
    let mut sender = Connection::to(address);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
    let upload: UploadStatus = sender.send(create).ok(201);
    let readers: Vec<_> = (0..70).map(|at| reads_nothing(address, at)).collect();
    let statuses: Vec<_> =
        readers.into_iter().map(|mut reader| (reader.read_head().0, reader)).collect();
    assert!(statuses.iter().any(|(status, _)| *status == 503), "some are told to come back");
    assert_eq!(sender.send(chunk(upload.id, 0, b"hello").body(b"hello")).status, 204);
    drop(statuses);
    drop(terminate(child));
}

fn reads_nothing(address: SocketAddr, at: u8) -> Connection {
    let mut reader = Connection::over(connect_from(Ipv4Addr::new(127, 2, 0, at), address));
    reader.write(b"GET /long HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    reader
}

/// What was said of a request may be 128 KiB, and is not told and kept again.
#[test]
fn a_refusal_tells_the_beginning_of_what_it_is_about() {
    let server = Server::start();
    let long = "x".repeat(40_000);
    let path = format!("/v1/{long}");
    for request in [
        Request::new("GET", &path),
        Request::new(&long, path::UPLOADS),
        Request::new("GET", path::UPLOADS).replaced("host", &format!("{long}.example")),
    ] {
        let answer = server.send(request);
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
    }
    let told = server.get(&path).problem(longhaul_protocol::ProblemCode::NotFound).detail;
    assert!(told.contains("/v1/xxx"), "{told}");
}
