//! A server that is told to stop under load: what it says, how long it goes on, and what is there when it
//! is back.

use std::time::Duration;

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{UploadStatus, path};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest};
use longhaul_tests::api::Api;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const CHUNK: u64 = 64 << 10;
const CHUNK_BYTES: usize = 64 << 10;
/// More than any sender gets through before the server is gone.
const CHUNKS: u64 = 2000;
const SENDERS: usize = 8;
/// For it to stop in, whatever else the machine does.
const STOPPED: Duration = Duration::from_secs(60);

async fn server(drain_delay: &str, stop_timeout: &str) -> Server {
    let more = ["--drain-delay", drain_delay, "--stop-timeout", stop_timeout];
    let more = more.map(str::to_owned).into();
    Server::start(Options { chunk_size: Some(CHUNK), more, ..Options::default() }).await
}

async fn begin(api: &Api) -> UploadId {
    let upload: UploadStatus = api.create("film.mp4", CHUNKS * CHUNK).await.unwrap().json();
    upload.id
}

fn headers(index: u64, digest: Digest) -> ChunkHeaders {
    ChunkHeaders { index: ChunkIndex(index), offset: 0, digest, replace: None }
}

/// Sends chunk after chunk until nobody answers; which were acknowledged.
async fn send_until_it_is_gone(api: Api, id: UploadId) -> ChunkSet {
    let mut acknowledged = ChunkSet::new();
    for index in 0..CHUNKS {
        let bytes = index.to_le_bytes().repeat(CHUNK_BYTES / 8);
        let reply = api.chunk(id, headers(index, Digest::of(&bytes)), bytes).await;
        match reply {
            Ok(reply) if reply.status == 204 => drop(acknowledged.insert(ChunkIndex(index))),
            Ok(reply) => panic!("{reply:?}"),
            Err(_gone) => return acknowledged,
        }
    }
    panic!("it was to be stopped before");
}

async fn held(api: &Api, id: UploadId) -> UploadStatus {
    api.status(id).await.unwrap().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_says_so_serves_on_for_a_while_and_loses_nothing_that_it_acknowledged() {
    let mut server = server("1s", "20s").await;
    let api = server.api();
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        let id = begin(&api).await;
        senders.push((id, tokio::spawn(send_until_it_is_gone(api.clone(), id))));
    }
    let last = begin(&api).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(api.get(path::READYZ).await.unwrap().status, 200);
    server.tell_to_stop();
    wait::until("word that it is about to stop", STOPPED, async || {
        let ready = api.get(path::READYZ).await.expect("it still takes connections");
        (ready.status == 503).then(|| assert!(ready.headers.contains_key("retry-after")))
    })
    .await;
    assert_eq!(api.get(path::HEALTHZ).await.unwrap().status, 200);
    let bytes = vec![9; CHUNK_BYTES];
    let late = api.chunk(last, headers(0, Digest::of(&bytes)), bytes).await.unwrap();
    assert_eq!(late.status, 204, "it serves on");
    assert!(server.ends(STOPPED).await.success());
    server.restart().await;
    let mut count = 0;
    for (id, sender) in senders {
        let (acknowledged, status) = (sender.await.unwrap(), held(&api, id).await);
        count += acknowledged.count();
        for index in acknowledged.iter() {
            assert!(status.holding.held.contains(index), "{index} of {id} is lost");
        }
    }
    assert!(held(&api, last).await.holding.held.contains(ChunkIndex(0)));
    assert!(count > 50, "under load: {count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_in_time_is_cut_off_and_sends_his_chunk_when_it_is_back() {
    let mut server = server("0s", "1s").await;
    let (api, bytes) = (server.api(), vec![3; CHUNK_BYTES]);
    let (id, digest) = (begin(&api).await, Digest::of(&bytes));
    let mut slow = TcpStream::connect(api.addr()).await.unwrap();
    let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", path::chunks(id), api.addr());
    for (name, value) in headers(0, digest).write() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {CHUNK}\r\n\r\n"));
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&bytes[..1000]).await.unwrap();
    let other = api.chunk(id, headers(1, digest), bytes.clone()).await.unwrap();
    assert_eq!(other.status, 204);
    server.tell_to_stop();
    assert!(server.ends(STOPPED).await.success(), "it does not wait for ever");
    // And not because the body stalled either, which ends it after half a minute.
    let cut_off = "cut off 1 connections that did not finish in time";
    let lines = server.lines();
    assert!(lines.iter().any(|line| line.contains(cut_off)), "{lines:#?}");
    server.restart().await;
    let status = held(&api, id).await;
    assert_eq!(status.holding.held.to_string(), "1");
    let again = api.chunk(id, headers(0, digest), bytes).await.unwrap();
    assert_eq!(again.status, 204);
}
