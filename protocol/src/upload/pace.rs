//! A rate that the user set.
//!
//! A browser sends a body as fast as the network takes it, so the rate is kept twice: a chunk begins no
//! sooner than those before it may be through, which keeps it over some chunks whoever receives them;
//! and each request says at which rate its body is to be read, which keeps it from one second to the
//! next where a Longhaul server reads it.

use crate::plan::RATE_MIN;
use crate::time::Millis;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Bytes a second.
    rate_max: Option<u64>,
    /// When the next chunk may begin, if not now.
    next_at: Option<Millis>,
}

impl Pace {
    /// Sets the rate of all files, at least [`RATE_MIN`]; whether it was another.
    pub(crate) fn set(&mut self, rate_max: Option<u64>) -> bool {
        let rate_max = rate_max.map(|rate| rate.max(RATE_MIN));
        let is_another = rate_max != self.rate_max;
        if is_another {
            *self = Self { rate_max, next_at: None };
        }
        is_another
    }

    /// As fast as a body of one of so many files may go, bytes a second.
    pub(crate) fn of_a_body(&self, sharing: u64) -> Option<u64> {
        self.share(sharing).map(|rate| rate.max(RATE_MIN))
    }

    fn share(&self, sharing: u64) -> Option<u64> {
        self.rate_max.map(|rate| (rate / sharing.max(1)).max(1))
    }

    /// When the next chunk may begin, if not now.
    pub(crate) fn until(&self) -> Option<Millis> {
        self.next_at
    }

    pub(crate) fn tick(&mut self, now: Millis) {
        self.next_at = self.next_at.filter(|at| *at > now);
    }

    /// A body of so many bytes begins.
    pub(crate) fn begins(&mut self, now: Millis, bytes: u64, sharing: u64) {
        if let Some(rate) = self.share(sharing) {
            self.next_at = Some(now + Millis(bytes.saturating_mul(1000) / rate));
        }
    }
}
