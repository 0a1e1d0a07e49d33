//! `GET /v1/files/{id}/manifest`: the chunk digests of a sealed file, a page from `?start=` on.

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::{DIGESTS_PER_PAGE_MAX, Manifest};

use super::Call;
use crate::outcome::{Answer, Outcome};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: FileId) -> Answer {
    let start = ChunkIndex(call.number("start")?.unwrap_or(0));
    let page = call.app.store.manifest(&call.owner, id, start, DIGESTS_PER_PAGE_MAX);
    let (file, digests) = page.await?;
    let end = start.0.saturating_add(digests.digests.len() as u64);
    let next = (!digests.digests.is_empty() && end < file.chunk_count).then_some(ChunkIndex(end));
    Outcome::json(&Manifest { file, digests, next })
}
