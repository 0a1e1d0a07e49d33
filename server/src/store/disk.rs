//! The disk store: one directory, one process, one index, one blob per upload.
//!
//! The way of a chunk: [`begin_chunk`](Store::begin_chunk) claims it (`claims`), the `writer` puts
//! its bytes where they will stay and hashes them, the `syncer` makes them durable and commits
//! their row, `seal` commits the file. The index never names bytes that are not durable.

mod ahead;
mod block;
mod claims;
mod config;
mod copy;
mod create;
mod ending;
mod everything;
mod from_disk;
mod growing;
mod index;
pub mod layout;
mod list;
mod live;
mod loaded;
mod lock;
mod map;
pub mod medium;
mod open;
mod open_error;
mod opened;
mod partial;
mod prove;
mod reader;
mod real;
mod rest;
mod reuse;
mod rot;
mod row;
mod scrub;
mod seal;
mod space;
mod spare;
mod still;
mod sweep;
mod syncer;
mod trouble;
mod verified;
mod verify;
mod whole;
pub mod work;
mod writer;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::Proof;
use longhaul_protocol::wire::{DigestRun, FileInfo};
use longhaul_protocol::{ChunkIndex, Digest, Millis};
use tokio::sync::{Notify, Semaphore};

use super::event::{EventKey, Waiting};
use super::{
    Capabilities, ChunkBegin, Figures, Growing, Meters, NewUpload, Offered, Owner, Page, Result,
    Store, StoreError, Upload,
};
use crate::told::Told;
use block::Blocks;
pub use block::WRITE_BYTES;
pub use config::{Clock, Config, DISK_FREE_MIN, INDEX_SPARE, Ids, Reuse};
pub use ending::Ending;
pub use everything::{AnyFile, AnyUpload, PageOfAll, Unread};
pub use growing::DiskGrowing;
use index::Index;
pub use index::{IndexOpenError, SCHEMA_VERSION, Spot};
use layout::Layout;
use list::parse_cursor;
use live::Live;
use lock::DirLock;
use medium::Disk;
pub use open_error::OpenError;
use opened::Opened;
pub use prove::{PROOFS_OPEN_MAX, PROOFS_WRONG_MAX};
pub use reader::DiskReader;
pub use real::RealDisk;
#[cfg(fuzzing)]
pub use row::oracle::hold_rows_to_their_word;
use space::Space;
pub use sweep::Swept;
use syncer::Syncer;
use verified::Verified;
pub use verify::{Damage, Holder, Looked, Looking, Wrong};
use whole::Wholes;
pub use writer::DiskWriter;

/// How often the disk is asked whether uploads can begin: more often than anybody who watches does anything about it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What there is for an upload to begin.
#[derive(Clone, Copy, Debug)]
enum Room {
    Enough,
    None,
    Unreachable(io::ErrorKind),
}

/// Keeps uploads and files in a directory. Clones are the same store.
///
/// Dropped without [`DiskStore::shutdown`], what is received but not yet held is lost, as after a
/// kill; the senders were told that it was pending and send it again.
#[derive(Clone, Debug)]
pub struct DiskStore(Arc<Inner>);

/// What a store has. The fields go in their order: their threads end before the lock does.
#[derive(Debug)]
struct Inner {
    /// An event was queued.
    happened: Notify,
    /// When it was looked at whether uploads can begin, and whether they could.
    looked_at: Mutex<Option<(Instant, Room)>>,
    syncer: Syncer,
    wholes: Wholes,
    live: Mutex<HashMap<UploadId, Arc<Live>>>,
    /// With how many of these it is looked which of them may be let go of.
    live_looked_at: AtomicUsize,
    fills: Arc<Semaphore>,
    blocks: Blocks,
    verified: Arc<Verified>,
    opened: Arc<Opened>,
    space: Arc<Space>,
    meters: Meters,
    /// When the store was opened.
    opened_at: Millis,
    /// How many blobs were garbage when deletions were last finished.
    garbage_left: AtomicUsize,
    index: Arc<Index>,
    disk: Arc<dyn Disk>,
    layout: Layout,
    ending: Arc<Ending>,
    config: Config,
    _lock: Option<DirLock>,
}

impl DiskStore {
    /// Removes uploads whose time is over at `now`, but none with a request in flight. To be called
    /// at the start and every half hour.
    ///
    /// # Errors
    /// [`StoreError`] of the index or the disk; what was not removed is at the next sweep.
    pub async fn sweep(&self, now: Millis) -> Result<Swept> {
        self.off(move |store| store.sweep(now)).await
    }

    /// The same, and the uploads that it removed.
    ///
    /// # Errors
    /// As above.
    pub async fn sweep_and_tell(&self) -> Result<(Vec<AnyUpload>, Swept)> {
        self.off(|store| store.sweep_and_tell()).await
    }

    /// What the above would come to now. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn sweep_tried(&self) -> Result<(Vec<AnyUpload>, Swept)> {
        self.off(|store| store.sweep_tried()).await
    }

    /// Waits until everything received is held. To be called when no request is served any more.
    pub async fn shutdown(&self) {
        self.0.syncer.drained().await;
    }

    /// The oldest events that wait to be told and are wanted, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn events(
        &self,
        limit: usize,
        is_wanted: impl Fn(EventKey) -> bool + Send + 'static,
    ) -> Result<Waiting> {
        self.off(move |store| store.index.events(limit, is_wanted)).await
    }

    /// These were told, or never will be.
    ///
    /// # Errors
    /// [`StoreError`] of the index; they wait on then.
    pub async fn forget_events(&self, keys: Vec<EventKey>) -> Result<()> {
        self.off(move |store| store.index.forget_events(&keys)).await
    }

    /// Waits until an event was queued, since this was last waited for. For one who waits.
    pub async fn happened(&self) {
        self.0.happened.notified().await;
    }

    /// What becomes of the index, to be asked for once the store and its clones are dropped.
    #[must_use]
    pub fn ending(&self) -> Arc<Ending> {
        Arc::clone(&self.0.ending)
    }

    /// Whether the index failed, so that nothing is taken until a restart.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.index.is_read_only()
    }

    /// Does something with the store off the async threads.
    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.0);
        self.0.blocking(move || work(&store)).await
    }
}

impl Store for DiskStore {
    type Writer = DiskWriter;
    type Reader = DiskReader;
    type Growing = DiskGrowing;

    fn takes_writes(&self) -> bool {
        !self.is_read_only()
    }

    async fn check_ready(&self) -> Result<()> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        self.off(|store| store.check_room()).await
    }

    fn meters(&self) -> &Meters {
        &self.0.meters
    }

    async fn figures(&self) -> Result<Figures> {
        self.off(|store| store.figures()).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { partial_chunks: true, shared_blobs: self.0.config.reuse != Reuse::Off }
    }

    async fn create(&self, owner: &Owner, new: NewUpload) -> Result<Upload> {
        let owner = owner.clone();
        self.off(move |store| store.create(&owner, new)).await
    }

    async fn has_begun(&self, owner: &Owner, key: &str, request: Digest) -> Result<bool> {
        let (owner, key, now) = (owner.clone(), key.to_owned(), self.0.config.clock.now());
        self.off(move |store| store.index.has_begun(&owner, &key, request, now)).await
    }

    async fn upload(&self, owner: &Owner, id: UploadId) -> Result<Upload> {
        let mut upload = self.0.live(owner, id).await?.upload(self.0.config.clock.now())?;
        // Memory has what was known at the seal.
        if let Some(file) = upload.file.as_mut().filter(|file| file.sha256.is_none()) {
            let (owner, id) = (owner.clone(), file.id);
            file.sha256 = self.off(move |store| Ok(store.index.file(&owner, id)?.sha256)).await?;
        }
        Ok(upload)
    }

    async fn fill(&self, owner: &Owner, id: UploadId) -> Result<()> {
        self.0.fill(owner, id).await
    }

    async fn held_digests(
        &self,
        owner: &Owner,
        id: UploadId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<Vec<Option<Digest>>> {
        let live = self.0.live(owner, id).await?;
        live.state().check_alive(self.0.config.clock.now())?;
        let count = count.min(live.plan.chunk_count().saturating_sub(start.0));
        self.off(move |store| store.index.digests(store.bytes_of(&live)?, start, count)).await
    }

    async fn uploads(
        &self,
        owner: &Owner,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Upload>> {
        let (owner, after) = (owner.clone(), parse_cursor(after)?);
        self.off(move |store| store.uploads(&owner, after, limit)).await
    }

    async fn offer(&self, owner: &Owner, id: UploadId, run: DigestRun) -> Result<Offered> {
        self.0.offer(owner, id, run).await
    }

    async fn prove(&self, owner: &Owner, id: UploadId, proofs: Vec<Proof>) -> Result<Offered> {
        self.0.prove(owner, id, proofs).await
    }

    async fn begin_chunk(
        &self,
        owner: &Owner,
        id: UploadId,
        chunk: ChunkHeaders,
    ) -> Result<ChunkBegin<DiskWriter>> {
        self.0.begin_chunk(owner, id, chunk).await
    }

    async fn seal(&self, owner: &Owner, id: UploadId, root: Digest) -> Result<FileInfo> {
        self.0.seal(owner, id, root).await
    }

    async fn cancel(&self, owner: &Owner, id: UploadId) -> Result<()> {
        self.0.cancel(owner, id).await
    }

    async fn owner_of(&self, id: FileId) -> Result<Owner> {
        if let Some(owner) = self.0.opened.owner_of(id) {
            return Ok(owner);
        }
        self.off(move |store| store.index.owner_of_file(id)).await
    }

    async fn open(&self, owner: &Owner, id: FileId) -> Result<(Arc<Told>, DiskReader)> {
        if let Some(opened) = self.0.open_again(owner, id) {
            return Ok(opened);
        }
        let owner = owner.clone();
        self.off(move |store| store.open_file(&owner, id)).await
    }

    async fn growing(
        &self,
        owner: &Owner,
        id: UploadId,
        wait: Duration,
    ) -> Result<Growing<DiskGrowing>> {
        self.0.growing(owner, id, wait).await
    }

    async fn manifest(
        &self,
        owner: &Owner,
        id: FileId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<(FileInfo, DigestRun)> {
        let owner = owner.clone();
        self.off(move |store| store.manifest(&owner, id, start, count)).await
    }

    async fn files(
        &self,
        owner: &Owner,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<FileInfo>> {
        let (owner, after) = (owner.clone(), parse_cursor(after)?);
        self.off(move |store| store.files(&owner, after, limit)).await
    }

    async fn delete(&self, owner: &Owner, id: FileId) -> Result<()> {
        let owner = owner.clone();
        self.off(move |store| store.delete(&owner, id)).await
    }
}

impl Inner {
    /// Does what blocks where it may, and waits for its outcome.
    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        work::start(&*self.config.work, job).outcome().await
    }

    fn figures(&self) -> Result<Figures> {
        Ok(Figures {
            disk_free_bytes: self.free_bytes()?,
            disk_free_min_bytes: self.config.disk_free_min,
            unsynced_bytes: self.syncer.unsynced_bytes(),
            events_waiting: self.index.events_waiting()?,
            ..self.space.figures()
        })
    }

    /// Whether an upload of nothing could begin. The disk is asked no more than once in [`LOOK_EVERY`].
    fn check_room(&self) -> Result<()> {
        let mut looked = live::lock(&self.looked_at);
        let room = match *looked {
            Some((at, room)) if at.elapsed() < LOOK_EVERY => room,
            _ => {
                let room = self.look_for_room();
                *looked = Some((Instant::now(), room));
                room
            }
        };
        match room {
            Room::Enough => Ok(()),
            Room::None => Err(StoreError::NoSpace { needed: 0 }),
            Room::Unreachable(kind) => Err(disk_error("looking at the data folder")(kind.into())),
        }
    }

    fn look_for_room(&self) -> Room {
        let blobs = self.layout.blobs();
        let free = self.disk.check_writable(&blobs).and_then(|()| self.disk.free_bytes(&blobs));
        match free {
            Err(error) => {
                tracing::error!(%error, path = %blobs.display(), "no upload can begin");
                Room::Unreachable(error.kind())
            }
            Ok(free) if self.space.has_room(self.bounds(), free) => Room::Enough,
            Ok(_) => Room::None,
        }
    }

    fn new_id(&self) -> Result<[u8; 16]> {
        self.config.ids.next().map_err(disk_error("making an id"))
    }

    fn now_and_idle_expiry(&self) -> (Millis, Millis) {
        let now = self.config.clock.now();
        (now, self.config.expires_at(now, true))
    }
}

fn disk_error(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Disk { doing, source }
}
