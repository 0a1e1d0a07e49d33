//! Which chunks of an upload that is still coming have been compared with their digests since the last sweep: by
//! one of its readers, for all of them.

use longhaul_protocol::{ChunkIndex, ChunkSet};

use super::{At, Place};

/// Chunks that were sound, as long as none of the upload was taken out and no sync failed.
#[derive(Debug, Default)]
pub(in crate::store::disk) struct Sound {
    removals: u64,
    failed_syncs: u64,
    own: ChunkSet,
    borrowed: ChunkSet,
}

impl Sound {
    /// Whether the chunk was compared there, and nothing was touched since.
    pub(super) fn has(&self, index: ChunkIndex, found: At) -> bool {
        let is_of_now = (self.removals, self.failed_syncs) == (found.removals, found.failed_syncs);
        is_of_now
            && match found.place {
                Place::Own => self.own.contains(index),
                Place::Borrowed => self.borrowed.contains(index),
                Place::File(_) => false,
            }
    }

    /// It was compared there. One that was found before something was touched tells nothing.
    pub(super) fn insert(&mut self, index: ChunkIndex, found: At) {
        let At { place, removals, failed_syncs } = found;
        if removals < self.removals || failed_syncs < self.failed_syncs {
            return;
        }
        if (self.removals, self.failed_syncs) != (removals, failed_syncs) {
            *self = Self { removals, failed_syncs, ..Self::default() };
        }
        match place {
            Place::Own => drop(self.own.insert(index)),
            Place::Borrowed => drop(self.borrowed.insert(index)),
            Place::File(_) => {}
        }
    }

    /// Everything is to be compared once more.
    pub(in crate::store::disk) fn forget(&mut self) {
        (self.own, self.borrowed) = (ChunkSet::new(), ChunkSet::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: At = At { place: Place::Own, removals: 1, failed_syncs: 0 };
    const CHUNK: ChunkIndex = ChunkIndex(3);

    #[test]
    fn a_chunk_is_believed_where_it_was_compared_until_something_is_touched() {
        let mut sound = Sound::default();
        sound.insert(CHUNK, OWN);
        assert!(sound.has(CHUNK, OWN) && !sound.has(ChunkIndex(2), OWN));
        assert!(!sound.has(CHUNK, At { place: Place::Borrowed, ..OWN }));
        let touched = [At { removals: 2, ..OWN }, At { failed_syncs: 1, ..OWN }];
        for now in touched {
            assert!(!sound.has(CHUNK, now), "{now:?}");
        }
        sound.forget();
        assert!(!sound.has(CHUNK, OWN));
    }

    #[test]
    fn who_was_slow_to_compare_makes_nobody_believe_or_forget() {
        let (mut sound, now) = (Sound::default(), At { removals: 2, ..OWN });
        sound.insert(ChunkIndex(1), OWN);
        sound.insert(CHUNK, now);
        assert!(!sound.has(ChunkIndex(1), now), "it may have been replaced");
        sound.insert(ChunkIndex(2), OWN);
        assert!(sound.has(CHUNK, now) && !sound.has(ChunkIndex(2), now));
    }
}
