//! Waiting for something to become so, with a limit and a reason.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(25);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within the time given; the message says what was waited for.
pub async fn until<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "after {within:?} still not: {what}");
        sleep(EVERY).await;
    }
}
