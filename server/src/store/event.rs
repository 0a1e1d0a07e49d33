//! What a store can queue to be told to others: that an upload became a file, or expired. The event is committed
//! with what it tells of, so that there is one exactly when that happened, whatever crashed meanwhile.

use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{Digest, Millis};
use serde::{Deserialize, Serialize};

/// Which of them a store queues. What is not asked for costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// That an upload was sealed.
    pub sealed: bool,
    /// That an upload expired.
    pub expired: bool,
}

/// The place of an event in the queue: when it happened, and of which upload. There is one of each upload at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Since 1970.
    pub at: Millis,
    /// The upload.
    pub upload: UploadId,
}

/// What happened to an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, since 1970.
    pub at: Millis,
    /// The upload.
    pub upload: UploadId,
    /// Whose it is.
    pub owner: String,
    /// What its sender said of the file.
    pub meta: FileMeta,
    /// Bytes.
    pub size: u64,
    /// What happened.
    pub what: What,
}

/// What can happen to an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is about to be begun. Never in a queue.
    Created,
    /// It is a file.
    Sealed(Sealed),
    /// Nothing came for too long, and it is gone.
    Expired,
}

/// The file that an upload became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The file.
    pub file: FileId,
    /// Its root.
    pub root: Digest,
    /// Bytes.
    pub chunk_size: u64,
    /// The SHA-256 of all its bytes, if it was known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl Event {
    /// Its place in the queue.
    #[must_use]
    pub fn key(&self) -> EventKey {
        EventKey { at: self.at, upload: self.upload }
    }
}

/// Some that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    /// The oldest first.
    pub events: Vec<Event>,
    /// Those whose rows cannot be read any more.
    pub damaged: Vec<EventKey>,
}
