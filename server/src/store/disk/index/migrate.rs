//! Steps that bring older schemas up to date, beside [`make_tables`](super::make_tables).

use longhaul_protocol::Digest;
use redb::{ReadableTable as _, WriteTransaction};

use super::{BLOBS, FILES, HOLDERS, Id, ROOTS, SOURCES, make_tables};
use crate::store::Result;
use crate::store::disk::row::{BlobRow, FileRow, Row as _};

/// Schema 3: blobs are shared, so they know their root and how many files they are; a root finds
/// the blobs that have it. Until then each blob was one file's.
pub(super) fn share_blobs(txn: &WriteTransaction) -> Result<()> {
    make_tables(txn)?;
    let mut files: Vec<(String, Digest, Id)> = Vec::new();
    for row in txn.open_table(FILES)?.iter()? {
        // A row that cannot be read is the error of whoever asks for it.
        if let Ok(row) = FileRow::decode(row?.1.value()) {
            files.push((row.owner, row.root, row.blob.bytes()));
        }
    }
    let (mut blobs, mut roots) = (txn.open_table(BLOBS)?, txn.open_table(ROOTS)?);
    for (owner, root, blob) in files {
        let row = blobs.get(blob)?.map(|row| BlobRow::decode(row.value()));
        let Some(Ok(row)) = row else { continue };
        let row = BlobRow { root: Some(root), ..row };
        blobs.insert(blob, row.encode()?.as_slice())?;
        roots.insert((owner.as_str(), root.0, blob), ())?;
    }
    Ok(())
}

/// Schema 5: a digest finds the blobs that have it whosever they are.
pub(super) fn find_holders(txn: &WriteTransaction) -> Result<()> {
    make_tables(txn)?;
    let mut holders = txn.open_table(HOLDERS)?;
    for row in txn.open_table(SOURCES)?.iter()? {
        let (key, index) = row?;
        let (_, digest, blob) = key.value();
        holders.insert((digest, blob), index.value())?;
    }
    Ok(())
}
