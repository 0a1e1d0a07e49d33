//! Transactions about sealed files.

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{Digest, Millis};
use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};

use super::pages::{json_bytes, page_of_ids};
use super::{BLOBS, CHUNKS, Cursor, FILES, FILES_BY_OWNER, GARBAGE, Index, ROOTS};
use super::{newest_first, next_time, refs, uploads, whole};
use crate::store::disk::ahead::Ahead;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, FileRow, Row as _, UploadRow};
use crate::store::{Owner, Result, StoreError};

/// What a seal comes to.
#[derive(Debug)]
pub(in crate::store::disk) enum Published {
    /// A file.
    File {
        info: Box<FileInfo>,
        /// Whether its bytes are another's, so that the upload's own blob is garbage now.
        is_shared: bool,
    },
    /// Nothing: chunks are borrowed, and the whole is no file that is here already.
    Borrows,
}

impl Index {
    /// Goes on with a root over the chunks of an upload, references included, as long as they follow
    /// each other, with `count` at most.
    pub(in crate::store::disk) fn root_ahead(
        &self,
        blob: BlobId,
        mut ahead: Ahead,
        count: u64,
    ) -> Result<Ahead> {
        let start = ahead.chunks();
        self.read(|txn| {
            for row in super::chunks::digests_from(txn, blob, start..start.saturating_add(count))? {
                let (index, digest) = row?;
                if index != ahead.chunks() {
                    break;
                }
                ahead.push(digest);
            }
            Ok(ahead)
        })
    }

    /// The commit that makes a file of an upload: the file's row in, the upload marked sealed. One
    /// that only borrows becomes a second row on the blob of the same file, and its own blob
    /// garbage.
    /// No row is made on a blob that is `gone`.
    pub(in crate::store::disk) fn publish(
        &self,
        upload: UploadId,
        file: FileId,
        root: Digest,
        now: Millis,
        expires_at: Millis,
        gone: &[BlobId],
    ) -> Result<Published> {
        self.write(|txn| {
            let mut row = uploads::get_upload(txn, upload)?.ok_or(StoreError::NotFound)?;
            let Some(blob) = blob_for(txn, upload, &row, root, gone)? else {
                return Ok(Published::Borrows);
            };
            let mut by_owner = txn.open_table(FILES_BY_OWNER)?;
            let sealed_at = next_time(&by_owner, &row.owner, now)?;
            by_owner.insert((row.owner.as_str(), newest_first(sealed_at), file.0), ())?;
            let mut file_row = file_row(&row, upload, blob, root, sealed_at);
            file_row.sha256 = whole::begin(txn, blob, row.plan()?)?;
            txn.open_table(FILES)?.insert(file.0, file_row.encode()?.as_slice())?;
            self.queue.sealed(txn, file, &file_row)?;
            (row.file, row.last_activity, row.expires_at) = (Some(file), now, expires_at);
            uploads::put_upload(txn, upload, &row)?;
            let info = Box::new(file_row.info(file)?);
            Ok(Published::File { info, is_shared: blob != BlobId(upload) })
        })
    }

    /// Whose a file is.
    pub(in crate::store::disk) fn owner_of_file(&self, id: FileId) -> Result<Owner> {
        self.row_of(id).map(|row| Owner(row.owner))
    }

    fn row_of(&self, id: FileId) -> Result<FileRow> {
        self.read(|txn| match txn.open_table(FILES)?.get(id.0)? {
            Some(row) => decode(txn, row.value()),
            None => Err(StoreError::NotFound),
        })
    }

    /// A file's row, if it is there and the owner's.
    pub(in crate::store::disk) fn file(&self, owner: &Owner, id: FileId) -> Result<FileRow> {
        let row = self.row_of(id)?;
        if row.owner == owner.0 { Ok(row) } else { Err(StoreError::NotFound) }
    }

    /// A page of the owner's files, newest first. A row that cannot be read is left out and told in the
    /// log: it is the error of whoever asks for that file, and hides no other.
    pub(in crate::store::disk) fn files(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<FileInfo>, Option<Cursor>)> {
        self.read(|txn| {
            let by_owner = txn.open_table(FILES_BY_OWNER)?;
            let spots = page_of_ids(&by_owner, &owner.0, after, limit)?;
            let table = txn.open_table(FILES)?;
            let read = |id: super::Id| {
                let Some(row) = table.get(id)? else { return Ok(None) };
                let id = FileId(id);
                match decode(txn, row.value()).and_then(|row| row.info(id)) {
                    Ok(info) => Ok(Some(info)),
                    Err(error @ StoreError::Damaged(_)) => {
                        tracing::error!(%error, file = %id, "a file's row is damaged, and not listed");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            };
            spots.rows(read, json_bytes)
        })
    }

    /// Takes a file out, and the upload that it was; with its last file a blob becomes garbage.
    pub(in crate::store::disk) fn remove_file(&self, id: FileId) -> Result<Option<FileRow>> {
        self.write(|txn| {
            let Some(row) = take_file(txn, id)? else { return Ok(None) };
            uploads::take_upload(txn, row.upload)?;
            let left = match refs::get_blob(txn, row.blob)? {
                Some(blob) => {
                    let left = BlobRow { files: blob.files.saturating_sub(1), ..blob };
                    put_blob(txn, row.blob, left)?;
                    left.files
                }
                None => 0,
            };
            if left == 0 {
                txn.open_table(GARBAGE)?.insert(row.blob.bytes(), row.owner.as_str())?;
            }
            Ok(Some(row))
        })
    }
}

/// The blob that a file is to be a row on; none if it has to get all its chunks first.
fn blob_for(
    txn: &WriteTransaction,
    upload: UploadId,
    row: &UploadRow,
    root: Digest,
    gone: &[BlobId],
) -> Result<Option<BlobId>> {
    let own = BlobId(upload);
    if !refs::borrows(txn, upload)? {
        let blob = BlobRow { len: row.len, chunk_len: row.chunk_len, files: 1, root: Some(root) };
        put_blob(txn, own, blob)?;
        txn.open_table(ROOTS)?.insert((row.owner.as_str(), root.0, own.bytes()), ())?;
        return Ok(Some(own));
    }
    let has_own = txn.open_table(CHUNKS)?.range(super::chunks::all_chunks(own))?.next().is_some();
    let same = if has_own { None } else { refs::same_file(txn, row, root, gone)? };
    let Some((blob, other)) = same else { return Ok(None) };
    put_blob(txn, blob, BlobRow { files: other.files + 1, ..other })?;
    let mut garbage = txn.open_table(GARBAGE)?;
    garbage.remove(blob.bytes())?;
    garbage.insert(own.bytes(), row.owner.as_str())?;
    Ok(Some(blob))
}

pub(super) fn put_blob(txn: &WriteTransaction, blob: BlobId, row: BlobRow) -> Result<()> {
    txn.open_table(BLOBS)?.insert(blob.bytes(), row.encode()?.as_slice())?;
    Ok(())
}

fn file_row(row: &UploadRow, upload: UploadId, blob: BlobId, root: Digest, now: Millis) -> FileRow {
    FileRow {
        owner: row.owner.clone(),
        meta: row.meta.clone(),
        len: row.len,
        chunk_len: row.chunk_len,
        root,
        sealed_at: now,
        upload,
        blob,
        sha256: None,
    }
}

/// A file's row, with what is known of its blob.
pub(super) fn decode(txn: &ReadTransaction, row: &[u8]) -> Result<FileRow> {
    let row = FileRow::decode(row)?;
    Ok(FileRow { sha256: whole::of_file(txn, &row)?, ..row })
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
