//! When a program that nobody watches stops waiting for a network.
//!
//! The state machines wait for ever, because a person can pause or cancel. A script cannot.

use crate::time::Millis;

/// How long a program waits. It is told of what goes on, and says when it is enough.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    limit: Millis,
    /// When it last came further than ever before, and to which byte.
    since: Option<(Millis, u64)>,
}

impl Patience {
    /// Waits so long without coming forward.
    #[must_use]
    pub fn new(limit: Millis) -> Self {
        Self { limit, since: None }
    }

    /// Whether it is enough: `done` bytes are through or on their way, and it `waits` for another try
    /// after a failure. Of a server that was never `heard`, one failure is enough: its address is wrong,
    /// or a person wants to know now that it is down.
    #[must_use]
    pub fn is_over(&mut self, now: Millis, done: u64, waits: bool, heard: bool) -> bool {
        let (since, most) = *self.since.get_or_insert((now, done));
        if done > most {
            self.since = Some((now, done));
            return false;
        }
        waits && (!heard || now.since(since) >= self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Millis = Millis(60_000);

    #[test]
    fn a_server_that_was_never_heard_is_given_up_at_the_first_failure() {
        let mut patience = Patience::new(LIMIT);
        assert!(!patience.is_over(Millis(0), 0, false, false), "it has not failed yet");
        assert!(patience.is_over(Millis(1), 0, true, false));
        assert!(!patience.is_over(Millis(1), 0, true, true));
    }

    #[test]
    fn one_that_was_heard_is_waited_for_since_the_last_byte() {
        let mut patience = Patience::new(LIMIT);
        assert!(!patience.is_over(Millis(0), 0, true, true));
        assert!(!patience.is_over(Millis(59_999), 5, true, true), "it came forward");
        assert!(!patience.is_over(Millis(119_998), 5, true, true));
        assert!(!patience.is_over(Millis(119_999), 5, false, true), "it tries just now");
        assert!(patience.is_over(Millis(119_999), 5, true, true));
    }

    #[test]
    fn bytes_that_are_lost_and_come_again_are_no_coming_forward() {
        let mut patience = Patience::new(LIMIT);
        assert!(!patience.is_over(Millis(0), 5, true, true));
        assert!(!patience.is_over(Millis(30_000), 0, true, true));
        assert!(patience.is_over(Millis(60_000), 5, true, true));
    }
}
