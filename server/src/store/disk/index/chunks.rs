//! Transactions about chunks.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::refs::Pins;
use super::{CHUNKS, Id, Index, REFS, SOURCES, refs, uploads};
use crate::store::Result;
use crate::store::disk::layout::BlobId;

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

/// What came of taking a chunk out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) enum Removed {
    /// It is no longer held.
    Done,
    /// Others have references to it, so it is held as before.
    Lent,
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

    /// Takes a chunk out, so that its bytes may be written over, unless somebody has a reference
    /// to them.
    pub(in crate::store::disk) fn remove_chunk(
        &self,
        upload: UploadId,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<Removed> {
        let blob = BlobId(upload);
        self.write(|txn| {
            if refs::is_lent(txn, blob, index)? {
                return Ok(Removed::Lent);
            }
            Pins::open(txn)?.release(upload, index)?;
            txn.open_table(CHUNKS)?.remove((blob.bytes(), index.0))?;
            let Some(row) = uploads::get_upload(txn, upload)? else { return Ok(Removed::Done) };
            let key = (digest.0, row.owner.as_str(), blob.bytes());
            let mut sources = txn.open_table(SOURCES)?;
            let named = sources.get(key)?.map(|at| at.value());
            if named == Some(index.0) {
                sources.remove(key)?;
            }
            Ok(Removed::Done)
        })
    }

    /// Which chunks of an upload have rows in its own blob, and which are references.
    pub(in crate::store::disk) fn held(&self, upload: UploadId) -> Result<(ChunkSet, ChunkSet)> {
        let (mut own, mut borrowed) = (ChunkSet::new(), ChunkSet::new());
        self.read(|txn| {
            for row in txn.open_table(CHUNKS)?.range(all_chunks(BlobId(upload)))? {
                own.insert(ChunkIndex(row?.0.value().1));
            }
            for row in txn.open_table(REFS)?.range(refs::refs_of(upload))? {
                borrowed.insert(ChunkIndex(row?.0.value().1));
            }
            Ok(())
        })?;
        Ok((own, borrowed))
    }

    /// The digest of one chunk, if it has a row, be it of a reference.
    pub(in crate::store::disk) fn chunk_digest(
        &self,
        blob: BlobId,
        index: ChunkIndex,
    ) -> Result<Option<Digest>> {
        self.read(|txn| digest_at(txn, blob, index.0))
    }

    /// The digests of `count` chunks from `start` on, references included; `None` for those
    /// without a row.
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
            for row in digests_from(txn, blob, start.0..end)? {
                let (index, digest) = row?;
                digests.extend((next..index).map(|_| None));
                digests.push(Some(digest));
                next = index + 1;
            }
            digests.extend((next..end).map(|_| None));
            Ok(digests)
        })
    }
}

fn insert_chunks_of_one(txn: &WriteTransaction, chunks: &[DurableChunk]) -> Result<()> {
    let Some(first) = chunks.first() else { return Ok(()) };
    let Some(mut row) = uploads::get_upload(txn, first.upload)? else { return Ok(()) };
    let blob = BlobId(first.upload).bytes();
    let mut table = txn.open_table(CHUNKS)?;
    let mut sources = txn.open_table(SOURCES)?;
    let mut pins = Pins::open(txn)?;
    for chunk in chunks {
        pins.release(chunk.upload, chunk.index)?;
        table.insert((blob, chunk.index.0), chunk.digest.0)?;
        sources.insert((chunk.digest.0, row.owner.as_str(), blob), chunk.index.0)?;
        row.last_activity = row.last_activity.max(chunk.at);
        row.expires_at = row.expires_at.max(chunk.expires_at);
    }
    uploads::put_upload(txn, first.upload, &row)
}

pub(super) fn all_chunks(blob: BlobId) -> std::ops::RangeInclusive<(Id, u64)> {
    (blob.bytes(), 0)..=(blob.bytes(), u64::MAX)
}

fn digest_at(txn: &ReadTransaction, blob: BlobId, index: u64) -> Result<Option<Digest>> {
    if let Some(row) = txn.open_table(CHUNKS)?.get((blob.bytes(), index))? {
        return Ok(Some(Digest(row.value())));
    }
    let row = txn.open_table(REFS)?.get((blob.bytes(), index))?;
    Ok(row.map(|row| Digest(row.value().0)))
}

/// The chunks in a range that have a row of their own or a reference, in order. No chunk has both.
pub(super) fn digests_from(
    txn: &ReadTransaction,
    blob: BlobId,
    range: std::ops::Range<u64>,
) -> Result<impl Iterator<Item = Result<(u64, Digest)>>> {
    let keys = (blob.bytes(), range.start)..(blob.bytes(), range.end);
    let own = txn.open_table(CHUNKS)?.range(keys.clone())?.map(|row| {
        let (key, digest) = row?;
        Ok((key.value().1, Digest(digest.value())))
    });
    let refs = txn.open_table(REFS)?.range(keys)?.map(|row| {
        let (key, row) = row?;
        Ok((key.value().1, Digest(row.value().0)))
    });
    Ok(in_order(own, refs))
}

type Row = Result<(u64, Digest)>;

fn in_order(
    own: impl Iterator<Item = Row>,
    refs: impl Iterator<Item = Row>,
) -> impl Iterator<Item = Row> {
    let (mut own, mut refs) = (own.peekable(), refs.peekable());
    std::iter::from_fn(move || match (own.peek(), refs.peek()) {
        (Some(Ok((a, _))), Some(Ok((b, _)))) if a > b => refs.next(),
        (None, _) => refs.next(),
        _ => own.next(),
    })
}
