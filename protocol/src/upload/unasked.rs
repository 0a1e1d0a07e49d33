//! Which chunks are sent without asking first whether the server has them.
//!
//! An offer costs a browser and its server a few milliseconds of processor time: nothing beside what a chunk takes on
//! most lines, and a twelfth of all that a GiB takes where they are on one machine. There, after a run of chunks
//! that the server lacked, some go unasked: as many as that run is long, in steps, so that where the file is as
//! before again no more is sent in vain than was needed before it.

use crate::time::Millis;

/// How many chunks in a row the server has to lack before one goes unasked: a few that were changed leave every
/// other chunk asked about.
const LACKED_MIN: u64 = 4;

/// The most chunks that go unasked in a row, and so in vain.
const UNASKED_MAX: u64 = 16;

/// How soon a chunk has to leave to go unasked: what it takes in vain is not felt.
const UNASKED_WITHIN: Millis = Millis(100);

/// What was lacked of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unasked {
    /// Chunks in a row that the server lacked, as far as is known.
    lacked: u64,
    /// How many more may go unasked.
    left: u64,
}

impl Unasked {
    /// The server lacked so many of the chunks that it was asked for, and had others or not.
    pub(super) fn answered(&mut self, lacked: u64, had_others: bool) {
        if had_others {
            *self = Self::default();
        } else if lacked > 0 {
            self.lacked = self.lacked.saturating_add(lacked);
            self.left = if self.lacked < LACKED_MIN { 0 } else { self.lacked.min(UNASKED_MAX) };
        }
    }

    /// Whether the next chunk goes unasked, of so many bytes at a rate of so many bytes a second.
    pub(super) fn next(&mut self, chunk_len: u64, rate: u64) -> bool {
        let is_soon = chunk_len <= rate.saturating_mul(UNASKED_WITHIN.0) / 1000;
        let goes = is_soon && self.left > 0;
        if goes {
            self.left -= 1;
            self.lacked += 1;
        }
        goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: u64 = 1 << 30;
    const LEN: u64 = 8 << 20;

    /// How many chunks go unasked in a row after an answer.
    fn run(unasked: &mut Unasked) -> usize {
        (0..100).take_while(|_| unasked.next(LEN, FAST)).count()
    }

    #[test]
    fn what_goes_unasked_grows_with_what_was_lacked_up_to_a_bound() {
        let mut unasked = Unasked::default();
        let runs: Vec<_> = (0..9)
            .map(|_| {
                unasked.answered(1, false);
                run(&mut unasked)
            })
            .collect();
        assert_eq!(runs, [0, 0, 0, 4, 9, 16, 16, 16, 16]);
    }

    #[test]
    fn a_chunk_that_the_server_had_ends_it() {
        let mut unasked = Unasked::default();
        unasked.answered(8, false);
        assert!(unasked.next(LEN, FAST));
        unasked.answered(1, true);
        assert_eq!(run(&mut unasked), 0);
        unasked.answered(3, false);
        assert_eq!(run(&mut unasked), 0);
    }

    #[test]
    fn on_a_line_where_a_chunk_takes_long_every_one_is_asked_about() {
        let mut unasked = Unasked::default();
        unasked.answered(100, false);
        let slow = LEN * 10 - 1;
        assert_eq!(
            [unasked.next(LEN, 0), unasked.next(LEN, slow), unasked.next(LEN, slow + 1)],
            [false, false, true]
        );
    }
}
