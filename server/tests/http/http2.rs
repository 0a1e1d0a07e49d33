//! HTTP/2 as nobody means it: frames by hand.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use longhaul_server::tls::Offer;

use crate::certificates::Pair;
use crate::support::Server;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GO_AWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
/// The flags of a request's head that is whole (RFC 9113, section 6.2), without a body and with one.
pub const NO_BODY: u8 = 5;
const WITH_BODY: u8 = 4;
/// RFC 9113, section 7.
const REFUSED_STREAM: u8 = 7;
const CANCEL: u8 = 8;
const ENHANCE_YOUR_CALM: u8 = 11;
/// `GET https://localhost/` (RFC 7541, appendix A).
const GET: &[u8] = b"\x82\x87\x84\x41\x09localhost";
/// `POST https://localhost/v1/uploads` with JSON.
const POST: &[u8] = b"\x83\x87\x44\x0b/v1/uploads\x41\x09localhost\x5f\x10application/json";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kinds of what comes, with their payloads.
pub fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        frames.push((head[3], payload));
        bytes = rest;
    }
    frames
}

fn server(pair: &Pair, header_timeout: Duration) -> Server {
    let tls = Arc::new(pair.load(Offer::Http2));
    Server::start_with(|config| {
        config.tls = Some(tls);
        config.limits.header_timeout = header_timeout;
    })
}

/// What comes, to the end of the connection, of these frames after the first ones.
fn sent(pair: &Pair, server: &Server, said: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut stream = pair.connect(server, "h2");
    let first = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // It may be closed before all of it is written, and nothing is read then through what still wants to write.
    let _ = stream.write_all(&first.into_iter().chain(said).collect::<Vec<_>>());
    let mut came = Vec::new();
    while stream.conn.read_tls(&mut stream.sock).is_ok_and(|len| len > 0) {
        stream.conn.process_new_packets().unwrap();
        // All that is there, and word that there is no more just now.
        let _ = stream.conn.reader().read_to_end(&mut came);
    }
    came
}

fn assert_calmed(came: &[u8]) {
    let frames = frames(came);
    let last = frames.iter().find(|(kind, _)| *kind == GO_AWAY).expect("a word of it");
    assert_eq!(last.1[4..8], [0, 0, 0, ENHANCE_YOUR_CALM], "{frames:?}");
}

/// As ARCHITECTURE.md has it.
#[test]
fn how_much_may_come_at_once_is_told_before_any_of_it_comes() {
    let pair = Pair::new();
    let server = server(&pair, Duration::from_millis(500));
    let came = sent(&pair, &server, std::iter::empty());
    let frames = frames(&came);
    let told = |kind| frames.iter().find(|it| it.0 == kind && !it.1.is_empty()).expect("told").1;
    let settings = told(SETTINGS).chunks_exact(6);
    let settings: Vec<_> =
        settings.map(|it| (it[1], u32::from_be_bytes([it[2], it[3], it[4], it[5]]))).collect();
    // RFC 9113, section 6.5.2: requests at once, bytes of a body, bytes of a head.
    for setting in [(3, 100), (4, 1 << 20), (6, 128 * 1024)] {
        assert!(settings.contains(&setting), "{setting:?}: {settings:?}");
    }
    // Section 6.9.2: what is added to the 65,535 bytes that all bodies may have from the beginning.
    assert_eq!(told(WINDOW_UPDATE), ((4 << 20) - 65_535_u32).to_be_bytes());
}

#[test]
fn who_asks_for_more_at_once_than_he_was_told_is_refused_the_rest() {
    let pair = Pair::new();
    let server = server(&pair, Duration::from_secs(30));
    let mut stream = pair.connect(&server, "h2");
    let mut said = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // Bodies that do not come.
    (1..203).step_by(2).for_each(|id| said.extend(frame(HEADERS, WITH_BODY, id, POST)));
    stream.write_all(&said).unwrap();
    let mut came = Vec::new();
    while !frames(&came).contains(&(RESET, &[0, 0, 0, REFUSED_STREAM])) {
        let mut more = [0; 4096];
        let len = stream.read(&mut more).expect("it is refused");
        assert!(len > 0, "the connection is over: {:?}", frames(&came));
        came.extend(&more[..len]);
    }
    assert_eq!(frames(&came).iter().filter(|it| it.0 == RESET).count(), 1);
    assert!(pair.answer(&server).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn who_asks_for_what_is_no_request_again_and_again_is_cut_off() {
    let pair = Pair::new();
    let server = server(&pair, Duration::from_secs(30));
    // What is about the connection is no header there (RFC 9113, section 8.2.2).
    let faulty = [GET, b"\x00\x0aconnection\x01b"].concat();
    let requests = (1..400).step_by(2).flat_map(|id| frame(HEADERS, NO_BODY, id, &faulty));
    assert_calmed(&sent(&pair, &server, requests));
}

#[test]
fn who_speaks_nothing_else_is_refused_where_it_is_not_offered() {
    let pair = Pair::new();
    let tls = Arc::new(pair.load(Offer::Http1));
    let server = Server::start_with(|config| config.tls = Some(tls));
    let mut stream = pair.connect(&server, "h2");
    let error = stream.write_all(PREFACE).and_then(|()| stream.read(&mut [0; 1])).unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    assert!(pair.answer(&server).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn who_takes_back_what_he_asks_for_again_and_again_is_cut_off_and_others_are_served() {
    let pair = Pair::new();
    let server = server(&pair, Duration::from_secs(30));
    let requests = (1..4000).step_by(2).flat_map(|id| {
        let taken_back = frame(RESET, 0, id, &[0, 0, 0, CANCEL]);
        [frame(HEADERS, NO_BODY, id, GET), taken_back].concat()
    });
    assert_calmed(&sent(&pair, &server, requests));
    assert!(pair.answer(&server).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_ended() {
    let pair = Pair::new();
    let server = server(&pair, Duration::from_millis(500));
    for said in [PREFACE.to_vec(), [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()] {
        let mut stream = pair.connect(&server, "h2");
        stream.write_all(&said).unwrap();
        let mut came = Vec::new();
        let error = stream.read_to_end(&mut came).err().map(|error| error.kind());
        assert_ne!(error, Some(std::io::ErrorKind::WouldBlock), "it is kept");
        let frames = frames(&came);
        let last = frames.iter().rfind(|(kind, _)| *kind == GO_AWAY).expect("a word of it");
        assert_eq!(last.1[4..8], [0; 4], "nobody did anything wrong: {frames:?}");
    }
}

#[test]
fn a_connection_hears_that_the_server_stops() {
    let pair = Pair::new();
    let mut server = server(&pair, Duration::from_secs(30));
    let mut stream = pair.connect(&server, "h2");
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
    let (mut came, mut piece) = (Vec::new(), [0; 4096]);
    while !frames(&came).iter().any(|(kind, _)| *kind == SETTINGS) {
        let read = stream.read(&mut piece).unwrap();
        came.extend_from_slice(&piece[..read]);
    }
    server.stop();
    while !frames(&came).iter().any(|(kind, _)| *kind == GO_AWAY) {
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "it was cut off without a word");
        came.extend_from_slice(&piece[..read]);
    }
}
