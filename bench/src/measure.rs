//! Rounds: who is measured when, and what many figures come to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::Result;

/// What one entrant's turn came to, by metric.
pub type Turn = BTreeMap<&'static str, f64>;

/// Somebody who takes part in every round.
pub trait Entrant {
    /// What a table calls it.
    fn name(&self) -> &'static str;

    /// Does the work once, on a disk that has nothing left to write, and leaves nothing behind.
    ///
    /// # Errors
    /// Anything: the run ends.
    fn turn(&mut self) -> Result<Turn>;
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Rounds that count.
    pub count: usize,
    /// After this no further round begins; those that were run count.
    pub time_max: Duration,
}

/// The turns of every entrant, in the order of the rounds.
pub type Series = BTreeMap<&'static str, Vec<Turn>>;

/// Runs one round that does not count, then those that do. Every entrant has its turn in every
/// round, so that whatever changes on the machine meanwhile meets all of them; every round begins
/// with another one, so that none always follows the same.
///
/// # Errors
/// The first of any turn.
pub fn interleave(entrants: &mut [Box<dyn Entrant + '_>], rounds: Rounds) -> Result<Series> {
    for entrant in entrants.iter_mut() {
        entrant.turn()?;
    }
    interleave_cold(entrants, rounds)
}

/// The same without the round that does not count, where what is measured takes minutes and a warm
/// machine changes nothing.
///
/// # Errors
/// The first of any turn.
pub fn interleave_cold(entrants: &mut [Box<dyn Entrant + '_>], rounds: Rounds) -> Result<Series> {
    let since = Instant::now();
    let mut series = Series::new();
    for round in 0..rounds.count {
        if round > 0 && since.elapsed() > rounds.time_max {
            eprintln!("out of time after {round} rounds");
            break;
        }
        for entrant in entrants.iter_mut() {
            let turn = entrant.turn()?;
            eprintln!("round {}, {}: {}", round + 1, entrant.name(), shown(&turn));
            series.entry(entrant.name()).or_default().push(turn);
        }
        entrants.rotate_left(1);
    }
    Ok(series)
}

fn shown(turn: &Turn) -> String {
    turn.iter().map(|(metric, value)| format!("{metric} {value:.3}")).collect::<Vec<_>>().join(", ")
}

/// One metric of one entrant, round by round.
#[must_use]
pub fn values(series: &Series, entrant: &str, metric: &str) -> Vec<f64> {
    let turns = series.get(entrant).map(Vec::as_slice).unwrap_or_default();
    turns.iter().filter_map(|turn| turn.get(metric).copied()).collect()
}

/// How many times as fast the first was as the second, by the seconds each took, round by round.
#[must_use]
pub fn speed_ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect()
}

/// Many figures in a few.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The nearest-rank 95th percentile; of fewer than twenty figures that is the greatest.
    pub p95: f64,
    /// The greatest.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// The spread of some figures; `None` of none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let at = |rank: usize| sorted.get(rank).copied();
        let (low, high) = (at(count.saturating_sub(1) / 2)?, at(count / 2)?);
        Some(Self {
            median: f64::midpoint(low, high),
            min: at(0)?,
            p95: at((count * 95).div_ceil(100).saturating_sub(1))?,
            max: at(count - 1)?,
            count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(&'static str, f64);

    impl Entrant for Counter {
        fn name(&self) -> &'static str {
            self.0
        }

        fn turn(&mut self) -> Result<Turn> {
            self.1 += 1.0;
            Ok(Turn::from([("turns", self.1)]))
        }
    }

    #[test]
    fn the_first_round_does_not_count() {
        let mut entrants: Vec<Box<dyn Entrant>> =
            vec![Box::new(Counter("a", 0.0)), Box::new(Counter("b", 10.0))];
        let rounds = Rounds { count: 3, time_max: Duration::from_secs(60) };
        let series = interleave(&mut entrants, rounds).unwrap();
        assert_eq!(values(&series, "a", "turns"), [2.0, 3.0, 4.0]);
        assert_eq!(values(&series, "b", "turns"), [12.0, 13.0, 14.0]);
    }

    #[test]
    fn without_time_there_is_one_round() {
        let mut entrants: Vec<Box<dyn Entrant>> = vec![Box::new(Counter("a", 0.0))];
        let rounds = Rounds { count: 3, time_max: Duration::ZERO };
        let series = interleave(&mut entrants, rounds).unwrap();
        assert_eq!(values(&series, "a", "turns"), [2.0]);
    }

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        let spread = Spread::of(&[3.0, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, min: 1.0, p95: 10.0, max: 10.0, count: 4 });
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(Spread::of(&hundred).unwrap().p95, 95.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn who_takes_half_the_time_is_twice_as_fast() {
        assert_eq!(speed_ratios(&[1.0, 2.0], &[2.0, 1.0]), [2.0, 0.5]);
    }
}
