//! SIGKILL at any moment: what the server has told stays true after it is started again.
//!
//! Meanwhile chunks are taken over all the time, by and from somebody who sends noise.
//!
//! `LONGHAUL_KILLS=n cargo test -p longhaul-tests --test native crash` kills that often, and half
//! as often again around seals.

mod rival;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Plan, ProblemCode};
use longhaul_tests::api::{Api, chunk_headers, chunk_of, root_of};
use longhaul_tests::files::{MIB, random_bytes};
use longhaul_tests::server::{Options, Server};
use tokio::task::JoinSet;

/// Small chunks: more of them are at every stage when the server dies.
const CHUNK: u64 = 256 * 1024;
const LANES: usize = 5;
/// How many send noise as the same chunks.
const RIVALS: usize = 2;
/// A few kills long, and read again quickly after each.
const FILE: u64 = 16 * MIB + 1;
/// How many kills a test run makes; `LONGHAUL_KILLS` asks for more.
const KILLS: usize = 12;
/// Uploads that are sent beside each other when the server dies.
const UPLOADS_AT_ONCE: usize = 3;
/// Files that are kept, to be read again after later kills.
const FILES_KEPT: usize = 6;

/// A file that is being uploaded by several connections at once.
#[derive(Clone)]
struct Sending {
    api: Api,
    id: UploadId,
    file: Bytes,
    plan: Plan,
    /// Every chunk that a status has told to be held.
    told: Arc<Mutex<ChunkSet>>,
    /// How often a chunk was taken over, from the rivals and by them.
    taken_over: Arc<[AtomicU64; 2]>,
}

impl Sending {
    async fn begin(server: &Server, len: u64, seed: u64) -> Self {
        Self::begin_with(server, Bytes::from(random_bytes(len, seed))).await
    }

    async fn begin_with(server: &Server, file: Bytes) -> Self {
        let status = server.api().create("crash.bin", file.len() as u64).await.unwrap();
        let status: UploadStatus = status.json();
        let (id, plan) = (status.id, status.plan().unwrap());
        let api = server.api();
        Self { api, id, file, plan, told: Arc::default(), taken_over: Arc::default() }
    }

    /// Sends what is not in `held`, on several connections, and asks for the status all the while;
    /// ends when the server is gone or everything was sent.
    async fn send_all_but(&self, held: &ChunkSet) {
        let missing: Vec<_> = ChunkSet::all(self.plan).without(held).iter().collect();
        let mut tasks = JoinSet::new();
        for lane in 0..LANES {
            let (sending, mine) = (self.clone(), of_lane(&missing, lane));
            tasks.spawn(async move { sending.send(&mine).await });
        }
        let mut beside = JoinSet::new();
        for rival in 0..RIVALS {
            let (sending, theirs) = (self.clone(), of_lane(&missing, rival));
            beside.spawn(async move { sending.be_bothered(&theirs).await });
        }
        let watching = self.clone();
        beside.spawn(async move { while watching.ask().await.is_some() {} });
        tasks.join_all().await;
    }

    async fn send(&self, chunks: &[ChunkIndex]) {
        for &index in chunks {
            // Who takes a chunk over here does not finish it.
            while self.send_one(index).await == Some(Sent::TakenOver) {
                self.taken_over[1].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn send_one(&self, index: ChunkIndex) -> Option<Sent> {
        let chunk = chunk_of(&self.file, self.plan, index);
        let reply = self.api.chunk(self.id, chunk_headers(index.0, &chunk), chunk).await.ok()?;
        if reply.status == 204 {
            return Some(Sent::Received);
        }
        assert_eq!(reply.problem().code, ProblemCode::Superseded.row().code, "{reply:?}");
        Some(Sent::TakenOver)
    }

    async fn be_bothered(&self, chunks: &[ChunkIndex]) {
        let noise = Bytes::from(random_bytes(CHUNK, 0));
        rival::bother(&self.api, self.id, chunks, &noise, &self.taken_over[0]).await;
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

fn of_lane(chunks: &[ChunkIndex], lane: usize) -> Vec<ChunkIndex> {
    chunks.iter().copied().skip(lane).step_by(LANES).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Received,
    TakenOver,
}

/// Where an upload's bytes lie, as ARCHITECTURE.md has it.
pub(super) fn blob_of(server: &Server, id: UploadId) -> PathBuf {
    let name = id.to_string();
    server.data().join("blobs").join(&name[..2]).join(name)
}

/// How many kills are asked for.
fn kills_wanted() -> usize {
    let asked = std::env::var("LONGHAUL_KILLS").ok();
    asked.map_or(KILLS, |count| count.parse().expect("LONGHAUL_KILLS is a number"))
}

/// What came of it all.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    uploads: u64,
    sealed: u64,
    told_held: u64,
    taken_over: u64,
    taken_by_rivals: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_held_is_there_after_any_kill() {
    let wanted = kills_wanted();
    let mut server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
    let (mut rng, mut tally) = (fastrand::Rng::with_seed(22), Tally::default());
    let (mut sendings, mut files, mut seeds) = (Vec::new(), VecDeque::new(), 1000..);
    loop {
        while tally.kills < wanted && sendings.len() < UPLOADS_AT_ONCE {
            let seed = seeds.next().expect("no end of seeds");
            sendings.push(Sending::begin(&server, FILE, seed).await);
            tally.uploads += 1;
        }
        if sendings.is_empty() {
            break;
        }
        if tally.kills < wanted {
            let alive = Duration::from_millis(rng.u64(20..400));
            let _ = tokio::time::timeout(alive, send_all(&sendings)).await;
            server.kill().await;
            server.restart().await;
            tally.kills += 1;
        } else {
            send_all(&sendings).await;
        }
        for sending in std::mem::take(&mut sendings) {
            match check_held(&server, sending, &mut tally).await {
                Checked::Going(sending) => sendings.push(sending),
                Checked::Sealed(info, digest) => files.push_back((info, digest)),
            }
        }
        check_files(&server.api(), &mut files, &mut rng).await;
    }
    println!("{tally:?}: all that was told held was there, every file verified");
    server.assert_no_fault();
}

async fn send_all(sendings: &[Sending]) {
    let mut tasks = JoinSet::new();
    for sending in sendings {
        let (sending, told) = (sending.clone(), sending.told());
        tasks.spawn(async move { sending.send_all_but(&told).await });
    }
    tasks.join_all().await;
}

enum Checked {
    Going(Sending),
    Sealed(FileInfo, Digest),
}

/// What was told before the kill is so after it, in the index and in the blob; what is complete is
/// sealed.
async fn check_held(server: &Server, sending: Sending, tally: &mut Tally) -> Checked {
    let [from_rivals, by_rivals] =
        sending.taken_over.each_ref().map(|it| it.swap(0, Ordering::Relaxed));
    tally.taken_over += from_rivals;
    tally.taken_by_rivals += by_rivals;
    let told = sending.told();
    let held = sending.ask().await.expect("a server that has started").holding.held;
    let lost = told.without(&held);
    assert!(lost.is_empty(), "after kill {} these are no longer held: {lost}", tally.kills);
    sending.assert_in_blob(server, &held);
    if !held.is_complete(sending.plan) {
        return Checked::Going(sending);
    }
    tally.told_held += held.count();
    tally.sealed += 1;
    let root = root_of(&sending.file, sending.plan);
    let info: FileInfo = server.api().seal(sending.id, root).await.unwrap().json();
    Checked::Sealed(info, Digest::of(&sending.file))
}

/// The files that were sealed are what is listed, whatever was killed since; one of them is read to
/// its end. The oldest of too many goes, and must not come back.
async fn check_files(api: &Api, files: &mut VecDeque<(FileInfo, Digest)>, rng: &mut fastrand::Rng) {
    let listed: BTreeSet<_> = api.files().await.into_iter().map(|info| info.id).collect();
    assert_eq!(listed, files.iter().map(|(info, _)| info.id).collect());
    let all = files.len();
    for (info, digest) in files.iter().skip(all.saturating_sub(UPLOADS_AT_ONCE)) {
        check_bytes(api, info, *digest).await;
    }
    if let Some((info, digest)) = rng.choice(files.iter()) {
        check_bytes(api, info, *digest).await;
    }
    if files.len() > FILES_KEPT {
        let (oldest, _) = files.pop_front().expect("more than none");
        let deleted = api.delete(&path::file(oldest.id)).await.expect("an answer to a delete");
        assert_eq!(deleted.status, 204, "{deleted:?}");
    }
}

async fn check_bytes(api: &Api, info: &FileInfo, digest: Digest) {
    assert_eq!(api.download_sha256(info.id, info.size).await.0, digest, "file {}", info.id);
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
    let mut all: BTreeMap<UploadId, (u64, Plan, Outcome)> = BTreeMap::new();
    let runs = kills_wanted() as u64 / 2;
    for run in 0..runs {
        let begun: Begun = Arc::default();
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
        for (id, what) in std::mem::take(&mut *begun.lock().unwrap()) {
            all.insert(id, what);
        }
    }
    let answered = all.values().filter(|(_, _, outcome)| matches!(outcome, Outcome::Sealed(_)));
    println!("{runs} kills, {} uploads, {} answered as sealed", all.len(), answered.count());
    for (id, (seed, plan, outcome)) in all {
        check_upload(&server.api(), id, &small_file(seed), plan, &outcome).await;
    }
    let listed = server.api().files().await;
    for info in listed {
        let (_, ranges) = server.api().download_sha256(info.id, info.size).await;
        assert!(ranges > 0);
    }
    server.assert_no_fault();
}

/// Uploads that were begun: the seed of their file, and what is known of them.
type Begun = Arc<Mutex<Vec<(UploadId, (u64, Plan, Outcome))>>>;

/// A file of four chunks.
fn small_file(seed: u64) -> Bytes {
    Bytes::from(random_bytes(3 * CHUNK + 1 + seed % CHUNK, seed))
}

async fn seal_one_after_another(server: &Server, first_seed: u64, count: u64, begun: Begun) {
    for seed in first_seed..first_seed + count {
        let sending = Sending::begin_with(server, small_file(seed)).await;
        let (id, plan) = (sending.id, sending.plan);
        begun.lock().unwrap().push((id, (seed, plan, Outcome::Unknown)));
        sending.send_all_but(&ChunkSet::new()).await;
        let root = root_of(&sending.file, sending.plan);
        let Ok(reply) = server.api().seal(sending.id, root).await else { return };
        let info: FileInfo = reply.json();
        begun.lock().unwrap().last_mut().unwrap().1.2 = Outcome::Sealed(info.id);
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
