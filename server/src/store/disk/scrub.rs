//! Looks through the chunks of an upload that somebody comes back to after the store had forgotten
//! it: they come from the disk now, and one that has rotten there is asked for again while its
//! sender is still here to send it.
//!
//! Not at the seal, which reads no byte again, and not right after a chunk was written, when the
//! system would answer from memory. What is borrowed is compared when it is copied or read. As many
//! chunks at a time as copies over all uploads, and in turn with them.

use std::sync::{Arc, Weak};

use longhaul_protocol::{ChunkIndex, ChunkSet, Digest};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::live::Live;
use super::reader::digest_of;
use super::{Inner, disk_error};
use crate::store::Result;

impl Inner {
    /// Somebody works on an upload. If it was taken from the index with chunks held, and this is
    /// the first request since, they are looked through soon.
    pub(super) fn scrub_once(self: &Arc<Self>, live: &Arc<Live>) {
        if let Some(held) = live.take_unseen() {
            let (live, turns) = (Arc::downgrade(live), Arc::clone(&self.fills));
            tokio::spawn(scrub_all(Arc::downgrade(self), turns, live, held));
        }
    }

    /// Compares a held chunk with its row, and takes it out if it is another. Whether that is over.
    async fn scrub(
        self: &Arc<Self>,
        turn: SemaphorePermit<'_>,
        live: &Arc<Live>,
        index: ChunkIndex,
    ) -> Result<bool> {
        let removals = live.state().chunks.removals();
        let rotten = self.rotten(live, index).await?;
        drop(turn);
        match rotten {
            Some(digest) => self.take_out_rotten(live, index, digest, removals).await,
            None => Ok(true),
        }
    }

    /// Takes out a chunk that has rotten. Whether that is over; not if it may have been replaced
    /// since it was looked at, after `removals`.
    pub(super) async fn take_out_rotten(
        self: &Arc<Self>,
        live: &Arc<Live>,
        index: ChunkIndex,
        digest: Digest,
        removals: u64,
    ) -> Result<bool> {
        // Whoever borrows it finds the same when he copies it.
        self.call_in(live, index).await?;
        if !live.change(|state| state.chunks.begin_removal(index, removals)) {
            return Ok(false);
        }
        tracing::error!(
            upload = %live.id, chunk = index.0,
            "a held chunk has ROTTEN: it no longer has its digest, and is asked for again"
        );
        self.remove_row(live, index, digest).await
    }

    /// The digest of the chunk's row, if its bytes have another.
    async fn rotten(
        self: &Arc<Self>,
        live: &Arc<Live>,
        index: ChunkIndex,
    ) -> Result<Option<Digest>> {
        if !live.state().chunks.is_own_and_open(index) {
            return Ok(None);
        }
        let (store, live) = (Arc::clone(self), Arc::clone(live));
        self.blocking(move || {
            let row = store.index.chunk_digest(live.blob_id(), index)?;
            let found = digest_of(&*store.blob(&live)?, live.plan.range(index));
            let found = found.map_err(disk_error("looking at a held chunk"))?;
            Ok(row.filter(|digest| *digest != found))
        })
        .await
    }
}

/// One chunk after the other. Neither a store nor an upload that nobody needs is kept alive for it.
pub(super) async fn scrub_all(
    store: Weak<Inner>,
    turns: Arc<Semaphore>,
    live: Weak<Live>,
    held: ChunkSet,
) {
    for index in held.iter() {
        let mut is_over = false;
        while !is_over {
            let Ok(turn) = turns.acquire().await else { return };
            let (Some(store), Some(live)) = (store.upgrade(), live.upgrade()) else { return };
            is_over = store.scrub(turn, &live, index).await.unwrap_or_else(|error| {
                // It stays: what failed may pass, and it was told to be held.
                let upload = live.id;
                tracing::warn!(%error, %upload, chunk = index.0, "a held chunk was not looked at");
                true
            });
        }
    }
}
