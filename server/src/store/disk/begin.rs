//! How a request comes to write a chunk: the right to it, by which an older request has to stop, until the chunk is
//! received or the request is over.

use std::sync::Arc;

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Millis};

use super::Inner;
use super::claims::{Begin, Grant, Seen};
use super::index::Removed;
use super::live::Live;
use super::medium::DiskFile;
use super::syncer::Received;
use super::writer::DiskWriter;
use crate::store::{ChunkBegin, Owner, Result, StoreError};

/// The claim of a request, given back when the request ends.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) store: Arc<Inner>,
    pub(super) live: Arc<Live>,
    pub(super) grant: Grant,
    received: bool,
}

impl Inner {
    pub(super) async fn begin_chunk(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        chunk: ChunkHeaders,
    ) -> Result<ChunkBegin<DiskWriter>> {
        let live = self.live(owner, id).await?;
        self.touch(&live)?;
        self.scrub_once(&live);
        let Some(claim) = self.claim(&live, chunk).await? else { return Ok(ChunkBegin::Already) };
        // Bytes of its own: it is none of the files that are here.
        self.become_own(&live);
        Ok(ChunkBegin::Write(self.body_writer(claim, &chunk).await?))
    }

    /// A request is activity: what it is about is not swept before the client could try again.
    fn touch(&self, live: &Live) -> Result<()> {
        let now = self.config.clock.now();
        let mut state = live.state();
        state.check_alive(now)?;
        let expires_at = self.config.expires_at(now, state.chunks.has_any());
        state.touch(now, expires_at);
        Ok(())
    }

    /// The right to write a chunk; `None` if it is there already.
    async fn claim(
        self: &Arc<Self>,
        live: &Arc<Live>,
        chunk: ChunkHeaders,
    ) -> Result<Option<Claim>> {
        loop {
            // What was waited for may have failed.
            self.index.check_writable()?;
            let seen = self.look(live, chunk).await?;
            if chunk.replace.is_some() && chunk.replace == seen.digest {
                self.call_in(live, chunk.index).await?;
            }
            let begin = live.change(|state| state.chunks.begin(&chunk, seen))?;
            match begin {
                Begin::Already => return Ok(None),
                Begin::Write(grant) => return Ok(Some(Claim::new(self, live, grant))),
                Begin::Replace(grant, digest) => {
                    let claim = Claim::new(self, live, grant);
                    if self.remove_row(live, chunk.index, digest).await? {
                        return Ok(Some(claim));
                    }
                }
                Begin::Wait => live.until(|state| state.chunks.is_settled(chunk.index)).await,
                Begin::LookAgain => {}
            }
        }
    }

    async fn look(self: &Arc<Self>, live: &Arc<Live>, chunk: ChunkHeaders) -> Result<Seen> {
        let (removals, held) = {
            let state = live.state();
            (state.chunks.removals(), state.chunks.is_held(chunk.index))
        };
        if !held {
            return Ok(Seen { digest: None, removals });
        }
        let (store, blob) = (Arc::clone(self), live.blob_id());
        let digest = self.blocking(move || store.index.chunk_digest(blob, chunk.index)).await?;
        Ok(Seen { digest, removals })
    }

    /// The row goes before the first byte is written over: at no time does a row name other bytes.
    /// Not if it stays, because others have come to need the bytes.
    pub(super) async fn remove_row(
        self: &Arc<Self>,
        live: &Arc<Live>,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<bool> {
        let (store, live) = (Arc::clone(self), Arc::clone(live));
        self.blocking(move || {
            let removed = store.index.remove_chunk(live.id, index, digest);
            // After a commit that failed nobody knows, and nothing is held that may not be.
            let unknown = |_: &StoreError| store.index.is_read_only();
            let is_out = removed.as_ref().map_or_else(unknown, |it| *it == Removed::Done);
            live.change(|state| state.chunks.end_removal(index, is_out));
            removed?;
            tracing::debug!(upload = %live.id, chunk = index.0, is_out, "chunk to be taken out");
            Ok(is_out)
        })
        .await
    }
}

impl Claim {
    pub(super) fn new(store: &Arc<Inner>, live: &Arc<Live>, grant: Grant) -> Self {
        Self { store: Arc::clone(store), live: Arc::clone(live), grant, received: false }
    }

    /// Waits until no older request has a write in flight.
    pub(super) async fn until_nobody_writes(&self) {
        let Self { live, grant, .. } = self;
        live.until(|state| (!state.chunks.is_writing(grant.index)).then_some(())).await;
    }

    pub(super) fn check(&self) -> Result<()> {
        self.live.state().chunks.check(self.grant)
    }

    /// What is written of the chunk is not to be gone on with.
    pub(super) fn distrust(&self) {
        self.live.state().chunks.distrust(self.grant);
    }

    pub(super) fn receive(&mut self, digest: Digest, blob: Arc<dyn DiskFile>) -> Result<()> {
        self.store.index.check_writable()?;
        let (at, grant) = (self.store.config.clock.now(), self.grant);
        let expires_at: Millis = self.store.config.expires_at(at, true);
        self.live.change(|state| {
            state.chunks.receive(grant, digest)?;
            state.touch(at, expires_at);
            Ok::<_, StoreError>(())
        })?;
        self.received = true;
        tracing::debug!(upload = %self.live.id, chunk = grant.index.0, "chunk received");
        let live = Arc::clone(&self.live);
        self.store.syncer.push(Received { live, blob, grant, digest, at, expires_at });
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.received {
            self.live.change(|state| state.chunks.release(self.grant));
            self.store.syncer.abandon(self.live.id);
        }
    }
}
