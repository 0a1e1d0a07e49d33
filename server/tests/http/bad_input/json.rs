//! Bodies of JSON that are none, are too large, or say what cannot be.

use longhaul_protocol::wire::{CreateRequest, DigestRun, UploadList, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

use crate::support::{Answer, CHUNK, Request, Server, chunk, create_request, one_request};

use super::{assert_first_is_held, half_done};

fn post_create(server: &Server, change: impl FnOnce(&mut CreateRequest)) -> Answer {
    let mut request = create_request(3 * CHUNK);
    change(&mut request);
    server.send(Request::new("POST", path::UPLOADS).json(&request))
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
