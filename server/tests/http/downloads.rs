//! Files on their way out: ranges, conditions, and what keeps an uploaded page from running.

use longhaul_protocol::wire::{FileInfo, Manifest, UploadStatus, path};
use longhaul_protocol::{Digest, ProblemCode};

use crate::support::{Answer, CHUNK, Request, Server, bytes, chunk, create_request, one_request};

fn ranged(server: &Server, file: &FileInfo, range: &str) -> Answer {
    server.send(Request::new("GET", &path::file(file.id)).header("range", range))
}

#[test]
fn a_download_says_what_it_is_and_keeps_it_from_running() {
    let server = Server::start();
    let mut create = create_request(5);
    create.meta.name = "naïve \"x\".html".into();
    create.meta.media_type = "text/html".into();
    let file: FileInfo = server.send(one_request(&create, b"hello").body(b"hello")).ok(201);
    let answer = server.get(&path::file(file.id));
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    for (header, value) in [
        ("content-type", "text/html"),
        ("content-length", "5"),
        ("accept-ranges", "bytes"),
        ("etag", &format!("\"{}-1\"", file.root)),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "private, max-age=3600, immutable, no-transform"),
        (
            "content-disposition",
            "attachment; filename=\"na_ve _x_.html\"; filename*=UTF-8''na%C3%AFve%20%22x%22.html",
        ),
    ] {
        assert_eq!(answer.header(header), Some(value), "{header}");
    }
    assert!(answer.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
}

#[test]
fn a_file_without_a_type_is_octets() {
    let server = Server::start();
    let file = server.file(b"hello");
    let answer = server.get(&path::file(file.id));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
}

/// By all ways that its bytes go out.
#[test]
fn what_a_page_could_run_is_octets_to_whoever_reads_it_and_keeps_its_type_in_lists() {
    let server = Server::start();
    for (called, served) in [
        ("text/javascript", "application/octet-stream"),
        ("Text/CSS; charset=utf-8", "application/octet-stream"),
        ("image/png;, text/javascript", "image/png"),
    ] {
        let mut create = create_request(5);
        create.meta.media_type = called.into();
        let upload: UploadStatus =
            server.send(Request::new("POST", path::UPLOADS).json(&create)).ok(201);
        assert_eq!(server.send(chunk(upload.id, 0, b"hello").body(b"hello")).status, 204);
        let coming = server.get(&path::content(upload.id));
        assert_eq!((coming.status, coming.header("content-type")), (200, Some(served)));
        let file: FileInfo = server.send(one_request(&create, b"hello").body(b"hello")).ok(201);
        assert_eq!(file.meta.media_type, called);
        for range in ["bytes=1-", "whole"] {
            assert_eq!(ranged(&server, &file, range).header("content-type"), Some(served));
        }
    }
}

#[test]
fn a_range_is_served_across_chunks_and_frames() {
    let server = Server::start();
    let whole = bytes(9 * CHUNK as usize + 3);
    let file = server.file(&whole);
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1-", 1, whole.len()),
        ("bytes=-3", whole.len() - 3, whole.len()),
        ("bytes=65530-65550", 65530, 65551),
        ("bytes=100-99999999999999999999", 100, whole.len()),
    ] {
        let answer = ranged(&server, &file, range);
        assert_eq!(answer.status, 206);
        assert!(answer.body == whole[start..end], "{range}");
        let content_range = format!("bytes {start}-{}/{}", end - 1, whole.len());
        assert_eq!(answer.header("content-range"), Some(content_range.as_str()));
    }
    assert!(server.get(&path::file(file.id)).body == whole);
}

#[test]
fn several_ranges_come_in_parts() {
    let server = Server::start();
    let whole = bytes(9 * CHUNK as usize);
    let file = server.file(&whole);
    let answer = ranged(&server, &file, "bytes=-2,0-3,65000-464999");
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), None);
    let boundary = answer.header("content-type").unwrap();
    let boundary = boundary.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: std::ops::Range<usize>| {
        let (first, last, len) = (range.start, range.end - 1, whole.len());
        let head = format!(
            "--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {first}-{last}/{len}\r\n\r\n"
        );
        [head.as_bytes(), &whole[range], b"\r\n"].concat()
    };
    let parts = [part(whole.len() - 2..whole.len()), part(0..4), part(65000..465_000)].concat();
    assert!(answer.body == [parts, format!("--{boundary}--\r\n").into_bytes()].concat());
}

#[test]
fn a_range_past_the_end_is_told_the_length() {
    let server = Server::start();
    let file = server.file(b"hello");
    let answer = ranged(&server, &file, "bytes=5-");
    answer.problem(ProblemCode::RangeNotSatisfiable);
    assert_eq!(answer.header("content-range"), Some("bytes */5"));
}

#[test]
fn a_range_that_is_none_is_ignored() {
    let server = Server::start();
    let file = server.file(b"hello");
    for range in ["items=0-1", "bytes=3-1", "bytes=x", "bytes"] {
        let answer = ranged(&server, &file, range);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]), "{range}");
        assert_eq!(answer.header("content-range"), None);
    }
    let two = Request::new("GET", &path::file(file.id)).header("range", "bytes=0-1");
    assert_eq!(server.send(two.header("range", "bytes=3-4")).status, 200);
}

#[test]
fn an_empty_file_is_served_whole_or_not_at_all() {
    let server = Server::start();
    let file = server.file(b"");
    let whole = server.get(&path::file(file.id));
    assert_eq!((whole.status, whole.header("content-length")), (200, Some("0")));
    let suffix = ranged(&server, &file, "bytes=-5");
    assert_eq!((suffix.status, suffix.header("content-range")), (200, None));
    let first = ranged(&server, &file, "bytes=0-0");
    first.problem(ProblemCode::RangeNotSatisfiable);
    assert_eq!(first.header("content-range"), Some("bytes */0"));
}

#[test]
fn the_digest_of_the_whole_is_told_with_every_part_of_it_once_it_is_known() {
    let server = Server::start();
    let whole = bytes(5 * CHUNK as usize + 3);
    let file = server.file(&whole);
    let digest = Digest::of(&whole);
    let header = format!("sha-256=:{}:", digest.to_base64());
    let start = std::time::Instant::now();
    while server.get(&path::file(file.id)).header("repr-digest").is_none() {
        assert!(start.elapsed().as_secs() < 60, "it is never told");
    }
    let get = Request::new("GET", &path::file(file.id));
    for (request, status) in [
        (get.clone(), 200),
        (Request::new("HEAD", &path::file(file.id)), 200),
        (get.clone().header("range", "bytes=1-2"), 206),
        (get.clone().header("range", "bytes=1-2,70000-70001"), 206),
    ] {
        let answer = server.send(request);
        assert_eq!((answer.status, answer.header("repr-digest")), (status, Some(&*header)));
    }
    let etag = format!("\"{}-6\"", file.root);
    let unchanged = server.send(get.header("if-none-match", &etag));
    assert_eq!((unchanged.status, unchanged.header("repr-digest")), (304, None));
    let manifest: Manifest = server.get(&path::manifest(file.id)).ok(200);
    assert_eq!(manifest.file.sha256, Some(digest));
    let empty = server.get(&path::file(server.file(b"").id));
    assert_eq!(empty.header("repr-digest"), Some(&*Digest::of(b"").to_header()));
}

#[test]
fn a_head_tells_the_length_and_ignores_ranges() {
    let server = Server::start();
    let file = server.file(&bytes(1000));
    let mut connection = server.connect();
    let head = Request::new("HEAD", &path::file(file.id));
    for request in [head.clone(), head.header("range", "bytes=0-1")] {
        let answer = connection.send(request);
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("1000")));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    }
    let next = connection.send(Request::new("GET", path::HEALTHZ));
    assert_eq!(next.body, b"ok\n", "no byte of the file came between");
}

#[test]
fn conditions_are_kept() {
    let server = Server::start();
    let file = server.file(b"hello");
    let etag = format!("\"{}-1\"", file.root);
    let get = |header: &str, value: &str| {
        server.send(Request::new("GET", &path::file(file.id)).header(header, value))
    };
    let unchanged = get("if-none-match", &etag);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
    assert_eq!(unchanged.header("content-length"), None);
    assert_eq!(get("if-none-match", "\"x\"").status, 200);
    assert_eq!(get("if-match", &etag).status, 200);
    get("if-match", "\"x\"").problem(ProblemCode::PreconditionFailed);
    get("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")
        .problem(ProblemCode::PreconditionFailed);
    let date = get("range", "bytes=0-0").header("last-modified").unwrap().to_owned();
    assert_eq!(get("if-modified-since", &date).status, 304);
    for (if_range, status) in [(etag.as_str(), 206), (date.as_str(), 206), ("\"x\"", 200)] {
        let request = Request::new("GET", &path::file(file.id)).header("range", "bytes=1-2");
        assert_eq!(server.send(request.header("if-range", if_range)).status, status, "{if_range}");
    }
}

#[test]
fn a_reader_who_does_not_read_holds_up_nobody() {
    let server = Server::start();
    let whole = bytes(40 << 20);
    let mut create = create_request(whole.len() as u64);
    create.chunk_size = Some(64 << 20);
    let upload: longhaul_protocol::wire::UploadStatus =
        server.send(Request::new("POST", path::UPLOADS).json(&create)).ok(201);
    for (index, chunk) in (0..).zip(whole.chunks(upload.chunk_size as usize)) {
        assert_eq!(server.put(upload.id, index, chunk).status, 204);
    }
    let digests = whole.chunks(upload.chunk_size as usize).map(longhaul_protocol::Digest::of);
    let file: FileInfo = server.seal(upload.id, longhaul_protocol::digest::root(digests)).ok(201);
    let idle: Vec<_> = (0..20)
        .map(|_| {
            let mut connection = server.connect();
            connection.send_head(&Request::new("GET", &path::file(file.id)));
            connection
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(ranged(&server, &file, "bytes=-10").body == whole[whole.len() - 10..]);
    drop(idle);
}
