//! Steps that bring older schemas up to date, beside [`make_tables`](super::make_tables).

use longhaul_protocol::Digest;
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};

use super::{BLOBS, FILES, Id, ROOTS, SOURCES, make_tables};
use crate::store::Result;
use crate::store::disk::row::{BlobRow, FileRow, Row as _};

/// Until schema 5: owner, digest, blob → one chunk there with that digest.
const OLD_SOURCES: TableDefinition<'_, (&str, [u8; 32], Id), u64> = TableDefinition::new("sources");
/// In schema 5: the same without the owner.
const OLD_HOLDERS: TableDefinition<'_, ([u8; 32], Id), u64> = TableDefinition::new("holders");

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

/// Schema 5 had a table beside [`OLD_SOURCES`], without the owner; 6 needs neither.
pub(super) fn nothing(_: &WriteTransaction) -> Result<()> {
    Ok(())
}

/// Schema 6: one table finds what has a digest, an owner's and anybody's.
pub(super) fn join_sources(txn: &WriteTransaction) -> Result<()> {
    make_tables(txn)?;
    {
        let mut sources = txn.open_table(SOURCES)?;
        for row in txn.open_table(OLD_SOURCES)?.iter()? {
            let (key, index) = row?;
            let (owner, digest, blob) = key.value();
            sources.insert((digest, owner, blob), index.value())?;
        }
    }
    txn.delete_table(OLD_SOURCES)?;
    txn.delete_table(OLD_HOLDERS)?;
    Ok(())
}
