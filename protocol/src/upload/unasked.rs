//! Which chunks are sent without asking first whether the server has them.
//!
//! An offer costs a browser and its server a few milliseconds of processor time: nothing beside what a chunk takes on
//! a line, and a twelfth of all that a GiB takes where both are on one machine. There, after some chunks in a row
//! that the server lacked, as many go unasked before it is asked again; so, where a file is as it was from there
//! on, no run that goes in vain is longer than what was asked about and lacked before it.
//!
//! Where the server says at the beginning that it has nothing to find, the first chunk goes unasked on any line: its
//! answer would be a round trip for nothing. Those after it are asked about while it is sent, as a file may have the
//! same chunk twice.

/// How many chunks in a row the server has to lack before one goes unasked: a few that were changed leave every
/// other chunk asked about.
const LACKED_MIN: u64 = 4;

/// The most chunks that go unasked in a row, and so in vain.
const UNASKED_MAX: u64 = 16;

/// From which rate on, bytes a second: that of a line of 1 Gbit/s. What is faster waits for the machines, and their
/// time is what an offer costs.
const UNASKED_RATE_MIN: u64 = 125_000_000;

/// What was lacked of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unasked {
    /// Chunks in a row that the server was asked for and lacked.
    lacked: u64,
    /// How many more may go unasked.
    left: u64,
    /// Whether the next may, however slow the line is: nothing was asked about yet.
    first: bool,
}

impl Unasked {
    /// The server has nothing that could be found. Where it was asked for chunks already, they go anyway.
    pub(super) fn nothing_to_find(&mut self) {
        self.first = self.lacked == 0;
    }

    /// The server was asked for so many chunks, and lacked so many of them.
    pub(super) fn answered(&mut self, asked: u64, lacked: u64) {
        if lacked < asked {
            *self = Self::default();
        } else if lacked > 0 {
            self.lacked = self.lacked.saturating_add(lacked);
            self.left = if self.lacked < LACKED_MIN { 0 } else { self.lacked.min(UNASKED_MAX) };
        }
    }

    /// Whether the next chunk may go unasked at so many bytes a second.
    pub(super) fn may_go(&self, rate: u64) -> bool {
        self.first || (self.left > 0 && rate >= UNASKED_RATE_MIN)
    }

    /// One went.
    pub(super) fn went(&mut self) {
        self.first = false;
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many chunks go unasked in a row after an answer.
    fn run(unasked: &mut Unasked) -> u64 {
        let mut run = 0;
        while unasked.may_go(UNASKED_RATE_MIN) {
            unasked.went();
            run += 1;
        }
        run
    }

    #[test]
    fn as_many_go_unasked_as_were_asked_about_and_lacked_up_to_a_bound() {
        let mut unasked = Unasked::default();
        let mut ask = |chunks| {
            unasked.answered(chunks, chunks);
            run(&mut unasked)
        };
        assert_eq!(
            [ask(1), ask(2), ask(1), ask(1), ask(10), ask(1), ask(1)],
            [0, 0, 4, 5, 15, 16, 16]
        );
    }

    #[test]
    fn a_chunk_that_the_server_had_ends_it() {
        let mut unasked = Unasked::default();
        unasked.answered(8, 8);
        unasked.went();
        unasked.answered(2, 1);
        assert_eq!(run(&mut unasked), 0);
        unasked.answered(3, 3);
        assert_eq!(run(&mut unasked), 0);
    }

    #[test]
    fn where_there_is_nothing_to_find_one_goes_unasked_on_any_line_unless_it_was_asked_about() {
        let mut unasked = Unasked::default();
        unasked.nothing_to_find();
        assert!(unasked.may_go(0));
        unasked.went();
        assert!(!unasked.may_go(0));
        let mut unasked = Unasked::default();
        unasked.answered(1, 1);
        unasked.nothing_to_find();
        assert!(!unasked.may_go(0));
    }

    #[test]
    fn on_a_slower_line_every_chunk_is_asked_about() {
        let mut unasked = Unasked::default();
        unasked.answered(100, 100);
        assert!(!unasked.may_go(0) && !unasked.may_go(UNASKED_RATE_MIN - 1));
    }
}
