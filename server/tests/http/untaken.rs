//! Answers of HTTP/2 that nobody takes: each is ended by itself, and of one address there are only so many.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::wire::{FileInfo, path};
use longhaul_server::tls::Offer;
use rustls::{ClientConnection, StreamOwned};

use crate::certificates::Pair;
use crate::http2::{
    GO_AWAY, HEADERS, NO_BODY, PREFACE, RESET, SETTINGS, WINDOW_UPDATE, frame, frames,
};
use crate::support::{Server, bytes, create_request, one_request};

const DATA: u8 = 0;
/// The flag of the last frame of a stream (RFC 9113, section 6.1).
pub const END: u8 = 1;
/// `:status: 200` (RFC 7541, appendix A).
pub const OK: u8 = 0x88;
/// `:method: GET`.
pub const GET: &[u8] = b"\x82";

/// A reader who says how much of each answer he has room for.
pub struct Reader {
    stream: StreamOwned<ClientConnection, TcpStream>,
    pub came: Vec<u8>,
    next: u32,
}

impl Reader {
    pub fn new(pair: &Pair, server: &Server, window: u32) -> Self {
        let mut stream = pair.connect(server, "h2");
        stream.write_all(&[PREFACE, &window_of(window)].concat()).unwrap();
        stream.sock.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { stream, came: Vec::new(), next: 1 }
    }

    pub fn ask(&mut self, method: &[u8], path: &str) {
        self.stream.write_all(&frame(HEADERS, NO_BODY, self.next, &ask(method, path))).unwrap();
        self.next += 2;
    }

    /// `:method: HEAD` is no entry of the static table.
    pub fn ask_head(&mut self, path: &str) {
        self.ask(b"\x02\x04HEAD", path);
    }

    /// Reads what comes until it is enough; asks something now and then, which keeps a connection.
    pub fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) {
        let mut piece = [0; 16 << 10];
        for _ in 0..200 {
            match self.stream.read(&mut piece) {
                Ok(0) => panic!("the connection is over: {:?}", kinds(&self.came)),
                Ok(len) => self.came.extend(&piece[..len]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    self.ask_head("/healthz");
                }
            }
            if is_enough(&self.came) {
                return;
            }
        }
        panic!("that is all that came: {:?}", kinds(&self.came));
    }
}

fn window_of(bytes: u32) -> Vec<u8> {
    // RFC 9113, section 6.5.2.
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat())
}

pub fn server(change: impl FnOnce(&mut longhaul_server::Config)) -> (Pair, Server) {
    let pair = Pair::new();
    let tls = Arc::new(pair.load(Offer::Http2));
    let server = Server::start_with(|config| {
        config.tls = Some(tls);
        config.chunk_len = 8 << 20;
        change(config);
    });
    (pair, server)
}

/// What is asked again and again on a connection keeps it, and not what nobody takes there: nothing of a long file, all but
/// the last byte of a short one.
#[test]
fn an_answer_that_nobody_takes_is_ended_whatever_else_is_asked_on_its_connection() {
    let (pair, server) = server(|config| {
        config.limits.idle_answer_timeout = Duration::from_millis(1500);
        config.limits.header_timeout = Duration::from_millis(1500);
    });
    for (len, window) in [(1 << 20, 0), (5000, 4999), (700, 0)] {
        let file = server_file(&pair, &server, len);
        let mut reader = Reader::new(&pair, &server, window);
        (0..10).for_each(|_| reader.ask(GET, &file));
        reader.read_until(|came| resets(came).len() == 10);
        assert_eq!(resets(&reader.came), (1..=19).step_by(2).collect::<Vec<_>>());
        let kinds = kinds(&reader.came);
        assert_eq!(kinds.contains(&DATA), window > 0, "{kinds:?}");
        assert!(!kinds.contains(&GO_AWAY), "{kinds:?}");
    }
}

#[test]
fn a_reader_who_has_room_for_just_an_answer_gets_all_of_it() {
    let (pair, server) = server(|_| {});
    for len in [1_u32, 1024, 1025, 16 << 10, (16 << 10) + 1, 60_000] {
        let file = server_file(&pair, &server, len.into());
        let mut reader = Reader::new(&pair, &server, len);
        reader.ask(GET, &file);
        reader.read_until(|came| ended(came).contains(&1));
        let data = all(&reader.came).into_iter().filter(|it| it.kind == DATA);
        assert_eq!(data.map(|it| it.payload.len()).sum::<usize>(), len as usize);
    }
}

#[test]
fn of_one_address_so_many_answers_wait_for_being_taken_and_no_more() {
    let (pair, server) = server(|config| config.places.place_answers_max = 10);
    // Nothing of them has room, and the first byte.
    for (len, window) in [(4000, 0), (700, 1)] {
        let file = server_file(&pair, &server, len.into());
        let mut readers = [(); 2].map(|()| Reader::new(&pair, &server, window));
        for reader in &mut readers {
            (0..5).for_each(|_| reader.ask(GET, &file));
            reader.read_until(|came| heads(came).len() == 5);
            assert_eq!(heads(&reader.came), [OK; 5]);
        }
        assert_ne!(one_more(&pair, &server, &file), OK, "it is one too many");
        // Over HTTP/1.1 a connection has one.
        assert!(pair.answer(&server).starts_with("HTTP/1.1 200 OK\r\n"));
        readers[0].stream.write_all(&window_of(len)).unwrap();
        readers[0].read_until(|came| (1..=9).step_by(2).all(|id| ended(came).contains(&id)));
        assert_eq!(one_more(&pair, &server, &file), OK, "those that were taken make room");
        drop(readers);
        let has_room = |_| {
            std::thread::sleep(Duration::from_millis(20));
            (0..10).all(|_| one_more(&pair, &server, &file) == OK)
        };
        assert!((0..100).any(has_room), "whoever has left has nothing");
    }
}

/// How the answer begins to who asks on a connection of his own.
pub fn one_more(pair: &Pair, server: &Server, file: &str) -> u8 {
    let mut reader = Reader::new(pair, server, 1 << 20);
    reader.ask(GET, file);
    reader.read_until(|came| ended(came).contains(&1));
    heads(&reader.came)[0]
}

/// `GET` or `HEAD` of a path, of `localhost`: its name and length by hand, no longer than an octet tells.
fn ask(method: &[u8], path: &str) -> Vec<u8> {
    let path = [&[0x04, path.len() as u8], path.as_bytes()].concat();
    [method, b"\x87", &path, b"\x41\x09localhost"].concat()
}

/// A reader who has room for everything and takes nothing.
pub fn silent(pair: &Pair, server: &Server) -> Reader {
    let mut silent = Reader::new(pair, server, 1 << 30);
    silent.stream.write_all(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).unwrap();
    // The system would take more and more for him.
    rustix::net::sockopt::set_socket_recv_buffer_size(&silent.stream.sock, 128 << 10).unwrap();
    silent
}

/// hyper is done with an answer that h2 has all of, whenever that is sent.
#[test]
fn what_waits_behind_something_that_nobody_reads_counts_until_it_is_sent() {
    let (pair, server) = server(|config| config.places.place_answers_max = 10);
    let [long, short] = [8 << 20, 4000].map(|len| server_file(&pair, &server, len));
    let mut silent = silent(&pair, &server);
    // More than the system keeps of what nobody reads.
    (0..4).for_each(|_| silent.ask(GET, &long));
    std::thread::sleep(Duration::from_millis(500));
    (0..6).for_each(|_| silent.ask(GET, &short));
    std::thread::sleep(Duration::from_millis(500));
    assert_ne!(one_more(&pair, &server, &short), OK, "it is one too many");
}

/// What h2 has of an answer that is ended it forgets when its turn comes to be sent.
#[test]
fn an_answer_that_is_ended_counts_while_anything_of_it_is_kept() {
    let idle = Duration::from_millis(1500);
    let (pair, server) = server(|config| {
        config.places.place_answers_max = 10;
        config.limits.idle_answer_timeout = idle;
    });
    let [long, short] = [8 << 20, 4000].map(|len| server_file(&pair, &server, len));
    let mut silent = silent(&pair, &server);
    (0..10).for_each(|_| silent.ask(GET, &long));
    // So much is taken now and then that the system does not end the connection, and no more than it has itself.
    for _ in 0..2 {
        std::thread::sleep(idle * 3 / 5);
        silent.stream.sock.read_exact(&mut [0; 160 << 10]).unwrap();
    }
    std::thread::sleep(idle / 5);
    assert_ne!(one_more(&pair, &server, &short), OK, "it is one too many");
}

pub struct Frame<'a> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    payload: &'a [u8],
}

pub fn all(mut came: &[u8]) -> Vec<Frame<'_>> {
    let mut all = Vec::new();
    while let Some((head, rest)) = came.split_at_checked(9) {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        all.push(Frame { kind: head[3], flags: head[4], stream, payload });
        came = rest;
    }
    all
}

/// The streams that were reset, in their order.
pub fn resets(came: &[u8]) -> Vec<u32> {
    let reset = all(came).into_iter().filter(|it| it.kind == RESET);
    let mut reset: Vec<_> = reset.map(|it| it.stream).collect();
    reset.sort_unstable();
    reset
}

/// The streams of which all has come.
pub fn ended(came: &[u8]) -> Vec<u32> {
    let is_last = |it: &Frame<'_>| [DATA, HEADERS].contains(&it.kind) && it.flags & END != 0;
    all(came).into_iter().filter(is_last).map(|it| it.stream).collect()
}

/// How the head of each answer begins, but for those that are no more than that.
pub fn heads(came: &[u8]) -> Vec<u8> {
    let is_head = |it: &Frame<'_>| it.kind == HEADERS && it.flags & END == 0;
    all(came).into_iter().filter(is_head).map(|it| it.payload[0]).collect()
}

/// Of everything that came, what it is.
fn kinds(came: &[u8]) -> Vec<u8> {
    frames(came).into_iter().map(|(kind, _)| kind).collect()
}

/// A file of so many bytes, sent as people do.
pub fn server_file(pair: &Pair, server: &Server, len: u64) -> String {
    let bytes = bytes(len as usize);
    let request = one_request(&create_request(len), &bytes);
    let request = request.header("connection", "close").body(&bytes);
    let mut stream = pair.connect(server, "http/1.1");
    stream.write_all(&request.to_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    let file: FileInfo = serde_json::from_str(body).unwrap();
    path::file(file.id)
}
