//! Whether anything moves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Whether anything moves on a connection, or on a stream of it.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Requests that are being answered, and answers that wait for their bytes.
    busy: AtomicUsize,
    /// When anything moved last.
    last: Mutex<Instant>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { busy: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }
}

impl Pulse {
    pub(super) fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Once nothing has moved for so long, and nobody works on what is to move.
    pub(super) async fn stops(&self, idle: Duration) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_busy = self.busy.load(Ordering::Relaxed) > 0;
            let due = if is_busy { Instant::now() + idle } else { last + idle };
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// Those that an answer has to do with.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulses {
    pub(super) connection: Arc<Pulse>,
    pub(super) stream: Arc<Pulse>,
}

impl Pulses {
    fn both(&self) -> [&Pulse; 2] {
        [&self.connection, &self.stream]
    }

    pub(super) fn beat(&self) {
        self.both().into_iter().for_each(Pulse::beat);
    }
}

/// Somebody works on what is to move; how long that may take is bounded where it is done.
pub(super) struct Busy(Pulses);

impl Busy {
    pub(super) fn of(pulses: &Pulses) -> Self {
        for pulse in pulses.both() {
            pulse.busy.fetch_add(1, Ordering::Relaxed);
        }
        Self(pulses.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for pulse in self.0.both() {
            pulse.beat();
            pulse.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_connection_lives_while_something_moves_or_is_worked_on() {
        let (pulse, start) = (Arc::new(Pulse::default()), Instant::now());
        let other = Arc::clone(&pulse);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE / 2).await;
            other.beat();
            tokio::time::sleep(IDLE / 2).await;
            let busy = Busy::of(&Pulses { connection: other, stream: Arc::default() });
            tokio::time::sleep(10 * IDLE).await;
            drop(busy);
        });
        pulse.stops(IDLE).await;
        assert!(start.elapsed() >= 12 * IDLE, "{:?}", start.elapsed());
        assert!(start.elapsed() < 13 * IDLE, "{:?}", start.elapsed());
    }
}
