//! Bad input: each is answered with a problem that says what to do, and nothing held is lost.

use bytes::Bytes;
use http::Method;
use longhaul_protocol::problem::ProblemCode::{
    self, ChunkHeld, ChunkOutOfRange, ChunksMissing, DigestMismatch, InvalidJson, InvalidName,
    InvalidPlan, InvalidRequest, MethodNotAllowed, NotFound, RootMismatch, TooLarge,
    UnsupportedVersion, WrongLength,
};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Plan, Problem};
use longhaul_tests::api::{Api, Reply, chunk_headers, chunk_of, create_request, root_of};
use longhaul_tests::files::random_bytes;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};
use std::time::Duration;

const CHUNK: u64 = 64 * 1024;

/// An upload of four chunks, the last of them short, of which two are held.
struct Half {
    server: Server,
    file: Bytes,
    plan: Plan,
    id: UploadId,
}

impl Half {
    async fn new() -> Self {
        let options = Options { chunk_size: Some(CHUNK), ..Options::default() };
        let server = Server::start(options).await;
        let file = Bytes::from(random_bytes(3 * CHUNK + 100, 11));
        let reply = server.api().create("half.bin", file.len() as u64).await.unwrap();
        let status: UploadStatus = reply.json();
        let half = Self { plan: status.plan().unwrap(), id: status.id, server, file };
        half.send(0).await;
        half.send(1).await;
        wait::until("two chunks are held", Duration::from_secs(10), async || {
            (half.held().await.count() == 2).then_some(())
        })
        .await;
        half
    }

    fn api(&self) -> Api {
        self.server.api()
    }

    fn chunk(&self, index: u64) -> Bytes {
        chunk_of(&self.file, self.plan, ChunkIndex(index))
    }

    async fn send(&self, index: u64) {
        let chunk = self.chunk(index);
        let reply = self.api().chunk(self.id, chunk_headers(index, &chunk), chunk).await.unwrap();
        assert_eq!(reply.status, 204, "{reply:?}");
    }

    async fn held(&self) -> ChunkSet {
        self.api().status(self.id).await.unwrap().json::<UploadStatus>().holding.held
    }

    /// Finishes the upload: what was held and what is sent now make the file.
    async fn finish(self) {
        assert_eq!(self.held().await, "0-1".parse().unwrap());
        self.send(2).await;
        self.send(3).await;
        let reply = self.api().seal(self.id, root_of(&self.file, self.plan)).await.unwrap();
        let info: FileInfo = reply.json();
        let (digest, _) = self.api().download_sha256(info.id, info.size).await;
        assert_eq!(digest, Digest::of(&self.file));
        self.server.assert_no_fault();
    }
}

#[track_caller]
fn assert_problem(reply: &Reply, code: ProblemCode) -> Problem {
    let problem = reply.problem();
    assert_eq!(problem.code, code.row().code, "{problem:?}");
    assert!(!problem.detail.is_empty() && !problem.advice.is_empty(), "{problem:?}");
    problem
}

#[tokio::test]
async fn an_unknown_id_is_not_found_whatever_is_asked_of_it() {
    let half = Half::new().await;
    let (api, unknown) = (half.api(), UploadId([7; 16]));
    let chunk = half.chunk(0);
    for reply in [
        api.status(unknown).await,
        api.request(Method::DELETE, &path::upload(unknown), &[], "").await,
        api.chunk(unknown, chunk_headers(0, &chunk), chunk).await,
        api.post(&path::digests(unknown), &json!({ "start": 0, "digests": [] })).await,
        api.seal(unknown, Digest::of(b"")).await,
        api.get("/v1/uploads/not-an-id").await,
        api.get(&format!("/v1/files/{unknown}")).await,
        api.get("/v1/files/..%2f..%2fetc%2fpasswd").await,
        api.get("/v1/nothing-here").await,
    ] {
        assert_problem(&reply.unwrap(), NotFound);
    }
    half.finish().await;
}

#[tokio::test]
async fn a_chunk_that_does_not_fit_is_refused_and_held_ones_stay() {
    let half = Half::new().await;
    let (api, id, chunk) = (half.api(), half.id, half.chunk(2));
    let headers = chunk_headers(2, &chunk);
    let past_the_end = chunk_headers(4, &chunk);
    let short = chunk.slice(..chunk.len() - 1);
    let long = Bytes::from([&chunk[..], b"x"].concat());
    let other = Bytes::from(random_bytes(CHUNK, 99));
    for (headers, body, code) in [
        (past_the_end, chunk.clone(), ChunkOutOfRange),
        (chunk_headers(u64::MAX, &chunk), chunk.clone(), ChunkOutOfRange),
        (headers, short, WrongLength),
        (headers, long, WrongLength),
        (headers, Bytes::new(), WrongLength),
        (headers, other.clone(), DigestMismatch),
        (chunk_headers(0, &other), other, ChunkHeld),
    ] {
        let reply = api.chunk(id, headers, body).await.unwrap();
        let problem = assert_problem(&reply, code);
        let own = Digest::of(&random_bytes(CHUNK, 99));
        let told =
            [own.to_string(), own.to_base64()].iter().any(|own| problem.detail.contains(own));
        assert!(!told, "the server tells the digest of what it was sent: {problem:?}");
    }
    half.finish().await;
}

#[tokio::test]
async fn headers_that_are_missing_or_unreadable_are_named() {
    let half = Half::new().await;
    let chunk = half.chunk(2);
    let good = chunk_headers(2, &chunk).digest.to_header();
    let cases: [&[(&str, &str)]; 5] = [
        &[("chunk-digest", &good)],
        &[("chunk-index", "2")],
        &[("chunk-index", "+2"), ("chunk-digest", &good)],
        &[("chunk-index", "2"), ("chunk-digest", "md5=:AAAA:")],
        &[("chunk-index", "2"), ("chunk-digest", &good), ("chunk-offset", "18446744073709551616")],
    ];
    for case in cases {
        let headers: Vec<_> = case.iter().map(|(name, value)| (*name, (*value).into())).collect();
        let to = path::chunks(half.id);
        let reply = half.api().request(Method::POST, &to, &headers, chunk.clone()).await.unwrap();
        let problem = assert_problem(&reply, InvalidRequest);
        assert!(problem.detail.contains("chunk-"), "it does not name the header: {problem:?}");
    }
    half.finish().await;
}

#[tokio::test]
async fn a_body_longer_than_it_announced_adds_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let half = Half::new().await;
    let chunk = half.chunk(2);
    let mut stream = tokio::net::TcpStream::connect(half.server.addr()).await.unwrap();
    let mut request =
        format!("POST {} HTTP/1.1\r\nhost: {}\r\n", path::chunks(half.id), half.server.addr());
    for (name, value) in chunk_headers(2, &chunk).write() {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n", chunk.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(&chunk).await.unwrap();
    stream.write_all(&random_bytes(CHUNK, 5)).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    drop(stream);
    let status: UploadStatus = half.api().status(half.id).await.unwrap().json();
    let mut received = status.holding.held;
    received.union_with(&status.holding.pending);
    assert_eq!(received, "0-2".parse().unwrap());
    half.server.assert_no_fault();
}

#[tokio::test]
async fn a_seal_too_early_tells_what_is_missing_and_one_under_another_root_loses_nothing() {
    let half = Half::new().await;
    let root = root_of(&half.file, half.plan);
    let reply = half.api().seal(half.id, root).await.unwrap();
    let missing = assert_problem(&reply, ChunksMissing).facts.missing;
    assert_eq!(missing, Some("2-3".parse().unwrap()));
    half.send(2).await;
    half.send(3).await;
    let reply = half.api().seal(half.id, Digest::of(b"another")).await.unwrap();
    assert_problem(&reply, RootMismatch);
    let first: FileInfo = half.api().seal(half.id, root).await.unwrap().json();
    let again: FileInfo = half.api().seal(half.id, root).await.unwrap().json();
    assert_eq!(first, again);
    half.server.assert_no_fault();
}

#[tokio::test]
async fn a_begin_that_makes_no_sense_is_told_why() {
    let half = Half::new().await;
    let good = serde_json::to_value(create_request("a.bin", 1)).unwrap();
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, code) in [
        (json!([]), InvalidJson),
        (json!({ "protocolVersion": 1 }), InvalidJson),
        (with("size", json!(-1)), InvalidJson),
        (with("size", json!(1.5)), InvalidJson),
        (with("size", json!("1")), InvalidJson),
        (with("protocolVersion", json!(99)), UnsupportedVersion),
        (with("size", json!(u64::MAX)), InvalidPlan),
        (with("name", json!("")), InvalidName),
        (with("name", json!("n".repeat(300))), InvalidName),
        (with("name", json!("../../etc/passwd")), InvalidName),
        (with("name", json!("..")), InvalidName),
        (with("name", json!("a\u{0}.txt")), InvalidName),
        (with("name", json!("gpj.\u{202e}exe")), InvalidName),
        (with("relativePath", json!("a/../../b")), InvalidName),
    ] {
        let reply = half.api().post(path::UPLOADS, &body).await.unwrap();
        assert_problem(&reply, code);
    }
    half.finish().await;
}

#[tokio::test]
async fn json_that_is_none_or_too_long_is_refused_at_every_verb_that_takes_it() {
    let half = Half::new().await;
    let too_long = format!("{{\"x\":\"{}\"}}", "y".repeat(2 << 20));
    for to in [path::UPLOADS.to_owned(), path::digests(half.id), path::seal(half.id)] {
        let headers = [("content-type", "application/json".to_owned())];
        for (body, code) in [("{", InvalidJson), ("\u{0}", InvalidJson), (&too_long, TooLarge)] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let reply = half.api().request(Method::POST, &to, &headers, body).await.unwrap();
            assert_problem(&reply, code);
        }
    }
    half.finish().await;
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_answered_with_those_it_does() {
    let half = Half::new().await;
    for (method, to) in [
        (Method::PUT, path::UPLOADS.to_owned()),
        (Method::PATCH, path::upload(half.id)),
        (Method::GET, path::chunks(half.id)),
        (Method::DELETE, path::seal(half.id)),
    ] {
        let reply = half.api().request(method, &to, &[], "").await.unwrap();
        assert_problem(&reply, MethodNotAllowed);
        assert!(reply.headers.contains_key("allow"), "{reply:?}");
    }
    half.finish().await;
}
