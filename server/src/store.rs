//! What every store does, and what it promises.
//!
//! Every call names an [`Owner`] and sees that owner's rows only: what belongs to another is
//! `NotFound`, as if it did not exist. Everything a status calls `held` is durable and verified.

mod bytes;
pub mod disk;
mod error;
pub mod event;
pub mod watched;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::{Challenge, Proof};
use longhaul_protocol::wire::{DifferingChunk, DigestRun, FileInfo, FileMeta, Holding};
use longhaul_protocol::{ChunkIndex, Digest, Millis, Plan};

use crate::told::Told;
pub use bytes::{ChunkWriter, FileReader, Source};
pub use error::{Lack, Result, StoreError};
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

/// An upload of which bytes are wanted.
#[derive(Debug)]
pub enum Growing<R> {
    /// It has become this file.
    Sealed(FileId),
    /// It is still coming.
    Open(Box<Upload>, R),
}
