//! What the page and its lanes say to each other.

use js_sys::Array;
use longhaul_protocol::Digest;
use longhaul_protocol::upload::{BufferId, Failure, SourceError, Ticket};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::proof::Nonce;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast as _, JsError, JsValue};
use web_sys::File;

/// One buffer of one of the page's uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// The upload, by the page's own count.
    pub(crate) upload: u32,
    /// The buffer.
    pub(crate) buffer: BufferId,
}

/// What a lane is to do: the part of `Action` that is a lane's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Read these bytes of the file, keep them, hash them.
    Read {
        slot: Slot,
        ticket: Ticket,
        start: u64,
        end: u64,
        /// Handed over by reference, beside the rest: no byte is copied.
        #[serde(skip)]
        file: Option<File>,
    },
    /// Send what is kept, from `offset` on.
    Send { slot: Slot, ticket: Ticket, url: String, headers: Vec<(String, String)>, offset: u64 },
    /// Send what is kept as a whole file.
    Store { slot: Slot, ticket: Ticket, url: String, headers: Vec<(String, String)> },
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

    /// As a message to a worker: JSON, and the file if there is one. JSON because it is read and written
    /// here anyway: another format for these few types is a tenth of the wasm's size.
    pub(crate) fn write(&self) -> Result<JsValue, JsValue> {
        let file = match self {
            Self::Read { file: Some(file), .. } => file.into(),
            _ => JsValue::UNDEFINED,
        };
        Ok(Array::of2(&json(self)?, &file).into())
    }

    /// Reads what [`Order::write`] writes.
    pub(crate) fn read(message: &JsValue) -> Result<Self, JsError> {
        let parts: &Array = message.unchecked_ref();
        let mut order = parse(&parts.get(0))?;
        if let Self::Read { file, .. } = &mut order {
            *file = parts.get(1).dyn_into().ok();
        }
        Ok(order)
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) file: Box<FileInfo>,
    /// The guest's token that came with it.
    pub(crate) given: Option<String>,
}

impl Report {
    /// As a message to the page.
    pub(crate) fn write(&self) -> Result<JsValue, JsValue> {
        json(self)
    }

    /// Reads what [`Report::write`] writes.
    pub(crate) fn read(message: &JsValue) -> Result<Self, JsError> {
        parse(message)
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

fn json(what: &impl Serialize) -> Result<JsValue, JsValue> {
    let json = serde_json::to_string(what).map_err(JsError::from)?;
    Ok(json.into())
}

fn parse<T: DeserializeOwned>(message: &JsValue) -> Result<T, JsError> {
    Ok(serde_json::from_str(&message.as_string().unwrap_or_default())?)
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
