//! What happens when sealed bytes are found to have rotten: whoever looks after the server is told
//! which, and nobody is lent them any more.

use std::ops::Range;

use longhaul_protocol::ChunkIndex;

use super::index::Index;
use super::layout::BlobId;
use crate::store::{Result, StoreError};

/// A chunk of a blob no longer has its digest: the error to be answered with.
pub(super) fn found(
    index: &Index,
    blob: BlobId,
    chunk: ChunkIndex,
    range: Range<u64>,
) -> StoreError {
    if let Err(error) = tell(index, blob, chunk, range) {
        tracing::error!(%error, blob = %blob.0, "a rotten chunk may still be lent");
    }
    StoreError::Damaged(format!("chunk {chunk} of blob {} has rotten", blob.0))
}

/// A blob is missing, or shorter than its file: who sends the same again does not get it, and the chunk
/// is lent to nobody any more.
pub(super) fn gone(index: &Index, blob: BlobId, chunk: ChunkIndex) -> Result<()> {
    let files = index.files_on(blob)?;
    for (file, _) in &files {
        tracing::error!(
            %file, blob = %blob.0,
            "the bytes of a sealed file are GONE: its blob is missing or cut off"
        );
    }
    index.withdraw(blob, chunk, &files)
}

fn tell(index: &Index, blob: BlobId, chunk: ChunkIndex, range: Range<u64>) -> Result<()> {
    let files = index.files_on(blob)?;
    for (file, _) in &files {
        tracing::error!(
            %file, blob = %blob.0, chunk = chunk.0, offset = range.start,
            bytes = range.end - range.start,
            "a sealed file has ROTTEN: a chunk no longer has its digest, and is not served"
        );
    }
    index.withdraw(blob, chunk, &files)
}
