//! Standard output: lines for whoever asked for results.

use std::io::{self, ErrorKind, Write as _};
use std::sync::{Mutex, PoisonError};

/// It, whole lines at a time.
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

    /// Why something was not written that somebody wanted to have.
    pub(super) fn unwritten(&self) -> Option<io::Error> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take().filter(|error| error.kind() != ErrorKind::BrokenPipe)
    }
}
