//! What is written to the console, for who helps a person with an upload: which file, which chunk, which
//! request, what happened, why, and what comes next. Never a token, and nothing of a file but its name,
//! its size and where in it a chunk lies.
//!
//! All of it goes through here, so that one level rules it: [`set_level`], for the whole page.

use std::cell::Cell;
use std::fmt::Display;

use litemap::LiteMap;
use longhaul_protocol::Millis;
use longhaul_protocol::upload::{Action, Call, End, Failure, Input, Phase, Ticket};
use wasm_bindgen::JsValue;
use web_sys::console;

use crate::event::Standing;
use crate::thrown;

/// How much is written; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Nothing, whatever happens.
    Silent,
    /// What a person has to do something about.
    Error,
    /// What went wrong and is tried again.
    #[default]
    Warn,
    /// Where each file stands.
    Info,
    /// Every request.
    Debug,
}

impl Level {
    /// The level that a page calls so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "silent" => Self::Silent,
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            _ => return None,
        })
    }
}

thread_local! {
    /// A worker has its own, and writes only what the page cannot know.
    static LEVEL: Cell<Level> = const { Cell::new(Level::Warn) };
}

/// How many requests that were never answered are remembered: more than one file has under way.
const REQUESTS_MAX: usize = 64;

/// From now on so much is written.
pub(crate) fn set_level(level: Level) {
    LEVEL.set(level);
}

/// Writes something that is about no file.
pub(crate) fn say(level: Level, text: impl Display) {
    if is_wanted(level) {
        write(level, &format!("Longhaul: {text}").into());
    }
}

/// The same, with what the browser said.
pub(crate) fn say_why(level: Level, text: impl Display, why: &JsValue) {
    say(level, format_args!("{text} ({})", thrown::words(why)));
}

fn is_wanted(level: Level) -> bool {
    level <= LEVEL.get()
}

/// Not `console.debug`, which browsers show only to who knows where to ask for it.
fn write(level: Level, line: &JsValue) {
    match level {
        Level::Silent => {}
        Level::Error => console::error_1(line),
        Level::Warn => console::warn_1(line),
        Level::Info | Level::Debug => console::log_1(line),
    }
}

/// What one file's requests were about, so that their answers can be told by it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    requests: LiteMap<Ticket, String>,
}

impl Journal {
    /// Writes what is begun.
    pub(crate) fn action(&mut self, upload: u32, action: &Action) {
        self.tell(upload, Level::Debug, |journal| journal.begun(action));
    }

    /// Writes what has happened.
    pub(crate) fn input(&mut self, upload: u32, input: &Input) {
        if let Some((level, text)) = self.happened(input) {
            self.tell(upload, level, |_| Some(text));
        }
    }

    fn tell(&mut self, upload: u32, level: Level, text: impl FnOnce(&mut Self) -> Option<String>) {
        if let Some(text) = text(self) {
            say(level, format_args!("file {upload}: {text}"));
        }
    }

    fn begun(&mut self, action: &Action) -> Option<String> {
        let (ticket, what) = match action {
            Action::Call { ticket, call } => (ticket, asked(call)),
            Action::Read { ticket, range, .. } => {
                (ticket, format!("read bytes {} to {}", range.start, range.end))
            }
            Action::Send { ticket, headers, .. } => {
                (ticket, format!("send chunk {} from its byte {}", headers.index, headers.offset))
            }
            Action::Store { ticket, .. } => (ticket, "send the whole file".to_owned()),
            Action::Prove { ticket, .. } => (ticket, "prove a chunk".to_owned()),
            Action::Renew { ticket, refused } => {
                let refused = self.about(*refused);
                (ticket, format!("get a fresh token, after the refusal of: {refused}"))
            }
            Action::HangUp { ticket } => return Some(format!("gave up: {}", self.forget(*ticket))),
            Action::Stop { .. } | Action::Free { .. } | Action::Save(_) | Action::Forget => {
                return None;
            }
        };
        if self.requests.len() == REQUESTS_MAX {
            let oldest = self.requests.first().map(|(ticket, _)| *ticket);
            oldest.and_then(|ticket| self.requests.remove(&ticket));
        }
        let text = format!("{what} (request {})", ticket.0);
        self.requests.insert(*ticket, text.clone());
        Some(text)
    }

    fn happened(&mut self, input: &Input) -> Option<(Level, String)> {
        match input {
            Input::Answer { ticket, result } => self.ended(*ticket, result),
            Input::Sent { ticket, result } => self.ended(*ticket, result),
            Input::Stored { ticket, result } => self.ended(*ticket, result),
            Input::Proved { ticket, result } => self.ended(*ticket, result),
            Input::Read { ticket, result } => self.ended(*ticket, result),
            Input::Renewed { ticket, is_fresh } => {
                let what = self.forget(*ticket);
                Some(match is_fresh {
                    true => (Level::Info, format!("done: {what}")),
                    false => (Level::Warn, format!("failed: {what}: there is none")),
                })
            }
            Input::Online => Some((Level::Info, "the network is back".to_owned())),
            Input::Moved { .. } | Input::Sharing { .. } | Input::RateMax { .. } | Input::Verify => {
                None
            }
            Input::Pause => Some((Level::Debug, "told to pause".to_owned())),
            Input::Picked => Some((Level::Info, "the file was picked again".to_owned())),
            Input::Look => Some((Level::Debug, "told to look".to_owned())),
            Input::Resume => Some((Level::Debug, "told to go on".to_owned())),
            Input::Cancel | Input::Leave => Some((Level::Debug, "told to give it up".to_owned())),
        }
    }

    fn ended<T, E: Display>(
        &mut self,
        ticket: Ticket,
        result: &Result<T, E>,
    ) -> Option<(Level, String)> {
        let what = self.forget(ticket);
        Some(match result {
            Ok(_) => (Level::Debug, format!("done: {what}")),
            Err(why) => (Level::Warn, format!("failed: {what}: {why}")),
        })
    }

    fn about(&self, ticket: Ticket) -> String {
        self.requests.get(&ticket).cloned().unwrap_or_else(|| format!("request {}", ticket.0))
    }

    fn forget(&mut self, ticket: Ticket) -> String {
        let what = self.about(ticket);
        self.requests.remove(&ticket);
        what
    }
}

/// Writes where a file stands from now on.
pub(crate) fn standing(upload: u32, name: &str, standing: &Standing, now: Millis) {
    let (level, text) = stands(standing, now);
    say(level, format_args!("file {upload} ({name}): {text}"));
}

fn stands(standing: &Standing, now: Millis) -> (Level, String) {
    let phase = match standing {
        Standing::Queued => return (Level::Info, "waits for its turn".to_owned()),
        Standing::Elsewhere => return (Level::Info, "is being sent by another tab".to_owned()),
        Standing::Moves(phase) => phase,
    };
    match phase {
        Phase::Waiting { until, why } => {
            let wait = until.since(now).0;
            (Level::Warn, format!("{}; the next try is in {wait} ms", shortly(why)))
        }
        Phase::Ended(End::Failed(fault)) => {
            (Level::Error, format!("cannot go on by itself: {fault}"))
        }
        Phase::Ended(End::Done(file)) => {
            (Level::Info, format!("is sealed as file {}, {} bytes", file.id, file.size))
        }
        phase => (Level::Info, format!("is {}", Standing::Moves(phase.clone()).word())),
    }
}

fn shortly(why: &Failure) -> String {
    match why {
        Failure::Refused { problem, .. } => format!("{}: {}", problem.title, problem.detail),
        Failure::Network(_) | Failure::Local(_) => why.to_string(),
    }
}

fn asked(call: &Call) -> String {
    match call {
        Call::Create { request, .. } => format!("begin an upload of {} bytes", request.size),
        Call::List => "ask which uploads are open".to_owned(),
        Call::Status(id) => format!("ask what the server has of upload {id}"),
        Call::Offer(id, run) => {
            let (first, count) = (run.start, run.digests.len());
            format!("offer {count} digests of upload {id} from chunk {first} on")
        }
        Call::Prove(id, _) => format!("show proofs for upload {id}"),
        Call::Seal(id, _) => format!("seal upload {id}"),
        Call::Cancel(id) => format!("cancel upload {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::upload::{BufferId, Fault};
    use longhaul_protocol::wire::header::ChunkHeaders;
    use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

    fn sent(journal: &mut Journal, result: Result<(), Failure>) -> (Level, String) {
        let headers = ChunkHeaders {
            index: ChunkIndex(7),
            offset: 5,
            digest: Digest([0; 32]),
            replace: None,
        };
        let (ticket, buffer, upload) = (Ticket(12), BufferId(0), "0".repeat(32).parse().unwrap());
        let send = Action::Send { ticket, buffer, upload, headers, rate_max: None };
        assert!(journal.begun(&send).is_some());
        journal.happened(&Input::Sent { ticket, result }).unwrap()
    }

    #[test]
    fn a_failure_is_told_with_its_chunk_its_request_and_why() {
        let mut journal = Journal::default();
        let (level, text) = sent(&mut journal, Err(Failure::Network("it was cut".into())));
        assert_eq!(level, Level::Warn);
        for part in ["chunk 7", "from its byte 5", "request 12", "it was cut"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(sent(&mut journal, Ok(())).0, Level::Debug);
        assert!(journal.requests.is_empty(), "what was answered is forgotten");
    }

    #[test]
    fn what_is_never_answered_does_not_pile_up() {
        let mut journal = Journal::default();
        for ticket in 0..1000 {
            let range = 0..8;
            let read = Action::Read { ticket: Ticket(ticket), buffer: BufferId(0), range };
            assert!(journal.begun(&read).is_some());
        }
        assert_eq!(journal.requests.len(), REQUESTS_MAX);
        assert!(journal.about(Ticket(999)).contains("read bytes 0 to 8"));
    }

    #[test]
    fn what_comes_next_is_told_with_what_went_wrong() {
        let why = Failure::Network("it was cut".into());
        let waiting = Phase::Waiting { until: Millis(5_000), why };
        let (level, text) = stands(&Standing::Moves(waiting), Millis(2_000));
        assert_eq!(level, Level::Warn);
        assert!(text.contains("it was cut") && text.contains("in 3000 ms"), "{text}");
        let fault = Fault::Refused(Box::new(ProblemCode::TooLarge.problem("the limit is 5 bytes")));
        let (level, text) = stands(&Standing::Moves(Phase::Ended(End::Failed(fault))), Millis(0));
        assert_eq!(level, Level::Error);
        assert!(text.contains("the limit is 5 bytes") && text.contains("smaller file"), "{text}");
    }
}
