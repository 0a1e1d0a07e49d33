//! Reads sealed files, and refuses bytes that no longer have their digest.

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::block::WRITE_BYTES;
use super::layout::BlobId;
use super::medium::{DiskFile, OpenHow};
use super::rot;
use super::row::FileRow;
use super::space::Reading;
use super::verified::Marks;
use super::whole::Bodies;
use super::work::{self, Work};
use super::{Inner, disk_error};
use crate::store::{FileReader, Owner, Result, Source, StoreError};
use crate::stream::FRAME_BYTES;
use crate::told::Told;

/// How much a thread waits for at once for the reader of a stream, bytes: four pieces of it, so that three find
/// what they send at hand, and what a disk of 1 GB/s gives in a millisecond.
const FETCHED_MAX: u64 = 1 << 20;

/// How many pieces of streams wait for the disk at once, each on a thread: more than a disk does at once,
/// and few of the 512 that the runtime has, so that a small range finds one however slow the disk is.
const STREAMS_WAITING_MAX: usize = 64;

/// How many small ranges do: with the streams five eighths of those threads, so that who asks the index or
/// writes finds one however slow the disk of the files is.
const RANGES_WAITING_MAX: usize = 256;

/// A sealed file, open. It can be read to its end even after it was deleted.
#[derive(Clone, Debug)]
pub struct DiskReader {
    /// None for a file of length 0.
    sealed: Option<Arc<Sealed>>,
    work: Arc<dyn Work>,
    _body: Bodies,
    reading: Arc<Reading>,
}

/// What is open of one.
#[derive(Debug)]
pub(super) struct Sealed {
    /// The store, which must be able to close while somebody reads slowly.
    store: Weak<Inner>,
    file: FileId,
    blob: BlobId,
    plan: Plan,
    bytes: Arc<dyn DiskFile>,
    verified: Arc<Marks>,
}

impl Inner {
    pub(super) fn open_file(
        self: &Arc<Self>,
        owner: &Owner,
        id: FileId,
    ) -> Result<(Arc<Told>, DiskReader)> {
        let (reading, asked) = (self.space.reading(id), self.opened.moment());
        let row = self.index.file(owner, id)?;
        let told = Arc::new(Told::of(row.info(id)?));
        let sealed = match row.len {
            0 => None,
            _ => Some(Arc::new(self.open_sealed(owner, id, &row)?)),
        };
        if let Some(sealed) = &sealed {
            self.opened.insert(asked, owner, &told, sealed);
        }
        Ok((told, self.reader(sealed, reading)))
    }

    /// A file that was read lately, without a look at the index.
    pub(super) fn open_again(
        self: &Arc<Self>,
        owner: &Owner,
        id: FileId,
    ) -> Option<(Arc<Told>, DiskReader)> {
        let reading = self.space.reading(id);
        let (told, sealed) = self.opened.get(owner, id)?;
        Some((told, self.reader(Some(sealed), reading)))
    }

    fn reader(&self, sealed: Option<Arc<Sealed>>, reading: Reading) -> DiskReader {
        let (work, reading) = (Arc::clone(&self.config.work), Arc::new(reading));
        DiskReader { sealed, work, _body: self.wholes.body(), reading }
    }

    /// The rows of its chunks stay for as long as somebody has the marks, so these are taken before
    /// it is made sure that the file is not deleted yet.
    fn open_sealed(self: &Arc<Self>, owner: &Owner, id: FileId, row: &FileRow) -> Result<Sealed> {
        let (blob, plan) = (row.blob, row.plan()?);
        let verified = self.verified.of(blob, plan);
        self.index.file(owner, id)?;
        let opened = self.disk.open(&self.layout.blob(blob), OpenHow::Read);
        let bytes = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => match self.index.file(owner, id) {
                Ok(_) => StoreError::Damaged(format!("file {id}: its blob {} is gone", blob.0)),
                Err(error) => error,
            },
            _ => disk_error("opening a file")(error),
        })?;
        let store = Arc::downgrade(self);
        Ok(Sealed { store, file: id, blob, plan, bytes, verified })
    }
}

impl FileReader for DiskReader {
    /// To hand what costs no wait to another thread and back costs more.
    fn at_hand(&self, offset: u64, len: usize) -> Option<Bytes> {
        let sealed = self.sealed.as_ref().filter(|_| len > 0)?;
        sealed.at_hand(offset, len).map(|bytes| self.outgoing(bytes))
    }

    fn source(&self) -> Option<Arc<dyn Source>> {
        self.sealed.clone().map(|sealed| sealed as Arc<dyn Source>)
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.read_on(offset, len, len as u64).await
    }

    async fn read_on(&self, offset: u64, len: usize, left: u64) -> Result<Bytes> {
        let Some(sealed) = self.sealed.clone().filter(|_| len > 0) else { return Ok(Bytes::new()) };
        let turn = turn(len).await?;
        let read = move || (sealed.read(offset, len, left.min(FETCHED_MAX)), turn).0;
        Ok(self.outgoing(work::start(&*self.work, read).outcome().await?))
    }

    async fn read_copied(&self, offset: u64, len: usize) -> Result<Bytes> {
        let Some(sealed) = self.sealed.clone().filter(|_| len > 0) else { return Ok(Bytes::new()) };
        let turn = turn(len).await?;
        let copied = move || (sealed.copied(offset, len), turn).0;
        work::start(&*self.work, copied).outcome().await
    }
}

/// A turn to wait for the disk: a piece of a stream, or a small range.
async fn turn(len: usize) -> Result<SemaphorePermit<'static>> {
    static STREAMS: Semaphore = Semaphore::const_new(STREAMS_WAITING_MAX);
    static RANGES: Semaphore = Semaphore::const_new(RANGES_WAITING_MAX);
    one_of(if len as u64 >= FRAME_BYTES { &STREAMS } else { &RANGES }).await
}

pub(super) async fn one_of(turns: &'static Semaphore) -> Result<SemaphorePermit<'static>> {
    let closed = |error| disk_error("reading a file")(io::Error::other(error));
    turns.acquire().await.map_err(closed)
}

/// Bytes of a file on their way to a socket, which may have them for longer than the reader is there.
struct Outgoing {
    bytes: Bytes,
    /// Dropped after them: they may be a map, and until it is gone the disk has all of the file.
    _reading: Arc<Reading>,
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DiskReader {
    fn outgoing(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Outgoing { bytes, _reading: Arc::clone(&self.reading) })
    }
}

impl Source for Sealed {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.bytes.descriptor()
    }
}

impl Sealed {
    fn read(&self, offset: u64, len: usize, ahead: u64) -> Result<Bytes> {
        self.verify_all(offset, len)?;
        // What waits for a slow reader is better kept in the system's memory than in ours.
        let fetched = self.bytes.fetched(offset, len, ahead);
        fetched.map_or_else(|| self.read_into_memory(offset, len), Ok)
    }

    fn copied(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.verify_all(offset, len)?;
        self.read_into_memory(offset, len)
    }

    fn verify_all(&self, offset: u64, len: usize) -> Result<()> {
        self.chunks(offset, len).try_for_each(|index| self.verify(index))
    }

    fn read_into_memory(&self, offset: u64, len: usize) -> Result<Bytes> {
        let mut bytes = vec![0; len];
        self.bytes.read_exact_at(offset, &mut bytes).map_err(disk_error("reading a file"))?;
        Ok(bytes.into())
    }

    /// Bytes that were verified and are in the system's memory.
    fn at_hand(&self, offset: u64, len: usize) -> Option<Bytes> {
        let is_verified = self.chunks(offset, len).all(|index| self.verified.has(index));
        is_verified.then(|| self.bytes.resident(offset, len))?
    }

    /// The chunks that some bytes, at least one, lie in.
    fn chunks(&self, offset: u64, len: usize) -> impl Iterator<Item = ChunkIndex> {
        let chunk_at = |at: u64| at / self.plan.chunk_len();
        (chunk_at(offset)..=chunk_at(offset + len as u64 - 1)).map(ChunkIndex)
    }

    /// Compares a chunk with its digest, unless that was done lately.
    fn verify(&self, index: ChunkIndex) -> Result<()> {
        if self.verified.has(index) {
            return Ok(());
        }
        let range = self.plan.range(index);
        let found = digest_of(&*self.bytes, range.clone()).map_err(disk_error("reading a file"))?;
        if self.digest(index)? != Some(found) {
            rot::found(&self.store()?.index, self.blob, index, range);
            let told = format!("chunk {index} of file {} has rotten", self.file);
            return Err(StoreError::Damaged(told));
        }
        self.verified.insert(index);
        Ok(())
    }

    fn digest(&self, index: ChunkIndex) -> Result<Option<Digest>> {
        self.store()?.index.chunk_digest(self.blob, index)
    }

    fn store(&self) -> Result<Arc<Inner>> {
        let closed = || disk_error("reading a file")(io::Error::other("the store is closed"));
        self.store.upgrade().ok_or_else(closed)
    }
}

/// The digest of some bytes of a file, read [`WRITE_BYTES`] at a time.
pub(super) fn digest_of(file: &dyn DiskFile, range: Range<u64>) -> io::Result<Digest> {
    digest_by(range, |at, piece| file.read_exact_at(at, piece))
}

/// The same of what the disk has, whatever the system remembers.
pub(super) fn digest_on_disk(file: &dyn DiskFile, range: Range<u64>) -> io::Result<Digest> {
    digest_by(range, |at, piece| file.read_from_disk_at(at, piece))
}

fn digest_by(
    range: Range<u64>,
    read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<Digest> {
    let (mut hasher, mut at) = (Hasher::default(), range.start);
    let mut piece = vec![0; piece_len(range.end - range.start)];
    while at < range.end {
        piece.truncate(piece_len(range.end - at));
        read(at, &mut piece)?;
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    Ok(hasher.finish())
}

fn piece_len(left: u64) -> usize {
    usize::try_from(left).unwrap_or(WRITE_BYTES).min(WRITE_BYTES)
}
