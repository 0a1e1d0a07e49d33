//! Transactions about blobs that are to go. A row here outlives the blob and its chunk rows, so
//! that a start after a crash finishes what was begun and reads nothing but the index.

use longhaul_protocol::wire::ids::UploadId;
use redb::{ReadableTable as _, WriteTransaction};

use super::{BLOBS, CHUNKS, GARBAGE, Index, ROOTS, ROWS_PER_COMMIT, SOURCES, whole};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, Row as _};

impl Index {
    /// Every blob that is to go.
    pub(in crate::store::disk) fn garbage(&self) -> Result<Vec<BlobId>> {
        self.read(|txn| {
            let mut blobs = Vec::new();
            for row in txn.open_table(GARBAGE)?.iter()? {
                blobs.push(BlobId(UploadId(row?.0.value())));
            }
            Ok(blobs)
        })
    }

    /// Whether a blob is to go.
    pub(in crate::store::disk) fn is_garbage(&self, blob: BlobId) -> Result<bool> {
        self.read(|txn| Ok(txn.open_table(GARBAGE)?.get(blob.bytes())?.is_some()))
    }

    /// Drops the rows of a blob that has been unlinked, its garbage row last.
    pub(in crate::store::disk) fn drop_garbage(&self, blob: BlobId) -> Result<()> {
        while !self.write(|txn| drop_some(txn, blob))? {}
        Ok(())
    }
}

/// Whether that was all.
fn drop_some(txn: &WriteTransaction, blob: BlobId) -> Result<bool> {
    let mut garbage = txn.open_table(GARBAGE)?;
    let Some(owner) = garbage.get(blob.bytes())?.map(|owner| owner.value().to_owned()) else {
        return Ok(true);
    };
    let mut chunks = txn.open_table(CHUNKS)?;
    let mut sources = txn.open_table(SOURCES)?;
    let mut some = Vec::new();
    for row in chunks.range(super::chunks::all_chunks(blob))?.take(ROWS_PER_COMMIT) {
        let (key, digest) = row?;
        some.push((key.value(), digest.value()));
    }
    for &(key, digest) in &some {
        chunks.remove(key)?;
        sources.remove((digest, owner.as_str(), blob.bytes()))?;
    }
    let all = some.len() < ROWS_PER_COMMIT;
    if all {
        whole::forget(txn, blob)?;
        drop_blob_row(txn, blob, &owner)?;
        garbage.remove(blob.bytes())?;
    }
    Ok(all)
}

fn drop_blob_row(txn: &WriteTransaction, blob: BlobId, owner: &str) -> Result<()> {
    let mut blobs = txn.open_table(BLOBS)?;
    let row = blobs.remove(blob.bytes())?;
    let row = row.map(|row| BlobRow::decode(row.value())).transpose()?;
    if let Some(root) = row.and_then(|row| row.root) {
        txn.open_table(ROOTS)?.remove((owner, root.0, blob.bytes()))?;
    }
    Ok(())
}
