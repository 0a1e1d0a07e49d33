//! What is asked and what is told: lines of JSON, on the socket and with `--json`.

use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{Digest, Millis};
use serde::{Deserialize, Serialize};

use crate::store::StoreError;
use crate::store::disk::{AnyFile, AnyUpload, Damage};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ask {
    /// Which uploads are open.
    Uploads {
        /// Of whom only.
        #[serde(default)]
        owner: Option<String>,
    },
    /// Which files there are.
    Files {
        /// Of whom only.
        #[serde(default)]
        owner: Option<String>,
    },
    /// To end an upload.
    Cancel {
        /// Which.
        id: UploadId,
        /// Whether to do it, and not only tell which it is.
        is_sure: bool,
    },
    /// To delete a file.
    Delete {
        /// Which.
        id: FileId,
        /// Whether to do it, and not only tell which it is.
        is_sure: bool,
    },
    /// To remove what expired, and what a deletion has left.
    Sweep {
        /// Whether to tell only what would go.
        is_dry: bool,
    },
    /// To compare every chunk with its digest.
    Verify {
        /// How much is read in a second at most, bytes.
        #[serde(default)]
        rate: Option<u64>,
    },
}

impl Ask {
    /// Whether anything may change by it.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Uploads { .. } | Self::Files { .. } | Self::Verify { .. } => false,
            Self::Cancel { is_sure, .. } | Self::Delete { is_sure, .. } => *is_sure,
            Self::Sweep { is_dry } => !is_dry,
        }
    }
}

/// What is told. The last is [`Said::End`] or [`Said::Failed`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Said {
    /// An upload.
    Upload(UploadLine),
    /// A file.
    File(FileLine),
    /// A row that cannot be read.
    Unread {
        /// The id of the upload or file.
        id: String,
        /// What is wrong.
        detail: String,
    },
    /// Bytes that are not what they were.
    Damage(Damage),
    /// How far it is.
    Progress {
        /// What was looked at.
        bytes: u64,
        /// Of how much.
        total_bytes: u64,
    },
    /// What a sweep came to, or would.
    Swept {
        /// Uploads whose time was over.
        uploads: u64,
        /// Blobs that are gone, theirs among them.
        blobs: u64,
        /// What these took of the disk.
        freed_bytes: u64,
        /// Whether it was only looked at.
        is_dry: bool,
    },
    /// What was looked at, all of it.
    Verified {
        /// How many blobs.
        blobs: u64,
        /// How many chunks.
        chunks: u64,
        /// How many bytes.
        bytes: u64,
        /// How many chunks are not what they were; with the blobs of which not even that is known.
        damaged: u64,
    },
    /// It could not be done, or only in part.
    Failed {
        /// Why.
        detail: String,
    },
    /// That was all.
    End,
}

/// How it stands with an upload or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing has come of the upload.
    Empty,
    /// Some of it has come.
    Idle,
    /// Some of it is on its way.
    Active,
    /// All of it has come, and it is not sealed.
    Complete,
    /// Its time is over: the next sweep removes it.
    Expired,
    /// The file is there.
    Sealed,
    /// Some of the file is known to have rotten.
    Rotten,
    /// It is gone by now.
    Removed,
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadLine {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub owner: String,
    /// What it is called, and more.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// Its length, bytes.
    pub size: u64,
    /// How much of it is held, or received and about to be, bytes.
    pub received_bytes: u64,
    /// How it stands.
    pub state: State,
    /// When it was begun.
    pub created_at: Millis,
    /// When something came last.
    pub last_activity: Millis,
    /// When its time is over.
    pub expires_at: Millis,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileLine {
    /// Its id.
    pub id: FileId,
    /// Whose it is.
    pub owner: String,
    /// What it is called, and more.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// Its length, bytes.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// The SHA-256 of all its bytes, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// How it stands.
    pub state: State,
    /// When it was sealed.
    pub sealed_at: Millis,
}

impl From<AnyUpload> for UploadLine {
    fn from(any: AnyUpload) -> Self {
        let AnyUpload { owner, upload, is_busy, is_over } = any;
        let mut received = upload.holding.held;
        received.union_with(&upload.holding.pending);
        let state = match (is_over, is_busy) {
            (true, _) => State::Expired,
            (_, true) => State::Active,
            _ if received.is_complete(upload.plan) => State::Complete,
            _ if received.is_empty() => State::Empty,
            _ => State::Idle,
        };
        Self {
            id: upload.id,
            owner: owner.0,
            meta: upload.meta,
            size: upload.plan.len(),
            received_bytes: received.bytes(upload.plan),
            state,
            created_at: upload.created_at,
            last_activity: upload.last_activity,
            expires_at: upload.expires_at,
        }
    }
}

impl From<AnyFile> for FileLine {
    fn from(any: AnyFile) -> Self {
        let AnyFile { owner, info, is_rotten } = any;
        Self {
            id: info.id,
            owner: owner.0,
            meta: info.meta,
            size: info.size,
            root: info.root,
            sha256: info.sha256,
            state: if is_rotten { State::Rotten } else { State::Sealed },
            sealed_at: info.sealed_at,
        }
    }
}

impl From<&StoreError> for Said {
    fn from(error: &StoreError) -> Self {
        let detail = match error {
            StoreError::NotFound => {
                "there is none of that id: `uploads` and `files` list those there are".to_owned()
            }
            StoreError::Sealed { file } => {
                format!("it is file {file} by now: `files --delete {file}` deletes that")
            }
            error => error.to_string(),
        };
        Self::Failed { detail }
    }
}
