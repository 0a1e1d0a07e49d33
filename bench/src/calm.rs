//! Whether other programs use the machine: figures taken while they do are worth little.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Result, io};

/// How long the machine is watched to tell.
const WATCHED: Duration = Duration::from_millis(250);
/// What is calm: less than this share of all processors in use.
const CALM: f64 = 0.1;

/// Waits until the machine is calm, `patience` at most.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn wait(patience: Duration) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < patience {
        let before = Busy::now()?;
        thread::sleep(WATCHED);
        if Busy::now()?.since(before).share() < CALM {
            return Ok(());
        }
    }
    Ok(())
}

/// The processor time of the whole machine, seconds since it was started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy {
    used: f64,
    all: f64,
}

impl Busy {
    /// Up to now.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").map_err(io("reading /proc/stat"))?;
        Ok(Self::parse(&stat))
    }

    /// What has been used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { used: self.used - earlier.used, all: self.all - earlier.all }
    }

    /// Without what is known to be somebody's.
    #[must_use]
    pub fn less(self, seconds: f64) -> Self {
        Self { used: (self.used - seconds).max(0.0), ..self }
    }

    /// The share of all processors that was used, 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.all > 0.0 { self.used / self.all } else { 0.0 }
    }

    /// From `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; what another guest
    /// of the host stole was used too.
    fn parse(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        let fields = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let all = ticks.iter().sum::<f64>() / per_second;
        let idle = ticks.iter().skip(3).take(2).sum::<f64>() / per_second;
        Self { used: all - idle, all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_the_disk_are_not_work() {
        let busy = Busy::parse("cpu  10 0 10 60 20 0 0 0 0 0\ncpu0 1 1 1 1\n");
        assert!((busy.share() - 0.2).abs() < 1e-9);
        assert!(busy.less(1e9).share() == 0.0);
        assert!(busy.since(busy).share() == 0.0);
    }
}
