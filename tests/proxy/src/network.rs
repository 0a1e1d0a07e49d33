//! The networks that a person can choose between on the demo page, and what they lose. Nothing here does it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::line::{Line, Lines};

/// How far and how wide a network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Speed {
    /// That of the machine.
    #[default]
    Full,
    /// A line as homes have it: 16 Mbit/s up by five connections, 20 ms each way.
    Home,
    /// Hotel Wi-Fi in the evening: 2.4 Mbit/s up by five connections, 150 ms each way.
    Hotel,
}

impl Speed {
    /// What each connection is like.
    #[must_use]
    pub fn lines(self) -> Lines {
        let both = |delay_ms, up, down| {
            let line = |rate| Line {
                delay: Duration::from_millis(delay_ms),
                bytes_per_second: Some(rate),
            };
            Lines { up: line(up), down: line(down) }
        };
        match self {
            Self::Full => Lines::default(),
            Self::Home => both(20, 400_000, 1_200_000),
            Self::Hotel => both(150, 60_000, 150_000),
        }
    }
}

/// Every so many requests one is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    one_in: u32,
    seen: u32,
}

impl Loss {
    pub(crate) fn one_in(one_in: u32) -> Self {
        Self { one_in, seen: 0 }
    }

    pub(crate) fn every(&self) -> u32 {
        self.one_in
    }

    /// Whether it is this request.
    pub(crate) fn takes(&mut self) -> bool {
        self.seen += 1;
        let takes = self.seen >= self.one_in;
        if takes {
            self.seen = 0;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_three_requests_the_third_is_lost() {
        let mut loss = Loss::one_in(3);
        let taken: Vec<_> = (0..7).map(|_| loss.takes()).collect();
        assert_eq!(taken, [false, false, true, false, false, true, false]);
    }
}
