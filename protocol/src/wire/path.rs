//! The paths of the native API. The wire table in ARCHITECTURE.md is checked against this file.

use super::ids::{FileId, UploadId};

/// `POST` begins an upload, `GET` lists the caller's open ones.
pub const UPLOADS: &str = "/v1/uploads";
/// `POST` makes a file of at most one chunk, `GET` lists the caller's files.
pub const FILES: &str = "/v1/files";
/// `POST`: tells who has no token whom he is from now on, where guests are let in.
pub const GUESTS: &str = "/v1/guests";
/// `GET`: the error table, for people.
pub const PROBLEMS: &str = "/v1/problems";
/// `GET`: 200 while the process runs.
pub const HEALTHZ: &str = "/healthz";
/// `GET`: 200 while the server takes uploads.
pub const READYZ: &str = "/readyz";
/// `GET`: what the server has counted, for a Prometheus.
pub const METRICS: &str = "/metrics";
/// `GET`: the API in OpenAPI 3.1, for programs and those who write them.
pub const OPENAPI: &str = "/openapi.json";

/// `GET`, `HEAD`: status; `DELETE`: cancel.
#[must_use]
pub fn upload(id: UploadId) -> String {
    format!("{UPLOADS}/{id}")
}

/// `POST`: a run of digests, ahead of their chunks.
#[must_use]
pub fn digests(id: UploadId) -> String {
    format!("{UPLOADS}/{id}/digests")
}

/// `POST`: proofs of chunks that another owner has here.
#[must_use]
pub fn proofs(id: UploadId) -> String {
    format!("{UPLOADS}/{id}/proofs")
}

/// `POST`: one chunk. One address for all of them, because browsers cache preflights by address.
#[must_use]
pub fn chunks(id: UploadId) -> String {
    format!("{UPLOADS}/{id}/chunks")
}

/// `GET`: the bytes, while they are still coming.
#[must_use]
pub fn content(id: UploadId) -> String {
    format!("{UPLOADS}/{id}/content")
}

/// `POST`: verify and publish.
#[must_use]
pub fn seal(id: UploadId) -> String {
    format!("{UPLOADS}/{id}/seal")
}

/// `GET`, `HEAD`: the bytes; `DELETE`: delete.
#[must_use]
pub fn file(id: FileId) -> String {
    format!("{FILES}/{id}")
}

/// `POST`: a link to the file, for those who have no token.
#[must_use]
pub fn links(id: FileId) -> String {
    format!("{FILES}/{id}/links")
}

/// `GET`: the chunk digests of a sealed file.
#[must_use]
pub fn manifest(id: FileId) -> String {
    format!("{FILES}/{id}/manifest")
}
