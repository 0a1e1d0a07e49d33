//! A lane: reads one slice into one buffer, hashes that buffer, and sends that same buffer.
//!
//! It runs in a worker, or on the page where no worker can be started. The bytes stay where they
//! were read: they reach neither the page nor, where the browser can hash, the memory of the wasm.

mod read;
mod send;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{ArrayBuffer, Uint8Array};
use litemap::LiteMap;
use longhaul_protocol::Digest;
use longhaul_protocol::upload::{Failure, SourceError, Ticket};
use longhaul_protocol::wire::proof::Nonce;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;

use crate::order::{Headers, Order, Report, Slot};
use send::{Kind, Request, Sending};

/// Where a lane's reports go.
pub(crate) type Reporter = Rc<dyn Fn(Report)>;

/// One lane, with the buffers that were given to it.
pub(crate) struct Lane {
    report: Reporter,
    buffers: Rc<RefCell<LiteMap<Slot, Buffer>>>,
    spare: Rc<RefCell<Option<Spare>>>,
}

/// How long a buffer that was freed is kept for the next read, milliseconds: while an upload goes on
/// that comes at once, and afterwards an idle page is to have its memory back soon.
const SPARE_MS: u32 = 100;

/// The memory of a buffer that was freed, until it is read into again.
struct Spare {
    bytes: ArrayBuffer,
    _until: Timeout,
}

/// Dropping it stops what goes on with it and leaves its bytes to the collector, which sees how large
/// they are and comes in time; detaching them by `ArrayBuffer.transfer(0)` hid that from it, and
/// Chromium 156 then kept every byte of a 1 GiB file.
struct Buffer {
    /// The read that is to fill it; one that comes late finds another ticket here.
    reading: Option<Ticket>,
    bytes: Option<ArrayBuffer>,
    sending: Option<Sending>,
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
                let result = self.prove(slot, nonce);
                (self.report)(Report::Proved { upload: slot.upload, ticket, result });
            }
            Order::Stop { slot } => self.stop(slot),
            Order::Free { slot } => self.free(slot),
        }
    }

    fn read(&self, slot: Slot, ticket: Ticket, range: Range<u64>, file: File) {
        let fresh = Buffer { reading: Some(ticket), bytes: None, sending: None };
        self.buffers.borrow_mut().insert(slot, fresh);
        let (report, buffers) = (Rc::clone(&self.report), Rc::clone(&self.buffers));
        let spare = self.spare.take().map(|spare| spare.bytes);
        spawn_local(async move {
            let outcome = read::read(&file, range, spare).await;
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
        let bytes = buffer.bytes.as_ref().ok_or_else(nothing_kept)?;
        let body =
            Uint8Array::new(bytes).subarray(u32::try_from(offset).unwrap_or(u32::MAX), u32::MAX);
        buffer.sending = None;
        let report = Rc::clone(&self.report);
        buffer.sending = Some(Sending::start(request, url, headers, &body, report)?);
        Ok(())
    }

    fn prove(&self, slot: Slot, nonce: Nonce) -> Result<Digest, Failure> {
        let buffers = self.buffers.borrow();
        let buffer = buffers.get(&slot).ok_or_else(nothing_kept)?;
        let bytes = buffer.bytes.as_ref().ok_or_else(nothing_kept)?;
        Ok(read::proof(nonce, bytes))
    }

    /// What was to be sent of it the browser has copied.
    fn free(&self, slot: Slot) {
        let freed = self.buffers.borrow_mut().remove(&slot);
        if let Some(bytes) = freed.and_then(|buffer| buffer.bytes) {
            let spare = Rc::clone(&self.spare);
            let until = Timeout::new(SPARE_MS, move || drop(spare.take()));
            self.spare.replace(Some(Spare { bytes, _until: until }));
        }
    }

    fn stop(&self, slot: Slot) {
        if let Some(buffer) = self.buffers.borrow_mut().get_mut(&slot) {
            buffer.sending = None;
        }
    }
}

/// Puts the bytes into their buffer, unless it was given to something else meanwhile.
fn keep(
    buffers: &mut LiteMap<Slot, Buffer>,
    slot: Slot,
    ticket: Ticket,
    outcome: Result<read::Slice, SourceError>,
) -> Option<Result<Digest, SourceError>> {
    let buffer = buffers.get_mut(&slot).filter(|buffer| buffer.reading == Some(ticket))?;
    buffer.reading = None;
    Some(outcome.map(|slice| {
        buffer.bytes = Some(slice.bytes);
        slice.digest
    }))
}

fn nothing_kept() -> Failure {
    Failure::Local("the chunk's bytes are no longer in memory".to_owned())
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
