//! What the page and its lanes say to each other.

use js_sys::Array;
use litemap::LiteMap;
use longhaul_protocol::upload::{BufferId, Failure, SourceError, Ticket};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::json::{FromJson, ToJson, Wrong};
use longhaul_protocol::wire::proof::Nonce;
use longhaul_protocol::{Digest, Millis, Problem, json_object};
use wasm_bindgen::{JsCast as _, JsError, JsValue};
use web_sys::File;

use crate::json;

/// One buffer of one of the page's uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// The upload, by the page's own count.
    pub(crate) upload: u32,
    /// The buffer.
    pub(crate) buffer: BufferId,
}

/// The headers of a request, by their names.
pub(crate) type Headers = LiteMap<String, String>;

/// What a lane is to do: the part of `Action` that is a lane's.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Read these bytes of the file, keep them, hash them.
    Read {
        slot: Slot,
        ticket: Ticket,
        start: u64,
        end: u64,
        /// Handed over by reference, beside the rest: no byte is copied.
        file: File,
    },
    /// Send what is kept, from `offset` on.
    Send { slot: Slot, ticket: Ticket, url: String, headers: Headers, offset: u64 },
    /// Send what is kept as a whole file.
    Store { slot: Slot, ticket: Ticket, url: String, headers: Headers },
    /// Hash the nonce, then what is kept.
    Prove { slot: Slot, ticket: Ticket, nonce: Nonce },
    /// Stop sending.
    Stop { slot: Slot },
    /// Stop everything and forget the bytes.
    Free { slot: Slot },
}

impl Order {
    /// The buffer it is about.
    pub(crate) fn slot(&self) -> Slot {
        match self {
            Self::Read { slot, .. }
            | Self::Send { slot, .. }
            | Self::Store { slot, .. }
            | Self::Prove { slot, .. }
            | Self::Stop { slot }
            | Self::Free { slot } => *slot,
        }
    }

    /// As a message to a worker: JSON, and the file if there is one.
    pub(crate) fn write(&self) -> JsValue {
        let file = match self {
            Self::Read { file, .. } => file.into(),
            Self::Send { .. }
            | Self::Store { .. }
            | Self::Prove { .. }
            | Self::Stop { .. }
            | Self::Free { .. } => JsValue::UNDEFINED,
        };
        Array::of2(&self.asked().to_json().into(), &file).into()
    }

    /// Reads what [`Order::write`] writes. A file that did not come with its order is no fault of the
    /// file's: the worker fails by it, and another one is given the order again.
    pub(crate) fn read(message: &JsValue) -> Result<Self, JsError> {
        let parts: &Array = message.unchecked_ref();
        let asked: Asked = parse(&parts.get(0))?;
        asked.order(parts.get(1).dyn_into().ok()).map_err(unread)
    }

    fn asked(&self) -> Asked {
        let Slot { upload, buffer } = self.slot();
        let of = |kind: &str, ticket: Option<Ticket>| Asked {
            kind: kind.to_owned(),
            upload,
            buffer: buffer.0,
            ticket,
            ..Asked::default()
        };
        match self.clone() {
            Self::Read { ticket, start, end, .. } => {
                Asked { start, end, ..of("read", Some(ticket)) }
            }
            Self::Send { ticket, url, headers, offset, .. } => {
                Asked { url, headers, start: offset, ..of("send", Some(ticket)) }
            }
            Self::Store { ticket, url, headers, .. } => {
                Asked { url, headers, ..of("store", Some(ticket)) }
            }
            Self::Prove { ticket, nonce, .. } => {
                Asked { nonce: Some(nonce), ..of("prove", Some(ticket)) }
            }
            Self::Stop { .. } => of("stop", None),
            Self::Free { .. } => of("free", None),
        }
    }

    /// What is told of it when the worker that had its bytes has ended; nothing if nothing is awaited,
    /// or it can be asked for again.
    pub(crate) fn lost(&self) -> Option<Report> {
        let why = || Failure::Local("the worker that had the chunk ended".to_owned());
        match *self {
            Self::Send { slot, ticket, .. } => {
                Some(Report::Sent { upload: slot.upload, ticket, result: Err(why()) })
            }
            Self::Store { slot, ticket, .. } => {
                Some(Report::Stored { upload: slot.upload, ticket, result: Err(why()) })
            }
            Self::Prove { slot, ticket, .. } => {
                Some(Report::Proved { upload: slot.upload, ticket, result: Err(why()) })
            }
            Self::Read { .. } | Self::Stop { .. } | Self::Free { .. } => None,
        }
    }
}

/// What a lane tells: the part of `Input` that comes from a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It runs.
    Ready,
    /// Bytes were read and hashed, or not.
    Read { upload: u32, ticket: Ticket, result: Result<Digest, SourceError> },
    /// What is kept was hashed with a nonce, or not.
    Proved { upload: u32, ticket: Ticket, result: Result<Digest, Failure> },
    /// The network took bytes of a body.
    Moved { upload: u32, ticket: Ticket, bytes: u64 },
    /// A chunk was answered, or not.
    Sent { upload: u32, ticket: Ticket, result: Result<(), Failure> },
    /// A whole file was answered, or not.
    Stored { upload: u32, ticket: Ticket, result: Result<Stored, Failure> },
}

/// The answer to a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) file: Box<FileInfo>,
    /// The guest's token that came with it.
    pub(crate) given: Option<String>,
}

impl Report {
    /// As a message to the page.
    pub(crate) fn write(&self) -> JsValue {
        self.told().to_json().into()
    }

    /// Reads what [`Report::write`] writes.
    pub(crate) fn read(message: &JsValue) -> Result<Self, JsError> {
        let told: Told = parse(message)?;
        told.report().map_err(unread)
    }

    fn told(&self) -> Told {
        let of = |kind: &str, upload: u32, ticket: Ticket| Told {
            kind: kind.to_owned(),
            upload,
            ticket: Some(ticket),
            ..Told::default()
        };
        match self.clone() {
            Self::Ready => Told { kind: "ready".to_owned(), ..Told::default() },
            Self::Read { upload, ticket, result } => of("read", upload, ticket).unreadable(result),
            Self::Proved { upload, ticket, result } => {
                let (digest, told) = of("proved", upload, ticket).failed(result);
                Told { digest, ..told }
            }
            Self::Moved { upload, ticket, bytes } => Told { bytes, ..of("moved", upload, ticket) },
            Self::Sent { upload, ticket, result } => of("sent", upload, ticket).failed(result).1,
            Self::Stored { upload, ticket, result } => {
                let (stored, told) = of("stored", upload, ticket).failed(result);
                Told { stored, ..told }
            }
        }
    }

    /// Whether it is the end of what that order asked for.
    pub(crate) fn answers(&self, order: &Order) -> bool {
        match (self, order) {
            (Self::Read { upload, ticket, .. }, Order::Read { slot, ticket: asked, .. })
            | (Self::Proved { upload, ticket, .. }, Order::Prove { slot, ticket: asked, .. })
            | (Self::Sent { upload, ticket, .. }, Order::Send { slot, ticket: asked, .. })
            | (Self::Stored { upload, ticket, .. }, Order::Store { slot, ticket: asked, .. }) => {
                (*upload, *ticket) == (slot.upload, *asked)
            }
            _ => false,
        }
    }
}

/// An [`Order`] as it is posted: what it has nothing of is left out.
#[derive(Default)]
struct Asked {
    kind: String,
    upload: u32,
    buffer: u64,
    ticket: Option<Ticket>,
    start: u64,
    end: u64,
    url: String,
    headers: Headers,
    nonce: Option<Nonce>,
}

json_object! { Asked {
    "kind": kind, "upload": upload, "buffer": buffer, "ticket"?: ticket, "start"?: start, "end"?: end,
    "url"?: url, "headers"?: headers, "nonce"?: nonce,
} }

impl Asked {
    fn order(self, file: Option<File>) -> Result<Order, Wrong> {
        let slot = Slot { upload: self.upload, buffer: BufferId(self.buffer) };
        let Self { start, end, url, headers, .. } = self;
        let ticket = self.ticket.ok_or(Wrong("ticket"));
        Ok(match self.kind.as_str() {
            "read" => {
                let file = file.ok_or(Wrong("file"))?;
                Order::Read { slot, ticket: ticket?, start, end, file }
            }
            "send" => Order::Send { slot, ticket: ticket?, url, headers, offset: start },
            "store" => Order::Store { slot, ticket: ticket?, url, headers },
            "prove" => {
                Order::Prove { slot, ticket: ticket?, nonce: self.nonce.ok_or(Wrong("nonce"))? }
            }
            "stop" => Order::Stop { slot },
            "free" => Order::Free { slot },
            _ => return Err(Wrong("kind")),
        })
    }
}

/// A [`Report`] as it is posted, likewise: with what was asked for, or with why not.
#[derive(Default)]
struct Told {
    kind: String,
    upload: u32,
    ticket: Option<Ticket>,
    bytes: u64,
    digest: Option<Digest>,
    stored: Option<Stored>,
    why: Option<Why>,
}

json_object! { Told {
    "kind": kind, "upload": upload, "ticket"?: ticket, "bytes"?: bytes, "digest"?: digest,
    "stored"?: stored, "why"?: why,
} }
json_object! { Stored { "file": file, "given"?: given, } }

/// A [`Failure`] or a [`SourceError`].
#[derive(Default, PartialEq)]
struct Why {
    network: Option<String>,
    local: Option<String>,
    problem: Option<Box<Problem>>,
    retry_after: Option<Millis>,
    changed: bool,
    unreadable: Option<String>,
    silent: u32,
}

json_object! { Why {
    "network"?: network, "local"?: local, "problem"?: problem, "retryAfter"?: retry_after,
    "changed"?: changed, "unreadable"?: unreadable, "silent"?: silent,
} }

impl Told {
    fn unreadable(self, result: Result<Digest, SourceError>) -> Self {
        let why = match result {
            Ok(digest) => return Self { digest: Some(digest), ..self },
            Err(SourceError::Changed) => Why { changed: true, ..Why::default() },
            Err(SourceError::Unreadable(text)) => Why { unreadable: Some(text), ..Why::default() },
            Err(SourceError::Silent { tries }) => Why { silent: tries, ..Why::default() },
        };
        Self { why: Some(why), ..self }
    }

    fn failed<T>(self, result: Result<T, Failure>) -> (Option<T>, Self) {
        let why = match result {
            Ok(value) => return (Some(value), self),
            Err(Failure::Network(text)) => Why { network: Some(text), ..Why::default() },
            Err(Failure::Local(text)) => Why { local: Some(text), ..Why::default() },
            Err(Failure::Refused { problem, retry_after }) => {
                Why { problem: Some(problem), retry_after, ..Why::default() }
            }
        };
        (None, Self { why: Some(why), ..self })
    }

    fn report(self) -> Result<Report, Wrong> {
        let Self { upload, bytes, why, .. } = self;
        let ticket = self.ticket.ok_or(Wrong("ticket"));
        Ok(match self.kind.as_str() {
            "ready" => Report::Ready,
            "read" => {
                let result = outcome(self.digest, why, Why::source)?;
                Report::Read { upload, ticket: ticket?, result }
            }
            "proved" => {
                let result = outcome(self.digest, why, Why::failure)?;
                Report::Proved { upload, ticket: ticket?, result }
            }
            "moved" => Report::Moved { upload, ticket: ticket?, bytes },
            "sent" => {
                let result = outcome(Some(()), why, Why::failure)?;
                Report::Sent { upload, ticket: ticket?, result }
            }
            "stored" => {
                let result = outcome(self.stored, why, Why::failure)?;
                Report::Stored { upload, ticket: ticket?, result }
            }
            _ => return Err(Wrong("kind")),
        })
    }
}

impl Why {
    fn source(self) -> SourceError {
        match (self.changed, self.unreadable) {
            (true, _) => SourceError::Changed,
            (_, Some(text)) => SourceError::Unreadable(text),
            _ => SourceError::Silent { tries: self.silent },
        }
    }

    fn failure(self) -> Failure {
        match (self.problem, self.network) {
            (Some(problem), _) => Failure::Refused { problem, retry_after: self.retry_after },
            (_, Some(text)) => Failure::Network(text),
            _ => Failure::Local(self.local.unwrap_or_default()),
        }
    }
}

fn outcome<T, E>(
    value: Option<T>,
    why: Option<Why>,
    error: impl FnOnce(Why) -> E,
) -> Result<Result<T, E>, Wrong> {
    match why {
        Some(why) => Ok(Err(error(why))),
        None => value.map(Ok).ok_or(Wrong("why")),
    }
}

fn parse<T: FromJson>(message: &JsValue) -> Result<T, JsError> {
    let tree = message.as_string().and_then(|text| json::parse(&text));
    tree.ok_or(Wrong("message")).and_then(|tree| T::from_json(&tree)).map_err(unread)
}

fn unread(wrong: Wrong) -> JsError {
    JsError::new(&wrong.to_string())
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
