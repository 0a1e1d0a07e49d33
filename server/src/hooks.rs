//! Hooks: others are told what happens to uploads, and may be asked first.
//!
//! There is one, a webhook or a program. *Created* is a question: the upload begins once it was answered, and one
//! that is not answered begins nothing. *Sealed* and *expired* are told afterwards, from a queue that the store
//! commits together with what happened ([`crate::store::event`]), again and again until they were heard
//! (`deliver`). What is sent is in `message`, how it is signed in `secret`, when it is tried again in `schedule`.

mod calls;
mod command;
mod deliver;
mod message;
mod schedule;
mod secret;
mod web;

use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{Millis, ProblemCode};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::link::now;
use crate::outcome::Refusal;
use crate::store::Owner;
use crate::store::event::{Event, What};
pub use calls::Calls;
use calls::{Kind, Outcome};
pub use command::{Program, ProgramError};
pub use deliver::deliver;
use message::Message;
pub(crate) use secret::{PREFIX, written};
pub use secret::{SecretError, Secrets};
pub use web::{Web, WebError};

/// How many uploads are asked about at once: a program each, or a connection; the others wait, within the time that
/// an answer may take.
const ASKED_AT_ONCE_MAX: usize = 16;
/// How long an answer may take unless it is said otherwise. Whoever uploads waits for it.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that it can be set to: a sender gives up its request after 30 s.
pub const HOOK_TIMEOUT_MAX: Duration = Duration::from_secs(25);
/// How much of a reason is passed on, characters: a few sentences, which a person reads in a row of a list.
const REASON_CHARS_MAX: usize = 500;

/// What is said to whoever may not upload where no reason was given.
const NO_REASON: &str = "The reason was not given.";
/// What is said when nobody has decided. Why is in the log.
const UNDECIDED: &str = "Each new upload has to be allowed here by another program, which does not answer as it should.";

/// Whom to tell.
#[derive(Debug)]
pub enum Way {
    /// Who listens at an address.
    Web(Box<Web>),
    /// A program that is started each time.
    Program(Program),
}

/// The hook of a server.
#[derive(Debug)]
pub struct Hooks {
    way: Way,
    asks: bool,
    timeout: Duration,
    room: Semaphore,
    calls: Calls,
    runtime: Handle,
}

/// What came of a call that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Taken note of, or allowed.
    Taken,
    /// Not allowed, and why.
    Refused(String),
}

/// Why nobody heard.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no answer came within {} s", .after.as_secs_f32())]
    Late { after: Duration },
    #[error("{0}")]
    Unreachable(String),
    #[error("the answer was {status}, which is neither a success nor 403{}", hint(*.status))]
    Answered { status: u16, retry_after: Option<Millis> },
    #[error("the program {program}: {source}")]
    Program { program: String, source: std::io::Error },
    #[error("the program {program} was ended by a signal")]
    Killed { program: String },
}

impl CallError {
    /// How long the other side asks to be left alone.
    fn retry_after(&self) -> Option<Millis> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Hooks {
    /// Tells of what happens this way; uploads that are about to begin are asked about if it `asks`. What it takes runs
    /// in the runtime that this is called in.
    #[must_use]
    pub fn new(way: Way, asks: bool, timeout: Duration) -> Self {
        let (room, calls) = (Semaphore::new(ASKED_AT_ONCE_MAX), Calls::default());
        Self { way, asks, timeout, room, calls, runtime: Handle::current() }
    }

    /// What is counted.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Whether an upload has to be allowed before it begins.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// Asks whether an upload may begin, and gives it its id.
    ///
    /// # Errors
    /// [`Refusal`]: it may not, or nobody has said whether it may.
    pub async fn ask(
        self: &Arc<Self>,
        owner: &Owner,
        meta: &FileMeta,
        size: u64,
    ) -> Result<UploadId, Refusal> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| Refusal::internal(&error))?;
        let upload = UploadId(id);
        let (owner, meta) = (owner.0.clone(), meta.clone());
        let event = Event { at: now(), upload, owner, meta, size, what: What::Created };
        let verdict = self.call_elsewhere(event).await;
        self.calls.count(Kind::Created, Outcome::of(&verdict));
        match verdict {
            Ok(Verdict::Taken) => Ok(upload),
            Ok(Verdict::Refused(reason)) => {
                tracing::info!(%reason, "the hook refused an upload");
                Err(Refusal::new(ProblemCode::UploadRefused, reason))
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "the hook has neither allowed nor refused an upload, which did not begin: its sender is told 503 and comes again"
                );
                Err(Refusal::new(ProblemCode::Unavailable, UNDECIDED))
            }
        }
    }

    /// Not by the thread of the connection, which has others to serve. Nobody who waits for it ends it.
    async fn call_elsewhere(self: &Arc<Self>, event: Event) -> Result<Verdict, CallError> {
        let (hooks, mut task) = (Arc::clone(self), JoinSet::new());
        let within = async move {
            let _room = hooks.room.acquire().await;
            hooks.call(&event).await
        };
        task.spawn_on(tokio::time::timeout(self.timeout, within), &self.runtime);
        match task.join_next().await {
            Some(Ok(Ok(verdict))) => verdict,
            Some(Ok(Err(_))) => Err(CallError::Late { after: self.timeout }),
            Some(Err(_)) | None => Err(CallError::Unreachable("the server is stopping".to_owned())),
        }
    }

    /// One try.
    async fn call(&self, event: &Event) -> Result<Verdict, CallError> {
        let message = Message::of(event);
        let called = async {
            match &self.way {
                Way::Web(web) => web.call(&message).await,
                Way::Program(program) => program.call(&message).await,
            }
        };
        let called = tokio::time::timeout(self.timeout, called).await;
        called.unwrap_or(Err(CallError::Late { after: self.timeout }))
    }
}

/// What to do about an answer that is a mistake in what was set up.
fn hint(status: u16) -> &'static str {
    match status {
        300..400 => "; redirects are not followed: give --hook-url the address that it leads to",
        _ => "",
    }
}

/// A reason as it is shown to a person: one line, of bounded length, without anything that a terminal or a page would
/// take for more than text.
fn reason(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(NO_REASON);
    let is_text = |it: &char| !it.is_control() && !is_direction(*it);
    line.chars().filter(is_text).take(REASON_CHARS_MAX).collect()
}

/// Characters that turn around what stands beside them (UAX #9).
fn is_direction(it: char) -> bool {
    matches!(it, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_text() {
        assert_eq!(reason("\n  only PDF here \r\nat line 3"), "only PDF here");
        assert_eq!(reason("a\u{1b}[31mb\u{202e}c"), "a[31mbc");
        assert_eq!(reason(" \n"), NO_REASON);
        assert_eq!(reason(&"é".repeat(9999)).chars().count(), REASON_CHARS_MAX);
    }
}
