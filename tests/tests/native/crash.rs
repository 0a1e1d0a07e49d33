//! SIGKILL at any moment: what the server has told stays true after it is started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{FileInfo, UploadStatus};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Plan};
use longhaul_tests::api::{Api, chunk_headers, chunk_of, root_of};
use longhaul_tests::files::{MIB, random_bytes};
use longhaul_tests::server::{Options, Server};
use tokio::task::JoinSet;

/// Small chunks: more of them are at every stage when the server dies.
const CHUNK: u64 = 256 * 1024;
const LANES: usize = 5;

/// A file that is being uploaded by several connections at once.
#[derive(Clone)]
struct Sending {
    api: Api,
    id: UploadId,
    file: Bytes,
    plan: Plan,
    /// Every chunk that a status has told to be held.
    told: Arc<Mutex<ChunkSet>>,
}

impl Sending {
    async fn begin(server: &Server, len: u64, seed: u64) -> Self {
        let file = Bytes::from(random_bytes(len, seed));
        let status = server.api().create("crash.bin", len).await.unwrap();
        let status: UploadStatus = status.json();
        let (id, plan) = (status.id, status.plan().unwrap());
        Self { api: server.api(), id, file, plan, told: Arc::default() }
    }

    /// Sends what is not in `held`, on several connections, and asks for the status all the while;
    /// ends when the server is gone or everything was sent.
    async fn send_all_but(&self, held: &ChunkSet) {
        let missing: Vec<_> = ChunkSet::all(self.plan).without(held).iter().collect();
        let mut tasks = JoinSet::new();
        for lane in 0..LANES {
            let mine: Vec<_> = missing.iter().copied().skip(lane).step_by(LANES).collect();
            let sending = self.clone();
            tasks.spawn(async move { sending.send(&mine).await });
        }
        let watching = self.clone();
        let watch = tokio::spawn(async move { while watching.ask().await.is_some() {} });
        tasks.join_all().await;
        watch.abort();
    }

    async fn send(&self, chunks: &[ChunkIndex]) {
        for &index in chunks {
            let chunk = chunk_of(&self.file, self.plan, index);
            let headers = chunk_headers(index.0, &chunk);
            match self.api.chunk(self.id, headers, chunk).await {
                Ok(reply) => assert_eq!(reply.status, 204, "{reply:?}"),
                Err(_) => return,
            }
        }
    }

    /// The status, whose word is kept; `None` when the server is gone.
    async fn ask(&self) -> Option<UploadStatus> {
        let status: UploadStatus = self.api.status(self.id).await.ok()?.json();
        self.told.lock().unwrap().union_with(&status.holding.held);
        Some(status)
    }

    fn told(&self) -> ChunkSet {
        self.told.lock().unwrap().clone()
    }

    /// Whether every chunk of the set is in the blob at its place.
    fn assert_in_blob(&self, server: &Server, chunks: &ChunkSet) {
        let blob = std::fs::read(blob_of(server, self.id)).unwrap();
        for index in chunks.iter() {
            let range = self.plan.range(index);
            let (start, end) = (range.start.try_into().unwrap(), range.end.try_into().unwrap());
            let bytes: &[u8] = blob.get::<std::ops::Range<usize>>(start..end).unwrap();
            assert!(
                bytes == &self.file[start..end],
                "chunk {index} was told held and is not there"
            );
        }
    }
}

/// Where an upload's bytes lie, as ARCHITECTURE.md has it.
fn blob_of(server: &Server, id: UploadId) -> PathBuf {
    let name = id.to_string();
    server.data().join("blobs").join(&name[..2]).join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_held_is_there_after_any_kill() {
    const KILLS: usize = 12;
    let mut server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
    let mut rng = fastrand::Rng::with_seed(22);
    let (mut kills, mut uploads) = (0, 0);
    while kills < KILLS {
        let sending = Sending::begin(&server, 96 * MIB + 1, 1000 + uploads).await;
        kills += kill_until_all_is_held(&mut server, &sending, &mut rng).await;
        uploads += 1;
        check_sealed(&server.api(), &sending).await;
    }
    println!("{kills} kills in {uploads} uploads");
    server.assert_no_fault();
}

/// Sends, kills, starts again, and checks what was told before, until every chunk is held.
async fn kill_until_all_is_held(
    server: &mut Server,
    sending: &Sending,
    rng: &mut fastrand::Rng,
) -> usize {
    let mut kills = 0;
    loop {
        let status = sending.ask().await.expect("a server that has started");
        let held = &status.holding.held;
        let lost = sending.told().without(held);
        assert!(lost.is_empty(), "after kill {kills} these are no longer held: {lost}");
        sending.assert_in_blob(server, held);
        if held.is_complete(sending.plan) {
            return kills;
        }
        let alive = Duration::from_millis(rng.u64(20..400));
        let _ = tokio::time::timeout(alive, sending.send_all_but(held)).await;
        server.kill().await;
        server.restart().await;
        kills += 1;
    }
}

async fn check_sealed(api: &Api, sending: &Sending) {
    let root = root_of(&sending.file, sending.plan);
    let info: FileInfo = api.seal(sending.id, root).await.unwrap().json();
    let (digest, _) = api.download_sha256(info.id, info.size).await;
    assert_eq!(digest, Digest::of(&sending.file));
}

/// What is known of an upload when the server dies around its seal.
enum Outcome {
    Sealed(FileId),
    Unknown,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_answered_is_there_after_any_kill_and_none_is_there_in_part() {
    const UPLOADS_PER_RUN: u64 = 12;
    let mut server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
    let mut rng = fastrand::Rng::with_seed(31);
    let mut all: BTreeMap<UploadId, (Bytes, Plan, Outcome)> = BTreeMap::new();
    for run in 0..6 {
        let begun: Arc<Mutex<Vec<(Sending, Outcome)>>> = Arc::default();
        let sealing = seal_one_after_another(
            &server,
            run * UPLOADS_PER_RUN,
            UPLOADS_PER_RUN,
            Arc::clone(&begun),
        );
        let alive = Duration::from_millis(rng.u64(30..500));
        let _ = tokio::time::timeout(alive, sealing).await;
        server.kill().await;
        server.restart().await;
        for (sending, outcome) in std::mem::take(&mut *begun.lock().unwrap()) {
            all.insert(sending.id, (sending.file, sending.plan, outcome));
        }
    }
    let answered = all.values().filter(|(_, _, outcome)| matches!(outcome, Outcome::Sealed(_)));
    println!("{} uploads, {} of them answered as sealed", all.len(), answered.count());
    for (id, (file, plan, outcome)) in all {
        check_upload(&server.api(), id, &file, plan, &outcome).await;
    }
    let listed = server.api().files().await;
    for info in listed {
        let (_, ranges) = server.api().download_sha256(info.id, info.size).await;
        assert!(ranges > 0);
    }
    server.assert_no_fault();
}

async fn seal_one_after_another(
    server: &Server,
    first_seed: u64,
    count: u64,
    begun: Arc<Mutex<Vec<(Sending, Outcome)>>>,
) {
    for seed in first_seed..first_seed + count {
        let sending = Sending::begin(server, 3 * CHUNK + seed, seed).await;
        begun.lock().unwrap().push((sending.clone(), Outcome::Unknown));
        sending.send_all_but(&ChunkSet::new()).await;
        let root = root_of(&sending.file, sending.plan);
        let Ok(reply) = server.api().seal(sending.id, root).await else { return };
        let info: FileInfo = reply.json();
        begun.lock().unwrap().last_mut().unwrap().1 = Outcome::Sealed(info.id);
    }
}

/// An upload that was answered as sealed is that file; any other can be gone on with.
async fn check_upload(api: &Api, id: UploadId, file: &Bytes, plan: Plan, outcome: &Outcome) {
    let status: UploadStatus = api.status(id).await.unwrap().json();
    let sealed = match outcome {
        Outcome::Sealed(file_id) => {
            assert_eq!(status.file.as_ref().map(|info| info.id), Some(*file_id));
            *file_id
        }
        Outcome::Unknown => {
            for index in ChunkSet::all(plan).without(&status.holding.held).iter() {
                if status.file.is_some() {
                    break;
                }
                let chunk = chunk_of(file, plan, index);
                let reply = api.chunk(id, chunk_headers(index.0, &chunk), chunk).await.unwrap();
                assert_eq!(reply.status, 204, "{reply:?}");
            }
            api.seal(id, root_of(file, plan)).await.unwrap().json::<FileInfo>().id
        }
    };
    let (digest, _) = api.download_sha256(sealed, file.len() as u64).await;
    assert_eq!(digest, Digest::of(file));
}
