//! Where each chunk is, for a picture of it.

use crate::plan::ChunkIndex;
use crate::upload::{End, State, Upload};

/// Where one chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Whereabouts {
    /// Not on the server.
    Missing = 0,
    /// Being sent.
    Moving = 1,
    /// Sent by this sender, and on the server.
    Held = 2,
    /// On the server, which had it without its being sent now.
    Reused = 3,
    /// On the server, after more than one try to send it.
    Retried = 4,
}

impl Upload {
    /// Where each chunk is, in their order: a [`Whereabouts`] in each byte. As long as the file has chunks, which
    /// takes as many steps.
    #[must_use]
    pub fn chunks(&self) -> Vec<u8> {
        let ledger = &self.ledger;
        let is_done = matches!(self.state, State::Ended(End::Done(_)));
        let [acknowledged, sending] = [ledger.acknowledged(), self.buffers.sending()];
        let whereabouts = |index| match ChunkIndex(index) {
            chunk if sending.contains(chunk) => Whereabouts::Moving,
            chunk if !acknowledged.contains(chunk) && !is_done => Whereabouts::Missing,
            chunk if ledger.retried.contains(chunk) => Whereabouts::Retried,
            chunk if ledger.tried.contains(chunk) || self.stored.is_some() => Whereabouts::Held,
            _ => Whereabouts::Reused,
        };
        (0..ledger.plan().chunk_count()).map(|index| whereabouts(index) as u8).collect()
    }
}
