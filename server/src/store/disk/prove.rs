//! Gives an upload chunks of other owners, whose bytes the client proves that it has.
//!
//! A digest grants nothing. The proof covers a nonce that is good for one try, and is checked in the
//! very read that is copied and verified. What is granted is a copy: nobody's reference ever leads
//! to what belongs to another.

use std::collections::BTreeMap;
use std::sync::Arc;

use longhaul_protocol::digest::Hasher;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::proof::{Challenge, Nonce, Proof};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest};

use super::Inner;
use super::begin::Claim;
use super::copy::{CopyError, not_copied};
use super::index::Source;
use super::live::{Live, State};
use crate::store::{Offered, Owner, Result, StoreError};

/// Of how many chunks of an upload a proof may be awaited: eight times what a sender has buffers
/// for, and 5 KB of memory.
pub const PROOFS_OPEN_MAX: usize = 64;

/// How many wrong proofs an upload may show before it is asked for none any more: each costs the
/// read of a chunk, and an honest sender shows none.
pub const PROOFS_WRONG_MAX: u32 = 3;

/// What an upload is to prove.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    open: BTreeMap<u64, Wanted>,
    wrong: u32,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    digest: Digest,
    nonce: Nonce,
}

impl Proofs {
    /// Whether there were wrong ones: that is not forgotten while the server runs.
    pub(super) fn has_wrong(&self) -> bool {
        self.wrong > 0
    }

    /// Nobody will prove what has come in another way.
    fn forget(&mut self, is_settled: impl Fn(ChunkIndex) -> bool) {
        self.open.retain(|&index, _| !is_settled(ChunkIndex(index)));
    }

    /// Asks for proofs of these chunks too, as many as may be asked for.
    fn ask(&mut self, chunks: &[(ChunkIndex, Digest)], nonce: Nonce) -> ChunkSet {
        let mut asked = ChunkSet::new();
        for &(index, digest) in chunks.iter().filter(|_| self.wrong < PROOFS_WRONG_MAX) {
            if self.open.len() < PROOFS_OPEN_MAX || self.open.contains_key(&index.0) {
                self.open.insert(index.0, Wanted { digest, nonce });
                asked.insert(index);
            }
        }
        asked
    }

    /// What a proof is of. A nonce is good for one try; after too many wrong ones none is.
    fn take(&mut self, index: ChunkIndex) -> Option<Wanted> {
        self.open.remove(&index.0).filter(|_| self.wrong < PROOFS_WRONG_MAX)
    }

    fn was_wrong(&mut self) {
        self.wrong += 1;
        if self.wrong >= PROOFS_WRONG_MAX {
            self.open.clear();
        }
    }
}

impl Inner {
    /// Asks for proofs of those of the missing chunks that anybody has.
    pub(super) fn challenge(
        &self,
        live: &Live,
        missing: &[(ChunkIndex, Digest)],
    ) -> Result<Option<Challenge>> {
        let mut known = self.index.known_to_anybody(live.id, live.plan, missing)?;
        let nonce = self.new_nonce()?;
        let mut state = live.state();
        let State { chunks, reuse, .. } = &mut *state;
        known.retain(|(index, _)| chunks.is_absent(*index));
        reuse.proofs.forget(|index| !chunks.is_absent(index));
        let chunks = reuse.proofs.ask(&known, nonce);
        Ok((!chunks.is_empty()).then_some(Challenge { nonce, chunks }))
    }

    fn new_nonce(&self) -> Result<Nonce> {
        let mut bytes = [0; 32];
        let (first, second) = bytes.split_at_mut(16);
        first.copy_from_slice(&self.new_id()?);
        second.copy_from_slice(&self.new_id()?);
        Ok(Nonce(Digest(bytes)))
    }

    pub(super) async fn prove(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        proofs: Vec<Proof>,
    ) -> Result<Offered> {
        let live = self.live(owner, id).await?;
        live.state().check_alive(self.config.clock.now())?;
        self.index.check_writable()?;
        let mut wrong = None;
        for proof in proofs {
            let granted = self.prove_one(&live, proof).await;
            if let Err(StoreError::WrongProof { index }) = granted {
                live.state().reuse.proofs.was_wrong();
                tracing::warn!(upload = %id, chunk = index.0, "a proof was wrong");
                wrong.get_or_insert(index);
            } else {
                granted?;
            }
        }
        match wrong {
            Some(index) => Err(StoreError::WrongProof { index }),
            None => {
                let holding = live.state().chunks.holding();
                Ok(Offered { holding, ..Offered::default() })
            }
        }
    }

    /// Copies one chunk if it is proved. One that somebody else takes care of, or of which the
    /// source is gone or rotten, is left to be sent.
    async fn prove_one(self: &Arc<Self>, live: &Arc<Live>, proof: Proof) -> Result<()> {
        let index = proof.index;
        let Some(wanted) = live.state().reuse.proofs.take(index) else { return Ok(()) };
        let Ok(_permit) = self.fills.acquire().await else { return Ok(()) };
        let (store, id, plan) = (Arc::clone(self), live.id, live.plan);
        let source = self
            .blocking(move || store.index.source_of_anybody(id, plan, index, wanted.digest))
            .await?;
        let Some(source) = source else { return Ok(()) };
        let Some(grant) = live.change(|state| state.chunks.begin_granting(index)) else {
            return Ok(());
        };
        let claim = Claim::new(self, live, grant);
        match self.copy_proved(claim, source, wanted, proof.proof).await {
            Ok(()) | Err(CopyError::Rotten | CopyError::Other(StoreError::Superseded { .. })) => {
                Ok(())
            }
            Err(CopyError::Unreadable(source, error) | CopyError::Gone(source, error)) => {
                not_copied(live, index, Some(source), &error);
                Ok(())
            }
            Err(CopyError::Other(error @ StoreError::Disk { .. })) => {
                not_copied(live, index, None, &error);
                Ok(())
            }
            Err(CopyError::Other(error)) => Err(error),
        }
    }

    /// What is verified is looked at first: a source that has rotten is no fault of the client's.
    async fn copy_proved(
        self: &Arc<Self>,
        claim: Claim,
        source: Source,
        wanted: Wanted,
        proof: Digest,
    ) -> Result<(), CopyError> {
        let index = claim.grant.index;
        let mut writer = self.writer(claim, wanted.digest).await?;
        let proving = Some(wanted.nonce.hasher());
        let proved = self.copy_verified(&mut writer, source, proving).await?.map(Hasher::finish);
        if proved != Some(proof) {
            return Err(StoreError::WrongProof { index }.into());
        }
        writer.receive()?;
        self.meters.reused_bytes.inc_by(source.len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(count: u64) -> Vec<(ChunkIndex, Digest)> {
        (0..count).map(|index| (ChunkIndex(index), Digest::of(b""))).collect()
    }

    #[test]
    fn proofs_are_awaited_of_so_many_chunks_and_each_nonce_is_good_for_one_try() {
        let (mut proofs, nonce) = (Proofs::default(), Nonce(Digest::of(b"n")));
        let asked = proofs.ask(&chunks(100), nonce);
        assert_eq!(asked.count(), PROOFS_OPEN_MAX as u64);
        assert_eq!(proofs.ask(&chunks(2), nonce).count(), 2, "again for those that are open");
        assert!(proofs.take(ChunkIndex(0)).is_some());
        assert!(proofs.take(ChunkIndex(0)).is_none());
        assert!(proofs.take(ChunkIndex(1)).is_some(), "those asked for before stay so");
    }

    #[test]
    fn what_has_come_in_another_way_makes_room_for_others() {
        let (mut proofs, nonce) = (Proofs::default(), Nonce(Digest::of(b"n")));
        proofs.ask(&chunks(PROOFS_OPEN_MAX as u64), nonce);
        let next = [(ChunkIndex(1000), Digest::of(b""))];
        assert!(proofs.ask(&next, nonce).is_empty());
        proofs.forget(|index| index == ChunkIndex(3));
        assert_eq!(proofs.ask(&next, nonce).count(), 1);
        assert!(proofs.take(ChunkIndex(3)).is_none());
    }

    #[test]
    fn after_so_many_wrong_ones_none_is_taken_or_asked_for() {
        let (mut proofs, nonce) = (Proofs::default(), Nonce(Digest::of(b"n")));
        proofs.ask(&chunks(10), nonce);
        (1..PROOFS_WRONG_MAX).for_each(|_| proofs.was_wrong());
        assert!(proofs.take(ChunkIndex(0)).is_some());
        proofs.was_wrong();
        assert!(proofs.take(ChunkIndex(1)).is_none());
        assert!(proofs.ask(&chunks(10), nonce).is_empty());
    }
}
