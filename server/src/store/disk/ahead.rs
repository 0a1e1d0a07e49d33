//! The root over the first chunks, computed while the others are still coming: a seal reads only
//! the rows of the last ones, however many there are.
//!
//! What was taken in stays so until a row is taken out, which `Chunks::removals` tells: then it is
//! begun anew.

use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;

use super::index::Index;
use super::live::{Live, State};
use crate::store::Result;

/// How many rows the syncing thread reads between two groups, at most: 10 ms. It falls behind only
/// after a start or a removal, and then catches up with each group.
const ROWS_AT_ONCE: u64 = 8192;

/// The root over chunks 0 to `chunks`.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    hasher: Hasher,
    chunks: u64,
    /// [`super::claims::Chunks::removals`] at that time.
    removals: u64,
}

impl Ahead {
    /// How many chunks were taken in.
    pub(super) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Takes in the next chunk.
    pub(super) fn push(&mut self, digest: Digest) {
        self.hasher.update(&digest.0);
        self.chunks += 1;
    }

    /// The root over all that were.
    pub(super) fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl Live {
    /// The root over all chunks that have rows one after the other, and how many those are.
    pub(super) fn root(&self, index: &Index) -> Result<(Digest, u64)> {
        let ahead = self.state().ahead().unwrap_or_default();
        let ahead = index.root_ahead(self.blob_id(), ahead, u64::MAX)?;
        let chunks = ahead.chunks();
        Ok((ahead.finish(), chunks))
    }

    /// Takes in the rows that follow, if they are there. What cannot be read, the seal will find.
    pub(super) fn go_ahead(&self, index: &Index) {
        let Some(ahead) = self.state().ahead() else { return };
        match index.root_ahead(self.blob_id(), ahead, ROWS_AT_ONCE) {
            Ok(ahead) => self.state().set_ahead(ahead),
            Err(error) => tracing::debug!(%error, upload = %self.id, "no root ahead of the seal"),
        }
    }
}

impl State {
    /// What can be gone on with; none while a row is being taken out.
    fn ahead(&self) -> Option<Ahead> {
        let removals = self.chunks.settled_removals()?;
        let is_so = self.ahead.removals == removals;
        Some(if is_so { self.ahead.clone() } else { Ahead { removals, ..Ahead::default() } })
    }

    /// Unless a row was taken out since it was begun.
    fn set_ahead(&mut self, ahead: Ahead) {
        if ahead.removals == self.chunks.removals() {
            self.ahead = ahead;
        }
    }
}
