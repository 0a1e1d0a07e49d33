//! Where chunks are, whosever they are. Asked only where reuse is for everyone, and what is found
//! is given only to those who prove that they have it.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use redb::ReadTransaction;

use super::refs::Source;
use super::{BLOBS, CHUNKS, GARBAGE, HOLDERS, Index, UPLOADS};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, Row as _, UploadRow};

/// How many blobs that have a digest are looked at for one to copy it from.
const HOLDERS_LOOKED_AT_MAX: usize = 16;

impl Index {
    /// Which of the chunks wanted are in somebody's blob, other than the asker's own.
    pub(in crate::store::disk) fn known_to_anybody(
        &self,
        own: BlobId,
        plan: Plan,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<Vec<(ChunkIndex, Digest)>> {
        self.read(|txn| {
            let mut known = Vec::new();
            for &(index, digest) in wanted {
                if holder(txn, own, plan.chunk_bytes(index), digest)?.is_some() {
                    known.push((index, digest));
                }
            }
            Ok(known)
        })
    }

    /// Where the bytes of a chunk can be copied from.
    pub(in crate::store::disk) fn source_of_anybody(
        &self,
        own: BlobId,
        plan: Plan,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<Option<Source>> {
        self.read(|txn| holder(txn, own, plan.chunk_bytes(index), digest))
    }
}

fn holder(txn: &ReadTransaction, own: BlobId, len: u64, digest: Digest) -> Result<Option<Source>> {
    let holders = txn.open_table(HOLDERS)?;
    let (garbage, chunks) = (txn.open_table(GARBAGE)?, txn.open_table(CHUNKS)?);
    let range = (digest.0, [0; 16])..=(digest.0, [u8::MAX; 16]);
    for row in holders.range(range)?.take(HOLDERS_LOOKED_AT_MAX) {
        let (key, index) = row?;
        let (blob, index) = (BlobId(UploadId(key.value().1)), ChunkIndex(index.value()));
        let is_there = chunks.get((blob.bytes(), index.0))?.map(|row| row.value());
        if blob == own || garbage.get(blob.bytes())?.is_some() || is_there != Some(digest.0) {
            continue;
        }
        let Some(plan) = plan_of(txn, blob)? else { continue };
        if plan.chunk_bytes(index) == len {
            let offset = plan.range(index).start;
            return Ok(Some(Source { blob, index, offset, len }));
        }
    }
    Ok(None)
}

fn plan_of(txn: &ReadTransaction, blob: BlobId) -> Result<Option<Plan>> {
    if let Some(row) = txn.open_table(BLOBS)?.get(blob.bytes())? {
        return BlobRow::decode(row.value())?.plan().map(Some);
    }
    let row = txn.open_table(UPLOADS)?.get(blob.bytes())?;
    row.map(|row| UploadRow::decode(row.value())?.plan()).transpose()
}
