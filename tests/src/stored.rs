//! A file that is there, uploaded without a browser.

use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::{CreateRequest, FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest};

use crate::api::{Api, chunk_headers, chunk_of, root_of};
use crate::wait;

/// Uploads a file, and waits until its SHA-256 is known.
///
/// # Panics
/// When anything is refused.
pub async fn store(api: &Api, create: &CreateRequest, bytes: &Bytes) -> FileInfo {
    let reply = api.post(path::UPLOADS, create).await.expect("an answer to a create");
    let upload: UploadStatus = reply.json();
    let plan = upload.plan().expect("a plan");
    for index in 0..plan.chunk_count() {
        let chunk = chunk_of(bytes, plan, ChunkIndex(index));
        let sent = api.chunk(upload.id, chunk_headers(index, &chunk), chunk).await;
        let reply = sent.expect("an answer to a chunk");
        assert_eq!(reply.status, 204, "{reply:?}");
    }
    let sealed = api.seal(upload.id, root_of(bytes, plan)).await.expect("an answer to a seal");
    let sealed: FileInfo = sealed.json();
    let info = wait::until("the SHA-256 is known", Duration::from_secs(30), async || {
        let files = api.files().await;
        files.into_iter().find(|file| file.id == sealed.id && file.sha256.is_some())
    });
    let info = info.await;
    assert_eq!(info.sha256, Some(Digest::of(bytes)));
    info
}
