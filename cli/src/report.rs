//! What is told while something moves: to a person by a bar, to a program by JSON, to a log by lines.

mod json;
mod output;
mod terminal;

use std::io::IsTerminal as _;
use std::time::Duration;

use longhaul_protocol::progress::Progress;
use longhaul_protocol::wire::FileInfo;

use crate::ending::Trouble;

pub use output::say;

/// How often progress is told: as often as an eye follows.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// So much is to be moved: files, and bytes.
    Begins {
        /// How many files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// All of it together.
    Progress(&'a Progress),
    /// A try failed; the next one comes by itself.
    Waits {
        /// Which file.
        path: &'a str,
        /// What failed.
        why: &'a str,
        /// In how long, milliseconds.
        next_ms: u64,
    },
    /// Something that a person should know, and that does not keep it from going on.
    Note(&'a str),
    /// One file is through.
    Done {
        /// Its name here.
        path: &'a str,
        /// Its address.
        url: &'a str,
        /// What it is there.
        file: &'a FileInfo,
    },
    /// One file is not.
    Failed {
        /// Its name here.
        path: &'a str,
        /// Why.
        trouble: &'a Trouble,
    },
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A bar on standard error if that is a terminal, results on standard output.
    Person {
        /// Whether only what is wrong is told, and results.
        quiet: bool,
        /// What is printed of a file that is through.
        result: Printed,
    },
    /// A JSON object a line on standard output.
    Json {
        /// Whether only what is wrong is told, and results.
        quiet: bool,
    },
}

/// What is printed on standard output of a file that is through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// Where it is here.
    Path,
    /// Its address.
    Url,
    /// Its address, a tab, and its name here.
    UrlAndPath,
}

/// Tells it.
#[derive(Debug)]
pub enum Report {
    /// To a person.
    Terminal(terminal::Terminal),
    /// To a program.
    Json(json::Lines),
}

impl Report {
    /// A report in this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        match style {
            Style::Json { quiet } => Self::Json(json::Lines::new(quiet)),
            Style::Person { quiet, result } => {
                let bar = !quiet && std::io::stderr().is_terminal();
                Self::Terminal(terminal::Terminal::new(bar, quiet, result))
            }
        }
    }

    /// Tells this.
    pub fn tell(&self, event: Event<'_>) {
        match self {
            Self::Terminal(terminal) => terminal.tell(event),
            Self::Json(lines) => lines.tell(event),
        }
    }

    /// Tells the token of whom the server made a guest, and whether that could be told: without it nobody gets at what was
    /// sent. It is as good as a result.
    #[must_use]
    pub fn tell_guest(&self, token: &str) -> bool {
        match self {
            Self::Terminal(terminal) => terminal.tell_guest(token),
            Self::Json(lines) => lines.tell_guest(token),
        }
    }

    /// Why results could not be written, if they could not. Whoever has closed the pipe does not want to
    /// hear them.
    #[must_use]
    pub fn unwritten(&self) -> Option<String> {
        match self {
            Self::Terminal(terminal) => terminal.output.unwritten(),
            Self::Json(lines) => lines.output.unwritten(),
        }
    }

    /// How often progress is worth telling.
    #[must_use]
    pub fn interval(&self) -> Duration {
        match self {
            Self::Terminal(_) => REPORT_INTERVAL,
            Self::Json(_) => json::JSON_INTERVAL,
        }
    }
}
