//! A small file: begun, sent and sealed in one request.
//!
//! It saves two round trips a file, which is most of what a small one takes. What it costs: a file that
//! the server has already is sent again, and dropped there. Whatever stands in the way of it (a server
//! that cuts smaller chunks, bytes that are still being copied) is left to the usual way to find out.

use super::buffers::{Buffer, Sending, Stage};
use super::failed::{DAMAGES, is, retry_of};
use super::{Action, BufferId, End, Failure, State, Ticket, Upload};
use crate::digest::{self, Digest};
use crate::plan::ChunkIndex;
use crate::problem::{ProblemCode, Retry};
use crate::time::Millis;
use crate::wire::header::StoreHeaders;
use crate::wire::{DigestRun, FileInfo};

/// The longest file that goes in one request, bytes: about what a line of 10 Mbit/s carries in the round
/// trips that it saves, so that it is no loss even where the server has the file.
pub const ONE_REQUEST_MAX: u64 = 256 * 1024;
/// The longest `Upload-Create`, bytes: what nginx takes of a header by default.
const CREATE_HEADER_MAX: usize = 8 * 1024;

impl Upload {
    pub(super) fn may_be_stored(&self) -> bool {
        let plan = self.ledger.plan();
        self.stores && plan.chunk_count() == 1 && plan.len() <= ONE_REQUEST_MAX
    }

    /// Sends the file, as soon as it was read.
    pub(super) fn store(&mut self, now: Millis) -> Option<Action> {
        if self.is_storing() || self.pace.until().is_some() {
            return None;
        }
        let Some((buffer, digest)) = self.file_in_buffer() else {
            return self.read_first(now);
        };
        let digests = DigestRun { start: ChunkIndex(0), digests: vec![digest] };
        let create = self.create_request(Some(digests)).to_header();
        if create.len() > CREATE_HEADER_MAX {
            self.stores = false;
            return self.open(now);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let body = self.config.size;
        let sending = Sending { ticket, replace: None, offset: 0, body, moved: 0, moved_at: now };
        for (_, slot) in self.buffers.iter_mut().filter(|(id, _)| *id == buffer) {
            *slot = Buffer::Full { chunk: ChunkIndex(0), digest, stage: Stage::Sending(sending) };
        }
        let rate_max = self.pace.of_a_body(self.sharing);
        self.pace.begins(now, self.ledger.plan().len(), self.sharing);
        (self.unheard, self.stored) = (true, Some(digest::root([digest])));
        let headers = StoreHeaders { create, key: self.create_key(), digest, rate_max };
        Some(Action::Store { ticket, buffer, headers })
    }

    /// Whether the one request is under way.
    pub(super) fn is_storing(&self) -> bool {
        self.id.is_none() && self.buffers.sending_count() > 0
    }

    fn file_in_buffer(&self) -> Option<(BufferId, Digest)> {
        self.buffers.iter().find_map(|(id, buffer)| match *buffer {
            Buffer::Full { digest, .. } => Some((id, digest)),
            _ => None,
        })
    }

    pub(super) fn on_stored(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Box<FileInfo>, Failure>,
    ) {
        let Some((buffer, slot)) = self.buffers.sent_as(ticket) else { return };
        let Buffer::Full { digest, .. } = *slot else { return };
        slot.stop_sending();
        self.was_heard(&result);
        match result {
            Ok(file) if file.root == digest::root([digest]) => {
                self.token.accepted_by(ticket);
                self.end(End::Done(file));
            }
            Ok(_) => self.nonsense("the file that it stored is another"),
            Err(failure) if matches!(self.state, State::Closing { .. }) => {
                self.free(buffer);
                self.on_cancel_failed(now, ticket, failure);
            }
            Err(failure) => self.on_store_failed(now, ticket, buffer, failure),
        }
    }

    fn on_store_failed(&mut self, now: Millis, ticket: Ticket, buffer: BufferId, failure: Failure) {
        match retry_of(&failure) {
            Retry::Renew => self.on_unauthorized(now, ticket, failure),
            Retry::Later if is(&failure, &DAMAGES) => {
                self.on_damaged(now, buffer, ChunkIndex(0), failure);
            }
            Retry::Later => {
                if matches!(failure, Failure::Local(_)) {
                    self.free(buffer);
                }
                self.retry_later(now, failure);
            }
            // A run that was killed, or a connection that broke, and the server still reads what it sent: what comes
            // of that is what the same key is answered with. Another key would make a second file of it.
            Retry::AfterStatus => self.retry_later(now, failure),
            Retry::Reconcile if is(&failure, &[ProblemCode::Sealed]) => {
                self.retry_later(now, failure);
            }
            // The key was another file's of that name: this one was picked again since.
            Retry::Never if !is(&failure, &[ProblemCode::TooLarge, ProblemCode::KeyReused]) => {
                self.refuse(failure);
            }
            Retry::Never | Retry::Restart | Retry::Reconcile => {
                self.stores = false;
                (self.unheard, self.begun) = (false, self.begun + 1);
            }
        }
    }
}
