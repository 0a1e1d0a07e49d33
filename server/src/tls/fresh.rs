//! A certificate is renewed when its files change, or at once when somebody says so (SIGHUP).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Tls;
use super::files::Stamps;

/// How often the files are looked at: two calls to the system, and whoever has replaced them sees within
/// a moment that it worked.
const CERTIFICATE_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// Looks after the certificate for as long as it is polled.
///
/// # Errors
/// When the system takes no handler for the signal.
pub async fn keep_fresh(tls: Arc<Tls>) -> io::Result<()> {
    let mut told = signal(SignalKind::hangup())?;
    let mut interval = tokio::time::interval(CERTIFICATE_LOOKED_AT_EVERY);
    let mut seen = Seen::of(tls.files.stamps());
    loop {
        let is_told = tokio::select! {
            _ = told.recv() => true,
            _ = interval.tick() => false,
        };
        let tls = Arc::clone(&tls);
        // They may lie on a network that does not answer.
        let looked = tokio::task::spawn_blocking(move || look(&tls, seen, is_told)).await;
        seen = looked.map_err(io::Error::other)?;
    }
}

fn look(tls: &Tls, mut seen: Seen, is_told: bool) -> Seen {
    if !seen.is_to_be_read(tls.files.stamps(), is_told) {
        return seen;
    }
    let path = tls.files.certificate.display();
    match tls.renew() {
        Ok(()) => tracing::info!("{path} is the certificate from now on"),
        Err(error) => tracing::error!("the certificate stays the one it was: {error}"),
    }
    seen
}

/// What the files looked like.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When they were last read, whatever came of it: what cannot be used is told once.
    read: Stamps,
    /// At the last look.
    last: Stamps,
}

impl Seen {
    fn of(stamps: Stamps) -> Self {
        Self { read: stamps, last: stamps }
    }

    /// Not while they are changing: between the certificate and its key there is a moment in which the two do
    /// not belong together.
    fn is_to_be_read(&mut self, now: Stamps, is_told: bool) -> bool {
        let is_settled = now == self.last;
        self.last = now;
        let is_due = is_told || (is_settled && now != self.read);
        if is_due {
            self.read = now;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(certificate: u64, key: u64) -> Stamps {
        [certificate, key].map(|inode| Some((1, inode, 1, 0, 0)))
    }

    #[test]
    fn files_are_read_once_both_were_replaced() {
        let mut seen = Seen::of(stamps(1, 1));
        for (now, is_read) in [
            (stamps(1, 1), false),
            (stamps(2, 1), false),
            (stamps(2, 2), false),
            (stamps(2, 2), true),
            (stamps(2, 2), false),
            ([None, None], false),
            ([None, None], true),
            ([None, None], false),
        ] {
            assert_eq!(seen.is_to_be_read(now, false), is_read, "{now:?}");
        }
    }

    #[test]
    fn who_is_told_to_reads_at_once() {
        let mut seen = Seen::of(stamps(1, 1));
        assert!(seen.is_to_be_read(stamps(2, 2), true));
        assert!(
            !seen.is_to_be_read(stamps(2, 2), false) && !seen.is_to_be_read(stamps(2, 2), false)
        );
    }
}
