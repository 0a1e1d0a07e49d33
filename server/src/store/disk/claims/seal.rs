//! How an upload ends: sealed, or gone.

use longhaul_protocol::ChunkSet;
use longhaul_protocol::wire::FileInfo;

use super::{Chunks, Partials, Phase};
use crate::store::{Result, StoreError};

/// What a seal does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::disk) enum SealStep {
    /// It was sealed before.
    Sealed(Box<FileInfo>),
    /// Ask again when something has changed: a sync or another seal is under way.
    Wait,
    /// Every chunk is held, some by references that are being replaced by copies.
    Filling,
    /// Every chunk is held, and nobody else changes that until [`Chunks::end_seal`].
    Go,
}

impl Chunks {
    /// # Errors
    /// `ChunksMissing`, `NotFound`.
    pub(in crate::store::disk) fn begin_seal(&mut self) -> Result<SealStep> {
        match &self.phase {
            Phase::Gone => return Err(StoreError::NotFound),
            Phase::Sealed(file) => return Ok(SealStep::Sealed(file.clone())),
            Phase::Sealing => return Ok(SealStep::Wait),
            Phase::Open => {}
        }
        if !self.lending.is_empty() {
            return Ok(SealStep::Wait);
        }
        let mut all = self.pending_chunks();
        all.union_with(&self.held);
        if !all.is_complete(self.plan) {
            return Err(StoreError::ChunksMissing {
                missing: ChunkSet::all(self.plan).without(&all),
            });
        }
        if self.is_own && !self.borrowed.is_empty() {
            return Ok(SealStep::Filling);
        }
        if !self.pending.is_empty() {
            return Ok(SealStep::Wait);
        }
        self.phase = Phase::Sealing;
        Ok(SealStep::Go)
    }

    /// The seal that was to go is over: with the file, or without.
    pub(in crate::store::disk) fn end_seal(&mut self, file: Option<FileInfo>) {
        if self.phase == Phase::Sealing {
            self.phase = file.map_or(Phase::Open, |file| Phase::Sealed(Box::new(file)));
        }
    }

    /// The upload ends, unless a seal is under way, which is to be waited for: whether it did.
    pub(in crate::store::disk) fn end(&mut self) -> bool {
        if self.phase == Phase::Sealing {
            return false;
        }
        self.phase = Phase::Gone;
        self.pending.clear();
        self.partials = Partials::default();
        true
    }
}
