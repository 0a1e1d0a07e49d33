//! What to tell a person: bytes acknowledged and in flight, rate, time left.

use std::collections::VecDeque;

use serde::Serialize;

use crate::time::Millis;

/// The span over which the rate is taken, milliseconds: long enough to be calm, short enough that a
/// change of network shows.
pub const WINDOW_MS: u64 = 10_000;
/// The span of one bucket of the window, milliseconds: bounds the window to 41 of them.
const BUCKET_MS: u64 = 250;

/// How far an upload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The file's length, bytes.
    pub total: u64,
    /// Bytes of the chunks that the server has acknowledged.
    pub acknowledged: u64,
    /// Bytes of bodies that the network has taken and the server not yet acknowledged.
    pub in_flight: u64,
    /// Bytes of the chunks that the server had without their being sent now.
    pub reused: u64,
    /// Bytes of the chunks that were read once more before the seal, where that was asked for.
    pub checked: u64,
    /// Bytes a second over the last [`WINDOW_MS`].
    pub rate: u64,
    /// Milliseconds left at this rate; `None` while there is no rate.
    pub left_ms: Option<u64>,
}

impl Progress {
    /// Puts the figures together.
    #[must_use]
    pub fn new(total: u64, acknowledged: u64, in_flight: u64, reused: u64, rate: u64) -> Self {
        let left = total.saturating_sub(acknowledged).saturating_sub(in_flight);
        let left_ms = match (left, rate) {
            (0, _) => Some(0),
            (_, 0) => None,
            _ => Some(left.saturating_mul(1000) / rate),
        };
        Self { total, acknowledged, in_flight, reused, checked: 0, rate, left_ms }
    }
}

/// The rate of the bytes that moved, over a sliding window.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Start of a bucket, and the bytes that moved in it.
    buckets: VecDeque<(Millis, u64)>,
    /// Since when there is anything to measure.
    started: Option<Millis>,
}

impl Meter {
    /// Bytes moved just now.
    pub fn moved(&mut self, now: Millis, bytes: u64) {
        self.started.get_or_insert(now);
        let bucket = Millis(now.0 - now.0 % BUCKET_MS);
        match self.buckets.back_mut() {
            Some((start, sum)) if *start == bucket => *sum = sum.saturating_add(bytes),
            _ => self.buckets.push_back((bucket, bytes)),
        }
        self.expire(now);
    }

    /// Forgets everything: after a pause the old rate says nothing.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Bytes a second over the last [`WINDOW_MS`], or since the first byte if that is less.
    #[must_use]
    pub fn rate(&self, now: Millis) -> u64 {
        let Some(started) = self.started else { return 0 };
        let span = now.since(started).0.clamp(BUCKET_MS, WINDOW_MS);
        let moved = self.buckets.iter().filter(|(start, _)| now.since(*start).0 < WINDOW_MS);
        moved.map(|(_, bytes)| *bytes).sum::<u64>().saturating_mul(1000) / span
    }

    fn expire(&mut self, now: Millis) {
        while self.buckets.front().is_some_and(|(start, _)| now.since(*start).0 >= WINDOW_MS) {
            self.buckets.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_steady_stream_shows_its_rate_and_a_dead_one_nothing() {
        let mut meter = Meter::default();
        for tick in 0..200 {
            meter.moved(Millis(tick * 100), 1000);
        }
        let rate = meter.rate(Millis(19_950));
        assert!((9_500..=10_500).contains(&rate), "{rate}");
        assert_eq!(meter.rate(Millis(19_950 + WINDOW_MS)), 0);
    }

    #[test]
    fn time_left_is_unknown_without_a_rate_and_zero_at_the_end() {
        assert_eq!(Progress::new(100, 10, 0, 0, 0).left_ms, None);
        assert_eq!(Progress::new(100, 40, 10, 0, 25).left_ms, Some(2000));
        assert_eq!(Progress::new(100, 100, 0, 0, 0).left_ms, Some(0));
    }

    proptest! {
        /// The slow twin keeps every movement.
        #[test]
        fn buckets_give_the_rate_that_single_movements_give(
            steps in prop::collection::vec((0u64..2000, 0u64..1_000_000), 1..200),
        ) {
            let (mut meter, mut all, mut now) = (Meter::default(), Vec::new(), Millis(0));
            for (wait, bytes) in steps {
                now = now + Millis(wait);
                meter.moved(now, bytes);
                all.push((now, bytes));
            }
            let first = all[0].0;
            let span = now.since(first).0.clamp(BUCKET_MS, WINDOW_MS);
            let within = |ms: u64| {
                let recent = all.iter().filter(|(at, _)| now.since(*at).0 < ms);
                recent.map(|(_, bytes)| bytes).sum::<u64>() * 1000 / span
            };
            let rate = meter.rate(now);
            prop_assert!(within(WINDOW_MS - BUCKET_MS) <= rate && rate <= within(WINDOW_MS));
            prop_assert!(meter.buckets.len() <= (WINDOW_MS / BUCKET_MS) as usize + 1);
        }
    }
}
