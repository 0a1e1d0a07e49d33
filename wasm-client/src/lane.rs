//! A lane: reads a slice of a file, hashes it, and has the browser send that slice.
//!
//! It runs in a worker, or on the page where no worker can be started. The bytes stay where they
//! were read: they reach neither the page nor, where the browser can hash, the memory of the wasm. What is
//! sent the browser reads from the file once more; whether it is what was hashed the server finds out.

mod read;
mod send;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::ArrayBuffer;
use litemap::LiteMap;
use longhaul_protocol::Digest;
use longhaul_protocol::upload::{Failure, ONE_REQUEST_MAX, SourceError, Ticket};
use longhaul_protocol::wire::proof::Nonce;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, File};

use crate::number::float;
use crate::order::{Headers, Order, Report, Slot};
use send::{Body, Kind, Request, Sending};

/// Where a lane's reports go.
pub(crate) type Reporter = Rc<dyn Fn(Report)>;

/// One lane, with the buffers that were given to it.
pub(crate) struct Lane {
    report: Reporter,
    buffers: Rc<RefCell<LiteMap<Slot, Buffer>>>,
    spare: Rc<RefCell<Option<Spare>>>,
}

/// How long memory that was read into is kept for the next read, milliseconds: on a fast line a lane reads
/// again within it, and afterwards an idle page is to have its memory back soon.
const SPARE_MS: u32 = 1000;

/// Memory that was read into, until it is read into again. A spare that is dropped is left to the collector,
/// which sees how large it is and comes in time; detaching it by `ArrayBuffer.transfer(0)` hid that from it,
/// and Chromium 156 then kept every byte of a 1 GiB file.
struct Spare {
    bytes: ArrayBuffer,
    _until: Timeout,
}

/// Dropping it stops what goes on with it.
struct Buffer {
    /// The read that is to fill it; one that comes late finds another ticket here.
    reading: Option<Ticket>,
    slice: Option<Slice>,
    sending: Option<Sending>,
}

/// A slice of a file that was read and hashed.
struct Slice {
    blob: Blob,
    /// Of a small file: for a few bytes the browser asks its other process longer than it copies them.
    bytes: Option<ArrayBuffer>,
}

impl Slice {
    /// What of it follows the offset.
    fn from(&self, offset: u64) -> Result<Body, Failure> {
        let gone = |_| nothing_kept();
        Ok(match &self.bytes {
            Some(bytes) => Body::Bytes(bytes.slice(u32::try_from(offset).unwrap_or(u32::MAX))),
            None => Body::Slice(self.blob.slice_with_f64(float(offset)).map_err(gone)?),
        })
    }
}

impl Lane {
    /// A lane without buffers.
    pub(crate) fn new(report: Reporter) -> Self {
        report(Report::Ready);
        Self { report, buffers: Rc::default(), spare: Rc::default() }
    }

    /// Begins what is asked for.
    pub(crate) fn handle(&self, order: Order) {
        match order {
            Order::Read { slot, ticket, start, end, file } => {
                self.read(slot, ticket, start..end, file);
            }
            Order::Send { slot, ticket, url, headers, offset } => {
                let request = Request { upload: slot.upload, ticket, kind: Kind::Chunk };
                self.send(slot, request, &url, &headers, offset);
            }
            Order::Store { slot, ticket, url, headers } => {
                let request = Request { upload: slot.upload, ticket, kind: Kind::File };
                self.send(slot, request, &url, &headers, 0);
            }
            Order::Prove { slot, ticket, nonce } => {
                self.prove(slot, ticket, nonce);
            }
            Order::Stop { slot } => self.stop(slot),
            Order::Free { slot } => self.free(slot),
        }
    }

    fn read(&self, slot: Slot, ticket: Ticket, range: Range<u64>, file: File) {
        let fresh = Buffer { reading: Some(ticket), slice: None, sending: None };
        self.buffers.borrow_mut().insert(slot, fresh);
        let (report, buffers) = (Rc::clone(&self.report), Rc::clone(&self.buffers));
        let spare = Rc::clone(&self.spare);
        spawn_local(async move {
            let memory = spare.take().map(|spare| spare.bytes);
            let outcome = read::read(&file, range, memory).await.map(|read| held(read, &spare));
            if let Some(result) = keep(&mut buffers.borrow_mut(), slot, ticket, outcome) {
                report(Report::Read { upload: slot.upload, ticket, result });
            }
        });
    }

    fn send(&self, slot: Slot, request: Request, url: &str, headers: &Headers, offset: u64) {
        if let Err(failure) = self.begin_to_send(slot, request, url, headers, offset) {
            (self.report)(request.failed(failure));
        }
    }

    fn begin_to_send(
        &self,
        slot: Slot,
        request: Request,
        url: &str,
        headers: &Headers,
        offset: u64,
    ) -> Result<(), Failure> {
        let mut buffers = self.buffers.borrow_mut();
        let buffer = buffers.get_mut(&slot).ok_or_else(nothing_kept)?;
        let body = buffer.slice.as_ref().ok_or_else(nothing_kept)?.from(offset)?;
        buffer.sending = None;
        let report = Rc::clone(&self.report);
        buffer.sending = Some(Sending::start(request, url, headers, body, report)?);
        Ok(())
    }

    fn prove(&self, slot: Slot, ticket: Ticket, nonce: Nonce) {
        let buffers = self.buffers.borrow();
        let slice = buffers.get(&slot).and_then(|buffer| buffer.slice.as_ref());
        let (report, blob) = (Rc::clone(&self.report), slice.map(|slice| slice.blob.clone()));
        spawn_local(async move {
            let result = match blob {
                Some(blob) => read::proof(nonce, &blob).await.map_err(local),
                None => Err(nothing_kept()),
            };
            report(Report::Proved { upload: slot.upload, ticket, result });
        });
    }

    fn free(&self, slot: Slot) {
        self.buffers.borrow_mut().remove(&slot);
    }

    fn stop(&self, slot: Slot) {
        if let Some(buffer) = self.buffers.borrow_mut().get_mut(&slot) {
            buffer.sending = None;
        }
    }
}

/// Keeps what is to be sent of what was read, and its memory for the next read.
fn held(read: read::Read, spare: &Rc<RefCell<Option<Spare>>>) -> (Slice, Digest) {
    let read::Read { blob, bytes, digest } = read;
    if u64::from(bytes.byte_length()) <= ONE_REQUEST_MAX {
        return (Slice { blob, bytes: Some(bytes) }, digest);
    }
    let until = Timeout::new(SPARE_MS, {
        let spare = Rc::clone(spare);
        move || drop(spare.take())
    });
    spare.replace(Some(Spare { bytes, _until: until }));
    (Slice { blob, bytes: None }, digest)
}

/// Puts the slice into its buffer, unless it was given to something else meanwhile.
fn keep(
    buffers: &mut LiteMap<Slot, Buffer>,
    slot: Slot,
    ticket: Ticket,
    outcome: Result<(Slice, Digest), SourceError>,
) -> Option<Result<Digest, SourceError>> {
    let buffer = buffers.get_mut(&slot).filter(|buffer| buffer.reading == Some(ticket))?;
    buffer.reading = None;
    Some(outcome.map(|(slice, digest)| {
        buffer.slice = Some(slice);
        digest
    }))
}

fn local(error: SourceError) -> Failure {
    Failure::Local(error.to_string())
}

fn nothing_kept() -> Failure {
    Failure::Local("the chunk is no longer at hand".to_owned())
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
