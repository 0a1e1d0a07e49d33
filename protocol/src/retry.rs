//! When to try again: exponential backoff with full jitter.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// How a server wants to be tried again. Part of every upload's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// The longest first wait, milliseconds; it doubles with each failure in a row.
    pub base_ms: u64,
    /// The longest any wait may grow to, milliseconds.
    pub max_ms: u64,
    /// How often one chunk may be refused as damaged before the upload fails. A lost network is
    /// never given up on: a person can pause or cancel.
    pub damaged_max: u32,
}

impl Default for RetryPolicy {
    /// 1 s doubling to 30 s: a server that restarts is found within seconds, and one that is down
    /// for an hour is not hammered.
    fn default() -> Self {
        Self { base_ms: 1000, max_ms: 30_000, damaged_max: 4 }
    }
}

impl RetryPolicy {
    /// How long to wait after `failures` failures in a row: anything from 0 to
    /// `min(max, base * 2^(failures - 1))`, so that many senders that failed together do not come
    /// back together.
    #[must_use]
    pub fn backoff(&self, failures: u32, rng: &mut fastrand::Rng) -> Millis {
        Millis(rng.u64(0..=self.ceiling(failures)))
    }

    fn ceiling(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(32);
        self.base_ms.saturating_mul(1 << doublings).min(self.max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_its_maximum() {
        let policy = RetryPolicy::default();
        let ceilings: Vec<_> = (1..8).map(|failures| policy.ceiling(failures)).collect();
        assert_eq!(ceilings, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(policy.ceiling(u32::MAX), 30_000);
    }

    #[test]
    fn the_wait_is_spread_over_the_whole_span() {
        let (policy, mut rng) = (RetryPolicy::default(), fastrand::Rng::with_seed(7));
        let waits: Vec<_> = (0..1000).map(|_| policy.backoff(4, &mut rng).0).collect();
        assert!(waits.iter().all(|&wait| wait <= 8000));
        assert!(waits.iter().any(|&wait| wait < 800) && waits.iter().any(|&wait| wait > 7200));
    }
}
