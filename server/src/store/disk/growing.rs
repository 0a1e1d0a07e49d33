//! Reads an upload while it is still coming: bytes of chunks that were verified, and of the others once
//! they are.
//!
//! What is read may be replaced meanwhile. A replacement first takes the chunk out of what is held and
//! counts that, so bytes were those of the chunk if nothing was counted between before and after.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, Digest};
use tokio::sync::Semaphore;

use super::live::{Live, lock};
use super::medium::{DiskFile, OpenHow};
use super::reader::{digest_of, one_of};
use super::whole::Bodies;
use super::{Inner, disk_error};
use crate::store::{FileReader, Growing, Owner, Result, StoreError};

mod sound;

pub(super) use sound::Sound;

/// How many chunks are read here at once, each on a thread: with what waits for files (`reader.rs`) six eighths
/// of the 512 that the runtime has. To see that a chunk is whole all of it is read.
const LOOKING_MAX: usize = 64;

static LOOKING: Semaphore = Semaphore::const_new(LOOKING_MAX);

/// An upload, open for reading.
#[derive(Clone, Debug)]
pub struct DiskGrowing {
    /// The store, which must be able to close while somebody waits for bytes.
    store: Weak<Inner>,
    live: Arc<Live>,
    /// How long bytes that have not come are waited for.
    wait: Duration,
    _body: Bodies,
}

/// Where the bytes of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the upload's own blob.
    Own,
    /// In that of another, by reference.
    Borrowed,
    /// In a file: the upload was sealed.
    File(FileId),
}

/// A chunk as it was found; what is found the same again was not touched in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) place: Place,
    /// How often chunks of the upload were taken out.
    pub(super) removals: u64,
    /// How often it was not believed what had been received.
    pub(super) failed_syncs: u64,
}

impl Inner {
    pub(super) async fn growing(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        wait: Duration,
    ) -> Result<Growing<DiskGrowing>> {
        let live = self.live(owner, id).await?;
        let upload = live.upload(self.config.clock.now())?;
        let (store, body) = (Arc::downgrade(self), self.wholes.body());
        Ok(match upload.file {
            Some(file) => Growing::Sealed(file.id),
            None => {
                let reader = DiskGrowing { store, live, wait, _body: body };
                Growing::Open(Box::new(upload), reader)
            }
        })
    }
}

impl FileReader for DiskGrowing {
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let (mut bytes, end) = (Vec::with_capacity(len), offset.saturating_add(len as u64));
        let mut at = offset;
        while at < end {
            let index = ChunkIndex(at / self.live.plan.chunk_len());
            let piece = at..self.live.plan.range(index).end.min(end);
            bytes.extend_from_slice(&self.piece(index, piece.clone()).await?);
            at = piece.end;
        }
        Ok(bytes.into())
    }
}

impl DiskGrowing {
    /// Some bytes of one chunk, once there are any.
    async fn piece(&self, index: ChunkIndex, piece: Range<u64>) -> Result<Bytes> {
        loop {
            let found = self.found(index, piece.start).await?;
            let store = self.store()?;
            let read = match found.place {
                Place::File(file) => return self.of_file(&store, file, piece).await,
                Place::Own | Place::Borrowed => {
                    let (reader, in_task, piece) =
                        (self.clone(), Arc::clone(&store), piece.clone());
                    let turn = one_of(&LOOKING).await?;
                    let read = move || (reader.read(&in_task, index, found, piece), turn).0;
                    store.blocking(read).await
                }
            };
            // What was read of a chunk that somebody touched meanwhile tells nothing, an error neither.
            let now = self.live.state().chunks.readable(index);
            if matches!(now, Some(Ok(now)) if now == found) {
                return read;
            }
        }
    }

    /// Where a chunk is, once it is there. Only that is waiting for its sender: what a disk takes, and those who
    /// ask it before, is not his.
    async fn found(&self, index: ChunkIndex, offset: u64) -> Result<At> {
        let found = self.live.until(|state| state.chunks.readable(index));
        let not_yet = |_| StoreError::NotYet { offset, seconds: self.wait.as_secs() };
        tokio::time::timeout(self.wait, found).await.map_err(not_yet)?
    }

    async fn of_file(&self, store: &Arc<Inner>, file: FileId, piece: Range<u64>) -> Result<Bytes> {
        let (in_task, owner) = (Arc::clone(store), self.live.owner.clone());
        let reader = match store.open_again(&owner, file) {
            Some((_, reader)) => reader,
            None => store.blocking(move || in_task.open_file(&owner, file)).await?.1,
        };
        let len = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
        reader.read_copied(piece.start, len).await
    }

    fn read(
        &self,
        store: &Arc<Inner>,
        index: ChunkIndex,
        found: At,
        piece: Range<u64>,
    ) -> Result<Bytes> {
        let chunk = self.live.plan.range(index);
        let (file, begin, digest) = self.source(store, index, found.place)?;
        let in_file = |at: u64| begin + (at - chunk.start);
        if !lock(&self.live.sound).has(index, found) {
            let whole = begin..in_file(chunk.end);
            let has = digest_of(&*file, whole).map_err(disk_error("reading a chunk"))?;
            if has != digest {
                let told = format!("chunk {index} of upload {} has rotten", self.live.id);
                return Err(StoreError::Damaged(told));
            }
            lock(&self.live.sound).insert(index, found);
        }
        let len = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        file.read_exact_at(in_file(piece.start), &mut bytes)
            .map_err(disk_error("reading a chunk"))?;
        Ok(bytes.into())
    }

    /// Where the bytes of a chunk begin in which file, and what they have to be.
    fn source(
        &self,
        store: &Arc<Inner>,
        index: ChunkIndex,
        place: Place,
    ) -> Result<(Arc<dyn DiskFile>, u64, Digest)> {
        let gone = || StoreError::Damaged(format!("chunk {index} of {} has no row", self.live.id));
        let range = self.live.plan.range(index);
        if place == Place::Borrowed {
            let len = range.end - range.start;
            let borrowed = store.index.borrowed(self.live.id, index, len)?.ok_or_else(gone)?;
            let path = store.layout.blob(borrowed.source.blob);
            let file = store.disk.open(&path, OpenHow::Read);
            let file = file.map_err(disk_error("opening a blob"))?;
            return Ok((file, borrowed.source.offset, borrowed.digest));
        }
        let pending = self.live.state().chunks.pending_digest(index);
        let digest = match pending {
            Some(digest) => digest,
            None => store.index.chunk_digest(self.live.blob_id(), index)?.ok_or_else(gone)?,
        };
        Ok((store.blob(&self.live)?, range.start, digest))
    }

    fn store(&self) -> Result<Arc<Inner>> {
        let closed = || disk_error("reading an upload")(std::io::Error::other("it is closed"));
        self.store.upgrade().ok_or_else(closed)
    }
}
