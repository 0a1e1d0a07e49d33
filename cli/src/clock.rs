//! The clock that the state machines are given.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use longhaul_protocol::Millis;
use tokio::time::Instant as Wake;

static STARTED: OnceLock<Instant> = OnceLock::new();

fn started() -> Instant {
    *STARTED.get_or_init(Instant::now)
}

/// Now, since this program asked first. It never goes back.
#[must_use]
pub fn now() -> Millis {
    millis(started().elapsed())
}

/// Now, since 1970.
#[must_use]
pub fn since_1970() -> Millis {
    of(SystemTime::now())
}

/// A time of a file, since 1970; earlier ones are 0.
#[must_use]
pub fn of(time: SystemTime) -> Millis {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// When to wake for a point in time of [`now`]'s.
#[must_use]
pub fn wake(at: Millis) -> Wake {
    // The next whole millisecond: a machine that is asked too early has nothing to do.
    Wake::from_std(started() + Duration::from_millis(at.0.saturating_add(1)))
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
