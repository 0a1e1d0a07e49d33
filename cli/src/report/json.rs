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
#[derive(Debug, Default)]
pub struct Lines {
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
    pub(super) fn tell(&self, event: Event<'_>) {
        let line = match event {
            Event::Begins { files, bytes } => Line::Begins { files, bytes },
            Event::Progress(progress) => Line::Progress(progress),
            Event::Waits { path, why, next_ms } => Line::Waits { path, why, next_ms },
            Event::Note(message) => Line::Note { message },
            Event::Guest { token } => Line::Guest { token },
            Event::Done { path, url, file } => Line::Done { path, url, file },
            Event::Failed { path, trouble } => {
                Line::Failed { path, message: &trouble.message, exit_code: trouble.ending.code() }
            }
        };
        let Ok(mut text) = serde_json::to_string(&line) else { return };
        text.push('\n');
        self.output.write(&text);
    }
}
