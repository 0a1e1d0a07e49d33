//! HTTP/2 as nobody means it: frames by hand.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use longhaul_server::tls::Offer;

use crate::certificates::Pair;
use crate::support::Server;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
/// RFC 9113, section 7.
const CANCEL: u8 = 8;
const ENHANCE_YOUR_CALM: u8 = 11;
/// `GET https://localhost/` (RFC 7541, appendix A).
const GET: &[u8] = b"\x82\x87\x84\x41\x09localhost";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kinds of what comes, with their payloads.
fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
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

#[test]
fn who_takes_back_what_he_asks_for_again_and_again_is_cut_off_and_others_are_served() {
    let pair = Pair::new();
    let server = server(&pair, Duration::from_secs(30));
    let mut stream = pair.connect(&server, "h2");
    let mut flood = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for id in (1..4000).step_by(2) {
        flood.extend(frame(HEADERS, 0x5, id, GET));
        flood.extend(frame(RESET, 0, id, &[0, 0, 0, CANCEL]));
    }
    // It may be closed before all of it is written.
    let _ = stream.write_all(&flood);
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    let frames = frames(&came);
    let last = frames.iter().find(|(kind, _)| *kind == GO_AWAY).expect("a word of it");
    assert_eq!(last.1[4..8], [0, 0, 0, ENHANCE_YOUR_CALM], "{frames:?}");
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
    }
}
