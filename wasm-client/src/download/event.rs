//! What the page is told of its download.

use longhaul_protocol::download::{End, Fault, Phase};
use longhaul_protocol::progress::Progress;
use longhaul_protocol::upload::Ticket;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::json::ToJson;
use longhaul_protocol::{Millis, Problem, json_object};

use crate::event::{advised, failed, happened, said};

/// One thing to tell.
#[derive(Debug)]
pub(super) enum Event {
    /// Where it stands has changed.
    State(StateDetail),
    /// Its manifest is known.
    File(Box<FileInfo>),
    /// It has moved.
    Progress(Progress),
    /// A fresh token is wanted; `Download.renewed` answers.
    Renew(RenewDetail),
    /// It is whole; with it goes the file.
    Complete(Box<FileInfo>),
    /// It cannot go on by itself.
    Error(ErrorDetail),
    /// It is over, and nothing is left to be done.
    Over,
}

/// Where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StateDetail {
    state: String,
    /// For programs: why it waits or has failed, as an error's, or `network` or `local`; else empty.
    code: String,
    message: String,
    /// When the next try comes by itself, since 1970.
    retry_at: Option<Millis>,
}

/// Which request is to be answered.
#[derive(Debug)]
pub(super) struct RenewDetail {
    ticket: Ticket,
}

/// Why it cannot go on.
#[derive(Debug)]
pub(super) struct ErrorDetail {
    /// For programs: the problem's, or one of ours.
    code: String,
    message: String,
    /// What to do next.
    advice: String,
    /// What the server said, if it was the server.
    problem: Option<Box<Problem>>,
}

json_object! { written StateDetail { "state": state, "code": code, "message": message, "retryAt": retry_at, } }
json_object! { written RenewDetail { "ticket": ticket, } }
json_object! { written ErrorDetail {
    "code": code, "message": message, "advice": advice, "problem": problem,
} }

impl Event {
    /// A fresh token is wanted.
    pub(super) fn renew(ticket: Ticket) -> Self {
        Self::Renew(RenewDetail { ticket })
    }

    /// In a word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::File(_) => "file",
            Self::Progress(_) => "progress",
            Self::Renew(_) => "renew",
            Self::Complete(_) => "complete",
            Self::Error(_) => "error",
            Self::Over => "over",
        }
    }
}

impl ToJson for Event {
    fn write_json(&self, text: &mut String) {
        match self {
            Self::State(detail) => detail.write_json(text),
            Self::File(file) | Self::Complete(file) => file.write_json(text),
            Self::Progress(progress) => progress.write_json(text),
            Self::Renew(detail) => detail.write_json(text),
            Self::Error(detail) => detail.write_json(text),
            Self::Over => text.push_str("null"),
        }
    }
}

impl StateDetail {
    /// Of that phase; `retry_at` is when the next try comes, if one is to come.
    pub(super) fn new(phase: &Phase, retry_at: Option<Millis>) -> Self {
        let (code, message) = match phase {
            Phase::Waiting { why, .. } => (failed(why), happened(why)),
            Phase::Ended(End::Failed(fault)) => (code(fault), fault.to_string()),
            _ => Default::default(),
        };
        Self { state: word(phase).to_owned(), code, message, retry_at }
    }
}

fn word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Opening => "opening",
        Phase::Downloading => "downloading",
        Phase::Checking => "checking",
        Phase::Finishing => "finishing",
        Phase::Waiting { .. } => "waiting",
        Phase::Renewing => "renewing",
        Phase::Paused => "paused",
        Phase::Ended(End::Done(_)) => "done",
        Phase::Ended(End::Cancelled) => "cancelled",
        Phase::Ended(End::Failed(_)) => "failed",
    }
}

impl ErrorDetail {
    /// What happened, and what to do: our own texts have a semicolon between the two.
    pub(super) fn new(fault: Fault) -> Self {
        let (code, text) = (code(&fault), fault.to_string());
        if let Fault::Refused(problem) = fault {
            let (message, advice) = (said(&problem), advised(&problem));
            return Self { code, message, advice, problem: Some(problem) };
        }
        let (message, advice) = text.rsplit_once(';').unwrap_or((&text, ""));
        let (message, advice) = (message.to_owned(), advice.trim_start().to_owned());
        Self { code, message, advice, problem: None }
    }
}

fn code(fault: &Fault) -> String {
    use longhaul_protocol::download::TargetError;
    let code = match fault {
        Fault::Refused(problem) => problem.code.as_str(),
        Fault::Target(TargetError::Full(_)) => "full",
        Fault::Target(TargetError::Denied(_) | TargetError::Busy(_)) => "denied",
        Fault::Target(TargetError::Failed(_)) => "target-failed",
        Fault::Target(TargetError::Silent) => "target-silent",
        Fault::Manifest(_) => "manifest",
        Fault::Damaged { .. } => "damaged",
        Fault::Unserved { .. } => "unserved",
        Fault::RangeIgnored => "range-ignored",
    };
    code.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::ChunkIndex;
    use longhaul_protocol::download::TargetError;

    #[test]
    fn what_happened_and_what_to_do_are_told_apart() {
        for fault in [
            Fault::Target(TargetError::Full("a.bin".into())),
            Fault::Target(TargetError::Silent),
            Fault::Damaged { chunk: ChunkIndex(3), times: 5 },
            Fault::RangeIgnored,
        ] {
            let told = ErrorDetail::new(fault);
            assert!(!told.message.is_empty() && !told.advice.is_empty(), "{told:?}");
        }
    }
}
