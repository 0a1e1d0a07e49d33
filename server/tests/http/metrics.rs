//! What is told at `/metrics`: that it is what has happened, and that no stranger makes it grow.

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::{CHUNK_DIGEST, CHUNK_INDEX};
use longhaul_protocol::wire::{DigestRun, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

use crate::support::{CHUNK, Request, Server, bytes, chunk};

/// What is told of one series; `None` if there is none.
fn told(server: &Server, series: &str) -> Option<f64> {
    let text = String::from_utf8(server.get(path::METRICS).body).unwrap();
    let mut values = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    values.next().map(|value| value.parse().unwrap())
}

#[test]
fn what_was_sent_and_what_was_here_already_are_told_apart() {
    let server = Server::start();
    let whole = bytes(2 * CHUNK as usize);
    server.file(&whole);
    let again = server.create(2 * CHUNK);
    let digests: Vec<_> = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    let run = DigestRun { start: ChunkIndex(0), digests };
    let offer = Request::new("POST", &path::digests(again.id)).json(&run);
    assert_eq!(server.send(offer).status, 200);
    let told = |series: &str| told(&server, series);
    assert_eq!(told("longhaul_chunk_sent_bytes_total"), Some(2.0 * CHUNK as f64));
    assert_eq!(told("longhaul_chunk_reused_bytes_total"), Some(2.0 * CHUNK as f64));
    let route = "{route=\"/v1/uploads/{id}/chunks\"}";
    assert_eq!(told(&format!("longhaul_received_bytes_total{route}")), Some(2.0 * CHUNK as f64));
    assert_eq!(told("longhaul_chunk_duration_seconds_count"), Some(2.0));
    assert!(told("longhaul_sync_duration_seconds_count") >= Some(1.0));
    let rows = told("longhaul_promised_bytes").unwrap() - 4.0 * CHUNK as f64;
    assert!((4096.0..8192.0).contains(&rows), "two times 2 KiB and the names: {rows}");
}

#[test]
fn an_upload_is_open_until_it_is_a_file_or_gone() {
    let server = Server::start();
    let counts =
        || ["uploads_open", "files"].map(|name| told(&server, &format!("longhaul_{name}")));
    assert_eq!(counts(), [Some(0.0), Some(0.0)]);
    let upload = server.create(5);
    assert_eq!(counts(), [Some(1.0), Some(0.0)]);
    assert_eq!(server.put(upload.id, 0, b"hello").status, 204);
    let file: longhaul_protocol::wire::FileInfo =
        server.seal(upload.id, root([Digest::of(b"hello")])).ok(201);
    assert_eq!(counts(), [Some(0.0), Some(1.0)]);
    assert_eq!(server.send(Request::new("DELETE", &path::file(file.id))).status, 204);
    let upload = server.create(5);
    assert_eq!(counts(), [Some(1.0), Some(0.0)]);
    assert_eq!(server.send(Request::new("DELETE", &path::upload(upload.id))).status, 204);
    assert_eq!(counts(), [Some(0.0), Some(0.0)]);
}

#[test]
fn every_refusal_is_counted_under_its_code_from_0_on() {
    let server = Server::start();
    let of = |code: ProblemCode| {
        told(&server, &format!("longhaul_problems_total{{code=\"{}\"}}", code.row().code))
    };
    for code in ProblemCode::ALL {
        assert_eq!(of(*code), Some(0.0));
    }
    let upload: UploadStatus = server.create(5);
    let wrong = Request::new("POST", &path::chunks(upload.id))
        .header(CHUNK_INDEX, "0")
        .header(CHUNK_DIGEST, &Digest::of(b"other").to_header());
    server.send(wrong.body(b"hello")).problem(ProblemCode::DigestMismatch);
    assert_eq!(of(ProblemCode::DigestMismatch), Some(1.0));
    let beyond = chunk(upload.id, 7, b"hello").body(b"hello");
    server.send(beyond).problem(ProblemCode::ChunkOutOfRange);
    assert_eq!(of(ProblemCode::ChunkOutOfRange), Some(1.0));
    assert_eq!(of(ProblemCode::DigestMismatch), Some(1.0));
}

#[test]
fn whoever_asks_for_whatever_makes_no_more_series_than_one_who_asks_once() {
    let server = Server::start();
    let series = || {
        let text = String::from_utf8(server.get(path::METRICS).body).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let ask = |nth: u32| {
        for path in ["/v1/nowhere", "/site", "/v1/uploads", "/v1/files"] {
            server.send(Request::new("GET", &format!("{path}/{nth}?{nth}")));
            server.send(Request::new(&format!("VERB{nth}"), &format!("{path}/{nth}")));
        }
        server.get(&path::upload(longhaul_protocol::wire::ids::UploadId([nth as u8; 16])));
    };
    ask(0);
    series();
    let before = series();
    (1..50).for_each(ask);
    assert_eq!(series(), before);
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let server = Server::start();
    let open = |least: f64| told(&server, "longhaul_connections").unwrap() >= least;
    let others: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = server.connect();
            assert_eq!(connection.send(Request::new("GET", path::HEALTHZ)).status, 200);
            connection
        })
        .collect();
    assert!(open(4.0), "the one that asks too");
    drop(others);
    let begun = std::time::Instant::now();
    while open(4.0) {
        assert!(begun.elapsed().as_secs() < 20, "they are gone");
    }
}

#[test]
fn a_value_is_a_whole_line_and_each_name_is_described_once() {
    let server = Server::start();
    server.file(b"hello");
    let text = String::from_utf8(server.get(path::METRICS).body).unwrap();
    let named = |kind: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (helped, typed) = (named("# HELP "), named("# TYPE "));
    assert_eq!(helped, typed);
    let mut once = helped.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), helped.len());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let is_told = helped.iter().any(|known| {
            name.strip_prefix(known.as_str())
                .is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        });
        assert!(is_told, "{line}");
    }
}
