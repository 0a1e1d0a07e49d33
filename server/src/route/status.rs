//! `GET` or `HEAD /v1/uploads/{id}`: what is held of an upload. With `?digests=<start>` it tells the
//! digests of the chunks that are, a page of them.

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::digest::ALGORITHM;
use longhaul_protocol::retry::RetryPolicy;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{DIGESTS_PER_PAGE_MAX, DigestPage, UploadStatus};

use super::Call;
use crate::channel::Scheme;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::{Store, Upload};

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: UploadId) -> Answer {
    let start = call.number("digests")?.map(ChunkIndex);
    let mut upload = call.app.store.upload(&call.owner, id).await?;
    if call.app.arriving.settle(id).await {
        upload = call.app.store.upload(&call.owner, id).await?;
    }
    if !upload.holding.filling.is_empty() {
        call.app.store.fill(&call.owner, id).await?;
    }
    let mut status = of(upload, call.scheme);
    if let Some(start) = start {
        status.digests = Some(digest_page(call, id, start).await?);
    }
    Outcome::json(&status)
}

async fn digest_page<S: Store>(
    call: &Call<'_, S>,
    id: UploadId,
    start: ChunkIndex,
) -> Result<DigestPage, Refusal> {
    let page = call.app.store.held_digests(&call.owner, id, start, DIGESTS_PER_PAGE_MAX);
    Ok(DigestPage { start, digests: page.await? })
}

/// An upload as the wire tells it.
pub(super) fn of(upload: Upload, scheme: Scheme) -> UploadStatus {
    let is_settled = upload.holding.filling.is_empty();
    let sealable = upload.file.is_none() && is_settled && is_received(&upload);
    UploadStatus {
        id: upload.id,
        meta: upload.meta,
        size: upload.plan.len(),
        chunk_size: upload.plan.chunk_len(),
        chunk_count: upload.plan.chunk_count(),
        digest_algorithm: ALGORITHM.to_owned(),
        lanes: upload.plan.lanes(),
        retry: RetryPolicy::default(),
        transport_encryption: encryption(scheme).to_owned(),
        created_at: upload.created_at,
        last_activity: upload.last_activity,
        expires_at: upload.expires_at,
        holding: upload.holding,
        sealable,
        file: upload.file,
        digests: None,
        challenge: None,
        reusable: upload.reusable,
    }
}

fn encryption(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "none",
        Scheme::Https => "tls",
    }
}

/// Whether every chunk was received: a seal syncs those that are still pending.
fn is_received(upload: &Upload) -> bool {
    let mut received = upload.holding.held.clone();
    received.union_with(&upload.holding.pending);
    received.is_complete(upload.plan)
}
