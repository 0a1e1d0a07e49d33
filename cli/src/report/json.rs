//! For a program: one JSON object a line.

use std::time::Duration;

use longhaul_protocol::progress::Progress;
use longhaul_protocol::wire::FileInfo;
use serde::Serialize;

use super::Event;
use super::output::Output;

/// How often progress is told: a program keeps what it is told.
pub(super) const JSON_INTERVAL: Duration = Duration::from_millis(500);

/// The lines.
#[derive(Debug)]
pub struct Lines {
    quiet: bool,
    pub(super) output: Output,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Line<'a> {
    Begins { files: u64, bytes: u64 },
    Progress(&'a Progress),
    Waits { path: &'a str, why: &'a str, next_ms: u64 },
    Note { message: &'a str },
    Guest { token: &'a str },
    Done { path: &'a str, url: &'a str, file: &'a FileInfo },
    Failed { path: &'a str, message: &'a str, exit_code: u8 },
}

impl Lines {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, output: Output::default() }
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        let line = match event {
            Event::Done { path, url, file } => Line::Done { path, url, file },
            Event::Failed { path, trouble } => {
                Line::Failed { path, message: &trouble.message, exit_code: trouble.ending.code() }
            }
            _ if self.quiet => return,
            Event::Begins { files, bytes } => Line::Begins { files, bytes },
            Event::Progress(progress) => Line::Progress(progress),
            Event::Waits { path, why, next_ms } => Line::Waits { path, why, next_ms },
            Event::Note(message) => Line::Note { message },
        };
        self.write(&line);
    }

    /// Whether it could be told.
    pub(super) fn tell_guest(&self, token: &str) -> bool {
        self.write(&Line::Guest { token });
        self.output.is_good()
    }

    fn write(&self, line: &Line<'_>) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        self.output.write(&text);
    }
}
