//! Transactions about the SHA-256 of whole files. It belongs to the blob, so files on the same blob
//! share it; a blob has a row in [`HASHING`] from the seal on until it has one in [`WHOLES`].

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{Digest, Plan};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{BLOBS, CHUNKS, GARBAGE, HASHING, Index, WHOLES};
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, FileRow, Row as _};
use crate::store::{Result, StoreError};

/// A blob whose bytes are being hashed, and how far that had come when it was last saved.
#[derive(Debug)]
pub(in crate::store::disk) struct Unhashed {
    pub(in crate::store::disk) blob: BlobId,
    pub(in crate::store::disk) plan: Plan,
    /// How much of it is in `state`, bytes: whole chunks.
    pub(in crate::store::disk) at: u64,
    /// What a hasher made of that; empty for nothing.
    pub(in crate::store::disk) state: Vec<u8>,
}

impl Index {
    /// A blob that is to be hashed, and that the caller does not pass over.
    pub(in crate::store::disk) fn next_unhashed(
        &self,
        passed_over: impl Fn(BlobId) -> bool,
    ) -> Result<Option<BlobId>> {
        self.read(|txn| {
            let garbage = txn.open_table(GARBAGE)?;
            for row in txn.open_table(HASHING)?.iter()? {
                let id = row?.0.value();
                let blob = BlobId(UploadId(id));
                if !passed_over(blob) && garbage.get(id)?.is_none() {
                    return Ok(Some(blob));
                }
            }
            Ok(None)
        })
    }

    /// How far the hashing of a blob has come, if it is still to be hashed.
    pub(in crate::store::disk) fn unhashed(&self, blob: BlobId) -> Result<Option<Unhashed>> {
        self.read(|txn| {
            let hashing = txn.open_table(HASHING)?;
            let Some(row) = hashing.get(blob.bytes())? else { return Ok(None) };
            let sealed = txn.open_table(BLOBS)?.get(blob.bytes())?;
            let damaged = || StoreError::Damaged(format!("blob {} has no row", blob.0));
            let plan = BlobRow::decode(sealed.ok_or_else(damaged)?.value())?.plan()?;
            let (at, state) = row.value();
            Ok(Some(Unhashed { blob, plan, at, state: state.to_owned() }))
        })
    }

    /// Whether a blob is still to be hashed: not if nobody needs it any more.
    pub(in crate::store::disk) fn is_unhashed(&self, blob: BlobId) -> Result<bool> {
        self.read(|txn| {
            let waits = txn.open_table(HASHING)?.get(blob.bytes())?.is_some();
            Ok(waits && txn.open_table(GARBAGE)?.get(blob.bytes())?.is_none())
        })
    }

    /// Saves how far the hashing of a blob has come, so that a restart goes on from there.
    pub(in crate::store::disk) fn save_hashing(
        &self,
        blob: BlobId,
        at: u64,
        state: &[u8],
    ) -> Result<()> {
        self.write(|txn| {
            let mut hashing = txn.open_table(HASHING)?;
            if hashing.get(blob.bytes())?.is_some() {
                hashing.insert(blob.bytes(), (at, state))?;
            }
            Ok(())
        })
    }

    /// Keeps the digest of a blob, unless it is gone.
    pub(in crate::store::disk) fn keep_whole(&self, blob: BlobId, digest: Digest) -> Result<()> {
        self.write(|txn| {
            if txn.open_table(HASHING)?.remove(blob.bytes())?.is_some() {
                txn.open_table(WHOLES)?.insert(blob.bytes(), digest.0)?;
            }
            Ok(())
        })
    }
}

/// A file has just been sealed on the blob: its digest, if that is known without reading a byte.
pub(super) fn begin(txn: &WriteTransaction, blob: BlobId, plan: Plan) -> Result<Option<Digest>> {
    if plan.is_empty() {
        return Ok(Some(Digest::of(b"")));
    }
    let (mut wholes, mut hashing) = (txn.open_table(WHOLES)?, txn.open_table(HASHING)?);
    if let Some(known) = wholes.get(blob.bytes())? {
        return Ok(Some(Digest(known.value())));
    }
    let only = match plan.chunk_count() {
        1 => txn.open_table(CHUNKS)?.get((blob.bytes(), 0))?.map(|digest| digest.value()),
        _ => None,
    };
    if let Some(digest) = only {
        wholes.insert(blob.bytes(), digest)?;
    } else if hashing.get(blob.bytes())?.is_none() {
        hashing.insert(blob.bytes(), (0, &[][..]))?;
    }
    Ok(only.map(Digest))
}

/// The schema's step: the files that are here already are to be hashed.
pub(super) fn begin_all(txn: &WriteTransaction) -> Result<()> {
    super::make_tables(txn)?;
    for row in txn.open_table(BLOBS)?.iter()? {
        let (id, row) = row?;
        // A row that cannot be read is the error of whoever asks for it.
        if let Ok(plan) = BlobRow::decode(row.value()).and_then(BlobRow::plan) {
            begin(txn, BlobId(UploadId(id.value())), plan)?;
        }
    }
    Ok(())
}

/// The blob is gone.
pub(super) fn forget(txn: &WriteTransaction, blob: BlobId) -> Result<()> {
    txn.open_table(HASHING)?.remove(blob.bytes())?;
    txn.open_table(WHOLES)?.remove(blob.bytes())?;
    Ok(())
}

/// The digest of a file's bytes, if it is known.
pub(super) fn of_file(txn: &ReadTransaction, row: &FileRow) -> Result<Option<Digest>> {
    if row.len == 0 {
        return Ok(Some(Digest::of(b"")));
    }
    let digest = txn.open_table(WHOLES)?.get(row.blob.bytes())?;
    Ok(digest.map(|digest| Digest(digest.value())))
}
