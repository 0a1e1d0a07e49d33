//! Answers that the proxy gives itself, before it has read the body.

use std::collections::VecDeque;

use longhaul_protocol::problem::CONTENT_TYPE;
use longhaul_protocol::{Problem, ProblemCode};

use crate::head::{Head, Seen};

const PAGE: &str = "<html><head><title>Refused</title></head><body><hr>nginx</body></html>\n";

/// An answer given before a body was read.
#[derive(Clone, Debug)]
pub struct Early {
    /// Its status.
    pub status: u16,
    /// What it says; without it, what a proxy that knows nothing of us would say, in HTML.
    pub problem: Option<Problem>,
    /// Its `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// Whether the rest of the body is read before the connection is closed, as the server does;
    /// a server that does not is what the browsers mishear.
    pub drains: bool,
}

impl Early {
    /// The answer of this code.
    #[must_use]
    pub fn of(code: ProblemCode) -> Self {
        let problem = code.problem("said by the proxy while the body was still coming.");
        Self { status: problem.status, problem: Some(problem), retry_after: None, drains: true }
    }

    /// A refusal by a proxy that knows nothing of Longhaul, as nginx words it.
    #[must_use]
    pub fn of_proxy(status: u16) -> Self {
        Self { status, problem: None, retry_after: None, drains: true }
    }

    pub(crate) fn text(&self, head: &Head) -> String {
        let (kind, body) = match &self.problem {
            Some(problem) => (CONTENT_TYPE, serde_json::to_string(problem).expect("JSON")),
            None => ("text/html", PAGE.to_owned()),
        };
        let mut text = format!("HTTP/1.1 {} Early\r\n", self.status);
        text += &format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
        text += "connection: close\r\n";
        if let Some(origin) = head.header("origin") {
            text += &format!("access-control-allow-origin: {origin}\r\n");
            text += "access-control-expose-headers: *\r\n";
        }
        if let Some(seconds) = self.retry_after {
            text += &format!("retry-after: {seconds}\r\n");
        }
        text + "\r\n" + &body
    }
}

/// The answers that wait for their requests.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) for_chunks: VecDeque<Early>,
    pub(crate) for_any: VecDeque<Early>,
    /// By method.
    pub(crate) for_method: Option<(&'static str, Early)>,
}

impl Waiting {
    /// The one for this request.
    pub(crate) fn take(&mut self, seen: &Seen) -> Option<Early> {
        let for_chunk = seen.chunk.and_then(|_| self.for_chunks.pop_front());
        let for_method = self.for_method.take_if(|(method, _)| seen.method == *method);
        for_chunk
            .or_else(|| for_method.map(|(_, early)| early))
            .or_else(|| self.for_any.pop_front())
    }
}
