//! What can go wrong on the wire: one table, read by both ends.
//!
//! Errors are RFC 9457 `application/problem+json`. The server answers with the row's status, the
//! client decides by the row's [`Retry`]; neither looks at a status code that is not in the table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chunk_set::ChunkSet;
use crate::time::Millis;
use crate::wire::ids::FileId;

/// The media type of an error's body (RFC 9457, section 3).
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What a sender does about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again: tell the user.
    Never,
    /// The same request may work after a backoff, or after `Retry-After`.
    Later,
    /// Somebody else is sending this chunk: leave it to them for [`SUPERSEDED_WAIT`], then ask.
    AfterStatus,
    /// The server knows better which chunks it holds: take its word and go on.
    Reconcile,
    /// The upload is gone: begin anew.
    Restart,
    /// The token is refused: ask for a fresh one, once, and go on with it.
    Renew,
}

/// How long a sender that was superseded leaves a chunk alone: taking it back at once would make
/// two senders of one file supersede each other for ever.
pub const SUPERSEDED_WAIT: Millis = Millis(10_000);

/// What to do about a proxy's own limit on bodies: the file is not too large, a chunk is.
const PROXY_LIMIT_ADVICE: &str = "Have whoever runs the proxy raise its limit on request bodies above \
    one chunk (8 MiB unless the server was started with another `--chunk-size`): nginx calls it \
    `client_max_body_size`, Apache `LimitRequestBody`.";

/// One row of the error table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Stable, on the wire, for programs.
    pub code: &'static str,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// What the sender does.
    pub retry: Retry,
    /// What happened, for people.
    pub title: &'static str,
    /// What the caller can do next, for people.
    pub advice: &'static str,
}

macro_rules! table {
    ($($(#[doc = $doc:literal])+ $variant:ident: $code:literal, $status:literal, $retry:ident, $title:literal, $advice:literal;)+) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ProblemCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name on the wire; the whole row has texts too, which a sender does without.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// What the sender does, likewise.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self {
                    $(Self::$variant => Retry::$retry,)+
                }
            }

            /// The row of the table.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        code: $code, status: $status, retry: Retry::$retry, title: $title, advice: $advice,
                    },)+
                }
            }
        }
    };
}

table! {
    /// The body is not the JSON that the verb takes.
    InvalidJson: "invalid-json", 400, Never,
        "The body is not the JSON this request takes",
        "Send the JSON object that the API describes; the detail names the place.";
    /// A header or a query parameter is missing or unreadable.
    InvalidRequest: "invalid-request", 400, Never,
        "A header or parameter is missing or unreadable",
        "Send the header or parameter that the detail names, in the form it shows.";
    /// The client speaks another version of the protocol.
    UnsupportedVersion: "unsupported-version", 400, Never,
        "This server speaks another version of the protocol",
        "Reload the page, or update the client or the server, so that both speak one version.";
    /// A name or path that no file may have here.
    InvalidName: "invalid-name", 400, Never,
        "A file cannot have this name here",
        "Rename the file: at most 255 characters, no path, no control or text-direction characters.";
    /// Size and chunk size make no plan.
    InvalidPlan: "invalid-plan", 400, Never,
        "The file's size cannot be cut into chunks of this size",
        "Leave the chunk size out and let the server choose it; no file has more than 64 TiB.";
    /// The upload has no chunk of that index.
    ChunkOutOfRange: "chunk-out-of-range", 400, Never,
        "The upload has no chunk of this index",
        "Ask for the upload's status: it tells how many chunks there are.";
    /// The body is not as long as the chunk.
    WrongLength: "wrong-length", 400, Later,
        "The body is not as long as the chunk",
        "Send exactly the bytes of the chunk, from the offset named to its end; nothing was kept.";
    /// The bytes that came do not have the digest that was announced.
    DigestMismatch: "digest-mismatched-values", 400, Later,
        "The bytes that arrived do not have the digest that was sent with them",
        "Send the chunk again; if it goes on, something between the two ends changes the bytes, or the file is being written to.";
    /// No token, or one that is not valid.
    Unauthorized: "unauthorized", 401, Renew,
        "The request carries no valid token",
        "Get a fresh token and send it as `Authorization: Bearer ...`; the detail says what is wrong with this one.";
    /// The page that asks is not on the allow-list.
    ForeignOrigin: "foreign-origin", 403, Never,
        "Pages of this origin may not use this server",
        "Start the server with `--allow-origin` and the page's origin.";
    /// The token does not allow it.
    InsufficientScope: "insufficient-scope", 403, Never,
        "The token does not allow this",
        "Use a token that has the scope which the detail and `WWW-Authenticate` name.";
    /// Whoever is asked about new uploads does not allow it.
    UploadRefused: "upload-refused", 403, Never,
        "This file is not taken here",
        "The detail has the reason that was given; ask whoever runs the server.";
    /// The link is none of the server's, is over, or for something else.
    LinkRefused: "link-refused", 403, Never,
        "This link is not good",
        "Ask whoever gave you the link for a new one; the detail says what is wrong with this one.";
    /// The proof is not that of the bytes.
    WrongProof: "wrong-proof", 403, Reconcile,
        "This does not prove that you have the chunk's bytes",
        "Send the chunk: the proof is SHA-256 over the nonce and the bytes, and each nonce is good for one try.";
    /// Nothing here, or nothing of the caller's.
    NotFound: "not-found", 404, Restart,
        "There is nothing at this address",
        "Check the id; an upload that was cancelled or swept is begun anew.";
    /// The address exists, the verb does not.
    MethodNotAllowed: "method-not-allowed", 405, Never,
        "This address does not take this method",
        "Use one of the methods in the `Allow` header.";
    /// No byte came for too long.
    Stalled: "stalled", 408, Later,
        "No byte arrived for too long",
        "Send the request again; for a chunk, ask for the upload's status first.";
    /// The offset is not where the server is.
    OffsetMismatch: "offset-mismatch", 409, Reconcile,
        "The chunk does not go on at this offset",
        "Continue from `offset`, or send the whole chunk from 0.";
    /// The very same request came before.
    Repeated: "repeated", 409, Reconcile,
        "This try of the chunk came before",
        "Ask for the upload's status and go on from what is here; a browser sends a request again by itself when its connection breaks.";
    /// The chunk is held with another digest.
    ChunkHeld: "chunk-held", 409, Reconcile,
        "This chunk is held already, with other bytes",
        "To replace it, send `Chunk-Replace` with the digest it has now; the status tells it.";
    /// A newer request took the chunk over.
    Superseded: "superseded", 409, AfterStatus,
        "A newer request took this chunk over",
        "Leave it to that request for ten seconds, then ask for the upload's status.";
    /// The upload is sealed and takes no more bytes.
    Sealed: "sealed", 409, Reconcile,
        "The upload is sealed already",
        "Nothing is left to send: the status names the file.";
    /// The seal lacks chunks.
    ChunksMissing: "chunks-missing", 409, Reconcile,
        "The upload cannot be sealed: chunks are missing",
        "Send the chunks in `missing`, then seal again.";
    /// Chunks of the upload are still being copied.
    StillFilling: "still-filling", 409, Reconcile,
        "The server is still copying chunks of this file from what it has already",
        "Ask for the status until nothing is `filling`, then seal again.";
    /// The root is not that of the chunks held.
    RootMismatch: "root-mismatch", 409, Never,
        "The file's root is not that of the chunks held",
        "Compare the chunk digests with the status and replace those that differ; nothing was lost.";
    /// The upload's time is over.
    Expired: "expired", 410, Restart,
        "The upload has expired and its bytes are gone",
        "Begin a new upload.";
    /// A condition of the request does not hold.
    PreconditionFailed: "precondition-failed", 412, Never,
        "A condition of the request does not hold",
        "Fetch the file again without the condition.";
    /// More bytes than are taken.
    TooLarge: "too-large", 413, Never,
        "This is larger than the server takes",
        "Send a smaller file or body, or ask the server's owner to raise the limit the detail names.";
    /// Files of this type are not taken.
    TypeNotAllowed: "type-not-allowed", 415, Never,
        "Files of this type may not be uploaded with this token",
        "Send a file of a type that the detail names, or ask for a token that allows this one.";
    /// The body is compressed, encrypted or otherwise encoded.
    EncodedBody: "encoded-body", 415, Never,
        "The body is encoded, and nothing is decoded here",
        "Send the bytes as they are, without `Content-Encoding`; something between the two ends may have added it.";
    /// No byte of the file lies in the range.
    RangeNotSatisfiable: "range-not-satisfiable", 416, Never,
        "No byte of the file lies in the requested range",
        "Ask for a range within the length that `Content-Range` tells.";
    /// The `Host` is none of the server's names.
    Misdirected: "misdirected", 421, Never,
        "This server does not answer to this host name",
        "Use one of its own names, or start it with `--host-name` and this one.";
    /// The idempotency key was used for another request.
    KeyReused: "idempotency-key-reused", 422, Never,
        "This Idempotency-Key was used for a different request",
        "Use a new key for each new upload.";
    /// Too many requests.
    TooManyRequests: "too-many-requests", 429, Later,
        "Too many requests",
        "Wait as long as `Retry-After` says.";
    /// The server's own fault.
    Internal: "internal", 500, Later,
        "The server failed; the fault is its own",
        "Try again; if it goes on, give the server's owner the time and the detail.";
    /// The server takes no writes, is about to stop, or has not yet what was asked for.
    Unavailable: "unavailable", 503, Later,
        "The server cannot do this just now",
        "Wait as long as `Retry-After` says; what it held is safe.";
    /// The disk has no room for the file.
    NoSpace: "insufficient-storage", 507, Never,
        "The server has no room for this file",
        "Free space on the server, or send a smaller file; nothing was written.";
}

impl ProblemCode {
    /// The code of that name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.code() == code)
    }

    /// A problem of this code.
    #[must_use]
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        self.row().problem(detail)
    }
}

impl Row {
    /// A problem of this row. From a constant row only its own texts come into a program.
    #[must_use]
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("{}#{}", crate::wire::path::PROBLEMS, self.code),
            title: self.title.to_owned(),
            status: self.status,
            code: self.code.to_owned(),
            retryable: !matches!(self.retry, Retry::Never | Retry::Renew),
            detail: detail.into(),
            advice: self.advice.to_owned(),
            facts: Facts::default(),
        }
    }
}

/// The body of an error answer (RFC 9457, section 3), JSON in camelCase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The code's place in the table, as the server serves it.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code of the table.
    pub code: String,
    /// Whether sending again, as the code's row says, can work.
    pub retryable: bool,
    /// What happened here, with the place.
    pub detail: String,
    /// What the caller can do next.
    pub advice: String,
    /// What the code has to tell beyond words.
    #[serde(flatten)]
    pub facts: Facts,
}

/// What a code has to tell beyond words; absent where it has nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// With `chunks-missing`: the chunks that are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<ChunkSet>,
    /// With `offset-mismatch`: how many bytes of the chunk are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// With `sealed`: the file it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// With `too-large`: the most that is taken, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What the request is called in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// The row of the table, by the code; a code of a newer server falls back to its status and its
    /// own word on `retryable`.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match ProblemCode::from_code(&self.code) {
            Some(code) => code.retry(),
            None if self.retryable => Retry::Later,
            None => Retry::Never,
        }
    }

    /// By what whoever runs the server finds it, in words; nothing of an answer that is not ours.
    #[must_use]
    pub fn request(&self) -> Option<String> {
        self.facts.request_id.as_ref().map(|id| format!("It is request {id} in the server's log."))
    }

    /// The problem that a bare status tells of: an answer of some proxy, without a body of ours.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        let known = match status {
            401 => const { ProblemCode::Unauthorized.row() },
            408 => const { ProblemCode::Stalled.row() },
            413 => const { ProblemCode::TooLarge.row() },
            429 => const { ProblemCode::TooManyRequests.row() },
            // Also a 404 or 410: only a Longhaul server knows that an upload is gone.
            404 | 410 | 500.. => const { ProblemCode::Unavailable.row() },
            _ => const { ProblemCode::InvalidRequest.row() },
        };
        let said = format!("something on the way to the server answered {status}");
        let problem = Self { status, ..known.problem(said) };
        match status {
            413 => Self {
                title: "A proxy before the server takes no requests of this size".to_owned(),
                advice: PROXY_LIMIT_ADVICE.to_owned(),
                ..problem
            },
            401 | 408 | 429 => problem,
            _ => Self {
                title: "Something else than a Longhaul server answered".to_owned(),
                advice: "If it goes on, look at the address, and at any proxy before the server."
                    .to_owned(),
                ..problem
            },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stop = if self.detail.ends_with('.') { "" } else { "." };
        write!(f, "{}: {}{stop} {}", self.title, self.detail, self.advice)?;
        self.request().map_or(Ok(()), |request| write!(f, " {request}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_its_own_and_is_found_by_its_name() {
        let names: BTreeSet<_> = ProblemCode::ALL.iter().map(|code| code.row().code).collect();
        assert_eq!(names.len(), ProblemCode::ALL.len());
        for &code in ProblemCode::ALL {
            assert_eq!(ProblemCode::from_code(code.row().code), Some(code));
            assert!((400..600).contains(&code.row().status));
            assert!(code.row().advice.ends_with('.'));
        }
    }

    #[test]
    fn a_problem_reads_back_from_its_json() {
        let mut problem = ProblemCode::ChunksMissing.problem("3 of 9 chunks are missing");
        problem.facts.missing = "1,4-5".parse().ok();
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["missing"], "1,4-5");
        assert_eq!(json["type"], "/v1/problems#chunks-missing");
        assert!(json.get("offset").is_none());
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }

    #[test]
    fn it_is_told_in_whole_sentences() {
        let told = |detail| ProblemCode::Stalled.problem(detail).to_string();
        let (with, without) = (told("no byte came in 30 s."), told("no byte came in 30 s"));
        assert!(with.contains(" 30 s. ") && with == without, "{with}");
    }

    #[test]
    fn a_code_of_a_newer_server_is_taken_at_its_own_word() {
        let mut problem = ProblemCode::Internal.problem("");
        problem.code = "from-the-future".into();
        assert_eq!(problem.retry(), Retry::Later);
        problem.retryable = false;
        assert_eq!(problem.retry(), Retry::Never);
    }
}
