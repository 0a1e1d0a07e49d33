//! Which files move, and which wait for their turn.

use std::collections::{BTreeSet, VecDeque};

use longhaul_protocol::plan::LANES_MAX;

/// A line of files, a bounded number of which move at once: they share the lanes and buffers, and
/// each needs one of them.
#[derive(Debug)]
pub(crate) struct Queue {
    at_once: usize,
    moving: BTreeSet<u32>,
    waiting: VecDeque<u32>,
}

impl Queue {
    /// An empty line; at least one moves, and no more than there are lanes.
    pub(crate) fn new(at_once: usize) -> Self {
        let lanes = usize::try_from(LANES_MAX).unwrap_or(usize::MAX);
        Self { at_once: at_once.clamp(1, lanes), moving: BTreeSet::new(), waiting: VecDeque::new() }
    }

    /// How many may move at once.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Joins the end of the line, unless it is in it or moves.
    pub(crate) fn enter(&mut self, file: u32) {
        if !self.moves(file) && !self.waits(file) {
            self.waiting.push_back(file);
        }
    }

    /// Leaves, wherever it is.
    pub(crate) fn leave(&mut self, file: u32) {
        self.moving.remove(&file);
        self.waiting.retain(|waiting| *waiting != file);
    }

    /// The next file that may move now; it does from then on.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let free = self.moving.len() < self.at_once;
        let next = free.then(|| self.waiting.pop_front()).flatten()?;
        self.moving.insert(next);
        Some(next)
    }

    /// Whether it moves.
    pub(crate) fn moves(&self, file: u32) -> bool {
        self.moving.contains(&file)
    }

    /// Whether it waits for its turn.
    pub(crate) fn waits(&self, file: u32) -> bool {
        self.waiting.contains(&file)
    }

    /// The files that move.
    pub(crate) fn moving(&self) -> Vec<u32> {
        self.moving.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_move_in_the_order_they_came_and_no_more_than_may() {
        let mut queue = Queue::new(2);
        (1..=4).for_each(|file| queue.enter(file));
        queue.enter(1);
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some(1), Some(2), None));
        queue.enter(1);
        queue.leave(1);
        assert_eq!((queue.next(), queue.next()), (Some(3), None));
        assert!(queue.waits(4) && queue.moves(2) && !queue.waits(1));
    }

    #[test]
    fn a_file_that_leaves_while_it_waits_never_moves() {
        let mut queue = Queue::new(0);
        queue.enter(1);
        queue.enter(2);
        queue.leave(2);
        assert_eq!(queue.next(), Some(1));
        queue.leave(1);
        assert_eq!((queue.next(), queue.moving()), (None, vec![]));
    }
}
