//! The memory that chunks are read into and sent from.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use longhaul_protocol::upload::{BufferId, Ticket};
use tokio::task::AbortHandle;

/// One buffer in use.
#[derive(Debug)]
struct Slot {
    /// The read that fills it.
    ticket: Ticket,
    bytes: Bytes,
    /// What goes on with it.
    task: Option<AbortHandle>,
}

/// Those that a sender has, and memory of those that it had.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    slots: BTreeMap<BufferId, Slot>,
    spare: Vec<BytesMut>,
}

impl Buffers {
    /// Memory for a read of so many bytes; what it is filled with comes back by [`Buffers::filled`].
    pub(super) fn begin(&mut self, buffer: BufferId, ticket: Ticket, len: usize) -> BytesMut {
        self.free(buffer);
        self.slots.insert(buffer, Slot { ticket, bytes: Bytes::new(), task: None });
        // New memory has to be had from the system and cleared, page by page.
        let mut memory = self.spare.pop().unwrap_or_default();
        memory.resize(len, 0);
        memory
    }

    /// A read has ended; one that nobody waits for any more leaves its memory.
    pub(super) fn filled(&mut self, buffer: BufferId, ticket: Ticket, memory: BytesMut) {
        match self.slots.get_mut(&buffer).filter(|slot| slot.ticket == ticket) {
            Some(slot) => slot.bytes = memory.freeze(),
            None => self.spare.push(memory),
        }
    }

    /// What is in it.
    pub(super) fn bytes(&self, buffer: BufferId) -> Bytes {
        self.slots.get(&buffer).map(|slot| slot.bytes.clone()).unwrap_or_default()
    }

    /// This goes on with it now.
    pub(super) fn works(&mut self, buffer: BufferId, task: AbortHandle) {
        if let Some(slot) = self.slots.get_mut(&buffer) {
            slot.task = Some(task);
        }
    }

    /// Nothing goes on with it any more.
    pub(super) fn stop(&mut self, buffer: BufferId) {
        let task = self.slots.get_mut(&buffer).and_then(|slot| slot.task.take());
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Its memory is the next one's, unless a connection still has it.
    pub(super) fn free(&mut self, buffer: BufferId) {
        self.stop(buffer);
        let slot = self.slots.remove(&buffer);
        self.spare.extend(slot.and_then(|slot| slot.bytes.try_into_mut().ok()));
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.slots.values().filter_map(|slot| slot.task.as_ref()).for_each(AbortHandle::abort);
    }
}
