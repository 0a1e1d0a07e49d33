//! What each buffer of a receiver is in the middle of.

use crate::plan::{ChunkIndex, Plan};
use crate::time::Millis;
use crate::upload::{BufferId, Ticket};

/// One buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Empty,
    /// Bytes of the target are read and hashed.
    Checking {
        chunk: ChunkIndex,
        ticket: Ticket,
        since: Millis,
    },
    /// A chunk arrives.
    Fetching(Fetching),
    /// Its beginning is here.
    Kept {
        chunk: ChunkIndex,
        bytes: u64,
    },
    /// It is verified and goes to the target.
    Writing {
        chunk: ChunkIndex,
        ticket: Ticket,
        since: Millis,
    },
}

/// A chunk that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetching {
    pub(super) chunk: ChunkIndex,
    pub(super) ticket: Ticket,
    /// What an earlier attempt brought, bytes.
    pub(super) kept: u64,
    /// What this one has brought, bytes.
    pub(super) moved: u64,
    pub(super) moved_at: Millis,
}

impl Slot {
    pub(super) fn chunk(&self) -> Option<ChunkIndex> {
        match self {
            Self::Empty => None,
            Self::Checking { chunk, .. }
            | Self::Kept { chunk, .. }
            | Self::Writing { chunk, .. } => Some(*chunk),
            Self::Fetching(fetching) => Some(fetching.chunk),
        }
    }

    fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Empty | Self::Kept { .. } => None,
            Self::Checking { ticket, .. } | Self::Writing { ticket, .. } => Some(*ticket),
            Self::Fetching(fetching) => Some(fetching.ticket),
        }
    }

    /// Since when whoever reads or writes the target has been silent.
    pub(super) fn silent_since(&self) -> Option<Millis> {
        match self {
            Self::Checking { since, .. } | Self::Writing { since, .. } => Some(*since),
            Self::Empty | Self::Kept { .. } | Self::Fetching(_) => None,
        }
    }

    /// The bytes in it that are not in the target yet.
    fn in_flight(&self, plan: Plan) -> u64 {
        match self {
            Self::Empty | Self::Checking { .. } => 0,
            Self::Kept { bytes, .. } => *bytes,
            Self::Fetching(fetching) => fetching.kept.saturating_add(fetching.moved),
            Self::Writing { chunk, .. } => plan.chunk_bytes(*chunk),
        }
    }
}

/// All buffers of a receiver.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots(Vec<Slot>);

impl Slots {
    pub(super) fn new(plan: Plan) -> Self {
        Self((0..plan.buffers()).map(|_| Slot::Empty).collect())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (BufferId, &mut Slot)> {
        (0..).map(BufferId).zip(&mut self.0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (BufferId, &Slot)> {
        (0..).map(BufferId).zip(&self.0)
    }

    pub(super) fn first(
        &mut self,
        wanted: impl Fn(&Slot) -> bool,
    ) -> Option<(BufferId, &mut Slot)> {
        self.iter_mut().find(|(_, slot)| wanted(slot))
    }

    pub(super) fn of(&mut self, ticket: Ticket) -> Option<(BufferId, &mut Slot)> {
        self.first(|slot| slot.ticket() == Some(ticket))
    }

    pub(super) fn fetching(&self) -> impl Iterator<Item = &Fetching> {
        self.0.iter().filter_map(|slot| match slot {
            Slot::Fetching(fetching) => Some(fetching),
            _ => None,
        })
    }

    pub(super) fn checking_count(&self) -> usize {
        self.0.iter().filter(|slot| matches!(slot, Slot::Checking { .. })).count()
    }

    pub(super) fn has(&self, chunk: ChunkIndex) -> bool {
        self.0.iter().any(|slot| slot.chunk() == Some(chunk))
    }

    pub(super) fn all_empty(&self) -> bool {
        self.0.iter().all(|slot| *slot == Slot::Empty)
    }

    pub(super) fn in_flight_bytes(&self, plan: Plan) -> u64 {
        self.0.iter().map(|slot| slot.in_flight(plan)).sum()
    }
}
