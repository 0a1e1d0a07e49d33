//! Transactions about blobs that have rotten.

use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::{ChunkIndex, Digest};
use redb::{ReadableTable as _, WriteTransaction};

use super::{FILES, Index, ROOTS, SOURCES, files, refs};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, FileRow, Row as _};

impl Index {
    /// The files that have a blob. Walks through all of them: for alarms.
    pub(in crate::store::disk) fn files_on(&self, blob: BlobId) -> Result<Vec<(FileId, FileRow)>> {
        self.read(|txn| {
            let mut files = Vec::new();
            for row in txn.open_table(FILES)?.iter()? {
                let (id, row) = row?;
                let row = FileRow::decode(row.value()).ok().filter(|row| row.blob == blob);
                files.extend(row.map(|row| (FileId(id.value()), row)));
            }
            Ok(files)
        })
    }

    /// A chunk of a blob no longer has its digest: it is lent to nobody any more, and who sends the
    /// same file again does not get this blob for it. Said again, it commits nothing.
    pub(in crate::store::disk) fn withdraw(
        &self,
        blob: BlobId,
        index: ChunkIndex,
        files: &[(FileId, FileRow)],
    ) -> Result<()> {
        let Some(digest) = self.chunk_digest(blob, index)? else { return Ok(()) };
        let mut owners: Vec<_> = files.iter().map(|(_, row)| row.owner.as_str()).collect();
        owners.sort_unstable();
        owners.dedup();
        let is_lendable = self.read(|txn| {
            let sources = txn.open_table(SOURCES)?;
            let mut found = false;
            for owner in &owners {
                found |= sources.get((digest.0, *owner, blob.bytes()))?.is_some();
            }
            Ok(found)
        })?;
        if is_lendable { self.write(|txn| withdraw(txn, blob, digest, &owners)) } else { Ok(()) }
    }
}

fn withdraw(txn: &WriteTransaction, blob: BlobId, digest: Digest, owners: &[&str]) -> Result<()> {
    let row = refs::get_blob(txn, blob)?;
    for owner in owners {
        txn.open_table(SOURCES)?.remove((digest.0, *owner, blob.bytes()))?;
        if let Some(root) = row.and_then(|row| row.root) {
            txn.open_table(ROOTS)?.remove((*owner, root.0, blob.bytes()))?;
        }
    }
    match row {
        Some(row) => files::put_blob(txn, blob, BlobRow { root: None, ..row }),
        None => Ok(()),
    }
}
