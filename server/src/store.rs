//! What every store does, and what it promises.
//!
//! Every call names an [`Owner`] and sees that owner's rows only: what belongs to another is
//! `NotFound`, as if it did not exist. Everything a status calls `held` is durable and verified.

pub mod disk;
pub mod event;
pub mod watched;

use std::future::Future;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::{Challenge, Proof};
use longhaul_protocol::wire::{DifferingChunk, DigestRun, FileInfo, FileMeta, Holding};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis, Plan};

use crate::told::Told;
pub use watched::{Figures, Meters};

/// How far times that a store gives may be ahead of the clock: as much as rows come in a burst, which is listed in
/// the order in which it came. More is a clock that was wrong and is right again.
pub const AHEAD_MAX: Millis = Millis(100);

/// Who a row belongs to: `local` on loopback, the subject of a token, or a guest. See
/// [`crate::owner`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub String);

/// What a store can do beyond the least; the conformance suite asks for what is declared here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// An interrupted chunk keeps its prefix, and `Chunk-Offset` goes on from it.
    pub partial_chunks: bool,
    /// The same bytes twice are stored once.
    pub shared_blobs: bool,
}

/// What is needed to begin an upload; names and sizes are checked already.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// What the file is.
    pub meta: FileMeta,
    /// Its length, bytes.
    pub size: u64,
    /// The chunk size the client would like, bytes.
    pub chunk_size: Option<u64>,
    /// The caller's idempotency key and a digest of the request it came with.
    pub idempotency: Option<(String, Digest)>,
    /// The id that it is to have, if that was needed before; random, and nobody else's.
    pub id: Option<UploadId>,
}

/// An open upload, or one that was sealed and is still remembered.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The upload.
    pub id: UploadId,
    /// What the file is.
    pub meta: FileMeta,
    /// Length and chunk size.
    pub plan: Plan,
    /// When it was begun, since 1970.
    pub created_at: Millis,
    /// When its last chunk came, since 1970.
    pub last_activity: Millis,
    /// When it is swept if no chunk comes before, since 1970.
    pub expires_at: Millis,
    /// What is held of each chunk.
    pub holding: Holding,
    /// Once sealed: the file.
    pub file: Option<FileInfo>,
    /// When it was just begun: whether an offer could find anything.
    pub reusable: Option<bool>,
}

/// What an offer of digests comes to.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// What is held of each chunk now, `filling` included.
    pub holding: Holding,
    /// Those offered that are held with other digests.
    pub differs: Vec<DifferingChunk>,
    /// Those that others have here, and what is to be proved to be given them.
    pub challenge: Option<Challenge>,
}

/// A page of rows, newest first, and where the next one starts.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// What to pass as `after` for the next page.
    pub next: Option<String>,
}

/// How a chunk request begins.
#[derive(Debug)]
pub enum ChunkBegin<W> {
    /// Held (or received) already with this digest: nothing is written.
    Already,
    /// Write the body here.
    Write(W),
}

/// Why a store did not do what it was asked.
///
/// One enum for the trait, because the answer to each is the same whatever was asked; each variant
/// says whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's: nothing of theirs has this id.
    #[error("there is no such upload or file")]
    NotFound,
    /// Nobody's: the upload's time is over.
    #[error("the upload has expired")]
    Expired,
    /// The caller's: the upload takes no more bytes.
    #[error("the upload is sealed")]
    Sealed {
        /// The file it became.
        file: FileId,
    },
    /// The caller's: the plan has no such chunk.
    #[error("chunk {index} is past the last one, {}", .chunk_count.saturating_sub(1))]
    ChunkOutOfRange {
        /// The chunk asked for.
        index: ChunkIndex,
        /// How many there are.
        chunk_count: u64,
    },
    /// The caller's: size and chunk size make no plan.
    #[error(transparent)]
    Plan(#[from] longhaul_protocol::plan::PlanError),
    /// The caller's: the chunk does not go on there.
    #[error("chunk {index} is kept up to byte {kept}")]
    Offset {
        /// The chunk.
        index: ChunkIndex,
        /// How much of it is kept, bytes.
        kept: u64,
    },
    /// The caller's: held with other bytes, and no (or another) `Chunk-Replace`.
    #[error("chunk {index} is held with another digest")]
    ChunkHeld {
        /// The chunk.
        index: ChunkIndex,
    },
    /// The sender's or the network's: fewer or more bytes than the chunk has.
    #[error("chunk {index} has {expected} bytes, {actual} came")]
    Length {
        /// The chunk.
        index: ChunkIndex,
        /// What it has, bytes.
        expected: u64,
        /// What came, bytes; one more than `expected` stands for any more.
        actual: u64,
    },
    /// The sender's or the network's: other bytes than announced. Nothing of them is kept. The
    /// digest that they have is not told: it would confirm guesses.
    #[error("the bytes of chunk {index} do not have the digest announced")]
    DigestMismatch {
        /// The chunk.
        index: ChunkIndex,
    },
    /// Nobody's: a newer request took the chunk over.
    #[error("a newer request took chunk {index} over")]
    Superseded {
        /// The chunk.
        index: ChunkIndex,
    },
    /// The caller's, or a crash's: not every chunk is held.
    #[error("{} chunks are missing", .missing.count())]
    ChunksMissing {
        /// Those that are.
        missing: ChunkSet,
    },
    /// The caller's: what was to prove that they have the bytes does not.
    #[error("the proof of chunk {index} is not that of its bytes")]
    WrongProof {
        /// The chunk, the first of them.
        index: ChunkIndex,
    },
    /// Nobody's: what the upload borrows from other files is still being copied. Again in a moment.
    #[error("{} chunks are still being copied from what is here already", .filling.count())]
    StillFilling {
        /// Those that are.
        filling: ChunkSet,
    },
    /// The caller's: another root than that of the chunks held.
    #[error("the root announced is not that of the chunks held")]
    RootMismatch,
    /// The caller's: the key was used with another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The caller's: they keep as much as they may.
    #[error("{needed} bytes are needed; {used} of {max} are in use")]
    OwnerFull {
        /// What the file needs, bytes.
        needed: u64,
        /// What the owner's uploads and files have, bytes.
        used: u64,
        /// What they may have, bytes.
        max: u64,
    },
    /// The caller's: they have as many uploads open as they may.
    #[error(
        "{max} uploads are open, as many as one owner may have: finish or cancel some, or wait until they expire"
    )]
    TooManyUploads {
        /// So many.
        max: u64,
    },
    /// The owner of the server's: the disk has no room.
    #[error("{needed} bytes are needed and cannot be reserved")]
    NoSpace {
        /// What the file needs, bytes.
        needed: u64,
    },
    /// The sender's: what was asked for did not come in time.
    #[error("the bytes from {offset} on have not come yet, and did not within {seconds} s")]
    NotYet {
        /// From which byte on.
        offset: u64,
        /// How long was waited, seconds.
        seconds: u64,
    },
    /// The server's: the index cannot be written, so nothing is taken any more.
    #[error(
        "the store is read-only since a sync of its index failed; its owner has to look at the log and restart it"
    )]
    ReadOnly,
    /// The server's: the disk.
    #[error("{doing}: {source}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server's: the index.
    #[error("the index: {0}")]
    Index(String),
    /// The server's: a row that cannot be read, or bytes that no longer have their digest.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Shorthand for what every call returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Keeps uploads and files.
pub trait Store: Send + Sync + 'static {
    /// Takes the bytes of one chunk.
    type Writer: ChunkWriter;
    /// Reads the bytes of a sealed file.
    type Reader: FileReader;
    /// Reads the bytes of an upload, and waits for those that have not come yet.
    type Growing: FileReader;

    /// Whether it takes writes; `false` after a failure that only a restart mends.
    fn takes_writes(&self) -> bool {
        true
    }

    /// Whether an upload could begin: its place is there, may be written to, and has room. Cheap, and asked often.
    ///
    /// # Errors
    /// `ReadOnly`, `NoSpace`, or `Disk`.
    fn check_ready(&self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(if self.takes_writes() { Ok(()) } else { Err(StoreError::ReadOnly) })
    }

    /// What it has done since it started.
    fn meters(&self) -> &Meters;

    /// What there is now. Reads nothing but the state of the disk.
    fn figures(&self) -> impl Future<Output = Result<Figures>> + Send;

    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// Begins an upload and reserves its space. The same idempotency key with the same request
    /// returns the upload that it began before.
    fn create(&self, owner: &Owner, new: NewUpload) -> impl Future<Output = Result<Upload>> + Send;

    /// Whether the same idempotency key with the same request has begun an upload that is still there.
    fn has_begun(
        &self,
        owner: &Owner,
        key: &str,
        request: Digest,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// One upload. Never syncs and never waits for a writer.
    fn upload(&self, owner: &Owner, id: UploadId) -> impl Future<Output = Result<Upload>> + Send;

    /// The digests of the chunks that are held, `None` for those that are not; at most `count`.
    fn held_digests(
        &self,
        owner: &Owner,
        id: UploadId,
        start: ChunkIndex,
        count: u64,
    ) -> impl Future<Output = Result<Vec<Option<Digest>>>> + Send;

    /// The owner's open uploads, newest first. A page may have fewer rows than `limit` and still a
    /// next one; an `after` that this store did not give out is `NotFound`.
    fn uploads(
        &self,
        owner: &Owner,
        after: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<Upload>>> + Send;

    /// Takes note of digests ahead of their chunks. What the owner's files already have is held at
    /// once, by reference. If the file turns out to be none that is here, it is copied in the
    /// background, verified while it is copied, and shown as `filling` too until it is.
    fn offer(
        &self,
        owner: &Owner,
        id: UploadId,
        run: DigestRun,
    ) -> impl Future<Output = Result<Offered>> + Send;

    /// Sees to it that what is `filling` goes on being filled: whoever waits for it calls this when he
    /// asks how far it is. Never waits for it.
    ///
    /// # Errors
    /// What keeps it from going on, once each time.
    fn fill(&self, owner: &Owner, id: UploadId) -> impl Future<Output = Result<()>> + Send;

    /// Takes proofs of chunks that were in a [`Challenge`], and copies what is proved; it is pending
    /// then. A chunk that was not asked about, or not again since it was tried, is passed over.
    ///
    /// `WrongProof` if one is, after all others were looked at; nothing is told or kept of its bytes.
    fn prove(
        &self,
        owner: &Owner,
        id: UploadId,
        proofs: Vec<Proof>,
    ) -> impl Future<Output = Result<Offered>> + Send;

    /// Begins to take a chunk.
    fn begin_chunk(
        &self,
        owner: &Owner,
        id: UploadId,
        chunk: ChunkHeaders,
    ) -> impl Future<Output = Result<ChunkBegin<Self::Writer>>> + Send;

    /// Verifies the root and publishes the file: one commit. Again: the same answer. `StillFilling`
    /// while chunks are being copied.
    fn seal(
        &self,
        owner: &Owner,
        id: UploadId,
        root: Digest,
    ) -> impl Future<Output = Result<FileInfo>> + Send;

    /// Ends an upload and frees its space. Once it is `Sealed`, its file is what can be deleted.
    fn cancel(&self, owner: &Owner, id: UploadId) -> impl Future<Output = Result<()>> + Send;

    /// Whose a sealed file is: for who shows by other means than being that owner that he may read it.
    fn owner_of(&self, id: FileId) -> impl Future<Output = Result<Owner>> + Send;

    /// A sealed file, open for reading.
    fn open(
        &self,
        owner: &Owner,
        id: FileId,
    ) -> impl Future<Output = Result<(Arc<Told>, Self::Reader)>> + Send;

    /// An upload, open for reading while it is still coming; who reads bytes that have not come waits for them, for `wait`.
    fn growing(
        &self,
        owner: &Owner,
        id: UploadId,
        wait: Duration,
    ) -> impl Future<Output = Result<Growing<Self::Growing>>> + Send;

    /// The digests of a sealed file's chunks, at most `count` from `start` on.
    fn manifest(
        &self,
        owner: &Owner,
        id: FileId,
        start: ChunkIndex,
        count: u64,
    ) -> impl Future<Output = Result<(FileInfo, DigestRun)>> + Send;

    /// The owner's files, newest first; `after` as with [`Store::uploads`].
    fn files(
        &self,
        owner: &Owner,
        after: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<FileInfo>>> + Send;

    /// Deletes a file; its bytes go with the last file that has them.
    fn delete(&self, owner: &Owner, id: FileId) -> impl Future<Output = Result<()>> + Send;
}

/// Takes the bytes of one chunk, in order. Dropped before [`ChunkWriter::finish`]: nothing of them
/// is believed, and what is written already may be gone on from.
pub trait ChunkWriter: Send + 'static {
    /// How many bytes are still wanted.
    fn remaining(&self) -> u64;

    /// Resolves, with the error that [`ChunkWriter::write`] would give, once writing on is of no
    /// use: a newer request took the chunk over, or the upload is gone. For a request whose sender
    /// has fallen silent, so that it ends now and not when its time is up.
    fn stopped(&self) -> impl Future<Output = StoreError> + Send {
        std::future::pending()
    }

    /// The next bytes. More than are wanted is [`StoreError::Length`].
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// The body broke off before its end. A store with [`Capabilities::partial_chunks`] keeps what
    /// came, and tells it as `partial`.
    fn break_off(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        drop(self);
        std::future::ready(())
    }

    /// Verifies what came. After `Ok` the chunk is received: pending, and held once it is synced.
    fn finish(self) -> impl Future<Output = Result<()>> + Send;
}

/// An upload of which bytes are wanted.
#[derive(Debug)]
pub enum Growing<R> {
    /// It has become this file.
    Sealed(FileId),
    /// It is still coming.
    Open(Box<Upload>, R),
}

/// A file that never changes any more.
pub trait Source: Send + Sync + 'static {
    /// What the system knows it by, if it is the system's.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

/// Reads the bytes of a file.
pub trait FileReader: Clone + Send + Sync + 'static {
    /// The same as [`FileReader::read_at`], if nobody has to wait for it.
    fn at_hand(&self, offset: u64, len: usize) -> Option<Bytes> {
        let _ = (offset, len);
        None
    }

    /// The file that what is at hand lies in, at the same offset, for who sends it from there.
    fn source(&self) -> Option<Arc<dyn Source>> {
        None
    }

    /// `len` bytes from `offset` on; the caller stays within the file.
    fn read_at(&self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes>> + Send;

    /// The same for who reads on after it, `left` bytes in all: they may be brought to hand by the same wait.
    fn read_on(
        &self,
        offset: u64,
        len: usize,
        left: u64,
    ) -> impl Future<Output = Result<Bytes>> + Send {
        let _ = left;
        self.read_at(offset, len)
    }

    /// The same as [`FileReader::read_at`] in memory of this process, for who looks at the bytes: other memory may
    /// be a file's, which ends the process that reads it where the disk does not give it.
    fn read_copied(&self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes>> + Send {
        self.read_at(offset, len)
    }
}
