//! How far all files of an order are together.

use longhaul_protocol::progress::Progress;

/// The bytes of all files.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// All bytes there are.
    total: u64,
    /// Those of files that are through.
    done: Progress,
    /// Of those that move: which, and how far.
    moving: Vec<(usize, Progress)>,
}

impl Board {
    /// Of which nothing has moved yet.
    pub(super) fn of(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    pub(super) fn sum(&self) -> Progress {
        let all = self.moving.iter().map(|(_, progress)| progress).chain([&self.done]);
        let sum = |of: fn(&Progress) -> u64| all.clone().map(of).sum::<u64>();
        let [acknowledged, in_flight, reused, rate] = [
            sum(|progress| progress.acknowledged),
            sum(|progress| progress.in_flight),
            sum(|progress| progress.reused),
            sum(|progress| progress.rate),
        ];
        Progress::new(self.total, acknowledged, in_flight, reused, rate)
    }

    pub(super) fn moves(&mut self, index: usize, progress: Progress) {
        match self.moving.iter_mut().find(|(known, _)| *known == index) {
            Some((_, before)) => *before = progress,
            None => self.moving.push((index, progress)),
        }
    }

    /// It is over: the server has all of it, or what it had acknowledged.
    pub(super) fn ends(&mut self, index: usize, whole: Option<u64>) {
        let last = self.moving.iter().position(|(known, _)| *known == index);
        let last = last.map(|at| self.moving.swap_remove(at).1).unwrap_or_default();
        let has = whole.unwrap_or(last.acknowledged);
        self.done.acknowledged = self.done.acknowledged.saturating_add(has);
        self.done.reused = self.done.reused.saturating_add(last.reused);
    }
}
