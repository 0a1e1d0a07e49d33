//! How many chunks are sent at once: the fewest that take what the network gives.
//!
//! More connections take more from a long or lossy path, where each is slowed down by itself; where
//! one fills the line, others only take memory, and more of what was sent is lost with each cut. Which
//! of the two it is nobody can tell beforehand, so it is tried: one lane fewer or more for a while, and
//! kept if the rate says so. Beginning with all, and not with one, spares a fast line the time that
//! growing takes.

use crate::plan::LANES_MAX;
use crate::time::Millis;

/// How long a number of lanes is measured at least: several times what a connection over a satellite
/// needs to grow.
const TRIAL: Millis = Millis(8000);
/// How many chunks have to move meanwhile: what the system takes at the start of a body and sends
/// later, some megabytes, is then a few percent.
const TRIAL_CHUNKS: u64 = 10;
/// How long a number of lanes is kept after another one was found worse: a trial that was in vain costs a
/// fifth of the rate for a while, and is to be rare beside what it may find.
const REST: Millis = Millis(60_000);
/// What of the rate may be lost by all lanes given up in a row together, percent: as much as two
/// measurements of the same number differ by.
const LOSS_ACCEPTED_PERCENT: u64 = 5;
/// What each further lane has to bring, percent: the same.
const GAIN_WANTED_PERCENT: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Fewer,
    More,
}

/// Tries numbers of lanes and keeps to the best.
#[derive(Clone, Debug)]
pub(super) struct Tuner {
    lanes: u64,
    /// Where to look next for a better number.
    next: Step,
    /// The rate before the first step of those under way, bytes a second.
    base: Option<u64>,
    /// Since when this number is measured, and what has moved.
    trial: Option<(Millis, u64)>,
    rest_until: Millis,
}

impl Tuner {
    pub(super) fn new() -> Self {
        Self { lanes: LANES_MAX, next: Step::Fewer, base: None, trial: None, rest_until: Millis(0) }
    }

    /// How many lanes to use of so many there are, at least 1.
    pub(super) fn lanes(&self, max: u64) -> u64 {
        self.lanes.min(max).max(1)
    }

    /// The network took bytes.
    pub(super) fn moved(&mut self, bytes: u64) {
        if let Some((_, sum)) = &mut self.trial {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// The way to the server broke: fewer lanes lose less next time.
    pub(super) fn outage(&mut self, max: u64) {
        self.lanes = self.lanes(max).div_ceil(2);
        self.next = Step::More;
        self.disturbed();
    }

    /// What is being measured says nothing: something else changed meanwhile.
    pub(super) fn disturbed(&mut self) {
        (self.base, self.trial) = (None, None);
    }

    /// Judges a number of lanes once it was measured for long enough. `sending` are busy now, of `max`.
    pub(super) fn tick(&mut self, now: Millis, sending: u64, max: u64, chunk_len: u64) {
        let Some((since, moved)) = self.trial else {
            if sending == self.lanes(max) && now >= self.rest_until {
                self.trial = Some((now, 0));
            }
            return;
        };
        let span = now.since(since);
        if span >= TRIAL && moved >= chunk_len.saturating_mul(TRIAL_CHUNKS) {
            self.trial = None;
            self.judge(now, moved.saturating_mul(1000) / span.0, max);
        }
    }

    fn judge(&mut self, now: Millis, rate: u64, max: u64) {
        match (self.base, self.next) {
            (None, _) => self.base = Some(rate),
            (Some(base), Step::Fewer) if rate >= percent(base, 100 - LOSS_ACCEPTED_PERCENT) => {}
            (Some(base), Step::More) if rate >= percent(base, 100 + GAIN_WANTED_PERCENT) => {
                self.base = Some(rate);
            }
            (Some(_), step) => {
                self.lanes = stepped(self.lanes(max), opposite(step), max);
                return self.turn(now);
            }
        }
        match stepped(self.lanes(max), self.next, max) {
            lanes if lanes == self.lanes(max) => self.turn(now),
            lanes => self.lanes = lanes,
        }
    }

    fn turn(&mut self, now: Millis) {
        self.next = opposite(self.next);
        self.rest_until = now + REST;
        self.disturbed();
    }
}

fn percent(of: u64, percent: u64) -> u64 {
    of.saturating_mul(percent) / 100
}

fn opposite(step: Step) -> Step {
    match step {
        Step::Fewer => Step::More,
        Step::More => Step::Fewer,
    }
}

fn stepped(lanes: u64, step: Step, max: u64) -> u64 {
    match step {
        Step::Fewer => lanes.saturating_sub(1).max(1),
        Step::More => (lanes + 1).min(max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CHUNK_LEN_DEFAULT;

    const MB: u64 = 1_000_000;

    /// A path where each connection gets so much, and all of them no more than the line.
    struct Path {
        each: u64,
        line: u64,
    }

    /// How many lanes are used at the end of each of so many seconds.
    fn run(tuner: &mut Tuner, from: u64, seconds: u64, path: &Path) -> Vec<u64> {
        let mut used = Vec::new();
        for tick in from * 10..(from + seconds) * 10 {
            let lanes = tuner.lanes(LANES_MAX);
            tuner.moved((lanes * path.each).min(path.line) / 10);
            tuner.tick(Millis(tick * 100), lanes, LANES_MAX, CHUNK_LEN_DEFAULT);
            if tick % 10 == 9 {
                used.push(tuner.lanes(LANES_MAX));
            }
        }
        used
    }

    #[test]
    fn where_each_connection_is_slowed_down_by_itself_all_are_used_nearly_always() {
        let used = run(&mut Tuner::new(), 0, 600, &Path { each: 20 * MB, line: 1000 * MB });
        let fewer = used.iter().filter(|lanes| **lanes < LANES_MAX).count();
        assert!(fewer < 60, "{fewer} of 600 seconds");
        assert!(used.iter().all(|lanes| *lanes >= LANES_MAX - 1));
    }

    #[test]
    fn where_two_fill_the_line_two_remain() {
        let used = run(&mut Tuner::new(), 0, 600, &Path { each: 50 * MB, line: 100 * MB });
        let two = used.iter().skip(60).filter(|lanes| **lanes == 2).count();
        assert!(two > 400, "{two} of 540 seconds: {used:?}");
        assert!(used.iter().skip(60).all(|lanes| (1..=3).contains(lanes)));
    }

    #[test]
    fn an_outage_halves_them_and_what_is_worth_its_while_comes_back() {
        let (mut tuner, path) = (Tuner::new(), Path { each: 20 * MB, line: 1000 * MB });
        tuner.outage(LANES_MAX);
        assert_eq!(tuner.lanes(LANES_MAX), 3);
        tuner.outage(LANES_MAX);
        assert_eq!(tuner.lanes(LANES_MAX), 2);
        assert_eq!(run(&mut tuner, 0, 60, &path).last(), Some(&LANES_MAX));
    }

    #[test]
    fn a_line_that_becomes_another_is_followed() {
        let mut tuner = Tuner::new();
        run(&mut tuner, 0, 300, &Path { each: 100 * MB, line: 100 * MB });
        assert!(tuner.lanes(LANES_MAX) <= 2);
        let used = run(&mut tuner, 300, 600, &Path { each: 20 * MB, line: 1000 * MB });
        assert_eq!(used.last(), Some(&LANES_MAX), "{used:?}");
    }

    #[test]
    fn a_slow_line_is_judged_by_chunks_and_not_by_what_the_system_takes_ahead() {
        let mut tuner = Tuner::new();
        let used = run(&mut tuner, 0, 100, &Path { each: MB / 10, line: MB });
        assert!(used.iter().all(|lanes| *lanes == LANES_MAX), "too little moved to judge");
    }

    #[test]
    fn at_least_one_lane_is_used_and_no_more_than_there_are() {
        let mut tuner = Tuner::new();
        assert_eq!((tuner.lanes(2), tuner.lanes(0)), (2, 1));
        (0..9).for_each(|_| tuner.outage(1));
        assert_eq!(tuner.lanes(5), 1);
    }
}
