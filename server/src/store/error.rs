//! Why a store did not do what it was asked.

use std::fmt;

use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::{ChunkIndex, ChunkSet};

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
        /// Where there is none, which is for the log.
        of: Lack,
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

/// Where there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// On the disk, but for what is to stay free.
    Disk,
    /// Of what all may have.
    Total,
    /// Of what all guests may have.
    Guests,
}

impl fmt::Display for Lack {
    /// As the log tells it to who runs the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "the disk has no more than what is to stay free (--disk-free-min)",
            Self::Total => "all have as much as they may (--total-bytes-max)",
            Self::Guests => "all guests have as much as they may (--guest-bytes-max)",
        })
    }
}

/// Shorthand for what every call returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
