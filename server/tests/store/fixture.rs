//! A store in a folder of its own, with a clock that stands still, and files made of a seed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::plan::CHUNK_LEN_MIN;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::{Nonce, Proof};
use longhaul_protocol::wire::{DigestRun, FileInfo, FileMeta};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis, Plan, digest};
use longhaul_server::store::disk::work::{Job, Repeat, Step, Threads, Work};
use longhaul_server::store::disk::{Clock, Config, DiskStore, DiskWriter, OpenError};
use longhaul_server::store::{
    ChunkBegin, ChunkWriter as _, FileReader as _, NewUpload, Owner, Result, Store as _,
    StoreError, Upload,
};
use tempfile::TempDir;

pub(super) const CHUNK: u64 = CHUNK_LEN_MIN;
/// What the rows of three uploads or files of short names count, and not those of a fourth, bytes.
pub(super) const ROWS: u64 = 8 << 10;
pub(super) const HOUR: u64 = 60 * 60 * 1000;

/// A data directory, and the clock of whatever store is opened on it.
pub(super) struct Place {
    pub(super) dir: TempDir,
    pub(super) now: Arc<AtomicU64>,
}

impl Place {
    pub(super) fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_800_000_000_000));
        Self { dir: TempDir::new().unwrap(), now }
    }

    pub(super) fn config(&self) -> Config {
        let now = Arc::clone(&self.now);
        let clock = Clock::new(move || Millis(now.load(Ordering::SeqCst)));
        Config { chunk_len: CHUNK, clock, index_spare_bytes: 1 << 20, ..Config::default() }
    }

    pub(super) fn open(&self) -> DiskStore {
        self.open_with(&self.config())
    }

    /// Waits for whatever an earlier store still does in the background: until then it is there.
    pub(super) fn open_with(&self, config: &Config) -> DiskStore {
        for _ in 0..1000 {
            match DiskStore::open(self.dir.path(), config.clone()) {
                Err(OpenError::InUse { .. }) => std::thread::sleep(Duration::from_millis(5)),
                opened => return opened.unwrap(),
            }
        }
        panic!("the store before is never over")
    }

    pub(super) fn try_open(&self) -> Result<DiskStore, OpenError> {
        DiskStore::open(self.dir.path(), self.config())
    }

    pub(super) fn pass(&self, ms: u64) -> Millis {
        Millis(self.now.fetch_add(ms, Ordering::SeqCst) + ms)
    }

    pub(super) fn now(&self) -> Millis {
        Millis(self.now.load(Ordering::SeqCst))
    }

    pub(super) fn blob_path(&self, id: UploadId) -> PathBuf {
        let name = id.to_string();
        self.dir.path().join("blobs").join(&name[..2]).join(name)
    }

    pub(super) fn blob_count(&self) -> usize {
        let dirs = std::fs::read_dir(self.dir.path().join("blobs")).unwrap();
        dirs.map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap().count()).sum()
    }
}

pub(super) fn alice() -> Owner {
    Owner("alice".to_owned())
}

pub(super) fn bob() -> Owner {
    Owner("bob".to_owned())
}

/// Bytes that differ from place to place and from seed to seed.
pub(super) fn bytes(len: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

pub(super) fn named(name: &str, size: u64) -> NewUpload {
    let meta = FileMeta { name: name.to_owned(), ..FileMeta::default() };
    NewUpload { meta, size, chunk_size: None, idempotency: None, id: None }
}

/// A file to be sent, chunk by chunk.
pub(super) struct Sent {
    pub(super) data: Vec<u8>,
    pub(super) plan: Plan,
}

impl Sent {
    pub(super) fn new(len: u64, seed: u64) -> Self {
        Self { data: bytes(len, seed), plan: Plan::new(len, CHUNK).unwrap() }
    }

    pub(super) fn chunk(&self, index: u64) -> &[u8] {
        let range = self.plan.range(ChunkIndex(index));
        &self.data[range.start as usize..range.end as usize]
    }

    pub(super) fn digests(&self) -> Vec<Digest> {
        (0..self.plan.chunk_count()).map(|index| Digest::of(self.chunk(index))).collect()
    }

    pub(super) fn root(&self) -> Digest {
        digest::root(self.digests())
    }

    pub(super) fn run(&self) -> DigestRun {
        DigestRun { start: ChunkIndex(0), digests: self.digests() }
    }

    pub(super) fn proof(&self, nonce: Nonce, index: u64) -> Proof {
        Proof { index: ChunkIndex(index), proof: nonce.proof(self.chunk(index)) }
    }

    pub(super) fn headers(&self, index: u64) -> ChunkHeaders {
        headers(index, self.chunk(index))
    }

    pub(super) async fn create(&self, store: &DiskStore) -> UploadId {
        store.create(&alice(), named("a file", self.plan.len())).await.unwrap().id
    }

    pub(super) async fn put(&self, store: &DiskStore, id: UploadId, index: u64) -> Result<()> {
        put(store, id, self.headers(index), self.chunk(index)).await
    }

    pub(super) async fn put_all(&self, store: &DiskStore, id: UploadId) {
        for index in 0..self.plan.chunk_count() {
            self.put(store, id, index).await.unwrap();
        }
    }

    /// The whole way, to a sealed file.
    pub(super) async fn upload(&self, store: &DiskStore) -> (UploadId, FileInfo) {
        let id = self.create(store).await;
        self.put_all(store, id).await;
        (id, store.seal(&alice(), id, self.root()).await.unwrap())
    }
}

pub(super) fn headers(index: u64, bytes: &[u8]) -> ChunkHeaders {
    let digest = Digest::of(bytes);
    ChunkHeaders { index: ChunkIndex(index), offset: 0, digest, replace: None }
}

/// Sends one chunk in pieces of odd sizes.
pub(super) async fn put(
    store: &DiskStore,
    id: UploadId,
    headers: ChunkHeaders,
    body: &[u8],
) -> Result<()> {
    match store.begin_chunk(&alice(), id, headers).await? {
        ChunkBegin::Already => Ok(()),
        ChunkBegin::Write(mut writer) => {
            for piece in body.chunks(10_007) {
                writer.write(Bytes::copy_from_slice(piece)).await?;
            }
            writer.finish().await
        }
    }
}

/// Begins a chunk that has to be written.
pub(super) async fn begin(store: &DiskStore, id: UploadId, headers: ChunkHeaders) -> DiskWriter {
    match store.begin_chunk(&alice(), id, headers).await.unwrap() {
        ChunkBegin::Write(writer) => writer,
        ChunkBegin::Already => panic!("it is there already"),
    }
}

pub(super) async fn status(store: &DiskStore, id: UploadId) -> Upload {
    store.upload(&alice(), id).await.unwrap()
}

/// The status once nothing is pending or being filled any more.
pub(super) async fn settled(store: &DiskStore, id: UploadId) -> Upload {
    for _ in 0..2000 {
        let upload = status(store, id).await;
        if upload.holding.pending.is_empty() && upload.holding.filling.is_empty() {
            return upload;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not settle: {:?}", status(store, id).await.holding)
}

pub(super) async fn held(store: &DiskStore, id: UploadId) -> String {
    settled(store, id).await.holding.held.to_string()
}

/// Seals once everything that is borrowed is copied.
pub(super) async fn sealed(store: &DiskStore, id: UploadId, root: Digest) -> Result<FileInfo> {
    for _ in 0..2000 {
        match store.seal(&alice(), id, root).await {
            Err(StoreError::StillFilling { .. }) => {}
            other => return other,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not fill: {:?}", status(store, id).await.holding)
}

pub(super) async fn read(store: &DiskStore, file: FileId) -> Vec<u8> {
    let (info, reader) = store.open(&alice(), file).await.unwrap();
    reader.read_at(0, info.size as usize).await.unwrap().to_vec()
}

pub(super) fn set(text: &str) -> ChunkSet {
    text.parse().unwrap()
}

/// Does every job at once, on the caller's thread, whose log a [`Log`] has.
#[derive(Debug)]
pub(super) struct AtOnce;

impl Work for AtOnce {
    fn run(&self, job: Job) {
        job();
    }

    fn repeat(&self, name: &str, step: Step) -> std::io::Result<Box<dyn Repeat>> {
        Threads.repeat(name, step)
    }
}

/// What is logged on this thread while it is there.
pub(super) struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub(super) fn start() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Lines(Arc::clone(&to)))
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
