//! Transactions about uploads.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{Digest, Millis};
use redb::{ReadableTable, WriteTransaction};

use super::expired;
use super::pages::{Spots, page_of_ids};
use super::{
    Cursor, GARBAGE, IDEMPOTENCY, Id, Index, UPLOADS, UPLOADS_BY_OWNER, newest_first, next_time,
};
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{Row as _, UploadRow};
use crate::store::{Owner, Result, StoreError};

/// What a create comes to.
#[derive(Debug)]
pub(in crate::store::disk) enum Created<R> {
    /// A new row, and the room that was reserved for it.
    New(R),
    /// The same key with the same request was here before.
    Before(UploadId),
}

impl Index {
    /// Inserts a new upload, unless its idempotency key names an earlier one that is still alive:
    /// that needs no room once more. Its time is set to its place among its owner's.
    pub(in crate::store::disk) fn create_upload<R>(
        &self,
        id: UploadId,
        row: &mut UploadRow,
        request: Option<Digest>,
        now: Millis,
        reserve: impl FnOnce() -> Result<R>,
    ) -> Result<Created<R>> {
        self.write(|txn| {
            let keyed = row.idempotency_key.as_deref().zip(request);
            if let Some((key, request)) = keyed
                && let Some(before) = under_key(
                    &txn.open_table(IDEMPOTENCY)?,
                    &txn.open_table(UPLOADS)?,
                    (&row.owner, key),
                    request,
                    now,
                )?
            {
                return Ok(Created::Before(before));
            }
            let room = reserve()?;
            if let Some((key, request)) = keyed {
                let value = (request.0, id.0);
                txn.open_table(IDEMPOTENCY)?.insert((row.owner.as_str(), key), value)?;
            }
            let mut by_owner = txn.open_table(UPLOADS_BY_OWNER)?;
            row.created_at = next_time(&by_owner, &row.owner, now)?;
            by_owner.insert((row.owner.as_str(), newest_first(row.created_at), id.0), ())?;
            put_upload(txn, id, row)?;
            Ok(Created::New(room))
        })
    }

    /// Whether a key has begun an upload of an owner's that is still there.
    pub(in crate::store::disk) fn has_begun(
        &self,
        owner: &Owner,
        key: &str,
        request: Digest,
        now: Millis,
    ) -> Result<bool> {
        self.read(|txn| {
            let (keys, uploads) = (txn.open_table(IDEMPOTENCY)?, txn.open_table(UPLOADS)?);
            Ok(under_key(&keys, &uploads, (&owner.0, key), request, now)?.is_some())
        })
    }

    /// An upload's row, if it is there and the owner's; `Expired` if it was.
    pub(in crate::store::disk) fn upload(&self, owner: &Owner, id: UploadId) -> Result<UploadRow> {
        let row = self.read(|txn| match txn.open_table(UPLOADS)?.get(id.0)? {
            Some(row) => UploadRow::decode(row.value()),
            None if expired::has_expired(txn, id, &owner.0)? => Err(StoreError::Expired),
            None => Err(StoreError::NotFound),
        })?;
        if row.owner == owner.0 { Ok(row) } else { Err(StoreError::NotFound) }
    }

    /// A page of the owner's uploads, newest first.
    pub(in crate::store::disk) fn upload_spots(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Spots> {
        self.read(|txn| page_of_ids(&txn.open_table(UPLOADS_BY_OWNER)?, &owner.0, after, limit))
    }

    /// Whose an upload is, if there is one of that id.
    pub(in crate::store::disk) fn owner_of(&self, id: UploadId) -> Result<Option<Owner>> {
        self.read(|txn| {
            let table = txn.open_table(UPLOADS)?;
            let row = table.get(id.0)?;
            let row = row.map(|row| UploadRow::decode(row.value())).transpose()?;
            Ok(row.map(|row| Owner(row.owner)))
        })
    }

    /// Every upload whose row says that its time is over.
    pub(in crate::store::disk) fn expired_uploads(
        &self,
        now: Millis,
    ) -> Result<Vec<(UploadId, Owner)>> {
        self.read(|txn| {
            let mut expired = Vec::new();
            for row in txn.open_table(UPLOADS)?.iter()? {
                let (id, row) = row?;
                let id = UploadId(id.value());
                match UploadRow::decode(row.value()) {
                    Ok(row) if row.expires_at <= now => expired.push((id, Owner(row.owner))),
                    Ok(_) => {}
                    // The others expire all the same.
                    Err(error) => {
                        tracing::error!(%error, upload = %id, "the row of an upload is damaged")
                    }
                }
            }
            Ok(expired)
        })
    }

    /// Takes an upload out. Unless it is sealed, when its blob is the file's, its blob becomes
    /// garbage. If it `expired`, and when, is remembered.
    pub(in crate::store::disk) fn remove_upload(
        &self,
        id: UploadId,
        expired: Option<Millis>,
    ) -> Result<Option<BlobId>> {
        self.write(|txn| {
            let Some(row) = take_upload(txn, id)? else { return Ok(None) };
            if let Some(at) = expired {
                expired::remember(txn, id, &row.owner, at)?;
                self.queue.expired(txn, id, &row, at)?;
            }
            if row.file.is_some() {
                return Ok(None);
            }
            let blob = BlobId(id);
            txn.open_table(GARBAGE)?.insert(blob.bytes(), row.owner.as_str())?;
            Ok(Some(blob))
        })
    }
}

pub(super) fn put_upload(txn: &WriteTransaction, id: UploadId, row: &UploadRow) -> Result<()> {
    txn.open_table(UPLOADS)?.insert(id.0, row.encode()?.as_slice())?;
    Ok(())
}

pub(super) fn get_upload(txn: &WriteTransaction, id: UploadId) -> Result<Option<UploadRow>> {
    let table = txn.open_table(UPLOADS)?;
    let row = table.get(id.0)?;
    row.map(|row| UploadRow::decode(row.value())).transpose()
}

/// Removes an upload's row and every row that points to it.
pub(super) fn take_upload(txn: &WriteTransaction, id: UploadId) -> Result<Option<UploadRow>> {
    let Some(row) = get_upload(txn, id)? else { return Ok(None) };
    txn.open_table(UPLOADS)?.remove(id.0)?;
    let key = (row.owner.as_str(), newest_first(row.created_at), id.0);
    txn.open_table(UPLOADS_BY_OWNER)?.remove(key)?;
    if let Some(key) = &row.idempotency_key {
        drop_key(txn, &row.owner, key, id)?;
    }
    Ok(Some(row))
}

/// A key may have come to name a later upload, once the first had expired.
fn drop_key(txn: &WriteTransaction, owner: &str, key: &str, id: UploadId) -> Result<()> {
    let mut table = txn.open_table(IDEMPOTENCY)?;
    let named = table.get((owner, key))?.map(|row| row.value().1);
    if named == Some(id.0) {
        table.remove((owner, key))?;
    }
    Ok(())
}

/// The upload that a key of an owner has begun, if it is still there. A key of another request is an error.
fn under_key(
    keys: &impl ReadableTable<(&'static str, &'static str), ([u8; 32], Id)>,
    uploads: &impl ReadableTable<Id, &'static [u8]>,
    of: (&str, &str),
    request: Digest,
    now: Millis,
) -> Result<Option<UploadId>> {
    let Some((before, id)) = keys.get(of)?.map(|row| row.value()) else { return Ok(None) };
    let row = uploads.get(id)?.map(|row| UploadRow::decode(row.value())).transpose()?;
    match row {
        Some(row) if row.expires_at > now => {}
        _ => return Ok(None),
    }
    if before == request.0 { Ok(Some(UploadId(id))) } else { Err(StoreError::KeyReused) }
}
