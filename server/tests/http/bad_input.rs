//! What is wrong is answered with a problem that says so, and takes nothing away that was held.

use std::sync::atomic::Ordering;
use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::{CHUNK_DIGEST, CHUNK_INDEX, CHUNK_OFFSET, CHUNK_REPLACE};
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{
    CreateRequest, DigestRun, DigestsAnswer, UploadList, UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

use crate::support::{
    CHUNK, Request, Server, bytes, chunk, create_request, one_request, stopped_clock,
};

fn post_create(server: &Server, change: impl FnOnce(&mut CreateRequest)) -> crate::support::Answer {
    let mut request = create_request(3 * CHUNK);
    change(&mut request);
    server.send(Request::new("POST", path::UPLOADS).json(&request))
}

/// A server with an upload of two chunks, the first of them held, and that chunk.
fn half_done() -> (Server, UploadStatus, Vec<u8>) {
    let server = Server::start();
    let upload = server.create(2 * CHUNK);
    let first = bytes(CHUNK as usize);
    assert_eq!(server.put(upload.id, 0, &first).status, 204);
    (server, upload, first)
}

/// Holds that the first chunk, and nothing else, is still there.
fn assert_first_is_held(server: &Server, id: UploadId) {
    let mut holding = server.status(id).holding;
    holding.held.union_with(&holding.pending);
    assert_eq!(holding.held.to_string(), "0");
}

#[test]
fn an_unknown_id_is_not_found() {
    let server = Server::start();
    let (upload, file) = (UploadId([1; 16]), FileId([2; 16]));
    for (method, path) in [
        ("GET", path::upload(upload)),
        ("DELETE", path::upload(upload)),
        ("GET", path::file(file)),
        ("DELETE", path::file(file)),
        ("GET", path::manifest(file)),
        ("GET", "/v1/uploads/0".to_owned()),
        ("GET", "/v1/uploads/..%2f..%2fetc%2fpasswd".to_owned()),
        ("GET", "/v1/files/../../etc/passwd".to_owned()),
        ("GET", format!("/v1/files/{file}/")),
    ] {
        let answer = server.send(Request::new(method, &path));
        answer.problem(ProblemCode::NotFound);
    }
    server.put(upload, 0, b"x").problem(ProblemCode::NotFound);
    server.seal(upload, Digest::of(b"")).problem(ProblemCode::NotFound);
    let run = DigestRun { start: ChunkIndex(0), digests: vec![Digest::of(b"")] };
    let offer = Request::new("POST", &path::digests(upload)).json(&run);
    server.send(offer).problem(ProblemCode::NotFound);
}

#[test]
fn a_chunk_past_the_last_one_is_refused() {
    let (server, upload, first) = half_done();
    for index in [2, u64::MAX] {
        server.put(upload.id, index, &first).problem(ProblemCode::ChunkOutOfRange);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_chunk_of_the_wrong_length_is_refused() {
    let (server, upload, first) = half_done();
    for wrong in [&first[..10], &[], &[first.as_slice(), b"x"].concat()] {
        server.put(upload.id, 1, wrong).problem(ProblemCode::WrongLength);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn json_that_breaks_off_is_told_to_be_no_json_and_a_chunk_to_be_too_short() {
    let (server, upload, _) = half_done();
    let broken_off = |request: Request, body: &[u8]| {
        let mut connection = server.connect();
        connection.send_head(&request.header("content-length", &(body.len() + 1).to_string()));
        connection.write(body).unwrap();
        connection.half_close();
        connection.answer("POST")
    };
    let json = |path: &str| {
        let request = Request::new("POST", path).header("content-type", "application/json");
        broken_off(request, b"{\"root\":").problem(ProblemCode::InvalidJson)
    };
    for path in [path::UPLOADS, &path::digests(upload.id), &path::seal(upload.id)] {
        let problem = json(path);
        assert!(problem.detail.contains("the body broke off after 8 bytes"), "{}", problem.detail);
    }
    let short = chunk(upload.id, 1, &vec![5; CHUNK as usize]);
    broken_off(short, &[5; CHUNK as usize - 1]).problem(ProblemCode::WrongLength);
    broken_off(one_request(&create_request(6), b"hello!"), b"hello")
        .problem(ProblemCode::WrongLength);
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_chunk_without_a_length_of_its_own_is_counted() {
    let (server, upload, _) = half_done();
    let second = vec![5; CHUNK as usize];
    let framed = |bytes: &[u8]| {
        [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat()
    };
    for (body, expected) in
        [(vec![5; 10], 400), (vec![5; 2 * CHUNK as usize], 400), (second.clone(), 204)]
    {
        let mut connection = server.connect();
        connection.send_head(&chunk(upload.id, 1, &second).header("transfer-encoding", "chunked"));
        connection.write(&framed(&body)).unwrap();
        let answer = connection.answer("POST");
        assert_eq!(answer.status, expected);
        if expected == 400 {
            answer.problem(ProblemCode::WrongLength);
            assert_first_is_held(&server, upload.id);
        }
    }
}

#[test]
fn a_chunk_with_another_digest_is_refused_and_the_right_one_is_not_told() {
    let (server, upload, first) = half_done();
    let answer = server.send(chunk(upload.id, 1, b"what was meant").body(&first));
    answer.problem(ProblemCode::DigestMismatch);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(!text.contains(&Digest::of(&first).to_string()), "{text}");
    assert!(!text.contains(&Digest::of(&first).to_base64()), "{text}");
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_held_chunk_is_replaced_only_by_who_knows_what_it_is() {
    let (server, upload, first) = half_done();
    let other = vec![9; CHUNK as usize];
    server.put(upload.id, 0, &other).problem(ProblemCode::ChunkHeld);
    let guess = chunk(upload.id, 0, &other).header(CHUNK_REPLACE, &Digest::of(b"").to_header());
    server.send(guess.body(&other)).problem(ProblemCode::ChunkHeld);
    assert_first_is_held(&server, upload.id);
    let known = chunk(upload.id, 0, &other).header(CHUNK_REPLACE, &Digest::of(&first).to_header());
    assert_eq!(server.send(known.body(&other)).status, 204);
}

#[test]
fn a_chunk_that_goes_on_where_nothing_is_kept_is_told_where_to() {
    let (server, upload, first) = half_done();
    let rest = chunk(upload.id, 1, &first).header(CHUNK_OFFSET, "100");
    let problem = server.send(rest.body(&first[100..])).problem(ProblemCode::OffsetMismatch);
    assert_eq!(problem.facts.offset, Some(0));
    assert_first_is_held(&server, upload.id);
}

#[test]
fn a_chunk_that_goes_on_past_its_end_is_told_where_to() {
    let (server, upload, first) = half_done();
    for past in [first.len() as u64 + 1, u64::MAX] {
        let rest = chunk(upload.id, 1, &first).header(CHUNK_OFFSET, &past.to_string());
        let problem = server.send(rest.body(&[])).problem(ProblemCode::OffsetMismatch);
        assert_eq!(problem.facts.offset, Some(0));
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn chunk_headers_that_cannot_be_read_are_named() {
    let (server, upload, _) = half_done();
    let digest = Digest::of(b"").to_header();
    for (headers, named) in [
        (vec![(CHUNK_DIGEST, digest.as_str())], CHUNK_INDEX),
        (vec![(CHUNK_INDEX, "1")], CHUNK_DIGEST),
        (vec![(CHUNK_INDEX, "-1"), (CHUNK_DIGEST, &digest)], CHUNK_INDEX),
        (vec![(CHUNK_INDEX, "99999999999999999999"), (CHUNK_DIGEST, &digest)], CHUNK_INDEX),
        (vec![(CHUNK_INDEX, "1"), (CHUNK_DIGEST, "sha-256=:x:")], CHUNK_DIGEST),
        (vec![(CHUNK_INDEX, "1"), (CHUNK_DIGEST, &digest), (CHUNK_OFFSET, "x")], CHUNK_OFFSET),
    ] {
        let request = Request::new("POST", &path::chunks(upload.id)).body(b"x");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let problem = server.send(request).problem(ProblemCode::InvalidRequest);
        assert!(problem.detail.contains(named), "{}", problem.detail);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn another_root_is_refused_and_the_chunks_are_kept() {
    let (server, upload, first) = half_done();
    let missing = server.seal(upload.id, root([])).problem(ProblemCode::ChunksMissing);
    assert_eq!(missing.facts.missing.unwrap().to_string(), "1");
    assert_eq!(server.put(upload.id, 1, &first).status, 204);
    server.seal(upload.id, Digest::of(b"guess")).problem(ProblemCode::RootMismatch);
    assert!(server.status(upload.id).sealable);
    assert_eq!(server.seal(upload.id, root([Digest::of(&first); 2])).status, 201);
}

#[test]
fn malformed_json_is_answered_with_the_place() {
    let (server, upload, _) = half_done();
    for path in [path::UPLOADS.to_owned(), path::digests(upload.id), path::seal(upload.id)] {
        for text in [
            &b""[..],
            b"{",
            b"{\n  \"name\": }",
            b"[]",
            b"null",
            b"{} x",
            b"{\"name\": \"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{\"protocolVersion\":1,\"size\":-1,\"name\":\"x\",\"start\":-1,\"root\":\"x\"}",
            b"{\"protocolVersion\":1,\"size\":1e400,\"name\":\"x\"}",
        ] {
            let answer = server.send(Request::new("POST", &path).text_json(text));
            let problem = answer.problem(ProblemCode::InvalidJson);
            assert!(problem.detail.contains("line"), "{}", problem.detail);
        }
        let deep = "[".repeat(500_000);
        let answer = server.send(Request::new("POST", &path).text_json(deep.as_bytes()));
        answer.problem(ProblemCode::InvalidJson);
    }
    assert_first_is_held(&server, upload.id);
}

#[test]
fn fields_that_nobody_knows_are_passed_over() {
    let server = Server::start();
    let text = br#"{"protocolVersion":1,"size":0,"name":"x","colour":{"red":[1]}}"#;
    let _: UploadStatus = server.send(Request::new("POST", path::UPLOADS).text_json(text)).ok(201);
}

#[test]
fn json_under_another_media_type_is_not_read() {
    let server = Server::start();
    let text = serde_json::to_vec(&create_request(1)).unwrap();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let request = Request::new("POST", path::UPLOADS).header("content-type", media_type);
        let problem = server.send(request.body(&text)).problem(ProblemCode::InvalidRequest);
        assert!(problem.detail.contains("content-type"));
    }
    let bare = Request::new("POST", path::UPLOADS).body(&text);
    server.send(bare).problem(ProblemCode::InvalidRequest);
    let charset = Request::new("POST", path::UPLOADS)
        .header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(server.send(charset.body(&text)).status, 201);
}

#[test]
fn a_body_larger_than_announced_ends_where_it_was_announced_to() {
    let (server, upload, first) = half_done();
    let mut connection = server.connect();
    let request = chunk(upload.id, 1, &first).header("content-length", &CHUNK.to_string());
    connection.send_head(&request);
    connection.write(&first).unwrap();
    connection.write(b"GARBAGE THAT IS NO REQUEST\r\n\r\n").unwrap();
    assert_eq!(connection.answer("POST").status, 204);
    assert_eq!(connection.answer("GET").status, 400, "what follows is taken for a request");
    let mut holding = server.status(upload.id).holding;
    holding.held.union_with(&holding.pending);
    assert_eq!(holding.held.to_string(), "0-1");
}

#[test]
fn a_body_of_json_larger_than_taken_is_refused_with_or_without_its_length() {
    let server = Server::start();
    let large = vec![b' '; 2 << 20];
    let with = Request::new("POST", path::UPLOADS).text_json(&large);
    let limit = server.send(with).problem(ProblemCode::TooLarge).facts.limit;
    assert_eq!(limit, Some(longhaul_protocol::wire::JSON_BYTES_MAX));
    let mut connection = server.connect();
    let without = Request::new("POST", path::UPLOADS).header("content-type", "application/json");
    connection.send_head(&without.header("transfer-encoding", "chunked"));
    connection.write(format!("{:x}\r\n", large.len()).as_bytes()).unwrap();
    connection.write(&large).unwrap();
    connection.write(b"\r\n0\r\n\r\n").unwrap();
    connection.answer("POST").problem(ProblemCode::TooLarge);
}

#[test]
fn a_name_that_no_file_may_have_is_refused() {
    let server = Server::start();
    for name in [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a\\b",
        "a\0b",
        "a\nb",
        "cod\u{202E}gpj.exe",
        "\u{2066}x\u{2069}",
        &"x".repeat(300),
    ] {
        post_create(&server, |create| create.meta.name = name.into())
            .problem(ProblemCode::InvalidName);
        let mut create = create_request(1);
        create.meta.name = name.into();
        server.send(one_request(&create, b"x").body(b"x")).problem(ProblemCode::InvalidName);
    }
    for path in ["../x", "a//a file.bin", "/a file.bin", "a/other.bin", "a file.bin/", ""] {
        let answer = post_create(&server, |create| create.meta.relative_path = Some(path.into()));
        answer.problem(ProblemCode::InvalidName);
    }
    let fine =
        |create: &mut CreateRequest| create.meta.relative_path = Some("a/b/a file.bin".into());
    assert_eq!(post_create(&server, fine).status, 201);
}

#[test]
fn what_no_upload_can_be_is_refused() {
    let server = Server::start();
    let refused = |change: &dyn Fn(&mut CreateRequest), code| {
        post_create(&server, change).problem(code);
    };
    refused(&|create| create.protocol_version = 99, ProblemCode::UnsupportedVersion);
    refused(&|create| create.size = u64::MAX, ProblemCode::InvalidPlan);
    refused(&|create| create.chunk_size = Some(1), ProblemCode::InvalidPlan);
    refused(&|create| create.meta.media_type = "text".into(), ProblemCode::InvalidRequest);
    refused(&|create| create.meta.media_type = "a/b\r\nx: y".into(), ProblemCode::InvalidRequest);
    let large = |create: &mut CreateRequest| {
        create.meta.metadata.insert("key".into(), "x".repeat(16 * 1024));
    };
    refused(&large, ProblemCode::TooLarge);
    let digests = |start, count| DigestRun {
        start: ChunkIndex(start),
        digests: vec![Digest::of(b""); count],
    };
    refused(&|create| create.digests = Some(digests(0, 4)), ProblemCode::ChunkOutOfRange);
    refused(&|create| create.digests = Some(digests(u64::MAX, 1)), ProblemCode::ChunkOutOfRange);
    refused(&|create| create.digests = Some(digests(0, 10_001)), ProblemCode::InvalidRequest);
    assert_eq!(server.get(path::UPLOADS).ok::<UploadList>(200).uploads, [], "nothing was begun");
}

#[test]
fn digests_past_the_last_chunk_are_refused() {
    let (server, upload, first) = half_done();
    let offer = |start, count| {
        let digests = vec![Digest::of(&first); count];
        let run = DigestRun { start: ChunkIndex(start), digests };
        server.send(Request::new("POST", &path::digests(upload.id)).json(&run))
    };
    for (start, count) in [(0, 3), (2, 1), (u64::MAX, 1)] {
        offer(start, count).problem(ProblemCode::ChunkOutOfRange);
    }
    let answer: DigestsAnswer = offer(0, 2).ok(200);
    assert_eq!(answer.differs, []);
}

#[test]
fn parameters_that_are_no_numbers_are_named() {
    let (server, upload, first) = half_done();
    let file = server.file(&first);
    for (path, named) in [
        (format!("{}?digests=x", path::upload(upload.id)), "digests"),
        (format!("{}?start=-1", path::manifest(file.id)), "start"),
        (format!("{}?limit=x", path::UPLOADS), "limit"),
        (format!("{}?limit=0", path::FILES), "limit"),
        (format!("{}?limit=1001", path::FILES), "limit"),
        (format!("{}?after=x", path::FILES), "after"),
        (format!("{}?after=%00", path::UPLOADS), "after"),
    ] {
        let problem = server.get(&path).problem(ProblemCode::InvalidRequest);
        assert!(problem.detail.contains(named), "{}", problem.detail);
    }
}

#[test]
fn a_key_used_for_another_request_is_refused() {
    let server = Server::start();
    let keyed = |size, key: &str| {
        let request = Request::new("POST", path::UPLOADS).header("idempotency-key", key);
        server.send(request.json(&create_request(size)))
    };
    let first: UploadStatus = keyed(10, "k").ok(201);
    let again: UploadStatus = keyed(10, "k").ok(201);
    assert_eq!(first.id, again.id);
    let mut knows_more = create_request(10);
    knows_more.digests = Some(DigestRun { start: ChunkIndex(0), digests: vec![Digest::of(b"")] });
    let request = Request::new("POST", path::UPLOADS).header("idempotency-key", "k");
    assert_eq!(server.send(request.json(&knows_more)).ok::<UploadStatus>(201).id, first.id);
    keyed(11, "k").problem(ProblemCode::KeyReused);
    keyed(10, "").problem(ProblemCode::InvalidRequest);
    keyed(10, &"k".repeat(129)).problem(ProblemCode::InvalidRequest);
}

#[test]
fn a_method_that_an_address_does_not_take_is_answered_with_those_it_does() {
    let server = Server::start();
    let upload = server.create(1);
    for (method, path, allow) in [
        ("PUT", path::UPLOADS.to_owned(), "GET, HEAD, POST, OPTIONS"),
        ("POST", path::upload(upload.id), "GET, HEAD, DELETE, OPTIONS"),
        ("GET", path::chunks(upload.id), "POST, OPTIONS"),
        ("DELETE", path::PROBLEMS.to_owned(), "GET, HEAD, OPTIONS"),
        ("POST", "/".to_owned(), "GET, HEAD, OPTIONS"),
    ] {
        let answer = server.send(Request::new(method, &path));
        answer.problem(ProblemCode::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[test]
fn a_body_that_stalls_is_given_up_and_the_chunk_can_be_sent_again() {
    let server = Server::start_with(|config| {
        config.limits.idle_body_timeout = Duration::from_millis(200);
    });
    let upload = server.create(CHUNK);
    let whole = bytes(CHUNK as usize);
    let mut connection = server.connect();
    connection.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    connection.write(&whole[..100]).unwrap();
    let problem = connection.answer("POST").problem(ProblemCode::Stalled);
    assert!(problem.retryable && problem.detail.contains("100"), "{}", problem.detail);
    assert_eq!(server.put(upload.id, 0, &whole).status, 204);
    connection.write(&whole[100..]).expect("what comes late is still read");
    assert_eq!(connection.send(Request::new("GET", path::HEALTHZ)).status, 200);
}

#[test]
fn a_newer_request_takes_over_the_chunk_of_one_that_hangs() {
    let server = Server::start();
    let upload = server.create(CHUNK);
    let whole = bytes(CHUNK as usize);
    let mut older = server.connect();
    older.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    older.write(&whole[..100]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.put(upload.id, 0, &whole).status, 204);
    older.write(&whole[100..]).unwrap();
    older.answer("POST").problem(ProblemCode::Superseded);
}

#[test]
fn a_request_that_was_superseded_is_told_so_while_it_is_silent() {
    let server = Server::start_with(|config| {
        config.limits.drain_timeout = Duration::from_millis(100);
    });
    let upload = server.create(CHUNK);
    let whole = bytes(CHUNK as usize);
    let mut older = server.connect();
    older.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    older.write(&whole[..100]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.put(upload.id, 0, &whole).status, 204);
    older.answer("POST").problem(ProblemCode::Superseded);
}

#[test]
fn a_file_in_one_request_that_fails_leaves_nothing_behind() {
    let server = Server::start();
    let create = create_request(5);
    server.send(one_request(&create, b"other").body(b"hello")).problem(ProblemCode::DigestMismatch);
    server.send(one_request(&create, b"hell").body(b"hell")).problem(ProblemCode::WrongLength);
    let bare = Request::new("POST", path::FILES).body(b"hello");
    server.send(bare).problem(ProblemCode::InvalidRequest);
    let garbled = Request::new("POST", path::FILES).header("upload-create", "e30").body(b"");
    server.send(garbled).problem(ProblemCode::InvalidRequest);
    let large = create_request(CHUNK + 1);
    let limit = server.send(one_request(&large, b"").body(b"")).problem(ProblemCode::TooLarge);
    assert_eq!(limit.facts.limit, Some(CHUNK));
    assert_eq!(server.get(path::UPLOADS).ok::<UploadList>(200).uploads, []);
}

#[test]
fn an_upload_whose_time_is_over_is_gone_and_says_so() {
    let (clock, hands) = stopped_clock();
    let server = Server::start_at(clock);
    let upload = server.create(5);
    hands.store(upload.expires_at.0 + 1, Ordering::Relaxed);
    server.get(&path::upload(upload.id)).problem(ProblemCode::Expired);
    server.put(upload.id, 0, b"hello").problem(ProblemCode::Expired);
}

#[test]
fn garbage_on_the_line_harms_nobody_else() {
    let server = Server::start();
    let upload = server.create(CHUNK);
    let pieces = [
        "POST ",
        "GET ",
        "/v1/uploads",
        "/v1/files",
        " HTTP/1.1\r\n",
        "host: localhost\r\n",
        "\r\n",
        "\r\n\r\n",
        "content-length: 5\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "ffffffffffffffffff\r\n",
        "{\"size\":",
        "\0\u{ff}",
        "expect: 100-continue\r\n",
        "range: bytes=0-\r\n",
        "chunk-index: 0\r\n",
    ];
    let mut at = 12_345_usize;
    for _ in 0..200 {
        let mut line = String::new();
        for _ in 0..12 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            line.push_str(pieces[(at >> 33) % pieces.len()]);
        }
        // It may be answered, closed or waited for; the next request is another connection's.
        let _ = server.connect().write(line.as_bytes());
    }
    assert_eq!(server.status(upload.id).chunk_count, 1);
}
