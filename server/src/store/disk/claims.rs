//! What is known of an open upload's chunks, and who may write which. Pure: no I/O, no clock.
//!
//! ```text
//!              begin            receive              synced
//!   missing ──────────▶ claimed ────────▶ pending ────────────▶ held
//!      ▲                   │                 │                    │
//!      ├── release ────────┘                 │                    │
//!      ├── sync_failed ──────────────────────┘                    │
//!      └── begin, with the digest that it replaces ───────────────┘
//! ```
//!
//! A claim has one owner, the newest request; an older one finds out at its next step. A write that
//! is in flight is marked in the claim, and the newest owner waits until that mark is gone, so two
//! requests never write the same chunk at the same time. The whole goes `Open → Sealing → Sealed`,
//! or back to `Open` when the root is another; and from anywhere to `Gone`.
//!
//! What is written of a claimed chunk is counted in `partial`, so that after a `release` the next
//! request may go on from there.
//!
//! A chunk may also be held by reference: `missing ─begin_lending─▶ being lent ─end_lending─▶ held`.
//! That is told in `borrowed`. Its copy goes through a claim like a body, and while it does, and is
//! pending, the chunk is held all the same.

mod begin;
mod borrowed;
mod partial;
mod seal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use longhaul_protocol::wire::{DigestRun, FileInfo, Holding};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Plan};

use super::growing::{At, Place};
use crate::store::{Result, StoreError};
pub(super) use begin::{Begin, Seen};
pub(super) use borrowed::Copying;
use partial::Partials;
pub(super) use seal::SealStep;

/// The right to write one chunk, until a newer one is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) index: ChunkIndex,
    ticket: u64,
    /// How many syncs of the blob had failed when it was granted.
    failed_syncs: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Sealing,
    Sealed(Box<FileInfo>),
    Gone,
}

/// A chunk that was received, and under which grant: the same chunk may come again after a failed
/// sync, and the row of the first must not be taken for that of the second.
#[derive(Clone, Copy, Debug)]
struct Pending {
    digest: Digest,
    ticket: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    newest: Option<u64>,
    writing: bool,
}

/// The chunks of one upload.
#[derive(Debug)]
pub(super) struct Chunks {
    plan: Plan,
    phase: Phase,
    held: ChunkSet,
    pending: BTreeMap<u64, Pending>,
    /// Those of the held ones that are references.
    borrowed: ChunkSet,
    /// Chunks whose bytes are being looked for, to be lent.
    lending: ChunkSet,
    /// Chunks whose row is being taken out.
    removing: ChunkSet,
    /// Whether references are not enough: the file is none that is here.
    is_own: bool,
    claims: BTreeMap<u64, Claim>,
    partials: Partials,
    tickets: u64,
    removals: u64,
    failed_syncs: u64,
}

impl Chunks {
    /// `own` are the chunks in the upload's own blob.
    pub(super) fn new(
        plan: Plan,
        own: ChunkSet,
        borrowed: ChunkSet,
        file: Option<FileInfo>,
    ) -> Self {
        let is_own = !own.is_empty();
        let mut held = own;
        held.union_with(&borrowed);
        Self {
            plan,
            phase: file.map_or(Phase::Open, |file| Phase::Sealed(Box::new(file))),
            held,
            pending: BTreeMap::new(),
            borrowed,
            lending: ChunkSet::new(),
            removing: ChunkSet::new(),
            is_own,
            claims: BTreeMap::new(),
            partials: Partials::default(),
            tickets: 0,
            removals: 0,
            failed_syncs: 0,
        }
    }

    pub(super) fn holding(&self) -> Holding {
        Holding {
            held: self.held.clone(),
            pending: self.pending_chunks().without(&self.held),
            filling: if self.is_own { self.borrowed.clone() } else { ChunkSet::new() },
            partial: self.partials.list(),
        }
    }

    pub(super) fn file(&self) -> Option<&FileInfo> {
        match &self.phase {
            Phase::Sealed(file) => Some(file),
            _ => None,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    fn pending_chunks(&self) -> ChunkSet {
        self.pending.keys().copied().map(ChunkIndex).collect()
    }

    pub(super) fn has_any(&self) -> bool {
        !self.held.is_empty() || !self.pending.is_empty()
    }

    /// Whether the upload's own blob has a chunk.
    pub(super) fn has_own(&self) -> bool {
        !self.held.without(&self.borrowed).is_empty() || !self.pending.is_empty()
    }

    pub(super) fn has_partials(&self) -> bool {
        !self.partials.list().is_empty()
    }

    /// Whether what [`Begin::Wait`] waits for is over.
    pub(super) fn is_settled(&self, index: ChunkIndex) -> Option<()> {
        let waits = self.phase == Phase::Sealing
            || self.pending.contains_key(&index.0)
            || self.is_moving(index);
        (!waits).then_some(())
    }

    /// Whether anything is under way that a sweep must not cut off.
    pub(super) fn is_busy(&self) -> bool {
        let idle = self.claims.is_empty() && self.pending.is_empty() && self.lending.is_empty();
        !idle || self.phase == Phase::Sealing
    }

    pub(super) fn is_held(&self, index: ChunkIndex) -> bool {
        self.held.contains(index)
    }

    pub(super) fn pending_digest(&self, index: ChunkIndex) -> Option<Digest> {
        self.pending.get(&index.0).map(|pending| pending.digest)
    }

    pub(super) fn pending_digests(&self, run: &DigestRun) -> Vec<Option<Digest>> {
        run.iter().map(|(index, _)| self.pending_digest(index)).collect()
    }

    /// Whether what was received under that grant is still believed.
    pub(super) fn is_pending(&self, grant: Grant) -> bool {
        self.pending.get(&grant.index.0).is_some_and(|pending| pending.ticket == grant.ticket)
    }

    /// Where a chunk can be read that was verified, held or not; an error if it never will be.
    pub(super) fn readable(&self, index: ChunkIndex) -> Option<Result<At>> {
        let is_pending = self.pending.contains_key(&index.0);
        let place = match &self.phase {
            Phase::Gone => return Some(Err(StoreError::NotFound)),
            Phase::Sealed(file) => Place::File(file.id),
            Phase::Open | Phase::Sealing if is_pending => Place::Own,
            Phase::Open | Phase::Sealing if !self.held.contains(index) => return None,
            Phase::Open | Phase::Sealing if self.borrowed.contains(index) => Place::Borrowed,
            Phase::Open | Phase::Sealing => Place::Own,
        };
        Some(Ok(At { place, removals: self.removals, failed_syncs: self.failed_syncs }))
    }

    /// How often the row of a held chunk was taken out, so that what was read before can be told
    /// from what is so now.
    pub(super) fn removals(&self) -> u64 {
        self.removals
    }

    /// The same; none while one is being taken out, when a reader might still find it.
    pub(super) fn settled_removals(&self) -> Option<u64> {
        self.removing.is_empty().then_some(self.removals)
    }

    /// Whether the index is being asked about the chunk, or told.
    fn is_moving(&self, index: ChunkIndex) -> bool {
        self.lending.contains(index) || self.removing.contains(index)
    }

    fn is_missing(&self, index: ChunkIndex) -> bool {
        !self.is_held(index) && !self.pending.contains_key(&index.0)
    }

    fn claim(&mut self, index: ChunkIndex) -> Grant {
        self.tickets += 1;
        self.claims.entry(index.0).or_default().newest = Some(self.tickets);
        Grant { index, ticket: self.tickets, failed_syncs: self.failed_syncs }
    }

    /// Whether a write of that chunk is in flight, the grant's own or an older one's.
    pub(super) fn is_writing(&self, index: ChunkIndex) -> bool {
        self.claims.get(&index.0).is_some_and(|claim| claim.writing)
    }

    /// Whether the grant is still good.
    pub(super) fn check(&self, grant: Grant) -> Result<()> {
        let index = grant.index;
        if self.is_gone() {
            return Err(StoreError::NotFound);
        }
        if !self.is_newest(grant) {
            return Err(StoreError::Superseded { index });
        }
        if grant.failed_syncs != self.failed_syncs {
            return Err(lost_in_a_sync());
        }
        Ok(())
    }

    fn is_newest(&self, grant: Grant) -> bool {
        let newest = self.claims.get(&grant.index.0).and_then(|claim| claim.newest);
        newest == Some(grant.ticket)
    }

    /// Marks a write as in flight. The caller made sure that none is.
    pub(super) fn start_write(&mut self, grant: Grant) -> Result<()> {
        self.check(grant)?;
        if let Some(claim) = self.claims.get_mut(&grant.index.0) {
            claim.writing = true;
        }
        Ok(())
    }

    /// The write is over, whoever has the claim by now; if it went well, the chunk's first `wrote`
    /// bytes are written.
    pub(super) fn end_write(&mut self, index: ChunkIndex, wrote: Option<u64>) {
        if let Some(bytes) = wrote {
            self.partials.wrote(index, bytes);
        }
        if let Some(claim) = self.claims.get_mut(&index.0) {
            claim.writing = false;
        }
        self.drop_idle_claim(index);
    }

    /// All bytes of the chunk came, are written, and have the digest.
    pub(super) fn receive(&mut self, grant: Grant, digest: Digest) -> Result<()> {
        self.check(grant)?;
        self.is_own = true;
        self.pending.insert(grant.index.0, Pending { digest, ticket: grant.ticket });
        self.partials.forget(grant.index);
        self.release(grant);
        Ok(())
    }

    /// The grant is given back, if it is still good.
    pub(super) fn release(&mut self, grant: Grant) {
        if self.is_newest(grant)
            && let Some(claim) = self.claims.get_mut(&grant.index.0)
        {
            claim.newest = None;
        }
        self.drop_idle_claim(grant.index);
    }

    fn drop_idle_claim(&mut self, index: ChunkIndex) {
        let idle = |claim: &Claim| claim.newest.is_none() && !claim.writing;
        if self.claims.get(&index.0).is_some_and(idle) {
            self.claims.remove(&index.0);
        }
    }

    /// The row of a pending chunk is committed.
    pub(super) fn synced(&mut self, grant: Grant) {
        if self.is_pending(grant) {
            self.pending.remove(&grant.index.0);
            self.held.insert(grant.index);
            self.borrowed.remove(grant.index);
        }
    }

    /// A sync of the blob failed: nothing unsynced of it is believed, neither what is pending nor
    /// what is being written now, nor what is kept of chunks that broke off.
    pub(super) fn sync_failed(&mut self) {
        self.failed_syncs += 1;
        self.pending.clear();
        self.partials = Partials::default();
    }
}

fn lost_in_a_sync() -> StoreError {
    StoreError::Disk {
        doing: "syncing the blob while the chunk was written",
        source: std::io::Error::other("the sync failed, so what was written may be lost"),
    }
}
