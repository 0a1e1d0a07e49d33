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
mod index;
pub mod layout;
mod live;
mod lock;
pub mod medium;
mod open_error;
mod partial;
mod prove;
mod reader;
mod real;
mod reuse;
mod rot;
mod row;
mod scrub;
mod seal;
mod space;
mod sweep;
mod syncer;
mod verified;
mod whole;
pub mod work;
mod writer;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::Proof;
use longhaul_protocol::wire::{DigestRun, FileInfo};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis};
use tokio::sync::Semaphore;

use super::{
    Capabilities, ChunkBegin, NewUpload, Offered, Owner, Page, Result, Store, StoreError, Upload,
};
use block::Blocks;
pub use block::WRITE_BYTES;
pub use config::{Clock, Config, DISK_FREE_MIN, Ids, Reuse};
use index::{Cursor, Index};
pub use index::{IndexOpenError, SCHEMA_VERSION};
use layout::Layout;
use live::{Live, lock};
use lock::{DirLock, LockError};
use medium::{Disk, OpenHow};
pub use open_error::OpenError;
use open_error::{lost_blobs, lost_index};
pub use prove::{PROOFS_OPEN_MAX, PROOFS_WRONG_MAX};
pub use reader::DiskReader;
pub use real::RealDisk;
#[cfg(fuzzing)]
pub use row::oracle::hold_rows_to_their_word;
use space::Space;
pub use sweep::Swept;
use syncer::Syncer;
use verified::Verified;
use whole::Wholes;
pub use writer::DiskWriter;

/// Keeps uploads and files in a directory. Clones are the same store.
///
/// Dropped without [`DiskStore::shutdown`], what is received but not yet held is lost, as after a
/// kill; the senders were told that it was pending and send it again.
#[derive(Clone, Debug)]
pub struct DiskStore(Arc<Inner>);

/// What a store has. The fields go in their order: their threads end before the lock does.
#[derive(Debug)]
struct Inner {
    syncer: Syncer,
    wholes: Wholes,
    live: Mutex<HashMap<UploadId, Arc<Live>>>,
    fills: Arc<Semaphore>,
    blocks: Blocks,
    verified: Arc<Verified>,
    space: Arc<Space>,
    index: Arc<Index>,
    disk: Arc<dyn Disk>,
    layout: Layout,
    config: Config,
    _lock: Option<DirLock>,
}

impl DiskStore {
    /// Opens a data directory, makes it if it is not there, and finishes what a crash interrupted.
    /// Blocks; reads nothing but the index.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, config: Config) -> Result<Self, OpenError> {
        let disk = Arc::new(RealDisk);
        let dir = &std::path::absolute(dir)
            .map_err(|source| OpenError::Disk { path: dir.to_owned(), source })?;
        disk.create_dir(dir).map_err(|source| OpenError::Disk { path: dir.to_owned(), source })?;
        let path = Layout::new(dir).lock();
        let lock = DirLock::take(&path).map_err(|error| match error {
            LockError::Taken { holder } => OpenError::InUse { dir: dir.to_owned(), holder },
            LockError::Io(source) => OpenError::Disk { path, source },
        })?;
        let has_blobs = lost_index(&Layout::new(dir))?;
        Self::open_locked(disk, dir, config, Some(lock), has_blobs)
    }

    /// The same on any disk, for tests; nothing keeps a second store off it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, config: Config) -> Result<Self, OpenError> {
        Self::open_locked(disk, dir, config, None, true)
    }

    fn open_locked(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: Config,
        lock: Option<DirLock>,
        has_blobs: bool,
    ) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        let index = Arc::new(open_index(&*disk, &layout, &config)?);
        if !has_blobs {
            lost_blobs(&layout, &index)?;
        }
        make_dirs(&*disk, &layout)?;
        let syncer = Syncer::start(Arc::clone(&index), config.unsynced_bytes_max, &*config.work)
            .map_err(|source| OpenError::Disk { path: layout.dir().to_owned(), source })?;
        let verified = Arc::new(Verified::default());
        let wholes = Wholes::start(&index, &disk, &layout, &verified, &config)
            .map_err(|source| OpenError::Disk { path: layout.dir().to_owned(), source })?;
        let unreadable = |source| OpenError::Index { path: layout.index(), source };
        let space = Arc::new(Space::of(index.promised().map_err(unreadable)?));
        let inner = Inner {
            syncer,
            wholes,
            live: Mutex::default(),
            fills: Arc::new(Semaphore::new(config.fills_max)),
            blocks: Blocks::default(),
            verified,
            space,
            index,
            disk,
            layout,
            config,
            _lock: lock,
        };
        inner
            .finish_garbage()
            .map_err(|source| OpenError::Index { path: inner.layout.index(), source })?;
        Ok(Self(Arc::new(inner)))
    }

    /// Removes uploads whose time is over at `now`, but none with a request in flight. To be called
    /// at the start and every half hour.
    ///
    /// # Errors
    /// [`StoreError`] of the index or the disk; what was not removed is at the next sweep.
    pub async fn sweep(&self, now: Millis) -> Result<Swept> {
        self.off(move |store| store.sweep(now)).await
    }

    /// Waits until everything received is held. To be called when no request is served any more.
    pub async fn shutdown(&self) {
        self.0.syncer.drained().await;
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

    fn takes_writes(&self) -> bool {
        !self.is_read_only()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { partial_chunks: true, shared_blobs: self.0.config.reuse != Reuse::Off }
    }

    async fn create(&self, owner: &Owner, new: NewUpload) -> Result<Upload> {
        let owner = owner.clone();
        self.off(move |store| store.create(&owner, new)?.upload(store.config.clock.now())).await
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

    async fn open(&self, owner: &Owner, id: FileId) -> Result<(FileInfo, DiskReader)> {
        let owner = owner.clone();
        self.off(move |store| store.open_file(&owner, id)).await
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
        self.off(move |store| {
            let (rows, next) = store.index.files(&owner, after, limit)?;
            Ok(Page { rows, next: next.map(|cursor| cursor.to_string()) })
        })
        .await
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

    fn new_id(&self) -> Result<[u8; 16]> {
        self.config.ids.next().map_err(disk_error("making an id"))
    }

    /// An upload in memory, taken there if need be.
    async fn live(self: &Arc<Self>, owner: &Owner, id: UploadId) -> Result<Arc<Live>> {
        if let Some(live) = self.known(owner, id)? {
            return Ok(live);
        }
        let (store, owner) = (Arc::clone(self), owner.clone());
        self.blocking(move || store.load(&owner, id)).await
    }

    fn known(&self, owner: &Owner, id: UploadId) -> Result<Option<Arc<Live>>> {
        match lock(&self.live).get(&id) {
            Some(live) if live.owner != *owner => Err(StoreError::NotFound),
            known => Ok(known.cloned()),
        }
    }

    /// The same where blocking is fine.
    fn load(&self, owner: &Owner, id: UploadId) -> Result<Arc<Live>> {
        if let Some(live) = self.known(owner, id)? {
            return Ok(live);
        }
        let row = self.index.upload(owner, id)?;
        let file = match row.file {
            Some(file) => Some(self.index.file(owner, file)?.info(file)?),
            None => None,
        };
        let held = match &file {
            Some(_) => (ChunkSet::all(row.plan()?), ChunkSet::new()),
            None => self.index.held(id)?,
        };
        let loaded = Arc::new(Live::new(id, row, held, file)?);
        let live = Arc::clone(lock(&self.live).entry(id).or_insert(loaded));
        // It may have been removed between the look at its row and now, and nobody would find it
        // here to tell it so.
        if let Err(error) = self.index.upload(owner, id) {
            lock(&self.live).remove(&id);
            return Err(error);
        }
        Ok(live)
    }

    /// The blob that has an upload's bytes: its own, or once it is sealed that of its file.
    fn bytes_of(&self, live: &Live) -> Result<layout::BlobId> {
        let file = live.state().chunks.file().map(|file| file.id);
        match file {
            Some(file) => Ok(self.index.file(&live.owner, file)?.blob),
            None => Ok(live.blob_id()),
        }
    }

    fn forget_live(&self, id: UploadId) -> Option<Arc<Live>> {
        lock(&self.live).remove(&id)
    }

    /// Lets go of the uploads that nobody works on and of which the index knows all there is.
    fn forget_idle(&self) {
        lock(&self.live).retain(|_, live| Arc::strong_count(live) > 1 || !live.is_saved());
    }

    fn uploads(&self, owner: &Owner, after: Option<Cursor>, limit: usize) -> Result<Page<Upload>> {
        let now = self.config.clock.now();
        let (ids, next) = self.index.upload_ids(owner, after, limit)?;
        let mut rows = Vec::new();
        for id in ids {
            match self.load(owner, id).and_then(|live| live.upload(now)) {
                Ok(upload) if upload.file.is_none() => rows.push(upload),
                Ok(_) | Err(StoreError::NotFound | StoreError::Expired) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Page { rows, next: next.map(|cursor| cursor.to_string()) })
    }

    fn manifest(
        &self,
        owner: &Owner,
        id: FileId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<(FileInfo, DigestRun)> {
        let row = self.index.file(owner, id)?;
        let info = row.info(id)?;
        let count = count.min(info.chunk_count.saturating_sub(start.0));
        let rows = self.index.digests(row.blob, start, count)?;
        let damaged = || StoreError::Damaged(format!("file {id} lacks rows of chunks"));
        let digests = rows.into_iter().collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        Ok((info, DigestRun { start, digests }))
    }

    fn now_and_idle_expiry(&self) -> (Millis, Millis) {
        let now = self.config.clock.now();
        (now, self.config.expires_at(now, true))
    }
}

/// Makes the folders, and their names durable, up to the root: nobody knows which of those above
/// the data directory were made for it, now or by a start that was cut off.
fn make_dirs(disk: &dyn Disk, layout: &Layout) -> Result<(), OpenError> {
    let at = |path: PathBuf| move |source| OpenError::Disk { path, source };
    disk.create_dir(&layout.blobs()).map_err(at(layout.blobs()))?;
    for dir in layout.blob_dirs() {
        disk.create_dir(&dir).map_err(at(dir))?;
    }
    disk.sync_dir(&layout.blobs()).map_err(at(layout.blobs()))?;
    disk.sync_dir(layout.dir()).map_err(at(layout.dir().to_owned()))?;
    for dir in layout.dir().ancestors().skip(1) {
        match disk.sync_dir(dir) {
            // Whoever may not read a folder did not make it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => other.map_err(at(dir.to_owned()))?,
        }
    }
    Ok(())
}

/// A new index is made under another name, and renamed once it is whole: after a crash half of one
/// could not be told from one that is damaged. Its name is synced with that of `blobs`, before the
/// first row promises anything.
fn open_index(disk: &dyn Disk, layout: &Layout, config: &Config) -> Result<Index, OpenError> {
    let path = layout.index();
    let at = |source| OpenError::Disk { path: path.clone(), source };
    disk.create_dir(layout.dir()).map_err(at)?;
    let open = |file| {
        Index::open(file, config.index_cache_bytes).map_err(|error| match error {
            IndexOpenError::Newer { found } => {
                OpenError::Newer { dir: layout.dir().to_owned(), found }
            }
            IndexOpenError::Index(source) => OpenError::Index { path: path.clone(), source },
        })
    };
    match disk.open(&path, OpenHow::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = disk.open(&layout.new_index(), OpenHow::Create).map_err(at)?;
            file.set_len(0).map_err(at)?;
            let index = open(file)?;
            disk.rename(&layout.new_index(), &path).map_err(at)?;
            Ok(index)
        }
        other => open(other.map_err(at)?),
    }
}

/// A cursor that this store did not give out names nothing.
fn parse_cursor(after: Option<String>) -> Result<Option<Cursor>> {
    after.map(|text| Cursor::parse(&text).ok_or(StoreError::NotFound)).transpose()
}

fn disk_error(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Disk { doing, source }
}
