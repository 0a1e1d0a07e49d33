//! What is told of bytes that are not what they were: what is wrong with them, where they lie, and whose they are.

use longhaul_protocol::wire::ids::{FileId, UploadId};
use serde::{Deserialize, Serialize};

use crate::store::Result;
use crate::store::disk::Inner;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::FileRow;

/// What is wrong with some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wrong {
    /// They no longer have their digest.
    Rotten,
    /// Their blob is not there.
    Missing,
    /// Their blob ends before them.
    CutOff,
    /// The disk does not give them.
    Unreadable,
    /// The index no longer has their digests.
    Unknown,
    /// The index has something of their blob that makes no sense.
    Damaged,
}

/// Whose bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The file, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// The upload, if it is not a file yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// Whose it is.
    pub owner: String,
    /// What it is called.
    pub name: String,
}

/// Bytes that are not what they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Damage {
    /// What is wrong.
    pub what: Wrong,
    /// The blob they lie in.
    pub blob: UploadId,
    /// The first of them.
    pub chunk: u64,
    /// How many chunks.
    pub chunks: u64,
    /// Where in the blob the first begins, bytes.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What the system said, if it said something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whose they are: a blob may be that of several files.
    pub holders: Vec<Holder>,
}

impl Damage {
    /// None of a blob's bytes yet.
    pub(super) fn none_of(blob: BlobId) -> Self {
        Self {
            what: Wrong::Damaged,
            blob: blob.0,
            chunk: 0,
            chunks: 0,
            offset: 0,
            bytes: 0,
            detail: None,
            holders: Vec::new(),
        }
    }
}

impl Inner {
    /// Whose bytes a blob has. What cannot be read of them is left out: that is told of by who lists them.
    pub(super) fn holders(&self, blob: BlobId) -> Result<Vec<Holder>> {
        let files = self.index.files_on(blob)?;
        if !files.is_empty() {
            let holder = |(file, row): (FileId, FileRow)| Holder {
                file: Some(file),
                upload: None,
                owner: row.owner,
                name: row.meta.name,
            };
            return Ok(files.into_iter().map(holder).collect());
        }
        let Ok(Some(owner)) = self.index.owner_of(blob.0) else { return Ok(Vec::new()) };
        let Ok(row) = self.index.upload(&owner, blob.0) else { return Ok(Vec::new()) };
        let holder =
            Holder { file: None, upload: Some(blob.0), owner: owner.0, name: row.meta.name };
        Ok(vec![holder])
    }
}
