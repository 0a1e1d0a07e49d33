//! What a start reads of the rows: who keeps how much.

use redb::ReadableTable as _;

use super::{FILES, Id, Index, UPLOADS};
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

fn tell(what: &'static str, id: Id, error: &StoreError) {
    let id = longhaul_protocol::wire::ids::FileId(id);
    tracing::error!(%error, what, %id, "a row cannot be read, and is not counted");
}
