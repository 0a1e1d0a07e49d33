//! The rows of the index that are more than a few fixed bytes, and how they are written: a version
//! byte, a checksum, then JSON. They are few (one per upload and per file; chunks have fixed rows), JSON takes
//! added fields without a migration, and can be read when all else fails.

use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{FileInfo, FileMeta};
use longhaul_protocol::{Digest, Millis, Plan};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::layout::BlobId;
use super::space::Need;
use crate::store::{Result, StoreError};

#[cfg(any(test, fuzzing))]
pub mod oracle;

const VERSION: u8 = 2;
/// The same without a checksum, as earlier servers wrote it. No one flipped bit makes it of the
/// other.
const VERSION_UNCHECKED: u8 = 1;

/// The beginning of the JSON's SHA-256: the index checks its pages at a start only, and a flipped
/// bit in a name or a length is still JSON.
const CHECKSUM_LEN: usize = 8;

/// What a chunk's rows take in the index at most, bytes, but for the owner's name: a reference and its
/// pin, or what takes their place, a row of the chunk and one that finds it by its digest, are 128 bytes
/// in pages that are half full at worst, half of them to be written anew before the old ones are free.
const CHUNK_ROWS_BYTES: u64 = 512;
/// What the rows of an upload, of its file and of the event that tells of it take at most, bytes, but for names
/// and metadata, which are in all, each on pages of its own that may be half empty.
const UPLOAD_ROWS_BYTES: u64 = 8 << 10;

/// What the rows of an upload, and then of its file, count as of what its owner may keep, bytes, but for names and
/// metadata: an empty file of a short name takes 1 to 2 KiB of the index.
const KEPT_ROWS_BYTES: u64 = 2 << 10;
/// How often names and metadata count: they are in the rows of the upload and of the file, on pages that may be half
/// empty.
const KEPT_META_TIMES: u64 = 4;

/// What rows count as of what their owner may keep, bytes: the same from the creation to the deletion, so that nothing
/// that is promised changes in between. Those of its chunks do not, a hundredth of the smallest chunks at most.
fn kept_rows(owner: &str, meta: &FileMeta) -> std::result::Result<(u64, u64), serde_json::Error> {
    let named = (serde_json::to_vec(meta)?.len() + owner.len()) as u64;
    Ok((named, KEPT_ROWS_BYTES.saturating_add(named.saturating_mul(KEPT_META_TIMES))))
}

/// A row that is written as JSON.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// What it is, for whoever reads that it is damaged.
    const WHAT: &'static str;

    fn encode(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self).map_err(|error| damaged::<Self>(&error))?;
        Ok([&[VERSION][..], &checksum(&json), &json].concat())
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let json = match bytes.split_first() {
            Some((&VERSION, rest)) => checked(rest).ok_or("its checksum is another"),
            Some((&VERSION_UNCHECKED, json)) => Ok(json),
            Some((version, _)) => {
                return Err(damaged::<Self>(&format!("its version is {version}")));
            }
            None => Err("it is empty"),
        };
        let json = json.map_err(|what| damaged::<Self>(&what))?;
        longhaul_protocol::wire::from_json(json).map_err(|error| damaged::<Self>(&error))
    }
}

fn checksum(json: &[u8]) -> [u8; CHECKSUM_LEN] {
    let Digest(digest) = Digest::of(json);
    std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
}

fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (found, json) = bytes.split_first_chunk()?;
    (*found == checksum(json)).then_some(json)
}

fn damaged<R: Row>(detail: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("the row of {}: {detail}", R::WHAT))
}

/// An upload, open or sealed and still remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadRow {
    pub(super) owner: String,
    pub(super) meta: FileMeta,
    /// Bytes.
    pub(super) len: u64,
    /// Bytes.
    pub(super) chunk_len: u64,
    pub(super) created_at: Millis,
    /// As of the last commit of chunks; memory may know of a later one.
    pub(super) last_activity: Millis,
    /// As of the last commit of chunks; memory may know of a later one.
    pub(super) expires_at: Millis,
    /// The key under which `IDEMPOTENCY` names this upload, to be dropped with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<String>,
    /// Once sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<FileId>,
}

impl Row for UploadRow {
    const WHAT: &'static str = "an upload";
}

impl UploadRow {
    pub(super) fn plan(&self) -> Result<Plan> {
        Plan::new(self.len, self.chunk_len).map_err(|error| damaged::<Self>(&error))
    }

    /// What it is promised for as long as it is open.
    pub(super) fn need(&self) -> Result<Need> {
        let kept = kept_rows(&self.owner, &self.meta).map_err(|error| damaged::<Self>(&error))?;
        let (named, row_bytes) = kept;
        let owner_len = self.owner.len() as u64;
        let rows = self.plan()?.chunk_count().saturating_mul(CHUNK_ROWS_BYTES + 2 * owner_len);
        let of_one = UPLOAD_ROWS_BYTES + 6 * named;
        Ok(Need {
            owner: self.owner.clone(),
            bytes: self.len,
            row_bytes,
            index_bytes: rows.saturating_add(of_one),
        })
    }
}

/// A sealed file. It exists exactly when this row does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRow {
    pub(super) owner: String,
    pub(super) meta: FileMeta,
    /// Bytes.
    pub(super) len: u64,
    /// Bytes.
    pub(super) chunk_len: u64,
    pub(super) root: Digest,
    pub(super) sealed_at: Millis,
    /// The upload that it was: forgotten no later than the file.
    pub(super) upload: UploadId,
    pub(super) blob: BlobId,
    /// Not in the row but the blob's, and known some time after the seal.
    #[serde(skip)]
    pub(super) sha256: Option<Digest>,
}

impl Row for FileRow {
    const WHAT: &'static str = "a file";
}

impl FileRow {
    /// What it is promised for as long as it is there.
    pub(super) fn need(&self) -> Result<Need> {
        let kept = kept_rows(&self.owner, &self.meta).map_err(|error| damaged::<Self>(&error))?;
        let (owner, bytes) = (self.owner.clone(), self.len);
        Ok(Need { owner, bytes, row_bytes: kept.1, index_bytes: 0 })
    }

    pub(super) fn plan(&self) -> Result<Plan> {
        Plan::new(self.len, self.chunk_len).map_err(|error| damaged::<Self>(&error))
    }

    pub(super) fn info(&self, id: FileId) -> Result<FileInfo> {
        Ok(FileInfo {
            id,
            meta: self.meta.clone(),
            size: self.len,
            root: self.root,
            chunk_size: self.chunk_len,
            chunk_count: self.plan()?.chunk_count(),
            sealed_at: self.sealed_at,
            sha256: self.sha256,
        })
    }
}

/// The blob of sealed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlobRow {
    /// Bytes.
    pub(super) len: u64,
    /// Bytes.
    pub(super) chunk_len: u64,
    /// How many files it is the bytes of. Without any it is garbage.
    #[serde(default = "one")]
    pub(super) files: u64,
    /// The root of those files; none once it has rotten, and in rows that a migration has still to
    /// see. Without it the blob is taken for no other file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<Digest>,
}

/// Rows that tell no count are from before blobs were shared.
fn one() -> u64 {
    1
}

impl Row for BlobRow {
    const WHAT: &'static str = "a blob";
}

impl BlobRow {
    pub(super) fn plan(self) -> Result<Plan> {
        Plan::new(self.len, self.chunk_len).map_err(|error| damaged::<Self>(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> BlobRow {
        BlobRow { len: 5, chunk_len: 1 << 16, files: 2, root: Some(Digest::of(b"")) }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let row = blob();
        assert_eq!(BlobRow::decode(&row.encode().unwrap()).unwrap(), row);
    }

    #[test]
    fn a_damaged_row_is_an_error_that_names_it() {
        let mut bytes = blob().encode().unwrap();
        for damaged in [&b""[..], &b"\x02{}"[..], &b"\x03{}"[..], &bytes[..bytes.len() - 1]] {
            let error = BlobRow::decode(damaged).unwrap_err();
            assert!(error.to_string().contains("the row of a blob"), "{error}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(BlobRow::decode(&bytes), Err(StoreError::Damaged(_))), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(BlobRow::decode(&bytes).is_ok());
    }

    #[test]
    fn a_row_of_an_earlier_server_is_read() {
        let row = BlobRow::decode(b"\x01{\"len\":5,\"chunk_len\":65536}").unwrap();
        assert_eq!(row, BlobRow { len: 5, chunk_len: 1 << 16, files: 1, root: None });
    }

    #[test]
    fn a_row_whose_numbers_make_no_plan_is_damaged() {
        assert!(matches!(
            BlobRow { len: 1, chunk_len: 1, ..blob() }.plan(),
            Err(StoreError::Damaged(_))
        ));
    }
}
