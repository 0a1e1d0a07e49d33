//! The memory that chunks arrive in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::upload::{BufferId, Ticket};
use tokio::task::AbortHandle;

/// A chunk as far as it has come, hashed as it comes.
#[derive(Debug, Default)]
pub(super) struct Arriving {
    bytes: Vec<u8>,
    hasher: Hasher,
    /// Who may add to it: an attempt that was stopped may still be about to.
    of: Option<Ticket>,
}

impl Arriving {
    fn lock(arriving: &Mutex<Self>) -> MutexGuard<'_, Self> {
        arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins behind the bytes that are to be kept.
    fn begin(&mut self, ticket: Ticket, kept: u64, len: u64) {
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        if kept != self.bytes.len() {
            self.bytes.truncate(kept);
            self.hasher = Hasher::default();
            self.hasher.update(&self.bytes);
        }
        let len = usize::try_from(len).unwrap_or_default();
        self.bytes.reserve_exact(len.saturating_sub(self.bytes.len()));
        self.of = Some(ticket);
    }
}

/// Adds what came; `None` for an attempt that is over.
pub(super) fn add(arriving: &Mutex<Arriving>, ticket: Ticket, piece: &Bytes) -> Option<()> {
    let mut arriving = Arriving::lock(arriving);
    (arriving.of == Some(ticket)).then(|| {
        arriving.bytes.extend_from_slice(piece);
        arriving.hasher.update(piece);
    })
}

/// The digest of what is here.
pub(super) fn digest(arriving: &Mutex<Arriving>) -> Digest {
    Arriving::lock(arriving).hasher.clone().finish()
}

/// Does something with the bytes.
pub(super) fn with<T>(arriving: &Mutex<Arriving>, does: impl FnOnce(&[u8]) -> T) -> T {
    does(&Arriving::lock(arriving).bytes)
}

/// One buffer in use.
#[derive(Debug, Default)]
struct Slot {
    arriving: Arc<Mutex<Arriving>>,
    task: Option<AbortHandle>,
}

/// All of a receiver. Memory stays for the next chunk: new memory has to be had from the system and
/// cleared, page by page.
#[derive(Debug, Default)]
pub(super) struct Buffers(BTreeMap<BufferId, Slot>);

impl Buffers {
    /// Where an attempt's bytes go, behind those that are kept of `len`.
    pub(super) fn begin(
        &mut self,
        buffer: BufferId,
        ticket: Ticket,
        kept: u64,
        len: u64,
    ) -> Arc<Mutex<Arriving>> {
        let slot = self.0.entry(buffer).or_default();
        Arriving::lock(&slot.arriving).begin(ticket, kept, len);
        Arc::clone(&slot.arriving)
    }

    /// What is in it.
    pub(super) fn arrived(&mut self, buffer: BufferId) -> Arc<Mutex<Arriving>> {
        Arc::clone(&self.0.entry(buffer).or_default().arriving)
    }

    /// This goes on with it now.
    pub(super) fn works(&mut self, buffer: BufferId, task: AbortHandle) {
        self.0.entry(buffer).or_default().task = Some(task);
    }

    /// Nothing is added to it any more.
    pub(super) fn stop(&mut self, buffer: BufferId) {
        let Some(slot) = self.0.get_mut(&buffer) else { return };
        slot.task.take().iter().for_each(AbortHandle::abort);
        // A write that goes on has it locked, and nobody adds then.
        if let Ok(mut arriving) = slot.arriving.try_lock() {
            arriving.of = None;
        }
    }

    /// It is empty.
    pub(super) fn free(&mut self, buffer: BufferId) {
        self.stop(buffer);
        let Some(slot) = self.0.get_mut(&buffer) else { return };
        if let Some(arriving) = Arc::get_mut(&mut slot.arriving) {
            let arriving = arriving.get_mut().unwrap_or_else(PoisonError::into_inner);
            arriving.bytes.clear();
            arriving.hasher = Hasher::default();
        } else {
            // Whoever still has it ends with it.
            slot.arriving = Arc::default();
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.0.values().filter_map(|slot| slot.task.as_ref()).for_each(AbortHandle::abort);
    }
}
