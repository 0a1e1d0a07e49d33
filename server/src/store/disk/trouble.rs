//! What failed of an upload's copies, and when the next are made. Pure: the time is an argument.
//!
//! What fails at the upload's own blob, or in the index, is no fault of any source: nothing is given
//! up for it, the copies pause, and who asks for the status is told. A source that cannot be read is
//! read again for [`UNREADABLE_FOR`]; then its chunk is asked of the client, if he is still there.

use std::collections::BTreeMap;

use longhaul_protocol::{ChunkIndex, Millis};

use crate::store::StoreError;

/// The pause after a copy that failed, doubled each time in a row up to [`PAUSE_MAX`], milliseconds:
/// a disk that fails is not read at full speed for nothing.
pub(super) const PAUSE_MIN: Millis = Millis(1000);
/// The longest of these pauses, milliseconds: after what passed by itself nobody waits for longer.
pub(super) const PAUSE_MAX: Millis = Millis(60_000);
/// How long a source is read again before its chunk is given up, milliseconds: a cable that is put
/// back is not a bad sector.
pub(super) const UNREADABLE_FOR: Millis = Millis(60_000);
/// How many chunks of an upload are known to be unreadable at a time: with more it is their disk,
/// and the next wait for it.
pub(super) const UNREADABLE_MAX: usize = 64;

/// Why a chunk was not copied.
#[derive(Debug)]
pub(super) enum Failed {
    /// Its source could not be read.
    Source(StoreError),
    /// The upload's own blob, or the index, could not take it.
    Here(StoreError),
}

/// What failed of one upload's copies.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Whether something failed since the last pause was begun.
    has_failed: bool,
    pause: Millis,
    until: Millis,
    /// Since when sources of these chunks cannot be read.
    unreadable: BTreeMap<u64, Millis>,
    of_source: Option<StoreError>,
    here: Option<StoreError>,
}

impl Failed {
    pub(super) fn error(self) -> StoreError {
        match self {
            Self::Source(error) | Self::Here(error) => error,
        }
    }
}

impl Trouble {
    /// Whether copies may be begun; a failure since the last time begins a pause.
    pub(super) fn may_copy(&mut self, now: Millis) -> bool {
        if std::mem::take(&mut self.has_failed) {
            let doubled = Millis(self.pause.0.saturating_mul(2));
            self.pause = doubled.clamp(PAUSE_MIN, PAUSE_MAX);
            self.until = now + self.pause;
        }
        now >= self.until
    }

    /// A copy failed.
    pub(super) fn failed(&mut self, failed: Failed) {
        self.has_failed = true;
        match failed {
            Failed::Source(error) => self.of_source = Some(error),
            Failed::Here(error) => self.here = Some(error),
        }
    }

    /// A source could not be read; whether its chunk is to be given up.
    pub(super) fn unreadable(&mut self, index: ChunkIndex, now: Millis) -> bool {
        let since = *self.unreadable.entry(index.0).or_insert(now);
        let is_over = now.0.saturating_sub(since.0) >= UNREADABLE_FOR.0;
        if is_over {
            self.unreadable.remove(&index.0);
        }
        is_over
    }

    /// Whether it is time to wait rather than to try more.
    pub(super) fn is_enough(&self) -> bool {
        self.here.is_some() || self.unreadable.len() >= UNREADABLE_MAX
    }

    /// A chunk was read and written.
    pub(super) fn copied(&mut self, index: ChunkIndex) {
        self.unreadable.remove(&index.0);
    }

    /// A chunk is durable, so that much works again.
    pub(super) fn durable(&mut self) {
        (self.pause, self.here) = (Millis(0), None);
    }

    /// What failed here, once.
    pub(super) fn take_here(&mut self) -> Option<StoreError> {
        self.here.take()
    }

    /// What failed at all, once.
    pub(super) fn take(&mut self) -> Option<StoreError> {
        self.here.take().or_else(|| self.of_source.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: ChunkIndex = ChunkIndex(3);

    fn error() -> StoreError {
        StoreError::Disk { doing: "testing", source: std::io::Error::other("on purpose") }
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_pause_up_to_a_minute() {
        let (mut trouble, mut now) = (Trouble::default(), Millis(5));
        assert!(trouble.may_copy(now));
        for pause in [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            trouble.failed(Failed::Here(error()));
            assert!(!trouble.may_copy(now));
            assert!(!trouble.may_copy(now + Millis(pause - 1)), "{pause}");
            now = now + Millis(pause);
            assert!(trouble.may_copy(now), "{pause}");
        }
        trouble.durable();
        trouble.failed(Failed::Source(error()));
        assert!(!trouble.may_copy(now));
        assert!(trouble.may_copy(now + PAUSE_MIN), "a chunk was durable in between");
    }

    #[test]
    fn a_source_is_given_up_a_minute_after_it_could_not_be_read_first() {
        let (mut trouble, now) = (Trouble::default(), Millis(7));
        assert!(!trouble.unreadable(INDEX, now));
        assert!(!trouble.unreadable(INDEX, now + Millis(UNREADABLE_FOR.0 - 1)));
        trouble.copied(INDEX);
        assert!(!trouble.unreadable(INDEX, now + UNREADABLE_FOR), "it was read in between");
        assert!(!trouble.unreadable(ChunkIndex(4), now + UNREADABLE_FOR), "each for itself");
        assert!(trouble.unreadable(INDEX, now + Millis(2 * UNREADABLE_FOR.0)));
    }

    #[test]
    fn each_failure_is_told_once_and_one_here_ends_the_pass() {
        let mut trouble = Trouble::default();
        trouble.failed(Failed::Source(error()));
        assert!(!trouble.is_enough() && trouble.take_here().is_none());
        assert!(trouble.take().is_some() && trouble.take().is_none());
        trouble.failed(Failed::Here(error()));
        assert!(trouble.is_enough() && trouble.take_here().is_some() && trouble.take().is_none());
        for index in 0..UNREADABLE_MAX as u64 {
            assert!(!trouble.is_enough());
            trouble.unreadable(ChunkIndex(index), Millis(0));
        }
        assert!(trouble.is_enough());
    }
}
