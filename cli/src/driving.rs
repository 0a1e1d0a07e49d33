//! What both drivers wait for.

use longhaul_protocol::Millis;
use tokio::sync::watch;

use crate::clock;
use crate::ending::Ending;

/// Resolves when a machine wants to be asked again; never, if it does not.
pub(crate) async fn sleep_until_due(due: Option<Millis>) {
    match due {
        Some(due) => tokio::time::sleep_until(clock::wake(due)).await,
        None => std::future::pending().await,
    }
}

/// Resolves once it is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<Option<Ending>>) {
    if stop.wait_for(Option::is_some).await.is_err() {
        std::future::pending().await
    }
}
