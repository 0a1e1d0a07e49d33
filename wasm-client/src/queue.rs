//! Which files move, and which wait for their turn.
//!
//! Nothing here goes through those who wait, but for closing a line: they may be ten thousand, and every
//! event of every file asks.

use litemap::LiteMap;
use longhaul_protocol::plan::{LANES_MAX, RATE_MIN};

/// The files of a page: a line for each uploader, and but for the first of each line no more of all that
/// move than there are lanes, because they share them and each needs one.
///
/// A small file is over before a second lane could help it, so that while only small ones move, as many
/// do as there are lanes, however few are to move at once.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// What all files together may send, bytes a second.
    rate_max: Option<u64>,
    lines: LiteMap<u32, Line>,
    /// Where every file is that moves or waits.
    places: LiteMap<u32, Place>,
}

#[derive(Debug)]
struct Line {
    at_once: u64,
    moving: Vec<u32>,
    /// Those that were called by themselves: they go first, and while the line is held too.
    called: Waiting,
    waiting: Waiting,
    /// Whether nobody moves but who is called.
    held: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    line: u32,
    size: Size,
    at: At,
}

/// What a file's turn goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// It goes in one request.
    Small,
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Moving,
    /// By its rank.
    Called(i64),
    /// The same.
    Waiting(i64),
}

/// Files in their order. A rank is never given twice, however the line shrinks.
#[derive(Debug, Default)]
struct Waiting {
    files: LiteMap<i64, u32>,
    first: i64,
    end: i64,
}

impl Queue {
    /// Opens a line of which so many move at once, at least one.
    pub(crate) fn open(&mut self, line: u32, at_once: u64) {
        self.lines.insert(line, Line::new(at_once.max(1)));
    }

    /// Sends everybody in that line away.
    pub(crate) fn close(&mut self, line: u32) {
        self.lines.remove(&line);
        self.places.retain(|_, place| place.line != line);
    }

    /// Sets what all files together may send, bytes a second; whoever moves goes on.
    pub(crate) fn set_rate_max(&mut self, bytes_per_second: Option<u64>) {
        self.rate_max = bytes_per_second;
    }

    /// What was set.
    pub(crate) fn rate_max(&self) -> Option<u64> {
        self.rate_max
    }

    /// Joins the end of the line, unless it is in it or moves.
    pub(crate) fn enter(&mut self, line: u32, file: u32, size: Size) {
        let Some(open) = self.lines.get_mut(&line).filter(|_| !self.places.contains_key(&file))
        else {
            return;
        };
        let at = At::Waiting(open.waiting.push_back(file));
        self.places.insert(file, Place { line, size, at });
    }

    /// Joins those that go before the others, even if it waits already; unless it moves.
    pub(crate) fn call(&mut self, line: u32, file: u32, size: Size) {
        let place = self.places.get(&file);
        if place.is_some_and(|place| !matches!(place.at, At::Waiting(_))) {
            return;
        }
        self.leave(file);
        if let Some(open) = self.lines.get_mut(&line) {
            let at = At::Called(open.called.push_back(file));
            self.places.insert(file, Place { line, size, at });
        }
    }

    /// Leaves, wherever it is.
    pub(crate) fn leave(&mut self, file: u32) {
        let Some(Place { line, at, .. }) = self.places.remove(&file) else { return };
        let Some(line) = self.lines.get_mut(&line) else { return };
        match at {
            At::Moving => line.moving.retain(|moving| *moving != file),
            At::Called(rank) => line.called.remove(rank),
            At::Waiting(rank) => line.waiting.remove(rank),
        }
    }

    /// Lets nobody move in that line until [`Queue::let_go`], but who is called; returns who moved,
    /// each of whom waits again, before all others.
    pub(crate) fn hold(&mut self, line: u32) -> Vec<u32> {
        let Some(open) = self.lines.get_mut(&line) else { return Vec::new() };
        open.held = true;
        let called = std::mem::take(&mut open.called).files;
        let stopped = std::mem::take(&mut open.moving);
        for file in stopped.iter().chain(called.values()).copied().rev() {
            if let Some(place) = self.places.get_mut(&file) {
                place.at = At::Waiting(open.waiting.push_front(file));
            }
        }
        stopped
    }

    /// Lets everybody move again.
    pub(crate) fn let_go(&mut self, line: u32) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.held = false;
        }
    }

    /// Whether it waits until its line is let go.
    pub(crate) fn is_held(&self, file: u32) -> bool {
        let place = self.places.get(&file).filter(|place| matches!(place.at, At::Waiting(_)));
        place.is_some_and(|place| self.holds(place.line))
    }

    /// Whether that line is held.
    pub(crate) fn holds(&self, line: u32) -> bool {
        self.lines.get(&line).is_some_and(|line| line.held)
    }

    /// The next file that may move now; it does from then on. Of several lines it is the turn of the
    /// one of which the fewest move.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let moving = self.moving();
        let width = if self.are_small(&moving) { self.lanes_of_small() } else { 0 };
        // However many files of others move or wait for their server: one of each line does.
        let is_free = |line: &Line| (moving.len() as u64) < LANES_MAX || line.moving.is_empty();
        let ready = self.lines.iter().filter(|(_, line)| is_free(line));
        let ready = ready.filter(|(_, line)| {
            let file = line.front();
            file.is_some_and(|file| line.has_room(if self.are_small(&[file]) { width } else { 0 }))
        });
        let line = *ready.min_by_key(|(_, line)| line.moving.len())?.0;
        let line = self.lines.get_mut(&line)?;
        let next = line.pop()?;
        line.moving.push(next);
        if let Some(place) = self.places.get_mut(&next) {
            place.at = At::Moving;
        }
        Some(next)
    }

    fn are_small(&self, files: &[u32]) -> bool {
        let size = |file| self.places.get(file).map(|place| place.size);
        files.iter().all(|file| size(file) == Some(Size::Small))
    }

    /// How many small files may move at once: a body cannot be kept below [`RATE_MIN`], so that of more
    /// than these a rate that is set would not be kept.
    fn lanes_of_small(&self) -> u64 {
        self.rate_max.map_or(LANES_MAX, |rate| (rate / RATE_MIN).min(LANES_MAX))
    }

    /// Whether it moves.
    pub(crate) fn moves(&self, file: u32) -> bool {
        self.places.get(&file).is_some_and(|place| place.at == At::Moving)
    }

    /// Whether it waits for its turn.
    pub(crate) fn waits(&self, file: u32) -> bool {
        self.places.get(&file).is_some_and(|place| place.at != At::Moving)
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
    fn new(at_once: u64) -> Self {
        let (called, waiting) = (Waiting::default(), Waiting::default());
        Self { at_once, moving: Vec::new(), called, waiting, held: false }
    }

    /// Whether another file may move, where at least so many may.
    fn has_room(&self, at_least: u64) -> bool {
        (self.moving.len() as u64) < self.at_once.max(at_least)
    }

    /// Whose turn it is next.
    fn front(&self) -> Option<u32> {
        let waiting = || self.waiting.front().filter(|_| !self.held);
        self.called.front().or_else(waiting)
    }

    fn pop(&mut self) -> Option<u32> {
        self.called.pop_front().or_else(|| self.waiting.pop_front())
    }
}

impl Waiting {
    fn push_back(&mut self, file: u32) -> i64 {
        let rank = self.end;
        self.files.insert(rank, file);
        self.end += 1;
        rank
    }

    fn push_front(&mut self, file: u32) -> i64 {
        self.first -= 1;
        self.files.insert(self.first, file);
        self.first
    }

    fn front(&self) -> Option<u32> {
        self.files.first().map(|(_, file)| *file)
    }

    fn pop_front(&mut self) -> Option<u32> {
        let first = *self.files.first()?.0;
        self.files.remove(&first)
    }

    fn remove(&mut self, rank: i64) {
        self.files.remove(&rank);
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
        (1..=4).for_each(|file| queue.enter(0, file, Size::Large));
        queue.enter(0, 1, Size::Large);
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some(1), Some(2), None));
        queue.enter(0, 1, Size::Large);
        queue.leave(1);
        assert_eq!((queue.next(), queue.next()), (Some(3), None));
        assert!(queue.waits(4) && queue.moves(2) && !queue.waits(1));
    }

    #[test]
    fn a_file_that_leaves_while_it_waits_never_moves() {
        let mut queue = queue(&[0]);
        queue.enter(0, 1, Size::Large);
        queue.enter(0, 2, Size::Large);
        queue.leave(2);
        assert_eq!(queue.next(), Some(1));
        queue.leave(1);
        assert_eq!((queue.next(), queue.moving()), (None, vec![]));
    }

    #[test]
    fn lines_take_turns_and_move_no_more_than_there_are_lanes() {
        let mut queue = queue(&[9, 9]);
        (10..20).for_each(|file| queue.enter(0, file, Size::Large));
        (20..30).for_each(|file| queue.enter(1, file, Size::Large));
        let moved: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(moved, [10, 20, 11, 21, 12]);
        assert_eq!(queue.moving_of(1), [20, 21]);
        queue.open(2, 1);
        queue.enter(2, 30, Size::Large);
        assert_eq!((queue.next(), queue.next()), (Some(30), None), "nobody waits for all others");
        queue.close(0);
        assert_eq!(queue.next(), Some(22));
        assert!(!queue.waits(13));
    }

    #[test]
    fn a_line_that_is_held_goes_on_where_it_was() {
        let mut queue = queue(&[2]);
        (1..=5).for_each(|file| queue.enter(0, file, Size::Large));
        assert_eq!((queue.next(), queue.next()), (Some(1), Some(2)));
        assert_eq!(queue.hold(0), [1, 2]);
        queue.enter(0, 6, Size::Large);
        assert_eq!(queue.next(), None, "who comes while it is held waits too");
        assert!((1..=6).all(|file| queue.is_held(file)));
        queue.let_go(0);
        let moved: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(moved, [1, 2]);
        assert!(!queue.is_held(3));
    }

    #[test]
    fn who_is_called_goes_before_the_others_and_out_of_a_line_that_is_held() {
        let mut queue = queue(&[1]);
        (1..=3).for_each(|file| queue.enter(0, file, Size::Large));
        queue.hold(0);
        queue.call(0, 3, Size::Large);
        assert_eq!((queue.next(), queue.next()), (Some(3), None));
        queue.call(0, 2, Size::Large);
        assert!(queue.waits(2) && !queue.is_held(2) && queue.is_held(1));
        queue.leave(3);
        assert_eq!(queue.next(), Some(2));
        queue.let_go(0);
        queue.leave(2);
        assert_eq!((queue.next(), queue.next()), (Some(1), None));
        assert!(!queue.waits(3), "it is in one place only");
    }

    #[test]
    fn one_that_was_called_is_stopped_with_all_others() {
        let mut queue = queue(&[1]);
        (1..=3).for_each(|file| queue.enter(0, file, Size::Large));
        assert_eq!(queue.next(), Some(1));
        queue.call(0, 3, Size::Large);
        assert_eq!(queue.hold(0), [1]);
        assert_eq!(queue.next(), None);
        queue.let_go(0);
        let mut next = || {
            let file = queue.next();
            file.into_iter().for_each(|file| queue.leave(file));
            file
        };
        assert_eq!((next(), next(), next(), next()), (Some(1), Some(3), Some(2), None));
    }

    #[test]
    fn small_files_take_all_lanes_while_nothing_else_moves() {
        let mut queue = queue(&[1]);
        (1..=9).for_each(|file| queue.enter(0, file, Size::Small));
        let moved: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(moved, [1, 2, 3, 4, 5]);
        queue.leave(3);
        assert_eq!((queue.next(), queue.next()), (Some(6), None));
    }

    #[test]
    fn a_large_file_waits_for_the_small_ones_and_they_for_it() {
        let mut queue = queue(&[1]);
        for (file, size) in [(1, Size::Small), (2, Size::Large), (3, Size::Small), (4, Size::Small)]
        {
            queue.enter(0, file, size);
        }
        assert_eq!((queue.next(), queue.next()), (Some(1), None), "one is all that may move");
        queue.leave(1);
        assert_eq!((queue.next(), queue.next()), (Some(2), None), "it can fill every lane");
        queue.leave(2);
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some(3), Some(4), None));
    }

    #[test]
    fn small_files_leave_the_lanes_to_another_lines_large_one() {
        let mut queue = queue(&[1, 1]);
        (10..20).for_each(|file| queue.enter(0, file, Size::Small));
        assert_eq!((queue.next(), queue.next()), (Some(10), Some(11)));
        queue.enter(1, 20, Size::Large);
        let moved: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(moved, [20], "the turn is his of whom fewest move");
        queue.leave(10);
        queue.leave(11);
        assert_eq!((queue.next(), queue.next()), (Some(12), None), "one at a time beside it");
    }

    #[test]
    fn small_files_that_were_stopped_or_called_take_all_lanes_too() {
        let mut queue = queue(&[1]);
        (1..=4).for_each(|file| queue.enter(0, file, Size::Small));
        assert_eq!((queue.next(), queue.next()), (Some(1), Some(2)));
        assert_eq!(queue.hold(0), [1, 2]);
        queue.call(0, 4, Size::Small);
        queue.call(0, 3, Size::Small);
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some(4), Some(3), None));
        queue.let_go(0);
        assert_eq!((queue.next(), queue.next(), queue.next()), (Some(1), Some(2), None));
    }

    #[test]
    fn no_more_small_files_move_than_a_rate_can_be_kept_for() {
        let mut queue = queue(&[1]);
        (1..=9).for_each(|file| queue.enter(0, file, Size::Small));
        queue.set_rate_max(Some(1));
        assert_eq!((queue.next(), queue.next()), (Some(1), None), "one always does");
        queue.set_rate_max(Some(3 * RATE_MIN - 1));
        assert_eq!((queue.next(), queue.next()), (Some(2), None));
        queue.set_rate_max(None);
        let moved: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(moved, [3, 4, 5]);
    }
}
