//! What happened, and where it moves the receiver.

use super::slots::{Fetching, Slot, Slots};
use super::{Action, Asking, Download, End, Fault, FetchError, State, TargetError};
use crate::digest::Digest;
use crate::plan::ChunkIndex;
use crate::problem::{Problem, ProblemCode, Retry};
use crate::time::Millis;
use crate::upload::failed::retry_of;
use crate::upload::renew::Refused;
use crate::upload::{BufferId, Failure, Ticket};
use crate::wire::Manifest;

impl Download {
    pub(super) fn on_page(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Box<Manifest>, Failure>,
    ) {
        let asked = |asking: &mut Asking| asking.ticket == ticket;
        if self.asking.take_if(asked).is_none() {
            return;
        }
        let page = match result {
            Ok(page) => page,
            Err(failure) => return self.on_failed(now, ticket, failure),
        };
        self.token.accepted_by(ticket);
        match self.gathering.add(self.config.file, self.config.root, *page) {
            Ok(None) => {}
            Ok(Some(gathered)) => {
                self.slots = Slots::new(gathered.plan);
                self.file = Some(gathered);
            }
            Err(error) => {
                self.gathering = super::Gathering::default();
                self.fail(Fault::Manifest(error));
            }
        }
    }

    /// Whether the target that is made under this ticket is waited for.
    #[must_use]
    pub fn prepares(&self, ticket: Ticket) -> bool {
        self.state == State::Preparing(ticket)
    }

    pub(super) fn on_prepared(&mut self, ticket: Ticket, result: Result<(), TargetError>) {
        if !self.prepares(ticket) {
            return;
        }
        match result {
            Ok(()) => {
                self.is_prepared = true;
                self.state = State::Moving;
            }
            Err(error) => self.fail(Fault::Target(error)),
        }
    }

    pub(super) fn on_checked(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Digest, TargetError>,
    ) {
        let Some((buffer, &mut Slot::Checking { chunk, .. })) = self.slots.of(ticket) else {
            return;
        };
        self.empty(buffer);
        self.claimed.remove(chunk);
        // What cannot be read is written anew, which finds out whether the target can be used at all.
        if result.is_ok_and(|digest| self.is(chunk, digest)) {
            self.reused_bytes += self.plan().chunk_bytes(chunk);
            self.has(now, chunk);
        } else {
            self.taken.remove(chunk);
            self.changed(now);
        }
    }

    pub(super) fn on_moved(&mut self, now: Millis, ticket: Ticket, bytes: u64) {
        let Some((_, Slot::Fetching(fetching))) = self.slots.of(ticket) else { return };
        let more = bytes.saturating_sub(fetching.moved);
        if more > 0 {
            (fetching.moved, fetching.moved_at) = (bytes, now);
            self.meter.moved(now, more);
        }
    }

    pub(super) fn on_fetched(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Digest, FetchError>,
    ) {
        let Some((buffer, &mut Slot::Fetching(fetching))) = self.slots.of(ticket) else { return };
        match result {
            Ok(digest) if self.is(fetching.chunk, digest) => {
                self.token.accepted_by(ticket);
                self.link.chunk_arrived();
                self.write(now, buffer, fetching.chunk);
            }
            Ok(_) => {
                let why =
                    format!("chunk {} arrived with other bytes than the file's", fetching.chunk);
                self.on_damaged(now, buffer, fetching.chunk, why);
            }
            Err(FetchError::OtherBytes(why)) => self.on_damaged(now, buffer, fetching.chunk, why),
            Err(FetchError::RangeIgnored) => self.fail(Fault::RangeIgnored),
            Err(FetchError::Failed(failure)) => {
                self.on_fetch_failed(now, buffer, fetching, failure);
            }
        }
    }

    fn write(&mut self, now: Millis, buffer: BufferId, chunk: ChunkIndex) {
        let (ticket, range) = (self.ticket(), self.plan().range(chunk));
        for (_, slot) in self.slots.iter_mut().filter(|(id, _)| *id == buffer) {
            *slot = Slot::Writing { chunk, ticket, since: now };
        }
        self.outbox.push_back(Action::Write { ticket, buffer, range });
    }

    pub(super) fn on_written(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<(), TargetError>,
    ) {
        let Some((buffer, &mut Slot::Writing { chunk, .. })) = self.slots.of(ticket) else {
            return;
        };
        match result {
            Ok(()) => {
                self.empty(buffer);
                self.has(now, chunk);
            }
            Err(error) => self.fail(Fault::Target(error)),
        }
    }

    pub(super) fn on_finished(&mut self, ticket: Ticket, result: Result<(), TargetError>) {
        if self.state != State::Finishing(ticket) {
            return;
        }
        let Some(file) = self.file.as_ref().map(|gathered| gathered.file.clone()) else { return };
        match result {
            Ok(()) => {
                self.stop(State::Ended(End::Done(file)));
                self.save_at = None;
                self.outbox.push_back(Action::Forget);
            }
            Err(error) => self.fail(Fault::Target(error)),
        }
    }

    // What failed.

    fn on_failed(&mut self, now: Millis, ticket: Ticket, failure: Failure) {
        match (retry_of(&failure), failure) {
            (Retry::Renew, Failure::Refused { problem, .. }) => {
                self.on_unauthorized(now, ticket, problem);
            }
            (Retry::Later, failure) => self.link.failed(now, failure),
            (_, Failure::Refused { problem, .. }) => self.fail(Fault::Refused(problem)),
            (_, failure) => self.link.failed(now, failure),
        }
    }

    fn on_fetch_failed(
        &mut self,
        now: Millis,
        buffer: BufferId,
        fetching: Fetching,
        failure: Failure,
    ) {
        let Fetching { chunk, ticket, .. } = fetching;
        match &failure {
            Failure::Local(_) => self.lose(buffer, chunk),
            Failure::Network(_) | Failure::Refused { .. } => self.keep(buffer, fetching),
        }
        match &failure {
            Failure::Refused { problem, .. } if is_internal(problem) => {
                let times = self.spoils(chunk);
                if times > self.link.policy().damaged_max {
                    let why = problem.clone();
                    return self.fail(Fault::Unserved { chunk, times, why });
                }
                self.link.failed(now, failure);
            }
            _ => self.on_failed(now, ticket, failure),
        }
    }

    /// These are not the chunk's bytes: all of it is fetched again.
    fn on_damaged(&mut self, now: Millis, buffer: BufferId, chunk: ChunkIndex, why: String) {
        self.lose(buffer, chunk);
        let times = self.spoils(chunk);
        if times > self.link.policy().damaged_max {
            return self.fail(Fault::Damaged { chunk, times });
        }
        self.link.failed(now, Failure::Network(why));
    }

    fn spoils(&mut self, chunk: ChunkIndex) -> u32 {
        let times = self.spoilt.entry(chunk).or_default();
        *times += 1;
        *times
    }

    /// A request was refused for its token. Others that carried the same one may follow.
    fn on_unauthorized(&mut self, now: Millis, refused: Ticket, problem: Box<Problem>) {
        match self.token.refused(now, refused, &mut self.next_ticket, problem) {
            Refused::Known => {}
            Refused::Ask(ticket) => self.outbox.push_back(Action::Renew { ticket, refused }),
            Refused::Finally(why) => self.not_renewed(why),
        }
    }

    pub(super) fn on_renewed(&mut self, ticket: Ticket, is_fresh: bool) {
        if let Some(why) = self.token.renewed(ticket, is_fresh, self.next_ticket) {
            self.not_renewed(why);
        }
    }

    pub(super) fn renewal_timed_out(&mut self) {
        if let Some(why) = self.token.timed_out() {
            self.not_renewed(why);
        }
    }

    fn not_renewed(&mut self, why: Box<Problem>) {
        if !self.is_at_rest() {
            self.fail(Fault::Refused(why));
        }
    }

    // Buffers.

    /// What came of it stays for the next attempt.
    pub(super) fn keep(&mut self, buffer: BufferId, fetching: Fetching) {
        let bytes = fetching.kept.saturating_add(fetching.moved);
        let chunk = fetching.chunk;
        if bytes == 0 {
            return self.lose(buffer, chunk);
        }
        for (_, slot) in self.slots.iter_mut().filter(|(id, _)| *id == buffer) {
            *slot = Slot::Kept { chunk, bytes };
        }
    }

    fn lose(&mut self, buffer: BufferId, chunk: ChunkIndex) {
        self.empty(buffer);
        self.taken.remove(chunk);
    }

    fn empty(&mut self, buffer: BufferId) {
        for (_, slot) in self.slots.iter_mut().filter(|(id, _)| *id == buffer) {
            *slot = Slot::Empty;
        }
        self.outbox.push_back(Action::Free { buffer });
    }

    fn has(&mut self, now: Millis, chunk: ChunkIndex) {
        self.spoilt.remove(&chunk);
        if self.held.insert(chunk) {
            self.held_bytes += self.plan().chunk_bytes(chunk);
        }
        self.taken.insert(chunk);
        self.changed(now);
    }

    fn is(&self, chunk: ChunkIndex, digest: Digest) -> bool {
        self.file.as_ref().is_some_and(|gathered| gathered.is(chunk, digest))
    }
}

/// The server's own fault at one chunk: its disk may have spoilt it, which passes only if a person mends
/// it.
fn is_internal(problem: &Problem) -> bool {
    problem.code == ProblemCode::Internal.code()
}
