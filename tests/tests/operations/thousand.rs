//! A thousand uploads at once for ten minutes, and then the word to stop in the middle of them. `cargo xtask
//! soak uploads` runs it; `LONGHAUL_SOAK_SECONDS` says for how long instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{UploadStatus, path};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest};
use longhaul_tests::api::Api;
use longhaul_tests::server::{Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const UPLOADS: u64 = 1000;
const SECONDS: u64 = 600;
/// The smallest chunk there is: what is asked for is many requests, not many bytes.
const CHUNK: u64 = 64 << 10;
const CHUNK_BYTES: usize = 64 << 10;
/// A sender's body comes in so many pieces, and one in each of these times: 2.7 KB/s of each.
const PIECES: usize = 8;
const PIECE_EVERY: Duration = Duration::from_secs(3);
/// How often the status of an upload is asked for.
const STATUS_EVERY: Duration = Duration::from_millis(20);
/// What 99 of 100 of these take at most.
const STATUS_GOAL: Duration = Duration::from_millis(50);
/// How much more memory the server may have at the end than at half-time, when its buffers have found their sizes and
/// the allocator its places for them. A tenth of what it has.
const GROWTH_GOAL_KIB: u64 = 16 << 10;
const STOPPED: Duration = Duration::from_secs(60);

fn seconds() -> u64 {
    let told = std::env::var("LONGHAUL_SOAK_SECONDS").ok();
    told.map_or(SECONDS, |text| text.parse().expect("seconds"))
}

/// What the senders share.
#[derive(Debug, Default)]
struct Run {
    is_stopping: AtomicBool,
    chunks: AtomicU64,
    in_flight: AtomicU64,
}

/// Sends chunk after chunk, slowly, until it is stopped; which were acknowledged.
async fn send(api: Api, id: UploadId, which: u64, run: Arc<Run>) -> (UploadId, ChunkSet) {
    let mut acknowledged = ChunkSet::new();
    // Not all of them in the same moment.
    tokio::time::sleep(
        PIECE_EVERY * u32::try_from(PIECES).unwrap() * u32::try_from(which).unwrap() / 1000,
    )
    .await;
    let mut stream = TcpStream::connect(api.addr()).await.unwrap();
    for index in 0.. {
        run.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = send_chunk(&mut stream, &api, id, (which, index)).await;
        run.in_flight.fetch_sub(1, Ordering::Relaxed);
        match answer {
            Ok(head) if head.starts_with("HTTP/1.1 204 ") => {
                acknowledged.insert(ChunkIndex(index));
                run.chunks.fetch_add(1, Ordering::Relaxed);
            }
            _ if run.is_stopping.load(Ordering::Relaxed) => break,
            other => panic!("chunk {index} of {id}: {other:?}"),
        }
    }
    (id, acknowledged)
}

/// The head of the answer.
async fn send_chunk(
    stream: &mut TcpStream,
    api: &Api,
    id: UploadId,
    (which, index): (u64, u64),
) -> std::io::Result<String> {
    let bytes = (which << 32 | index).to_le_bytes().repeat(CHUNK_BYTES / 8);
    let headers = ChunkHeaders {
        index: ChunkIndex(index),
        offset: 0,
        digest: Digest::of(&bytes),
        replace: None,
    };
    let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", path::chunks(id), api.addr());
    for (name, value) in headers.write() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {CHUNK}\r\n\r\n"));
    stream.write_all(head.as_bytes()).await?;
    for piece in bytes.chunks(CHUNK_BYTES / PIECES) {
        stream.write_all(piece).await?;
        tokio::time::sleep(PIECE_EVERY).await;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// How long each status took, until the time is over.
async fn ask(api: Api, ids: Vec<UploadId>, until: Instant) -> Vec<Duration> {
    let (mut took, mut every) = (Vec::new(), tokio::time::interval(STATUS_EVERY));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for id in ids.iter().cycle() {
        every.tick().await;
        let since = Instant::now();
        if since > until {
            break;
        }
        let status = api.status(*id).await.expect("an answer");
        took.push(since.elapsed());
        assert_eq!(status.status, 200);
    }
    took
}

fn resident_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn index_kib(server: &Server) -> u64 {
    std::fs::metadata(server.data().join("index.redb")).unwrap().len() >> 10
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: cargo xtask soak uploads"]
async fn a_thousand_uploads_at_once_cost_no_error_no_memory_and_nothing_when_it_is_stopped() {
    let chunks = seconds() / (PIECE_EVERY.as_secs() * PIECES as u64) + 4;
    // All of them come from one address.
    let more =
        ["--address-chunks-max=0", "--address-connections-max=0", "--address-requests-max=0"];
    let more = more.map(str::to_owned).into_iter().chain(["--log=warn".to_owned()]).collect();
    let options = Options { chunk_size: Some(CHUNK), more, ..Options::default() };
    let mut server = Server::start(options).await;
    let (api, run) = (server.api(), Arc::new(Run::default()));
    let (mut ids, mut senders) = (Vec::new(), JoinSet::new());
    for which in 0..UPLOADS {
        let name = format!("film-{which}.mp4");
        let upload: UploadStatus = api.create(&name, chunks * CHUNK).await.unwrap().json();
        ids.push(upload.id);
        senders.spawn(send(api.clone(), upload.id, which, Arc::clone(&run)));
    }
    let (begun, length) = (Instant::now(), Duration::from_secs(seconds()));
    let asking = tokio::spawn(ask(api.clone(), ids, begun + length));
    let mut resident = Vec::new();
    while begun.elapsed() < length {
        tokio::time::sleep(length / 20).await;
        assert_eq!(senders.len() as u64, UPLOADS, "a sender failed");
        let kib = resident_kib(server.pid());
        let flying = run.in_flight.load(Ordering::Relaxed);
        println!(
            "{:>4} s: {kib} KiB resident, the index has {} KiB, {flying} chunks in flight",
            begun.elapsed().as_secs(),
            index_kib(&server)
        );
        resident.push(kib);
    }
    let mut took = asking.await.expect("every status was answered");
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{} chunks acknowledged, {} statuses: half within {:?}, 99 % within {p99:?}, the slowest {:?}",
        run.chunks.load(Ordering::Relaxed),
        took.len(),
        took[took.len() / 2],
        took[took.len() - 1]
    );

    run.is_stopping.store(true, Ordering::Relaxed);
    server.tell_to_stop();
    assert!(server.ends(STOPPED).await.success(), "it ends in good order");
    server.restart().await;
    let mut count = 0;
    while let Some(sender) = senders.join_next().await {
        let (id, acknowledged) = sender.expect("no sender failed");
        let status: UploadStatus = api.status(id).await.unwrap().json();
        for index in acknowledged.iter() {
            assert!(status.holding.held.contains(index), "chunk {index} of {id} is lost");
        }
        count += acknowledged.count();
    }
    println!("after the stop {count} acknowledged chunks are all held");
    assert!(count >= run.chunks.load(Ordering::Relaxed) && count > 0);
    assert!(p99 < STATUS_GOAL, "{p99:?}");
    let (early, last) = (resident[resident.len() / 2 - 1], resident[resident.len() - 1]);
    assert!(last < early + GROWTH_GOAL_KIB, "memory grew from {early} to {last} KiB");
}
