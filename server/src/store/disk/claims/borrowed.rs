//! Chunks that are held by reference, and how they come to be the upload's own.

use longhaul_protocol::{ChunkIndex, ChunkSet};

use super::{Chunks, Grant, Phase};

/// How the copy of a borrowed chunk may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) enum Copying {
    /// Copy it.
    Go(Grant),
    /// It is borrowed no more, or the upload is over.
    Over,
}

impl Chunks {
    /// The chunks that references are looked for, of those that are wanted: nobody may begin one
    /// until [`Chunks::end_lending`].
    pub(in crate::store::disk) fn begin_lending(
        &mut self,
        wanted: impl IntoIterator<Item = ChunkIndex>,
    ) -> ChunkSet {
        let mut begun = ChunkSet::new();
        for index in wanted {
            if self.is_absent(index) {
                self.lending.insert(index);
                begun.insert(index);
            }
        }
        begun
    }

    /// Of the chunks that were looked for, those `lent` are held now.
    pub(in crate::store::disk) fn end_lending(
        &mut self,
        looked_for: &ChunkSet,
        lent: &[ChunkIndex],
    ) {
        self.lending = self.lending.without(looked_for);
        if self.is_gone() {
            return;
        }
        for &index in lent {
            self.held.insert(index);
            self.borrowed.insert(index);
            self.partials.forget(index);
        }
    }

    /// References are not enough any more; whether there are any to be copied.
    pub(in crate::store::disk) fn become_own(&mut self) -> bool {
        self.is_own = true;
        self.wants_copies()
    }

    /// Whether references are to be copied that nobody has copied yet.
    pub(in crate::store::disk) fn wants_copies(&self) -> bool {
        self.is_own && self.phase == Phase::Open && self.next_to_copy(&ChunkSet::new()).is_some()
    }

    /// Whether the file may still be one that is here already.
    pub(in crate::store::disk) fn may_be_known(&self) -> bool {
        !self.is_own
    }

    /// Whether nobody has, sends or looks for the chunk.
    pub(in crate::store::disk) fn is_absent(&self, index: ChunkIndex) -> bool {
        self.phase == Phase::Open
            && self.plan.has(index)
            && self.is_missing(index)
            && !self.is_moving(index)
            && !self.claims.contains_key(&index.0)
    }

    /// The right to copy a chunk that was proved; none if somebody took care of it meanwhile.
    pub(in crate::store::disk) fn begin_granting(&mut self, index: ChunkIndex) -> Option<Grant> {
        self.is_absent(index).then(|| self.claim(index))
    }

    /// Whether a chunk that was copied is borrowed all the same: the sync of the copy failed.
    pub(in crate::store::disk) fn lacks_copy(&self, index: ChunkIndex) -> bool {
        self.needs_bytes() && self.is_held(index) && self.is_borrowed(index)
    }

    fn is_borrowed(&self, index: ChunkIndex) -> bool {
        self.borrowed.contains(index)
    }

    /// The first borrowed chunk but for those that were tried, and those of which a copy waits for
    /// its sync.
    pub(in crate::store::disk) fn next_to_copy(&self, tried: &ChunkSet) -> Option<ChunkIndex> {
        let untried = self.borrowed.without(tried);
        untried.iter().find(|index| !self.pending.contains_key(&index.0))
    }

    /// The right to copy a borrowed chunk; none while somebody else is about it.
    pub(in crate::store::disk) fn begin_copying(&mut self, index: ChunkIndex) -> Option<Copying> {
        if !self.needs_bytes() || !self.is_borrowed(index) {
            return Some(Copying::Over);
        }
        let busy = self.phase == Phase::Sealing
            || self.is_moving(index)
            || self.claims.contains_key(&index.0)
            || self.pending.contains_key(&index.0);
        (!busy).then(|| Copying::Go(self.claim(index)))
    }

    /// The source of a borrowed chunk no longer has its bytes: whether its reference is to be taken
    /// out, and then [`Chunks::end_removal`] told.
    pub(in crate::store::disk) fn begin_loss(&mut self, index: ChunkIndex) -> bool {
        let is_lost = self.is_borrowed(index) && self.is_held(index);
        if is_lost {
            self.take_out(index);
        }
        is_lost
    }

    pub(in crate::store::disk) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether it is neither sealed nor gone.
    pub(in crate::store::disk) fn needs_bytes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Sealing)
    }
}
