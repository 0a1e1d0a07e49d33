//! How far all files of an uploader are: sums that cost the same to keep however many there are.

use litemap::LiteMap;
use longhaul_protocol::progress::{Meter, Progress};
use longhaul_protocol::{Millis, json_object};

/// What is told of all files together. They are those since nothing was open the last time, without
/// the ones that were cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    files: u64,
    done: u64,
    failed: u64,
    /// Those that a person lets rest.
    paused: u64,
    /// Those that have their turn.
    moving: u64,
    /// Whether all rest until all are resumed.
    held: bool,
    progress: Progress,
}

json_object! { written Total {
    "files": files, "done": done, "failed": failed, "paused": paused, "moving": moving, "held": held,
    ..progress,
} }

/// Keeps the sums.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    open: LiteMap<u32, Share>,
    sums: Sums,
    meter: Meter,
    told: Option<Total>,
}

/// What one file that is not over adds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    size: u64,
    acknowledged: u64,
    in_flight: u64,
    reused: u64,
    rest: Rest,
}

/// Whether a file goes on by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It does, now or when its turn comes.
    #[default]
    None,
    Paused,
    Failed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    files: u64,
    done: u64,
    failed: u64,
    paused: u64,
    size: u64,
    acknowledged: u64,
    in_flight: u64,
    reused: u64,
    /// Bytes that nobody sends until a person says so.
    resting: u64,
}

impl Totals {
    /// One more file, of that many bytes.
    pub(crate) fn begin(&mut self, upload: u32, size: u64) {
        if self.open.is_empty() {
            *self = Self { told: self.told, ..Self::default() };
        }
        let share = Share { size, ..Share::default() };
        self.sums.files += 1;
        self.sums.size += size;
        self.open.insert(upload, share);
    }

    /// It is this far.
    pub(crate) fn progress(&mut self, now: Millis, upload: u32, progress: &Progress) {
        let Some(&share) = self.open.get(&upload) else { return };
        let Progress { acknowledged, in_flight, reused, .. } = *progress;
        let next = Share { acknowledged, in_flight, reused, ..share };
        self.meter.moved(now, next.moved().saturating_sub(share.moved()));
        self.replace(upload, next);
    }

    /// It goes on by itself, or not.
    pub(crate) fn rest(&mut self, upload: u32, rest: Rest) {
        if let Some(&share) = self.open.get(&upload) {
            self.replace(upload, Share { rest, ..share });
        }
    }

    /// It is sealed.
    pub(crate) fn done(&mut self, now: Millis, upload: u32) {
        let Some(share) = self.open.remove(&upload) else { return };
        let whole = Share { acknowledged: share.size, in_flight: 0, rest: Rest::None, ..share };
        self.meter.moved(now, whole.moved().saturating_sub(share.moved()));
        self.sums.subtract(&share);
        self.sums.add(&whole);
        self.sums.done += 1;
    }

    /// It was given up and counts no more.
    pub(crate) fn cancelled(&mut self, upload: u32) {
        if let Some(share) = self.open.remove(&upload) {
            self.sums.subtract(&share);
            self.sums.files -= 1;
            self.sums.size -= share.size;
        }
    }

    /// What there is to tell, if it is news.
    pub(crate) fn news(&mut self, now: Millis, moving: u64, held: bool) -> Option<Total> {
        let total = self.total(now, moving, held);
        if self.told.is_none() && total.files == 0 && !held {
            return None;
        }
        (self.told.replace(total) != Some(total)).then_some(total)
    }

    fn total(&self, now: Millis, moving: u64, held: bool) -> Total {
        let Sums { files, done, failed, paused, size, acknowledged, in_flight, reused, resting } =
            self.sums;
        let rate = if moving == 0 { 0 } else { self.meter.rate(now) };
        let figures = |total| Progress::new(total, acknowledged, in_flight, reused, rate);
        // What rests comes at no time.
        let left_ms = figures(size.saturating_sub(resting)).left_ms;
        let progress = Progress { left_ms, ..figures(size) };
        Total { files, done, failed, paused, moving, held, progress }
    }

    fn replace(&mut self, upload: u32, next: Share) {
        if let Some(share) = self.open.insert(upload, next) {
            self.sums.subtract(&share);
        }
        self.sums.add(&next);
    }
}

impl Share {
    /// Bytes that were sent now.
    fn moved(&self) -> u64 {
        (self.acknowledged + self.in_flight).saturating_sub(self.reused)
    }

    fn resting(&self) -> u64 {
        match self.rest {
            Rest::None => 0,
            Rest::Paused | Rest::Failed => self.size.saturating_sub(self.acknowledged),
        }
    }
}

impl Sums {
    fn add(&mut self, share: &Share) {
        self.acknowledged += share.acknowledged;
        self.in_flight += share.in_flight;
        self.reused += share.reused;
        self.resting += share.resting();
        self.failed += u64::from(share.rest == Rest::Failed);
        self.paused += u64::from(share.rest == Rest::Paused);
    }

    fn subtract(&mut self, share: &Share) {
        self.acknowledged -= share.acknowledged;
        self.in_flight -= share.in_flight;
        self.reused -= share.reused;
        self.resting -= share.resting();
        self.failed -= u64::from(share.rest == Rest::Failed);
        self.paused -= u64::from(share.rest == Rest::Paused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(acknowledged: u64, in_flight: u64, reused: u64) -> Progress {
        Progress { total: 100, acknowledged, in_flight, reused, ..Progress::default() }
    }

    fn totals(files: u32) -> Totals {
        let mut totals = Totals::default();
        (1..=files).for_each(|upload| totals.begin(upload, 100));
        totals
    }

    #[test]
    fn files_add_up_and_what_is_over_stays_counted_until_all_are() {
        let mut totals = totals(3);
        totals.progress(Millis(0), 1, &at(60, 20, 10));
        totals.done(Millis(1000), 2);
        let total = totals.total(Millis(1000), 1, false);
        assert_eq!((total.files, total.done, total.moving), (3, 1, 1));
        let Progress { total: bytes, acknowledged, in_flight, reused, rate, left_ms, .. } =
            total.progress;
        assert_eq!((bytes, acknowledged, in_flight, reused), (300, 160, 20, 10));
        assert_eq!(rate, 170, "what was reused did not move");
        assert_eq!(left_ms, Some(120 * 1000 / 170));
        totals.done(Millis(1000), 1);
        totals.done(Millis(1000), 3);
        assert_eq!(totals.total(Millis(1000), 0, false).progress.acknowledged, 300);
        totals.begin(4, 7);
        let total = totals.total(Millis(1000), 1, false);
        assert_eq!((total.files, total.done, total.progress.total), (1, 0, 7));
    }

    #[test]
    fn what_rests_or_was_given_up_is_not_waited_for() {
        let mut totals = totals(4);
        totals.progress(Millis(0), 1, &at(50, 0, 0));
        totals.rest(2, Rest::Failed);
        totals.rest(3, Rest::Paused);
        totals.cancelled(4);
        let total = totals.total(Millis(1000), 1, false);
        assert_eq!((total.files, total.failed, total.paused), (3, 1, 1));
        assert_eq!((total.progress.total, total.progress.left_ms), (300, Some(1000)));
        totals.rest(2, Rest::None);
        let total = totals.total(Millis(1000), 1, false);
        assert_eq!((total.failed, total.progress.left_ms), (0, Some(3000)));
    }

    #[test]
    fn nothing_is_told_twice_and_nothing_at_all_before_the_first_file() {
        let mut totals = Totals::default();
        assert_eq!(totals.news(Millis(0), 0, false), None);
        totals.begin(1, 100);
        assert!(totals.news(Millis(0), 0, false).is_some());
        assert_eq!(totals.news(Millis(0), 0, false), None);
        assert!(totals.news(Millis(0), 0, true).is_some_and(|total| total.held));
    }
}
