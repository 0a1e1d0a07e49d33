//! How it ends: the exit code for a script, and the words for a person.

use std::path::Path;

use longhaul_protocol::upload::{Failure, SourceError};
use longhaul_protocol::{Problem, download, upload};
use thiserror::Error;

/// What an exit code means. `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The server said no.
    Refused,
    /// The command line is wrong.
    Usage,
    /// A file or folder of this machine is at fault.
    Local,
    /// The token is missing, refused, or does not allow it.
    NotAllowed,
    /// No server could be reached, or not for long enough.
    Unreachable,
    /// What came is damaged, or contradicts itself.
    Untrusted,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Ending {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Local => 3,
            Self::NotAllowed => 4,
            Self::Unreachable => 5,
            Self::Untrusted => 6,
            // As shells tell of signals: 128 and the number.
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// Why something did not come about.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct Trouble {
    /// What the exit code is.
    pub ending: Ending,
    /// What happened, and what can be done.
    pub message: String,
}

impl Trouble {
    /// One of this kind.
    #[must_use]
    pub fn new(ending: Ending, message: impl Into<String>) -> Self {
        Self { ending, message: message.into() }
    }

    /// A file of this machine is at fault.
    #[must_use]
    pub fn at(path: &Path, error: impl std::fmt::Display) -> Self {
        Self::new(Ending::Local, format!("{}: {error}", path.display()))
    }

    /// What keeps it from coming about now may pass: it was tried for long enough.
    #[must_use]
    pub fn gave_up(server: &str, why: &Failure, heard: bool) -> Self {
        let said = words(why);
        let next = match heard {
            true => "The same command goes on from here when it is there again.",
            false => "Look at the address, and whether the server runs.",
        };
        let message = match why {
            Failure::Refused { .. } => format!("{server}: {said}. {next}"),
            Failure::Network(_) | Failure::Local(_) => {
                format!("no answer from {server}: {said}. {next}")
            }
        };
        Self::new(Ending::Unreachable, message)
    }

    /// A send that cannot go on.
    #[must_use]
    pub fn of_send(path: &str, fault: &upload::Fault) -> Self {
        match fault {
            upload::Fault::Refused(problem) => Self::of_problem(path, problem),
            upload::Fault::Source(SourceError::Changed) => Self::new(
                Ending::Local,
                format!(
                    "{path} was changed while it was being sent, and nothing of it was published; \
                     send it again when nobody writes to it"
                ),
            ),
            upload::Fault::Source(SourceError::Unreadable(why)) => {
                Self::new(Ending::Local, format!("{path} cannot be read: {why}"))
            }
            upload::Fault::Source(error @ SourceError::Silent { .. }) => {
                Self::new(Ending::Local, format!("{path}: {error}"))
            }
            upload::Fault::Nonsense(what) => Self::new(
                Ending::Untrusted,
                format!(
                    "{path}: the server's answer makes no sense: {what}; update longhaul, or the server"
                ),
            ),
            upload::Fault::Damaged { .. } => {
                Self::new(Ending::Untrusted, format!("{path}: {fault}"))
            }
        }
    }

    /// A guest whom the server does not know any more.
    #[must_use]
    pub fn of_guest(path: &str, problem: &Problem, journal: &Path) -> Self {
        let (detail, journal) = (problem.detail.trim_end_matches('.'), journal.display());
        let message = format!(
            "{path}: {detail}. It was begun by a guest whose token is noted in {journal}; remove that to send all of it \
             anew, as another guest. {}",
            problem.request().unwrap_or_default()
        );
        Self::new(Ending::NotAllowed, message.trim_end())
    }

    /// A fetch that cannot go on.
    #[must_use]
    pub fn of_fetch(path: &str, fault: &download::Fault) -> Self {
        match fault {
            download::Fault::Refused(problem) if problem.status == 404 => {
                // What the error table advises is for uploads.
                let advice = "Look at the address, and whether LONGHAUL_TOKEN is of who may read it; the file may have been deleted.".to_owned();
                Self::of_problem(path, &Problem { advice, ..(**problem).clone() })
            }
            download::Fault::Refused(problem) => Self::of_problem(path, problem),
            download::Fault::Target(error) => Self::new(Ending::Local, format!("{path}: {error}")),
            _ => Self::new(Ending::Untrusted, format!("{path}: {fault}")),
        }
    }

    fn of_problem(path: &str, problem: &Problem) -> Self {
        match problem.status {
            401 => Self::new(
                Ending::NotAllowed,
                format!(
                    "{path}: {}. {}. Put a valid token into LONGHAUL_TOKEN. {}",
                    problem.title,
                    problem.detail.trim_end_matches('.'),
                    problem.request().unwrap_or_default()
                )
                .trim_end(),
            ),
            403 => Self::new(Ending::NotAllowed, format!("{path}: {problem}")),
            _ => Self::new(Ending::Refused, format!("{path}: {problem}")),
        }
    }
}

/// What keeps something from coming about, without the stop at its end: something may follow.
#[must_use]
pub fn words(why: &Failure) -> String {
    let words = match why {
        Failure::Network(why) | Failure::Local(why) => why.clone(),
        Failure::Refused { problem, .. } => problem.to_string(),
    };
    words.trim_end_matches('.').to_owned()
}
