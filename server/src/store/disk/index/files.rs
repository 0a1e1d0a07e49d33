//! Transactions about sealed files.

use longhaul_protocol::digest;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{Digest, Millis};
use redb::WriteTransaction;

use super::{BLOBS, CHUNKS, Cursor, FILES, FILES_BY_OWNER, GARBAGE, Index, newest_first, uploads};
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, FileRow, Row as _, UploadRow};
use crate::store::{Owner, Result, StoreError};

impl Index {
    /// The root over the rows of a blob's chunks, and how many rows there are.
    pub(in crate::store::disk) fn root(&self, blob: BlobId) -> Result<(Digest, u64)> {
        self.read(|txn| {
            let table = txn.open_table(CHUNKS)?;
            let (mut count, mut failed) = (0, None);
            let rows = table.range(super::chunks::all_chunks(blob))?;
            let root = digest::root(rows.map_while(|row| match row {
                Ok((_, digest)) => {
                    count += 1;
                    Some(Digest(digest.value()))
                }
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }));
            failed.map_or(Ok((root, count)), |error| Err(error.into()))
        })
    }

    /// The commit that makes a file of an upload: the file's row in, the upload marked sealed.
    pub(in crate::store::disk) fn publish(
        &self,
        upload: UploadId,
        file: FileId,
        root: Digest,
        now: Millis,
        expires_at: Millis,
    ) -> Result<FileInfo> {
        self.write(|txn| {
            let mut row = uploads::get_upload(txn, upload)?.ok_or(StoreError::NotFound)?;
            let file_row = file_row(&row, upload, root, now);
            txn.open_table(FILES)?.insert(file.0, file_row.encode()?.as_slice())?;
            let key = (row.owner.as_str(), newest_first(now), file.0);
            txn.open_table(FILES_BY_OWNER)?.insert(key, ())?;
            let blob = BlobRow { len: row.len, chunk_len: row.chunk_len };
            txn.open_table(BLOBS)?.insert(file_row.blob.bytes(), blob.encode()?.as_slice())?;
            (row.file, row.last_activity, row.expires_at) = (Some(file), now, expires_at);
            uploads::put_upload(txn, upload, &row)?;
            file_row.info(file)
        })
    }

    /// A file's row, if it is there and the owner's.
    pub(in crate::store::disk) fn file(&self, owner: &Owner, id: FileId) -> Result<FileRow> {
        let row = self.read(|txn| match txn.open_table(FILES)?.get(id.0)? {
            Some(row) => FileRow::decode(row.value()),
            None => Err(StoreError::NotFound),
        })?;
        if row.owner == owner.0 { Ok(row) } else { Err(StoreError::NotFound) }
    }

    /// A page of the owner's files, newest first.
    pub(in crate::store::disk) fn files(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<FileInfo>, Option<Cursor>)> {
        self.read(|txn| {
            let by_owner = txn.open_table(FILES_BY_OWNER)?;
            let (ids, next) = super::page_of_ids(&by_owner, &owner.0, after, limit)?;
            let table = txn.open_table(FILES)?;
            let mut files = Vec::new();
            for id in ids {
                if let Some(row) = table.get(id)? {
                    files.push(FileRow::decode(row.value())?.info(FileId(id))?);
                }
            }
            Ok((files, next))
        })
    }

    /// Takes a file out, and the upload that it was; its blob becomes garbage.
    pub(in crate::store::disk) fn remove_file(&self, id: FileId) -> Result<Option<FileRow>> {
        self.write(|txn| {
            let Some(row) = take_file(txn, id)? else { return Ok(None) };
            uploads::take_upload(txn, row.upload)?;
            txn.open_table(BLOBS)?.remove(row.blob.bytes())?;
            txn.open_table(GARBAGE)?.insert(row.blob.bytes(), row.owner.as_str())?;
            Ok(Some(row))
        })
    }
}

fn file_row(row: &UploadRow, upload: UploadId, root: Digest, now: Millis) -> FileRow {
    FileRow {
        owner: row.owner.clone(),
        meta: row.meta.clone(),
        len: row.len,
        chunk_len: row.chunk_len,
        root,
        sealed_at: now,
        upload,
        blob: BlobId(upload),
    }
}

fn take_file(txn: &WriteTransaction, id: FileId) -> Result<Option<FileRow>> {
    let mut table = txn.open_table(FILES)?;
    let row = match table.remove(id.0)? {
        Some(row) => FileRow::decode(row.value())?,
        None => return Ok(None),
    };
    let key = (row.owner.as_str(), newest_first(row.sealed_at), id.0);
    txn.open_table(FILES_BY_OWNER)?.remove(key)?;
    Ok(Some(row))
}
