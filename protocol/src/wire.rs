//! What crosses the network, both ends together: paths, headers and JSON bodies of the native API.
//!
//! JSON is camelCase. Times are milliseconds since 1970 UTC, sizes bytes, chunk sets runs
//! (`"0-41,44"`), digests base64.

use litemap::LiteMap;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::chunk_set::ChunkSet;
use crate::digest::Digest;
use crate::plan::{ChunkIndex, Plan, PlanError};
use crate::retry::RetryPolicy;
use crate::time::Millis;

pub mod answer;
mod create;
pub mod header;
pub mod ids;
pub mod json;
pub mod link;
pub mod path;
pub mod proof;

use ids::{FileId, UploadId};
use proof::Challenge;

/// The version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// The most digests in one request or page: 10,000 of them are 440 KB of JSON.
pub const DIGESTS_PER_PAGE_MAX: u64 = 10_000;
/// The most bytes a JSON body may have: a page of digests and its frame.
pub const JSON_BYTES_MAX: u64 = 1024 * 1024;
/// The most bytes all keys and values of `metadata` may have together.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;
/// The longest media type, bytes (RFC 6838, section 4.2: 127 each side of the slash).
pub const TYPE_BYTES_MAX: usize = 255;
/// The longest `Idempotency-Key`, bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// Reads a JSON object. JSON is UTF-8 (RFC 8259, section 8.1), also in what is passed over: what
/// `serde_json` itself does not look at there would be taken here and refused by others. So would the values
/// of its members in a row without their names, which serde takes for most objects too.
///
/// # Errors
/// What is wrong, and where.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        // Always an error, which names the place.
        serde_json::from_slice::<LiteMap<String, IgnoredAny>>(bytes)?;
    }
    let value = serde_json::from_slice(bytes)?;
    std::str::from_utf8(bytes).map_err(serde_json::Error::custom)?;
    Ok(value)
}

/// What a file is, as its owner tells it. Part of `POST /uploads`, and shown with the sealed file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileMeta {
    /// Its name, as [`crate::name::check_name`] takes it.
    pub name: String,
    /// Its media type; empty where the browser knows none.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// When it was last changed at its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Millis>,
    /// Where it lay below the folder that was picked, its name included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_path: Option<String>,
    /// Whatever else the page wants kept with it, at most [`METADATA_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "LiteMap::is_empty")]
    pub metadata: LiteMap<String, String>,
}

/// The body of `POST /uploads`, and the `Upload-Create` header of `POST /files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "create::Members")]
pub struct CreateRequest {
    /// [`PROTOCOL_VERSION`] of the client.
    pub protocol_version: u32,
    /// The file's length, bytes.
    pub size: u64,
    /// The chunk size that `digests` were made with, and that the client would like; the server
    /// chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<u64>,
    /// What the file is.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// The digests known so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<DigestRun>,
}

/// Digests of consecutive chunks. Body of `POST /uploads/{id}/digests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestRun {
    /// The index of the first.
    pub start: ChunkIndex,
    /// At most [`DIGESTS_PER_PAGE_MAX`].
    pub digests: Vec<Digest>,
}

impl DigestRun {
    /// The digests with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (ChunkIndex, Digest)> + '_ {
        (self.start.0..).map(ChunkIndex).zip(self.digests.iter().copied())
    }
}

/// What the server does with each chunk. Part of every answer about an open upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// Durable and verified: never to be sent again.
    #[serde(default)]
    pub held: ChunkSet,
    /// Received and verified, not yet durable.
    #[serde(default)]
    pub pending: ChunkSet,
    /// Being copied from what the server already has. Held chunks are among them while they lie in
    /// another file: the upload can be sealed once none is left.
    #[serde(default)]
    pub filling: ChunkSet,
    /// Chunks that came in part, with what is kept of each. A request for one may still be in
    /// flight, and add to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<PartialChunk>,
}

/// What is kept of a chunk that came in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialChunk {
    /// The chunk.
    pub index: ChunkIndex,
    /// How many of its bytes are kept: where `Chunk-Offset` goes on.
    pub offset: u64,
    /// The digest of the whole chunk that it was sent under.
    pub digest: Digest,
}

/// A chunk that the server holds with another digest than was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifferingChunk {
    /// The chunk.
    pub index: ChunkIndex,
    /// The digest it is held with, for `Chunk-Replace`.
    pub digest: Digest,
}

/// One upload: the answer to `POST /uploads` and `GET /uploads/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadStatus {
    /// The upload.
    pub id: UploadId,
    /// What the file is.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// The file's length, bytes.
    pub size: u64,
    /// The length of every chunk but the last, bytes: the server's choice, which binds.
    pub chunk_size: u64,
    /// How many chunks there are.
    pub chunk_count: u64,
    /// [`crate::digest::ALGORITHM`].
    pub digest_algorithm: String,
    /// How many chunks the server takes at once.
    pub lanes: u64,
    /// How the server wants to be tried again.
    pub retry: RetryPolicy,
    /// Whether the connection it came by is encrypted: `"tls"` or `"none"`.
    pub transport_encryption: String,
    /// When it was begun.
    pub created_at: Millis,
    /// When its last chunk came.
    pub last_activity: Millis,
    /// When it is swept if no chunk comes before.
    pub expires_at: Millis,
    /// What the server has of each chunk.
    #[serde(flatten)]
    pub holding: Holding,
    /// Whether a seal would find every chunk.
    pub sealable: bool,
    /// Once sealed: the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileInfo>,
    /// With `?digests=<start>`: a page of the digests of the chunks held, `null` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<DigestPage>,
    /// In the answer to `POST /uploads`: what is to be proved of the digests that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// In the answer to `POST /uploads`: whether there is anything that an offer could find. Where
    /// there is not, a chunk need not wait for the answer to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reusable: Option<bool>,
}

impl UploadStatus {
    /// The plan.
    ///
    /// # Errors
    /// [`PlanError`] when a server's numbers make none.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        Plan::new(self.size, self.chunk_size)
    }
}

/// A page of the digests of an open upload's chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestPage {
    /// The index of the first.
    pub start: ChunkIndex,
    /// At most [`DIGESTS_PER_PAGE_MAX`]; `null` for a chunk that is not held.
    pub digests: Vec<Option<Digest>>,
}

/// The answer to `POST /uploads/{id}/digests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestsAnswer {
    /// What the server has of every chunk of the upload now.
    #[serde(flatten)]
    pub holding: Holding,
    /// Those offered that it holds with other digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<DifferingChunk>,
    /// Those that another owner has here and the client has to prove that it has too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
}

impl DigestsAnswer {
    /// Whether it tells of chunks of this plan only.
    #[must_use]
    pub fn fits(&self, plan: Plan) -> bool {
        let Holding { held, pending, filling, partial } = &self.holding;
        let is_within = |set: &ChunkSet| set.runs().all(|run| run.end <= plan.chunk_count());
        let is_part = |part: &PartialChunk| part.offset <= plan.chunk_bytes(part.index);
        [held, pending, filling].into_iter().all(is_within)
            && partial.iter().all(|part| plan.has(part.index) && is_part(part))
            && self.differs.iter().all(|chunk| plan.has(chunk.index))
    }
}

/// The body of `POST /uploads/{id}/seal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealRequest {
    /// The file's root, as the sender computed it.
    pub root: Digest,
}

/// A sealed file: the answer to a seal and to `POST /files`, and a row of `GET /files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileInfo {
    /// The file.
    pub id: FileId,
    /// What it is.
    #[serde(flatten)]
    pub meta: FileMeta,
    /// Its length, bytes.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// The chunk size its root was made with, bytes.
    pub chunk_size: u64,
    /// How many chunks it has.
    pub chunk_count: u64,
    /// When it was sealed.
    pub sealed_at: Millis,
    /// The SHA-256 of all its bytes, which `sha256sum` prints in hexadecimal; absent until the
    /// server has computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// A page of `GET /uploads`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadList {
    /// The caller's open uploads, newest first.
    pub uploads: Vec<UploadStatus>,
    /// Where the next page starts, if there is one: `?after=<next>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A page of `GET /files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileList {
    /// The caller's files, newest first.
    pub files: Vec<FileInfo>,
    /// Where the next page starts, if there is one: `?after=<next>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The most rows in a page of a listing.
pub const LIST_ROWS_MAX: usize = 1000;

/// `GET /files/{id}/manifest`: the digests of a sealed file's chunks, paged by `?start=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The file.
    #[serde(flatten)]
    pub file: FileInfo,
    /// The digests from `start` on, at most [`DIGESTS_PER_PAGE_MAX`].
    pub digests: DigestRun,
    /// Where the next page starts, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ChunkIndex>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_no_text_is_refused_also_where_nobody_looks() {
        let of = |extra: &[u8]| {
            let root = Digest::of(b"").to_base64();
            [b"{\"root\":\"", root.as_bytes(), b"\",\"extra\":\"", extra, b"\"}"].concat()
        };
        assert!(from_json::<SealRequest>(&of(b"x")).is_ok(), "a later version's field");
        assert!(from_json::<SealRequest>(&of(b"\xff")).is_err());
    }

    #[test]
    fn the_values_of_an_object_in_a_row_are_none() {
        let row = format!(" [\"{}\"]", Digest::of(b"").to_base64());
        assert!(serde_json::from_str::<SealRequest>(&row).is_ok(), "serde takes them");
        assert!(from_json::<SealRequest>(row.as_bytes()).is_err());
    }
}
