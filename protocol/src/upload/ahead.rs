//! How far reading runs ahead of sending: as far as the lanes would otherwise wait for it.

use crate::plan::READ_AHEAD_MAX;
use crate::time::Millis;

/// How long the first chunk of a long file has the machine for itself, at most: longer than it takes to leave
/// for a server that is near, shorter than what is felt.
const ALONE_MAX: Millis = Millis(250);

/// From how long a wait for a body's answer on its connection is left to calls: a page's own requests, those of its
/// other tabs too, may want the last of six. Where more of a body lies in the system than the line takes in that
/// time, the browser calls it sent long before it is.
const AWAITED_MAX: Millis = Millis(4000);

/// From how long a round trip on it is worth to use that connection: a server that is near answers before it
/// could be, and a browser may keep all of one more body in memory (WebKitGTK).
const FAR: Millis = Millis(60);

/// How long it takes until a chunk can be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ahead {
    read: Millis,
    offer: Millis,
    /// The least that asking took: what the way alone takes, however busy both ends are.
    shortest: Option<Millis>,
    /// From when a body had left to its answer; `None` until there was one.
    awaited: Option<Millis>,
    alone_until: Option<Millis>,
}

impl Ahead {
    /// Nothing is read beside the first chunk until that has begun to leave: reading seven more of 8 MiB and
    /// hashing them made it leave 100 ms later on two cores. Worth it only where the server is near, as there
    /// the machine and not the way is what is waited for.
    pub(super) fn first_alone(&mut self, now: Millis) {
        self.alone_until = Some(now + ALONE_MAX);
    }

    /// The first chunk has left, or need not.
    pub(super) fn first_left(&mut self) {
        self.alone_until = None;
    }

    /// Until when the first chunk is alone.
    pub(super) fn alone_until(&self) -> Option<Millis> {
        self.alone_until
    }

    pub(super) fn tick(&mut self, now: Millis) {
        self.alone_until.take_if(|until| *until <= now);
    }

    /// Reading and hashing a chunk took so long.
    pub(super) fn was_read(&mut self, took: Millis) {
        self.read = eased(self.read, took);
    }

    /// Asking whether the server has it took so long.
    pub(super) fn was_answered(&mut self, took: Millis) {
        self.offer = eased(self.offer, took);
        self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
    }

    /// A body that had left was answered after so long.
    pub(super) fn was_awaited(&mut self, took: Millis) {
        self.awaited = Some(eased(self.awaited.unwrap_or_default(), took));
    }

    /// Whether another body may leave while an answer is awaited: the way is long, and answers come soon.
    pub(super) fn may_leave_meanwhile(&self) -> bool {
        self.shortest.is_some_and(|shortest| shortest >= FAR)
            && self.awaited.is_some_and(|awaited| awaited <= AWAITED_MAX)
    }

    /// How many chunks to have ready or in the making beside those being sent, from 1 to
    /// [`READ_AHEAD_MAX`]: one, and as many as leave at this rate, bytes a second, while one is read and
    /// asked about. All, while there is no rate.
    pub(super) fn chunks(&self, rate: u64, chunk_len: u64) -> u64 {
        if rate == 0 {
            return READ_AHEAD_MAX;
        }
        let lead = self.read.0.saturating_add(self.offer.0);
        let leaves = rate.saturating_mul(lead) / 1000;
        (1 + leaves.div_ceil(chunk_len.max(1))).min(READ_AHEAD_MAX)
    }
}

/// The longest of late: a slow one counts at once, and is forgotten over some that were not.
fn eased(before: Millis, took: Millis) -> Millis {
    Millis(took.0.max(before.0 - before.0.div_ceil(8)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CHUNK_LEN_DEFAULT;

    #[test]
    fn the_faster_a_line_the_more_is_read_ahead() {
        let mut ahead = Ahead::default();
        ahead.was_read(Millis(50));
        ahead.was_answered(Millis(80));
        let at = |rate| ahead.chunks(rate, CHUNK_LEN_DEFAULT);
        assert_eq!([at(0), at(1), at(100_000), at(100_000_000), at(u64::MAX)], [3, 1, 2, 3, 3]);
    }

    #[test]
    fn one_slow_read_is_forgotten_over_time() {
        let mut ahead = Ahead::default();
        ahead.was_read(Millis(4000));
        assert_eq!(ahead.chunks(3_000_000, CHUNK_LEN_DEFAULT), 3);
        (0..40).for_each(|_| ahead.was_read(Millis(1)));
        assert_eq!(ahead.chunks(3_000_000, CHUNK_LEN_DEFAULT), 2);
    }
}
