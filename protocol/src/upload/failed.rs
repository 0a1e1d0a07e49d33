//! What failed. Every failure that can be tried again ends in `Opening`, after a wait.

use super::buffers::Stage;
use super::unasked::Unasked;
use super::{BufferId, CallKind, Failure, Fault, State, Ticket, Upload};
use crate::digest::Digest;
use crate::plan::ChunkIndex;
use crate::problem::{ProblemCode, Retry};
use crate::time::Millis;

/// What is known of a chunk that was refused as damaged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damage {
    /// What was hashed, as it was sent last.
    pub(super) digest: Digest,
    /// How often it was refused.
    times: u32,
}

/// A send that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedSend {
    pub(super) ticket: Ticket,
    pub(super) buffer: BufferId,
    pub(super) chunk: ChunkIndex,
}

impl Upload {
    pub(super) fn on_call_failed(
        &mut self,
        now: Millis,
        kind: CallKind,
        ticket: Ticket,
        failure: Failure,
    ) {
        self.proofs_failed(&failure);
        for stage in self.buffers.iter_mut().filter_map(|(_, buffer)| buffer.stage_mut()) {
            if *stage == Stage::Offered {
                *stage = Stage::Hashed;
            }
        }
        match (kind, retry_of(&failure)) {
            (_, Retry::Renew) => self.on_unauthorized(now, ticket, failure),
            (CallKind::List, _) => self.on_listed(&[]),
            (CallKind::Seal, Retry::Never) if self.root_may_be_stale(&failure) => {
                self.root_refused = true;
                self.ledger.doubt_all();
                self.retry_later(now, failure);
            }
            (CallKind::Create, Retry::Restart) | (_, Retry::Never) => self.refuse(failure),
            (_, Retry::Restart) => {
                self.begin_anew();
                self.retry_later(now, failure);
            }
            _ => self.retry_later(now, failure),
        }
    }

    /// A refused root means that a chunk is not what it was; comparing all of them finds it.
    fn root_may_be_stale(&self, failure: &Failure) -> bool {
        is(failure, &[ProblemCode::RootMismatch]) && !self.root_refused
    }

    pub(super) fn on_send_failed(
        &mut self,
        now: Millis,
        FailedSend { ticket, buffer, chunk }: FailedSend,
        failure: Failure,
    ) {
        match retry_of(&failure) {
            Retry::Never => self.refuse(failure),
            Retry::Renew => self.on_unauthorized(now, ticket, failure),
            Retry::AfterStatus => {
                self.free(buffer);
                let until = self.link.superseded_until(now);
                self.yielded.insert(chunk, until);
            }
            Retry::Restart => {
                self.begin_anew();
                self.retry_later(now, failure);
            }
            // Nothing failed: more or less of it came than was known. It is begun from 0 now.
            Retry::Reconcile if is(&failure, &[ProblemCode::OffsetMismatch]) => {
                self.ledger.distrust_offset(chunk);
                self.ask_again();
            }
            Retry::Later if matches!(failure, Failure::Local(_)) => {
                self.free(buffer);
                self.retry_later(now, failure);
            }
            Retry::Later if is(&failure, &DAMAGES) => self.on_damaged(now, buffer, chunk, failure),
            Retry::Later | Retry::Reconcile => self.retry_later(now, failure),
        }
    }

    /// The bytes that arrived were not those that were hashed: read them once more. If they are others then,
    /// the file was written to, and not the way to the server has damaged them.
    pub(super) fn on_damaged(
        &mut self,
        now: Millis,
        buffer: BufferId,
        chunk: ChunkIndex,
        failure: Failure,
    ) {
        let hashed = self.buffers.digest(buffer);
        self.free(buffer);
        let Some(digest) = hashed else { return self.retry_later(now, failure) };
        let times = self.damaged.get(&chunk).map_or(1, |damage| damage.times + 1);
        self.damaged.insert(chunk, Damage { digest, times });
        match times {
            times if times > self.link.policy().damaged_max => {
                self.fail(Fault::Damaged { chunk, times });
            }
            _ => self.retry_later(now, failure),
        }
    }

    pub(super) fn retry_later(&mut self, now: Millis, failure: Failure) {
        if matches!(failure, Failure::Network(_)) && self.link.down().is_none() {
            self.tuner.outage(self.lanes_most());
        }
        self.link.failed(now, failure);
        self.ask_again();
    }

    /// What the server has is no longer known.
    pub(super) fn ask_again(&mut self) {
        self.unasked = Unasked::default();
        if self.state == State::Moving {
            self.state = State::Opening;
        }
    }

    pub(super) fn refuse(&mut self, failure: Failure) {
        match failure {
            Failure::Refused { problem, .. } => self.fail(Fault::Refused(problem)),
            Failure::Network(text) | Failure::Local(text) => self.nonsense(&text),
        }
    }

    pub(super) fn nonsense(&mut self, what: &str) {
        self.fail(Fault::Nonsense(what.to_owned()));
    }
}

pub(crate) fn retry_of(failure: &Failure) -> Retry {
    match failure {
        Failure::Network(_) | Failure::Local(_) => Retry::Later,
        Failure::Refused { problem, .. } => problem.retry(),
    }
}

/// What is refused because the bytes that arrived were others, or not all.
pub(super) const DAMAGES: [ProblemCode; 2] =
    [ProblemCode::DigestMismatch, ProblemCode::WrongLength];

pub(super) fn is(failure: &Failure, codes: &[ProblemCode]) -> bool {
    matches!(failure, Failure::Refused { problem, .. }
        if codes.iter().any(|code| code.code() == problem.code))
}
