//! What a verb decided, before it is HTTP: [`Outcome`] when it did what was asked, [`Refusal`] when
//! not. Only `respond` turns them into a status code and headers.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderName, Method};
use longhaul_protocol::name::NameError;
use longhaul_protocol::problem::Facts;
use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::header::HeaderError;
use longhaul_protocol::{Problem, ProblemCode};
use serde::Serialize;

use crate::access::Challenge;
use crate::link::Link;
use crate::respond::Body;
use crate::store::StoreError;
use crate::told::Told;
use crate::wanted::Wanted;

/// How much is told of what was wrong, bytes: it may say again what the caller said, and that may be 128 KiB.
const DETAIL_BYTES_MAX: usize = 2 << 10;

/// How much more memory JSON may have than it needs, bytes: to give back less is not worth the call.
const SPARE_BYTES_MAX: usize = 16 << 10;

/// What every verb returns.
pub type Answer = Result<Outcome, Refusal>;

/// What was asked was done.
#[derive(Debug)]
pub enum Outcome {
    /// Something new is at `location`, an absolute URL.
    Created {
        /// Where.
        location: String,
        /// What.
        json: Vec<u8>,
        /// The token of the guest who began it.
        token: Option<String>,
    },
    /// Here it is.
    Json(Vec<u8>),
    /// Done, and nothing to tell.
    Done,
    /// The caller may come back; as a guest, with this token.
    Met(Option<String>),
    /// All is well.
    Well,
    /// What the server has counted.
    Metrics(String),
    /// A page for people.
    Html(String),
    /// JSON that is the same for everybody, until the server is another.
    Document(&'static str),
    /// The bytes of a sealed file, or some of them.
    File(Download),
    /// The bytes of an upload that is still coming.
    Coming(Coming),
    /// It is at `location` now, an absolute URL, and stays there.
    Moved {
        /// Where.
        location: String,
    },
    /// What one may do at this address.
    Methods(&'static [Method]),
    /// A file of the site, as the library that serves it answers.
    Site(http::Response<Body>),
}

/// A sealed file on its way out.
#[derive(Debug)]
pub struct Download {
    /// The file, and what is told of it.
    pub told: Arc<Told>,
    /// Which bytes.
    pub serving: Serving,
    /// Whether the caller goes on with what he has of it, and has been told the rest then.
    pub is_resumed: bool,
    /// How he wants to be told its digest.
    pub wanted: Wanted,
    /// The link that he came by.
    pub link: Option<Link>,
    /// How many bytes that makes.
    pub len: u64,
    /// The bytes; empty where nobody reads them.
    pub body: Body,
}

/// An upload on its way out while it is on its way in.
#[derive(Debug)]
pub struct Coming {
    /// What is known of it.
    pub meta: Box<FileMeta>,
    /// How long it will be, bytes.
    pub size: u64,
    /// Which bytes; all or one range.
    pub serving: Serving,
    /// How many bytes that makes.
    pub len: u64,
    /// The bytes; empty where nobody reads them.
    pub body: Body,
}

/// Which bytes of a sealed file are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// All of them.
    Whole,
    /// One range, in a file of some length.
    Range(Range<u64>),
    /// Several ranges, each with a head of its own.
    Parts,
    /// None: the caller has them.
    NotModified,
}

impl Outcome {
    /// How much memory has all of it until it is sent, bytes.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Created { json, .. } | Self::Json(json) => json.capacity(),
            Self::Metrics(text) | Self::Html(text) => text.capacity(),
            _ => 0,
        };
        bytes as u64
    }

    /// An answer in JSON.
    ///
    /// # Errors
    /// Never for the types of the wire; the serialiser's signature has one.
    pub fn json(value: &impl Serialize) -> Answer {
        to_json(value).map(Self::Json)
    }

    /// Something new, in JSON.
    ///
    /// # Errors
    /// As [`Outcome::json`].
    pub fn created(location: String, value: &impl Serialize) -> Answer {
        to_json(value).map(|json| Self::Created { location, json, token: None })
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let mut json = serde_json::to_vec(value).map_err(|error| Refusal::internal(&error))?;
    // It was made twice as long whenever it was full, and whoever takes it slowly has all of that kept.
    if json.capacity() - json.len() > SPARE_BYTES_MAX {
        json.shrink_to_fit();
    }
    Ok(json)
}

/// What was asked was not done.
#[derive(Debug)]
pub struct Refusal {
    /// The row of the table.
    pub code: ProblemCode,
    /// What the caller is told.
    pub problem: Box<Problem>,
    /// What goes into the headers beside it.
    pub beside: Beside,
}

/// What a refusal tells in headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// No more than its code asks for.
    Nothing,
    /// The methods that are allowed.
    Allow(&'static [Method]),
    /// How to say who one is.
    Challenge(Challenge),
    /// The length of the file of which a range was wanted, bytes.
    Length(u64),
    /// How bodies may be encoded: in no way.
    AsItIs,
    /// When to come back, seconds from now, if not when everybody may.
    Wait(u64),
}

impl Refusal {
    /// A refusal; `detail` says what happened where, and [`DETAIL_BYTES_MAX`] of it are told.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > DETAIL_BYTES_MAX {
            detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
            detail.push_str("….");
        }
        Self { code, problem: Box::new(code.problem(detail)), beside: Beside::Nothing }
    }

    /// More than `limit` bytes.
    pub fn too_large(limit: u64, detail: impl Into<String>) -> Self {
        let mut refusal = Self::new(ProblemCode::TooLarge, detail);
        refusal.problem.facts.limit = Some(limit);
        refusal
    }

    /// This one, with something told in the headers.
    #[must_use]
    pub fn beside(self, beside: Beside) -> Self {
        Self { beside, ..self }
    }

    /// The server's own fault: the log gets the details, the caller does not.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error}");
        Self::new(ProblemCode::Internal, IN_THE_LOG)
    }

    /// A condition that the caller made does not hold.
    pub fn condition(header: &HeaderName) -> Self {
        let detail = format!("`{header}` does not hold for the file as it is.");
        Self::new(ProblemCode::PreconditionFailed, detail)
    }

    /// A name or path (`field`) that no file may have.
    pub fn name(field: &'static str, error: &NameError) -> Self {
        Self::new(ProblemCode::InvalidName, format!("`{field}` is not taken: {error}."))
    }
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self::new(ProblemCode::InvalidRequest, sentence(&error))
    }
}

impl From<StoreError> for Refusal {
    /// The one place where what the store says meets the table.
    fn from(error: StoreError) -> Self {
        let code = code_of(&error);
        match (code, code.row().status) {
            (ProblemCode::NoSpace, _) => tracing::warn!("no room: {error}{}", whose(&error)),
            (_, 500..) if !matches!(error, StoreError::NotYet { .. }) => {
                tracing::error!("the store failed: {error}")
            }
            _ => {}
        }
        let mut refusal = Self::new(code, detail_of(&error));
        match error {
            StoreError::NotYet { .. } => refusal.problem.advice = NOT_YET.to_owned(),
            StoreError::OwnerFull { .. } => refusal.problem.advice = OWNER_FULL.to_owned(),
            _ => {}
        }
        refusal.problem.facts = facts_of(error);
        refusal
    }
}

fn code_of(error: &StoreError) -> ProblemCode {
    match error {
        StoreError::NotFound => ProblemCode::NotFound,
        StoreError::Expired => ProblemCode::Expired,
        StoreError::Sealed { .. } => ProblemCode::Sealed,
        StoreError::ChunkOutOfRange { .. } => ProblemCode::ChunkOutOfRange,
        StoreError::Plan(_) => ProblemCode::InvalidPlan,
        StoreError::Offset { .. } => ProblemCode::OffsetMismatch,
        StoreError::ChunkHeld { .. } => ProblemCode::ChunkHeld,
        StoreError::Length { .. } => ProblemCode::WrongLength,
        StoreError::DigestMismatch { .. } => ProblemCode::DigestMismatch,
        StoreError::Superseded { .. } => ProblemCode::Superseded,
        StoreError::ChunksMissing { .. } => ProblemCode::ChunksMissing,
        StoreError::WrongProof { .. } => ProblemCode::WrongProof,
        StoreError::StillFilling { .. } => ProblemCode::StillFilling,
        StoreError::RootMismatch => ProblemCode::RootMismatch,
        StoreError::KeyReused => ProblemCode::KeyReused,
        StoreError::NoSpace { .. } | StoreError::OwnerFull { .. } => ProblemCode::NoSpace,
        StoreError::TooManyUploads { .. } => ProblemCode::TooManyRequests,
        StoreError::ReadOnly | StoreError::NotYet { .. } => ProblemCode::Unavailable,
        StoreError::Disk { source, .. } if source.kind() == ErrorKind::StorageFull => {
            ProblemCode::NoSpace
        }
        StoreError::Disk { .. } | StoreError::Index(_) | StoreError::Damaged(_) => {
            ProblemCode::Internal
        }
    }
}

fn detail_of(error: &StoreError) -> String {
    match error {
        StoreError::ChunkOutOfRange { index, chunk_count } => {
            format!("Chunk {index} was named; the upload has {chunk_count}, counted from 0.")
        }
        StoreError::Disk { source, .. } if source.kind() == ErrorKind::StorageFull => {
            "The server's disk is full.".to_owned()
        }
        StoreError::Damaged(_) => DAMAGED.to_owned(),
        StoreError::Disk { .. } | StoreError::Index(_) => IN_THE_LOG.to_owned(),
        StoreError::OwnerFull { needed, used, max } => {
            format!(
                "What is yours takes {used} of the {max} bytes that you may have; {needed} more are needed."
            )
        }
        _ => sentence(error),
    }
}

fn facts_of(error: StoreError) -> Facts {
    match error {
        StoreError::Sealed { file } => Facts { file: Some(file), ..Facts::default() },
        StoreError::Offset { kept, .. } => Facts { offset: Some(kept), ..Facts::default() },
        StoreError::ChunksMissing { missing } => {
            Facts { missing: Some(missing), ..Facts::default() }
        }
        _ => Facts::default(),
    }
}

/// What a reader of an upload can do: the advice of the code itself is for its sender.
const NOT_YET: &str = "Ask again from there, after as long as `Retry-After` says; if it goes on, see whether whoever \
    sends the upload still does.";

/// What who keeps too much can do: of the server's disk it says nothing.
const OWNER_FULL: &str = "Delete files of yours or cancel uploads, or ask whoever runs the server to let you have more; nothing was written.";

/// What the log says beside an error of no room: by which option there is none.
fn whose(error: &StoreError) -> String {
    match error {
        StoreError::NoSpace { of, .. } => format!(": {of}"),
        StoreError::OwnerFull { .. } => " by one owner (--owner-bytes-max)".to_owned(),
        _ => String::new(),
    }
}

/// What a caller is told of a fault that is not theirs: paths and the words of the system stay here.
const IN_THE_LOG: &str = "The server's log tells what failed.";

/// What they are told of what no further try will mend.
const DAMAGED: &str = "What is kept of it is damaged or lost on the server's disk; its log says what, and whoever runs it can look by \
    `longhaul-server verify`.";

/// An error's text as a sentence, beside the other sentences of a problem.
pub(crate) fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(['.']).collect()
}
