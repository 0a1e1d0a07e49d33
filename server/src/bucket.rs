//! A bucket of tokens: how many requests one sender may make.
//!
//! It holds `burst` tokens and gets `per_second` of them back, evenly. What is kept of one is a single number,
//! the time at which it will be full again (the *generic cell rate algorithm* of ATM), so that it fits in an
//! atomic and nobody has to come by and fill it. Time is an argument.

/// How fast a bucket fills, and how much is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second; 0 is no limit.
    pub per_second: u32,
    /// Tokens in a full bucket; of 0 one is made.
    pub burst: u32,
}

impl Rate {
    /// Takes a token out of a bucket that is full again at `full_at`; both times in nanoseconds since any
    /// instant, and a bucket that is new is full at 0. Returns when it is full again from now on.
    ///
    /// # Errors
    /// In how many nanoseconds there is a token again.
    pub fn take(self, full_at: u64, now: u64) -> Result<u64, u64> {
        // Of a second's nanoseconds.
        let interval = 1_000_000_000_u64.checked_div(u64::from(self.per_second));
        let Some(interval) = interval else { return Ok(full_at) };
        let full_at = full_at.max(now).saturating_add(interval);
        let depth = interval.saturating_mul(u64::from(self.burst.max(1)));
        match full_at.saturating_sub(now).checked_sub(depth) {
            None | Some(0) => Ok(full_at),
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The slow twin: counts tokens, each of them in as many parts as it takes nanoseconds to come back.
    struct Counted {
        rate: Rate,
        parts: u64,
        at: u64,
    }

    impl Counted {
        fn interval(&self) -> u64 {
            SECOND / u64::from(self.rate.per_second)
        }

        fn take(&mut self, now: u64) -> bool {
            let most = self.interval() * u64::from(self.rate.burst);
            self.parts = (self.parts + now - self.at).min(most);
            self.at = now;
            let is_there = self.parts >= self.interval();
            self.parts -= if is_there { self.interval() } else { 0 };
            is_there
        }
    }

    proptest! {
        #[test]
        fn as_many_tokens_are_had_as_are_counted(
            per_second in 1..2000_u32,
            burst in 1..50_u32,
            pauses in prop::collection::vec(prop_oneof![Just(0), 0..3_000_000_u64, 0..2 * SECOND], 1..200),
        ) {
            let rate = Rate { per_second, burst };
            let mut counted = Counted { rate, parts: 0, at: 0 };
            counted.parts = counted.interval() * u64::from(burst);
            let (mut full_at, mut now) = (0, 0);
            for pause in pauses {
                now += pause;
                let taken = rate.take(full_at, now);
                prop_assert_eq!(taken.is_ok(), counted.take(now));
                match taken {
                    Ok(then) => full_at = then,
                    // Exactly then, and no nanosecond before.
                    Err(wait) => {
                        prop_assert!(rate.take(full_at, now + wait).is_ok());
                        prop_assert!(rate.take(full_at, now + wait - 1).is_err());
                    }
                }
            }
        }
    }

    #[test]
    fn a_burst_is_had_at_once_and_then_it_is_the_rate() {
        let (rate, mut full_at) = (Rate { per_second: 10, burst: 3 }, 0);
        let mut take = |now: u64| rate.take(full_at, now).inspect(|&then| full_at = then).err();
        assert_eq!([take(0), take(0), take(0)], [None; 3]);
        assert_eq!(take(0), Some(SECOND / 10));
        assert_eq!(take(SECOND / 10), None);
        assert_eq!(take(SECOND / 10), Some(SECOND / 10));
        assert_eq!([take(100 * SECOND), take(100 * SECOND), take(100 * SECOND)], [None; 3]);
        assert!(take(100 * SECOND).is_some(), "what is full gets no fuller");
    }

    #[test]
    fn no_number_is_too_large_and_0_is_no_limit() {
        let none = Rate { per_second: 0, burst: 0 };
        assert_eq!(none.take(7, u64::MAX), Ok(7));
        let all = Rate { per_second: u32::MAX, burst: u32::MAX };
        assert!(all.take(u64::MAX, u64::MAX).is_ok());
        let one = Rate { per_second: 1, burst: 0 };
        assert_eq!(one.take(0, 0), Ok(SECOND));
        assert_eq!(one.take(SECOND, 0), Err(SECOND));
    }
}
