//! What whoever looks after a server asks of all owners' rows together. It reads, a page at a time, so that
//! nobody's commit waits and no memory grows with what is kept here.

use std::ops::Bound;

use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use redb::{ReadTransaction, ReadableTable};

use super::{
    BLOBS, CHUNKS, FILES, FILES_BY_OWNER, GARBAGE, Id, Index, LENT, UPLOADS, UPLOADS_BY_OWNER,
    chunks, files, refs,
};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, FileRow, Row as _, UploadRow};

/// A row of a listing of all owners: after which the next page goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    owner: String,
    order: u64,
    id: Id,
}

/// A page of rows, each under its id; one that cannot be read is an error among them. And where the next begins.
pub(in crate::store::disk) type Rows<K, R> = (Vec<(K, Result<R>)>, Option<Spot>);

/// A file's row, and whether its blob is known to have rotten.
#[derive(Debug)]
pub(in crate::store::disk) struct Kept {
    pub(in crate::store::disk) row: FileRow,
    pub(in crate::store::disk) is_rotten: bool,
}

/// What the index says that a blob has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) struct Promised {
    pub(in crate::store::disk) plan: Plan,
    /// Whether every chunk has to be there: it is, or was, a file's.
    pub(in crate::store::disk) is_sealed: bool,
}

impl Index {
    /// Uploads of all owners, or of one, by owner and the newest first; those that became files among them.
    pub(in crate::store::disk) fn uploads_of_all(
        &self,
        owner: Option<&str>,
        after: Option<&Spot>,
        limit: usize,
    ) -> Result<Rows<UploadId, UploadRow>> {
        self.read(|txn| {
            let (spots, next) = spots(&txn.open_table(UPLOADS_BY_OWNER)?, owner, after, limit)?;
            let table = txn.open_table(UPLOADS)?;
            let mut rows = Vec::new();
            for Spot { id, .. } in spots {
                let row = table.get(id)?.map(|row| UploadRow::decode(row.value()));
                rows.extend(row.map(|row| (UploadId(id), row)));
            }
            Ok((rows, next))
        })
    }

    /// The same of files.
    pub(in crate::store::disk) fn files_of_all(
        &self,
        owner: Option<&str>,
        after: Option<&Spot>,
        limit: usize,
    ) -> Result<Rows<FileId, Kept>> {
        self.read(|txn| {
            let (spots, next) = spots(&txn.open_table(FILES_BY_OWNER)?, owner, after, limit)?;
            let (table, blobs) = (txn.open_table(FILES)?, txn.open_table(BLOBS)?);
            let mut rows = Vec::new();
            for Spot { id, .. } in spots {
                let Some(row) = table.get(id)? else { continue };
                let row = files::decode(txn, row.value()).and_then(|row| {
                    let blob = blobs.get(row.blob.bytes())?;
                    let blob = blob.map(|blob| BlobRow::decode(blob.value())).transpose()?;
                    let is_rotten = blob.is_none_or(|blob| blob.root.is_none());
                    Ok(Kept { row, is_rotten })
                });
                rows.push((FileId(id), row));
            }
            Ok((rows, next))
        })
    }

    /// The first blob after this one that has bytes, by its id.
    pub(in crate::store::disk) fn blob_after(
        &self,
        after: Option<BlobId>,
    ) -> Result<Option<BlobId>> {
        self.read(|txn| {
            let from = after.map(BlobId::bytes);
            let chunk = from.map_or(Bound::Unbounded, |id| Bound::Excluded((id, u64::MAX)));
            let chunk = txn.open_table(CHUNKS)?.range((chunk, Bound::Unbounded))?.next();
            let sealed = from.map_or(Bound::Unbounded, Bound::Excluded);
            let sealed = txn.open_table(BLOBS)?.range((sealed, Bound::Unbounded))?.next();
            let chunk = chunk.transpose()?.map(|row| row.0.value().0);
            let sealed = sealed.transpose()?.map(|row| row.0.value());
            Ok(chunk.into_iter().chain(sealed).min().map(|id| BlobId(UploadId(id))))
        })
    }

    /// What a blob is to have; `None` if nobody needs it.
    pub(in crate::store::disk) fn promised_of(&self, blob: BlobId) -> Result<Option<Promised>> {
        self.read(|txn| promised_of(txn, blob))
    }

    /// The chunks of a blob that have rows of their own from this one on, at most `limit`.
    pub(in crate::store::disk) fn own_chunks(
        &self,
        blob: BlobId,
        from: ChunkIndex,
        limit: usize,
    ) -> Result<Vec<(ChunkIndex, Digest)>> {
        self.read(|txn| {
            let mut rows = Vec::new();
            let keys = (blob.bytes(), from.0)..=(blob.bytes(), u64::MAX);
            for row in txn.open_table(CHUNKS)?.range(keys)?.take(limit) {
                let (key, digest) = row?;
                rows.push((ChunkIndex(key.value().1), Digest(digest.value())));
            }
            Ok(rows)
        })
    }

    /// How many bytes blobs are to have, all together.
    pub(in crate::store::disk) fn bytes_of_all(&self) -> Result<u64> {
        let (mut bytes, mut last) = (0_u64, None);
        while let Some(blob) = self.blob_after(last)? {
            last = Some(blob);
            bytes = bytes.saturating_add(self.read(|txn| bytes_of(txn, blob))?);
        }
        Ok(bytes)
    }
}

/// A page of a listing's rows of all owners, or of one.
fn spots(
    table: &impl ReadableTable<(&'static str, u64, Id), ()>,
    owner: Option<&str>,
    after: Option<&Spot>,
    limit: usize,
) -> Result<(Vec<Spot>, Option<Spot>)> {
    let from = match after {
        Some(spot) => Bound::Excluded((spot.owner.as_str(), spot.order, spot.id)),
        None => Bound::Included((owner.unwrap_or_default(), 0, [0; 16])),
    };
    let mut spots = Vec::new();
    for row in table.range((from, Bound::Unbounded))? {
        let key = row?.0;
        let (of, order, id) = key.value();
        if owner.is_some_and(|owner| owner != of) {
            break;
        }
        if spots.len() == limit {
            let last = spots.last().cloned();
            return Ok((spots, last));
        }
        spots.push(Spot { owner: of.to_owned(), order, id });
    }
    Ok((spots, None))
}

fn promised_of(txn: &ReadTransaction, blob: BlobId) -> Result<Option<Promised>> {
    let is_garbage = txn.open_table(GARBAGE)?.get(blob.bytes())?.is_some();
    if is_garbage && txn.open_table(LENT)?.range(refs::lent_of(blob))?.next().is_none() {
        return Ok(None);
    }
    if let Some(row) = txn.open_table(BLOBS)?.get(blob.bytes())? {
        let plan = BlobRow::decode(row.value())?.plan()?;
        return Ok(Some(Promised { plan, is_sealed: true }));
    }
    let table = txn.open_table(UPLOADS)?;
    let Some(row) = table.get(blob.bytes())? else { return Ok(None) };
    let plan = UploadRow::decode(row.value())?.plan()?;
    Ok(Some(Promised { plan, is_sealed: false }))
}

fn bytes_of(txn: &ReadTransaction, blob: BlobId) -> Result<u64> {
    // What cannot be read is told when its turn comes.
    let Ok(Some(promised)) = promised_of(txn, blob) else { return Ok(0) };
    if promised.is_sealed {
        return Ok(promised.plan.len());
    }
    let mut bytes = 0;
    for row in txn.open_table(CHUNKS)?.range(chunks::all_chunks(blob))? {
        bytes += promised.plan.chunk_bytes(ChunkIndex(row?.0.value().1));
    }
    Ok(bytes)
}
