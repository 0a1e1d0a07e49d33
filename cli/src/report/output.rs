//! Standard output: lines for whoever asked for results. Standard error: what is said beside them.

use std::io::{self, ErrorKind, Write as _};
use std::sync::{Mutex, PoisonError};

/// Standard output, whole lines at a time.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What became of it; held while a line is written, so that none is torn by another.
    failed: Mutex<Option<io::Error>>,
}

impl Output {
    /// Writes a line, which ends with `\n`.
    pub(super) fn write(&self, line: &str) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stdout().lock();
        let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        if let Err(error) = written {
            failed.get_or_insert(error);
        }
    }

    /// Whether all of it was written so far, whoever is to blame.
    pub(super) fn is_good(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Why something was not written that somebody wanted to have.
    pub(super) fn unwritten(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failed.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe);
        failed.map(ToString::to_string)
    }
}

/// Says a line on standard error. The one place that writes there: a terminal that is gone or a log that is full must
/// not end what moves meanwhile, as `eprintln!` would.
///
/// # Errors
/// What the system says; for who has something to say that must not be lost.
pub fn say(line: &str) -> io::Result<()> {
    // In one piece: a log has lines of other programs too.
    io::stderr().lock().write_all(format!("{line}\n").as_bytes())
}
