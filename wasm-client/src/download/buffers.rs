//! The memory that chunks arrive in: outside of the wasm's, where the browser hashes and writes it.

use js_sys::{Object, Uint8Array};
use litemap::LiteMap;
use longhaul_protocol::upload::{BufferId, Ticket};
use web_sys::{AbortController, AbortSignal};

/// One buffer in use.
struct Buffer {
    bytes: Uint8Array,
    /// Who may fill it: an attempt that was stopped may still be about to.
    of: Option<Ticket>,
    request: Option<AbortController>,
    /// Whether it is being written to the target from.
    is_lent: bool,
}

/// All of a download. What is freed is used again: new memory has to be had from the system and cleared,
/// and a collector takes its time to give the old one back.
pub(super) struct Buffers {
    /// What each of them holds, bytes.
    capacity: u32,
    used: LiteMap<BufferId, Buffer>,
    spare: Vec<Uint8Array>,
}

impl Buffers {
    /// For chunks of at most so many bytes.
    pub(super) fn new(capacity: u32) -> Self {
        Self { capacity, used: LiteMap::new(), spare: Vec::new() }
    }

    /// Where an attempt's bytes go; what is there already stays. The signal says when to stop.
    pub(super) fn begin(
        &mut self,
        buffer: BufferId,
        ticket: Ticket,
    ) -> (Uint8Array, Option<AbortSignal>) {
        let (capacity, spare) = (self.capacity, &mut self.spare);
        let of = Some(ticket);
        let request = AbortController::new().ok();
        let signal = request.as_ref().map(AbortController::signal);
        let bytes = match self.used.get(&buffer) {
            Some(there) => there.bytes.clone(),
            None => spare.pop().unwrap_or_else(|| Uint8Array::new_with_length(capacity)),
        };
        let fresh = Buffer { bytes: bytes.clone(), of, request, is_lent: false };
        self.used.insert(buffer, fresh);
        (bytes, signal)
    }

    /// Whether that attempt may still fill it.
    pub(super) fn is_of(&self, buffer: BufferId, ticket: Ticket) -> bool {
        self.used.get(&buffer).is_some_and(|there| there.of == Some(ticket))
    }

    /// What is in it, to be written from.
    pub(super) fn lend(&mut self, buffer: BufferId) -> Option<Uint8Array> {
        let there = self.used.get_mut(&buffer)?;
        there.is_lent = true;
        Some(there.bytes.clone())
    }

    /// It was written from.
    pub(super) fn give_back(&mut self, buffer: BufferId, bytes: &Uint8Array) {
        if let Some(there) =
            self.used.get_mut(&buffer).filter(|there| Object::is(&there.bytes, bytes))
        {
            there.is_lent = false;
        }
    }

    /// Nothing is added to it any more.
    pub(super) fn stop(&mut self, buffer: BufferId) {
        if let Some(there) = self.used.get_mut(&buffer) {
            there.of = None;
            there.request.take().iter().for_each(AbortController::abort);
        }
    }

    /// It is empty. The memory that is still being written from is the collector's.
    pub(super) fn free(&mut self, buffer: BufferId) {
        self.stop(buffer);
        if let Some(freed) = self.used.remove(&buffer).filter(|freed| !freed.is_lent) {
            self.spare.push(freed.bytes);
        }
    }

    /// What is not used is given back to the browser.
    pub(super) fn rest(&mut self) {
        self.spare.clear();
    }
}
