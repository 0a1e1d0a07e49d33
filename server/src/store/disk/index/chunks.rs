//! Transactions about chunks.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{BLOBS, CHUNKS, Id, Index, SOURCES, uploads};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, Row as _};

/// How many of an owner's blobs that have a digest are looked at for a sealed one.
const SOURCES_LOOKED_AT_MAX: usize = 16;

/// Chunks of one upload whose bytes have been synced.
#[derive(Debug)]
pub(in crate::store::disk) struct DurableChunk {
    pub(in crate::store::disk) upload: UploadId,
    pub(in crate::store::disk) index: ChunkIndex,
    pub(in crate::store::disk) digest: Digest,
    /// When it came.
    pub(in crate::store::disk) at: Millis,
    /// The upload's expiry, now that it came.
    pub(in crate::store::disk) expires_at: Millis,
}

/// Where bytes of a digest lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) struct Source {
    pub(in crate::store::disk) blob: BlobId,
    /// In the blob, bytes.
    pub(in crate::store::disk) offset: u64,
    /// Bytes.
    pub(in crate::store::disk) len: u64,
}

impl Index {
    /// Inserts the rows of chunks that are durable: one commit for all of them. Those of uploads
    /// that are gone are left out.
    pub(in crate::store::disk) fn insert_chunks(&self, chunks: &[DurableChunk]) -> Result<()> {
        self.write(|txn| {
            for of_one_upload in chunks.chunk_by(|a, b| a.upload == b.upload) {
                insert_chunks_of_one(txn, of_one_upload)?;
            }
            Ok(())
        })
    }

    /// Takes a chunk out, so that its bytes may be written over.
    pub(in crate::store::disk) fn remove_chunk(
        &self,
        upload: UploadId,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<()> {
        let blob = BlobId(upload);
        self.write(|txn| {
            txn.open_table(CHUNKS)?.remove((blob.bytes(), index.0))?;
            let Some(row) = uploads::get_upload(txn, upload)? else { return Ok(()) };
            let key = (row.owner.as_str(), digest.0, blob.bytes());
            let mut sources = txn.open_table(SOURCES)?;
            let named = sources.get(key)?.map(|at| at.value());
            if named == Some(index.0) {
                sources.remove(key)?;
            }
            Ok(())
        })
    }

    /// Which chunks of a blob have rows.
    pub(in crate::store::disk) fn held(&self, blob: BlobId) -> Result<ChunkSet> {
        let mut held = ChunkSet::new();
        self.read(|txn| {
            for row in txn.open_table(CHUNKS)?.range(all_chunks(blob))? {
                held.insert(ChunkIndex(row?.0.value().1));
            }
            Ok(())
        })?;
        Ok(held)
    }

    /// The digest of one chunk, if it has a row.
    pub(in crate::store::disk) fn chunk_digest(
        &self,
        blob: BlobId,
        index: ChunkIndex,
    ) -> Result<Option<Digest>> {
        self.read(|txn| digest_at(txn, blob, index.0))
    }

    /// The digests of `count` chunks from `start` on, `None` for those without a row.
    pub(in crate::store::disk) fn digests(
        &self,
        blob: BlobId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<Vec<Option<Digest>>> {
        let end = start.0.saturating_add(count);
        self.read(|txn| {
            let mut digests = Vec::new();
            let mut next = start.0;
            for row in
                txn.open_table(CHUNKS)?.range((blob.bytes(), start.0)..(blob.bytes(), end))?
            {
                let (key, digest) = row?;
                let index = key.value().1;
                digests.extend((next..index).map(|_| None));
                digests.push(Some(Digest(digest.value())));
                next = index + 1;
            }
            digests.extend((next..end).map(|_| None));
            Ok(digests)
        })
    }

    /// For each digest: where one of the owner's sealed files has `len` bytes of it.
    pub(in crate::store::disk) fn sources(
        &self,
        owner: &str,
        wanted: &[(Digest, u64)],
    ) -> Result<Vec<Option<Source>>> {
        self.read(|txn| {
            wanted.iter().map(|&(digest, len)| source_of(txn, owner, digest, len)).collect()
        })
    }
}

fn insert_chunks_of_one(txn: &WriteTransaction, chunks: &[DurableChunk]) -> Result<()> {
    let Some(first) = chunks.first() else { return Ok(()) };
    let Some(mut row) = uploads::get_upload(txn, first.upload)? else { return Ok(()) };
    let blob = BlobId(first.upload).bytes();
    let mut table = txn.open_table(CHUNKS)?;
    let mut sources = txn.open_table(SOURCES)?;
    for chunk in chunks {
        table.insert((blob, chunk.index.0), chunk.digest.0)?;
        sources.insert((row.owner.as_str(), chunk.digest.0, blob), chunk.index.0)?;
        row.last_activity = row.last_activity.max(chunk.at);
        row.expires_at = row.expires_at.max(chunk.expires_at);
    }
    uploads::put_upload(txn, first.upload, &row)
}

pub(super) fn all_chunks(blob: BlobId) -> std::ops::RangeInclusive<(Id, u64)> {
    (blob.bytes(), 0)..=(blob.bytes(), u64::MAX)
}

fn digest_at(txn: &ReadTransaction, blob: BlobId, index: u64) -> Result<Option<Digest>> {
    let row = txn.open_table(CHUNKS)?.get((blob.bytes(), index))?;
    Ok(row.map(|digest| Digest(digest.value())))
}

fn source_of(
    txn: &ReadTransaction,
    owner: &str,
    digest: Digest,
    len: u64,
) -> Result<Option<Source>> {
    let sources = txn.open_table(SOURCES)?;
    let range = (owner, digest.0, [0; 16])..=(owner, digest.0, [u8::MAX; 16]);
    for row in sources.range(range)?.take(SOURCES_LOOKED_AT_MAX) {
        let (key, index) = row?;
        let blob = BlobId(UploadId(key.value().2));
        let found = sealed_range(txn, blob, ChunkIndex(index.value()))?;
        if let Some(source) = found.filter(|source| source.len == len) {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// Where a chunk lies, if its blob is that of a sealed file.
fn sealed_range(txn: &ReadTransaction, blob: BlobId, index: ChunkIndex) -> Result<Option<Source>> {
    let Some(row) = txn.open_table(BLOBS)?.get(blob.bytes())? else { return Ok(None) };
    let plan = BlobRow::decode(row.value())?.plan()?;
    let offset = plan.range(index).start;
    Ok(Some(Source { blob, offset, len: plan.chunk_bytes(index) }))
}
