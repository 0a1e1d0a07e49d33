//! Which files move, and which wait for their turn.

use std::collections::VecDeque;

use litemap::LiteMap;

use longhaul_protocol::plan::LANES_MAX;

/// The files of a page: a line for each uploader, and but for the first of each line no more of all that
/// move than there are lanes, because they share them and each needs one.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: LiteMap<u32, Line>,
}

#[derive(Debug)]
struct Line {
    at_once: u64,
    moving: Vec<u32>,
    waiting: VecDeque<u32>,
}

impl Queue {
    /// Opens a line of which so many move at once, at least one.
    pub(crate) fn open(&mut self, line: u32, at_once: u64) {
        let empty = Line { at_once: at_once.max(1), moving: Vec::new(), waiting: VecDeque::new() };
        self.lines.insert(line, empty);
    }

    /// Sends everybody in that line away.
    pub(crate) fn close(&mut self, line: u32) {
        self.lines.remove(&line);
    }

    /// Joins the end of the line, unless it is in it or moves.
    pub(crate) fn enter(&mut self, line: u32, file: u32) {
        if !self.moves(file) && !self.waits(file) {
            self.lines.entry(line).and_modify(|line| line.waiting.push_back(file));
        }
    }

    /// Leaves, wherever it is.
    pub(crate) fn leave(&mut self, file: u32) {
        for line in self.lines.iter_mut().map(|(_, line)| line) {
            line.moving.retain(|moving| *moving != file);
            line.waiting.retain(|waiting| *waiting != file);
        }
    }

    /// The next file that may move now; it does from then on. Of several lines it is the turn of the
    /// one of which the fewest move.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let moving = self.moving().len() as u64;
        let lines = self.lines.iter_mut().map(|(_, line)| line).filter(|line| line.is_ready());
        // However many files of others move or wait for their server: one of each line does.
        let ready = lines.filter(|line| moving < LANES_MAX || line.moving.is_empty());
        let line = ready.min_by_key(|line| line.moving.len())?;
        let next = line.waiting.pop_front()?;
        line.moving.push(next);
        Some(next)
    }

    /// Whether it moves.
    pub(crate) fn moves(&self, file: u32) -> bool {
        self.lines.values().any(|line| line.moving.contains(&file))
    }

    /// Whether it waits for its turn.
    pub(crate) fn waits(&self, file: u32) -> bool {
        self.lines.values().any(|line| line.waiting.contains(&file))
    }

    /// The files that move.
    pub(crate) fn moving(&self) -> Vec<u32> {
        self.lines.values().flat_map(|line| line.moving.iter().copied()).collect()
    }

    /// Those of one line.
    pub(crate) fn moving_of(&self, line: u32) -> Vec<u32> {
        self.lines.get(&line).into_iter().flat_map(|line| line.moving.iter().copied()).collect()
    }
}

impl Line {
    fn is_ready(&self) -> bool {
        !self.waiting.is_empty() && (self.moving.len() as u64) < self.at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(lines: &[u64]) -> Queue {
        let mut queue = Queue::default();
        (0..).zip(lines).for_each(|(line, at_once)| queue.open(line, *at_once));
        queue
    }

    #[test]
    fn files_move_in_the_order_they_came_and_no_more_than_may() {
        let mut queue = queue(&[2]);
        (1..=4).for_each(|file| queue.enter(0, file));
        queue.enter(0, 1);
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some(1), Some(2), None));
        queue.enter(0, 1);
        queue.leave(1);
        assert_eq!((queue.next(), queue.next()), (Some(3), None));
        assert!(queue.waits(4) && queue.moves(2) && !queue.waits(1));
    }

    #[test]
    fn a_file_that_leaves_while_it_waits_never_moves() {
        let mut queue = queue(&[0]);
        queue.enter(0, 1);
        queue.enter(0, 2);
        queue.leave(2);
        assert_eq!(queue.next(), Some(1));
        queue.leave(1);
        assert_eq!((queue.next(), queue.moving()), (None, vec![]));
    }

    #[test]
    fn lines_take_turns_and_move_no_more_than_there_are_lanes() {
        let mut queue = queue(&[9, 9]);
        (10..20).for_each(|file| queue.enter(0, file));
        (20..30).for_each(|file| queue.enter(1, file));
        let moved: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(moved, [10, 20, 11, 21, 12]);
        assert_eq!(queue.moving_of(1), [20, 21]);
        queue.open(2, 1);
        queue.enter(2, 30);
        assert_eq!((queue.next(), queue.next()), (Some(30), None), "nobody waits for all others");
        queue.close(0);
        assert_eq!(queue.next(), Some(22));
        assert!(!queue.waits(13));
    }
}
