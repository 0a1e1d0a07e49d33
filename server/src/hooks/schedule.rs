//! When which event is told, and when that is given up. Nothing here knows what time it is or how anybody is told.
//!
//! A failure is taken for one of whoever listens: nobody else is told anything for a while, and then one event is tried.
//! It is taken for one of the event too, which goes behind all others; so one that is never heard keeps no other
//! from being told. An upload has one event in the queue at most, so the events of each come in their order.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use longhaul_protocol::Millis;
use longhaul_protocol::retry::RetryPolicy;

use crate::store::event::EventKey;

/// How many events are told at once: one that takes long holds up no other.
const TOLD_AT_ONCE_MAX: usize = 4;
/// The longest first wait after a failure, milliseconds; it doubles with each.
const HOOK_WAIT_MS: u64 = 1000;
/// The longest that whoever does not listen is left alone, milliseconds: soon enough to be felt as at once by who
/// has started it again.
const OUTAGE_MS_MAX: u64 = 60 * 1000;
/// The longest that an event waits between two tries, milliseconds.
const EVENT_WAIT_MS_MAX: u64 = 60 * 60 * 1000;
/// How long an event is tried, milliseconds since it happened: a weekend, and somebody to look at it after that.
const EVENT_LASTS_MS: u64 = 3 * 24 * 60 * 60 * 1000;

const OUTAGE: RetryPolicy =
    RetryPolicy { base_ms: HOOK_WAIT_MS, max_ms: OUTAGE_MS_MAX, damaged_max: 0 };
const AGAIN: RetryPolicy =
    RetryPolicy { base_ms: HOOK_WAIT_MS, max_ms: EVENT_WAIT_MS_MAX, damaged_max: 0 };

/// What becomes of an event that was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is told again.
    Again,
    /// It has been tried for long enough.
    GivenUp,
}

/// Failures in a row, and when the next try is.
#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    failures: u32,
    until: Millis,
}

/// What is under way, what waits, and for how long.
#[derive(Debug)]
pub(super) struct Schedule {
    rng: Rng,
    outage: Option<Failing>,
    failed: BTreeMap<EventKey, Failing>,
    under_way: BTreeSet<EventKey>,
}

impl Schedule {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, outage: None, failed: BTreeMap::new(), under_way: BTreeSet::new() }
    }

    /// How many more may be told now.
    pub(super) fn room(&self, now: Millis) -> usize {
        let most = match self.outage {
            Some(outage) if now < outage.until => 0,
            Some(_) => 1,
            None => TOLD_AT_ONCE_MAX,
        };
        most.saturating_sub(self.under_way.len())
    }

    /// Those that are not to be told now.
    pub(super) fn unwanted(&self, now: Millis) -> BTreeSet<EventKey> {
        let waiting = self.failed.iter().filter(|(_, it)| now < it.until).map(|(key, _)| *key);
        waiting.chain(self.under_way.iter().copied()).collect()
    }

    /// It is being told.
    pub(super) fn begin(&mut self, key: EventKey) {
        self.under_way.insert(key);
    }

    /// It was heard.
    pub(super) fn heard(&mut self, key: EventKey) {
        self.outage = None;
        self.forget(key);
    }

    /// It was not, and whoever listens may have asked to be left alone.
    pub(super) fn failed(
        &mut self,
        now: Millis,
        key: EventKey,
        retry_after: Option<Millis>,
    ) -> Fate {
        self.under_way.remove(&key);
        let asked = retry_after.unwrap_or_default().min(Millis(EVENT_WAIT_MS_MAX));
        let outage = after(self.outage, now, &OUTAGE, asked, &mut self.rng);
        self.outage = Some(outage);
        if now.since(key.at).0 >= EVENT_LASTS_MS {
            self.forget(key);
            return Fate::GivenUp;
        }
        let before = self.failed.get(&key).copied();
        let failing = after(before, now, &AGAIN, Millis(0), &mut self.rng);
        // Those that the queue had no room for are asked for no more.
        self.failed.retain(|key, _| now.since(key.at).0 < 2 * EVENT_LASTS_MS);
        self.failed.insert(key, failing);
        Fate::Again
    }

    fn forget(&mut self, key: EventKey) {
        self.under_way.remove(&key);
        self.failed.remove(&key);
    }

    /// When there may be something to tell although nothing happened meanwhile: after `now`, which is when it was looked
    /// at what may be told.
    pub(super) fn next_timeout(&self, now: Millis) -> Option<Millis> {
        if let Some(outage) = self.outage.filter(|outage| now < outage.until) {
            return Some(outage.until);
        }
        let is_full = self.room(now) == 0;
        let waiting = self.failed.values().map(|it| it.until).filter(|until| now < *until);
        waiting.min().filter(|_| !is_full)
    }
}

fn after(
    before: Option<Failing>,
    now: Millis,
    policy: &RetryPolicy,
    asked: Millis,
    rng: &mut Rng,
) -> Failing {
    let failures = before.map_or(0, |it| it.failures).saturating_add(1);
    let wait = policy.backoff(failures, rng).max(asked);
    Failing { failures, until: now + wait }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::wire::ids::UploadId;

    fn key(n: u8) -> EventKey {
        EventKey { at: Millis(u64::from(n)), upload: UploadId([n; 16]) }
    }

    fn schedule() -> Schedule {
        Schedule::new(Rng::with_seed(7))
    }

    #[test]
    fn a_few_are_told_at_once_and_none_twice() {
        let mut schedule = schedule();
        for n in 0..4 {
            assert_eq!(schedule.room(Millis(0)), 4 - usize::from(n));
            schedule.begin(key(n));
        }
        assert_eq!(schedule.room(Millis(0)), 0);
        assert!(schedule.unwanted(Millis(0)).contains(&key(2)));
        schedule.heard(key(2));
        assert_eq!(schedule.room(Millis(0)), 1);
        assert!(!schedule.unwanted(Millis(0)).contains(&key(2)));
        assert_eq!(schedule.next_timeout(Millis(0)), None);
    }

    #[test]
    fn who_does_not_listen_is_left_alone_for_longer_and_longer_and_then_asked_by_one() {
        let (mut schedule, mut now, mut longest) = (schedule(), Millis(0), Millis(0));
        for _ in 0..200 {
            schedule.begin(key(1));
            assert_eq!(schedule.failed(now, key(1), None), Fate::Again);
            let until = schedule.next_timeout(now).unwrap_or(now);
            assert!(until == now || schedule.room(Millis(until.0 - 1)) == 0);
            assert_eq!(schedule.room(until), 1);
            longest = longest.max(until.since(now));
            now = until;
        }
        assert!((50_000..=OUTAGE_MS_MAX).contains(&longest.0), "{longest:?}");
        schedule.heard(key(2));
        assert_eq!(schedule.room(now), TOLD_AT_ONCE_MAX);
    }

    #[test]
    fn one_that_is_never_heard_goes_behind_the_others() {
        let (mut schedule, mut now, mut tries) = (schedule(), Millis(0), 0);
        for _ in 0..10_000 {
            if schedule.room(now) > 0 && !schedule.unwanted(now).contains(&key(0)) {
                schedule.begin(key(0));
                schedule.failed(now, key(0), None);
                tries += 1;
            }
            if schedule.room(now) > 0 {
                schedule.begin(key(1));
                schedule.heard(key(1));
            }
            now = now + Millis(1000);
        }
        assert!((8..60).contains(&tries), "{tries} tries in three hours");
    }

    #[test]
    fn it_is_given_up_after_three_days_but_never_untried() {
        let (mut schedule, late) = (schedule(), Millis(EVENT_LASTS_MS + 1));
        assert!(!schedule.unwanted(late).contains(&key(1)), "the server was away for so long");
        schedule.begin(key(1));
        assert_eq!(schedule.failed(Millis(EVENT_LASTS_MS), key(1), None), Fate::Again);
        schedule.begin(key(1));
        assert_eq!(schedule.failed(late, key(1), None), Fate::GivenUp);
        assert!(schedule.failed.is_empty() && schedule.under_way.is_empty());
    }

    #[test]
    fn who_asks_to_be_left_alone_is_for_an_hour_at_most() {
        let mut schedule = schedule();
        schedule.begin(key(1));
        schedule.failed(Millis(5), key(1), Some(Millis(30_000)));
        assert_eq!(schedule.room(Millis(30_004)), 0);
        assert_eq!(schedule.room(Millis(30_005)), 1);
        schedule.begin(key(1));
        schedule.failed(Millis(30_005), key(1), Some(Millis(u64::MAX)));
        assert_eq!(schedule.room(Millis(30_005 + EVENT_WAIT_MS_MAX)), 1);
    }

    #[test]
    fn what_is_full_waits_for_an_end_and_not_for_a_time() {
        let mut schedule = schedule();
        schedule.begin(key(1));
        schedule.failed(Millis(0), key(1), None);
        let later = Millis(OUTAGE_MS_MAX);
        schedule.begin(key(2));
        assert_eq!((schedule.room(later), schedule.next_timeout(later)), (0, None));
        schedule.heard(key(2));
        (3..7).for_each(|n| schedule.begin(key(n)));
        assert_eq!(schedule.next_timeout(Millis(0)), None);
    }

    #[test]
    fn a_clock_that_was_set_back_ends_nothing() {
        let mut schedule = schedule();
        schedule.begin(key(9));
        assert_eq!(schedule.failed(Millis(0), key(9), None), Fate::Again);
    }
}
