//! What a start reads of the rows: who keeps how much, and whether there have to be blobs.

use std::ops::Bound;

use longhaul_protocol::wire::ids::UploadId;
use redb::ReadableTable as _;

use super::{CHUNKS, FILES, GARBAGE, Id, Index, LENT, UPLOADS, refs};
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{FileRow, Row as _, UploadRow};
use crate::store::{Result, StoreError};

impl Index {
    /// Owner and length, bytes, of every open upload and every file. A row that cannot be read is
    /// an error of whoever asks for it, and must not keep everything else from being served.
    pub(in crate::store::disk) fn promised(&self) -> Result<Vec<(String, u64)>> {
        self.read(|txn| {
            let mut promised = Vec::new();
            for row in txn.open_table(UPLOADS)?.iter()? {
                let (id, row) = row?;
                let row = UploadRow::decode(row.value());
                let told = row.inspect_err(|error| tell("upload", id.value(), error));
                let open = told.ok().filter(|row| row.file.is_none());
                promised.extend(open.map(|row| (row.owner, row.len)));
            }
            for row in txn.open_table(FILES)?.iter()? {
                let (id, row) = row?;
                let row = FileRow::decode(row.value());
                let told = row.inspect_err(|error| tell("file", id.value(), error));
                promised.extend(told.ok().map(|row| (row.owner, row.len)));
            }
            Ok(promised)
        })
    }
}

impl Index {
    /// Whether any chunk is held: garbage needs no bytes, unless others have references to them.
    pub(in crate::store::disk) fn needs_a_blob(&self) -> Result<bool> {
        self.read(|txn| {
            let (chunks, garbage) = (txn.open_table(CHUNKS)?, txn.open_table(GARBAGE)?);
            let lent = txn.open_table(LENT)?;
            let mut from = Bound::Unbounded;
            while let Some(row) = chunks.range((from, Bound::Unbounded))?.next() {
                let (id, _) = row?.0.value();
                let mut pins = lent.range(refs::lent_of(BlobId(UploadId(id))))?;
                if garbage.get(id)?.is_none() || pins.next().is_some() {
                    return Ok(true);
                }
                from = Bound::Excluded((id, u64::MAX));
            }
            Ok(false)
        })
    }
}

fn tell(what: &'static str, id: Id, error: &StoreError) {
    let id = longhaul_protocol::wire::ids::FileId(id);
    tracing::error!(%error, what, %id, "a row cannot be read, and is not counted");
}
