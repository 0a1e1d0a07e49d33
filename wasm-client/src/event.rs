//! What listeners are told.

use longhaul_protocol::progress::Progress;
use longhaul_protocol::upload::{End, Failure, Fault, Phase, SourceError};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::json::ToJson;
use longhaul_protocol::{Millis, Problem, json_object};

use crate::total::Total;

/// One thing to tell.
#[derive(Debug)]
pub(crate) enum Event {
    /// Where an upload stands has changed.
    State(StateDetail),
    /// It has moved.
    Progress(ProgressDetail),
    /// It is sealed.
    Complete(CompleteDetail),
    /// It cannot go on by itself.
    Error(ErrorDetail),
    /// How far all files are.
    Total(Total),
}

/// Which upload an event is about.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// What `add` returned.
    pub(crate) id: u32,
    /// The file's name, as it was picked.
    pub(crate) name: String,
}

/// Where an upload stands.
#[derive(Debug)]
pub(crate) struct StateDetail {
    about: About,
    /// In a word.
    state: &'static str,
    /// For programs: why it waits or has failed, as an error's, or `network`, `local` or `elsewhere`; else empty.
    code: String,
    /// What happened, where something did.
    message: String,
    /// When the next try comes by itself, since 1970.
    retry_at: Option<Millis>,
}

/// How far an upload is.
#[derive(Debug)]
pub(crate) struct ProgressDetail {
    about: About,
    progress: Progress,
}

/// What an upload has become.
#[derive(Debug)]
pub(crate) struct CompleteDetail {
    about: About,
    file: Box<FileInfo>,
    /// Where to download it, absolute.
    url: String,
}

/// Why an upload cannot go on.
#[derive(Debug)]
pub(crate) struct ErrorDetail {
    about: About,
    /// For programs: the problem's, or one of ours.
    code: String,
    /// What happened.
    message: String,
    /// What to do next.
    advice: String,
    /// What the server said, if it was the server.
    problem: Option<Box<Problem>>,
}

json_object! { written About { "id": id, "name": name, } }
json_object! { written StateDetail {
    ..about, "state": state, "code": code, "message": message, "retryAt": retry_at,
} }
json_object! { written ProgressDetail { ..about, ..progress, } }
json_object! { written CompleteDetail { ..about, "file": file, "url": url, } }
json_object! { written ErrorDetail {
    ..about, "code": code, "message": message, "advice": advice, "problem": problem,
} }

impl ToJson for Event {
    fn write_json(&self, text: &mut String) {
        match self {
            Self::State(detail) => detail.write_json(text),
            Self::Progress(detail) => detail.write_json(text),
            Self::Complete(detail) => detail.write_json(text),
            Self::Error(detail) => detail.write_json(text),
            Self::Total(detail) => detail.write_json(text),
        }
    }
}

impl Event {
    /// The type that listeners name.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::Progress(_) => "progress",
            Self::Complete(_) => "complete",
            Self::Error(_) => "error",
            Self::Total(_) => "total",
        }
    }

    /// Where an upload stands; `retry_at` is when the next try comes, if one is to come.
    pub(crate) fn state(about: About, standing: &Standing, retry_at: Option<Millis>) -> Self {
        let (code, message) = match standing {
            Standing::Moves(Phase::Waiting { why, .. }) => (failed(why), happened(why)),
            Standing::Moves(Phase::Ended(End::Failed(fault))) => (code(fault), fault.to_string()),
            Standing::Elsewhere => ("elsewhere".to_owned(), ELSEWHERE.to_owned()),
            Standing::Moves(_) | Standing::Queued => Default::default(),
        };
        Self::State(StateDetail { about, state: standing.word(), code, message, retry_at })
    }

    /// How far it is.
    pub(crate) fn progress(about: About, progress: Progress) -> Self {
        Self::Progress(ProgressDetail { about, progress })
    }

    /// What has become of it.
    pub(crate) fn end(about: About, end: End, url: impl Fn(&FileInfo) -> String) -> Option<Self> {
        match end {
            End::Done(file) => {
                Some(Self::Complete(CompleteDetail { about, url: url(&file), file }))
            }
            End::Failed(fault) => Some(Self::Error(ErrorDetail::new(about, fault))),
            End::Cancelled => None,
        }
    }
}

const ELSEWHERE: &str =
    "another tab of this browser is sending this file; this one goes on when that has ended";

/// Where an upload stands, its place in the queue included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It waits for other files.
    Queued,
    /// Another tab of this browser sends the file.
    Elsewhere,
    /// As the machine says.
    Moves(Phase),
}

impl Standing {
    /// In a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Elsewhere => "elsewhere",
            Self::Moves(Phase::Opening) => "opening",
            Self::Moves(Phase::Uploading) => "uploading",
            Self::Moves(Phase::Verifying) => "verifying",
            Self::Moves(Phase::Sealing) => "sealing",
            Self::Moves(Phase::Waiting { .. }) => "waiting",
            Self::Moves(Phase::Renewing) => "renewing",
            Self::Moves(Phase::Paused) => "paused",
            Self::Moves(Phase::Cancelling) => "cancelling",
            Self::Moves(Phase::Ended(End::Done(_))) => "done",
            Self::Moves(Phase::Ended(End::Cancelled)) => "cancelled",
            Self::Moves(Phase::Ended(End::Failed(_))) => "failed",
        }
    }
}

impl ErrorDetail {
    fn new(about: About, fault: Fault) -> Self {
        let code = code(&fault);
        let (message, advice) = parted(&fault);
        let problem = match fault {
            Fault::Refused(problem) => Some(problem),
            Fault::Source(_) | Fault::Damaged { .. } | Fault::Nonsense(_) => None,
        };
        Self { about, code, message, advice, problem }
    }
}

fn code(fault: &Fault) -> String {
    let code = match fault {
        Fault::Refused(problem) => problem.code.as_str(),
        Fault::Source(SourceError::Changed) => "source-changed",
        Fault::Source(SourceError::Unreadable(_)) => "source-unreadable",
        Fault::Source(SourceError::Silent { .. }) => "source-silent",
        Fault::Damaged { .. } => "damaged",
        Fault::Nonsense(_) => "nonsense",
    };
    code.to_owned()
}

/// What happened, and what to do: our own texts have a semicolon between the two.
fn parted(fault: &Fault) -> (String, String) {
    if let Fault::Refused(problem) = fault {
        return (said(problem), advised(problem));
    }
    let text = fault.to_string();
    let (message, advice) = text.rsplit_once(';').unwrap_or((&text, ""));
    (message.to_owned(), advice.trim_start().to_owned())
}

/// In a word.
pub(crate) fn failed(why: &Failure) -> String {
    let code = match why {
        Failure::Refused { problem, .. } => problem.code.as_str(),
        Failure::Network(_) => "network",
        Failure::Local(_) => "local",
    };
    code.to_owned()
}

/// In words.
pub(crate) fn happened(why: &Failure) -> String {
    match why {
        Failure::Refused { problem, .. } => said(problem),
        Failure::Network(_) | Failure::Local(_) => why.to_string(),
    }
}

/// What to do about a problem, and by what who runs the server finds it.
pub(crate) fn advised(problem: &Problem) -> String {
    let advice = problem.advice.clone();
    problem.request().into_iter().fold(advice, |advice, request| advice + " " + &request)
}

/// The problem in words, without its advice.
pub(crate) fn said(problem: &Problem) -> String {
    match problem.detail.as_str() {
        "" => problem.title.clone(),
        detail => format!("{}: {detail}", problem.title),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::{ChunkIndex, ProblemCode};

    #[test]
    fn what_happened_and_what_to_do_are_told_apart() {
        let problem = ProblemCode::TooLarge.problem("the limit is 5 bytes");
        let (message, advice) = parted(&Fault::Refused(Box::new(problem)));
        assert!(message.ends_with("the limit is 5 bytes"), "{message}");
        assert!(advice.starts_with("Send a smaller file"), "{advice}");
        for fault in [
            Fault::Source(SourceError::Changed),
            Fault::Source(SourceError::Unreadable("it is gone; really".into())),
            Fault::Source(SourceError::Silent { tries: 3 }),
            Fault::Damaged { chunk: ChunkIndex(3), times: 4 },
            Fault::Nonsense("0 lanes".into()),
        ] {
            let (message, advice) = parted(&fault);
            assert!(!advice.is_empty() && !message.is_empty(), "{fault}");
        }
    }
}
