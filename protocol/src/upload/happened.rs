//! What happened, and where it moves the sender.

use super::buffers::{Buffer, Stage};
use super::failed::FailedSend;
use super::ledger::Ledger;
use super::next::{BEGUN_EARLY_MIN, NEAR};
use super::{
    Action, Answer, BufferId, CallKind, End, FILL_POLL, Failure, Fault, SourceError, State, Ticket,
    Upload,
};
use crate::chunk_set::ChunkSet;
use crate::digest::Digest;
use crate::plan::{ChunkIndex, Plan};
use crate::time::Millis;
use crate::wire::ids::UploadId;
use crate::wire::proof::Challenge;
use crate::wire::{DifferingChunk, DigestsAnswer, FileInfo, Holding, UploadStatus};

impl Upload {
    pub(super) fn on_answer(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Answer, Failure>,
    ) {
        let Some(calling) = self.calling.filter(|calling| calling.ticket == ticket) else { return };
        self.calling = None;
        if calling.kind == CallKind::Create {
            self.was_heard(&result);
        }
        if result.is_ok() && calling.kind != CallKind::Status {
            self.token.accepted_by(ticket);
        }
        if matches!(self.state, State::Closing { .. }) {
            return self.on_closing_answer(now, calling, result);
        }
        match (calling.kind, result) {
            (CallKind::List, Ok(Answer::Uploads(uploads))) => {
                if now.since(calling.since) < NEAR && self.config.size > BEGUN_EARLY_MIN {
                    self.ahead.first_alone(now);
                }
                self.on_listed(&uploads);
            }
            (CallKind::Create, Ok(Answer::Upload(status))) if status.size != self.config.size => {
                self.nonsense("it is of a file of another size");
            }
            (CallKind::Create, Ok(Answer::Upload(status))) => {
                let reusable = status.reusable;
                self.on_status(now, *status);
                if reusable == Some(false) && self.state == State::Moving {
                    self.unasked.nothing_to_find();
                }
            }
            (CallKind::Status, Ok(Answer::Upload(status))) => self.on_status(now, *status),
            (CallKind::Offer, Ok(Answer::Digests(answer))) => {
                self.ahead.was_answered(now.since(calling.since));
                self.on_offered(now, answer);
            }
            (CallKind::Prove, Ok(Answer::Digests(answer))) => self.on_shown(now, answer),
            (CallKind::Seal, Ok(Answer::File(file))) if self.ledger.root() == Some(file.root) => {
                self.end(End::Done(file));
            }
            (_, Ok(_)) => self.nonsense("it does not fit the question"),
            (kind, Err(failure)) => self.on_call_failed(now, kind, ticket, failure),
        }
    }

    fn on_status(&mut self, now: Millis, status: UploadStatus) {
        self.sealed = None;
        if let Some(file) = status.file {
            return self.on_sealed_already(status.id, file);
        }
        let plan = match status.plan() {
            Ok(plan) if plan.len() == self.config.size => plan,
            Ok(_) => {
                self.begin_anew();
                return self.retry_later(now, Failure::Network("another file's answer".to_owned()));
            }
            Err(error) => return self.nonsense(&error.to_string()),
        };
        if self.id.is_some_and(|id| id != status.id) {
            return self.nonsense("it is of another upload");
        }
        if plan != self.ledger.plan() {
            self.replan(plan);
        }
        self.id = Some(status.id);
        self.lanes_max = status.lanes;
        self.link.set_policy(status.retry);
        self.expires_at = status.expires_at;
        self.state = State::Moving;
        let (holding, challenge) = (status.holding, status.challenge);
        let answer = DigestsAnswer { holding, differs: Vec::new(), challenge };
        self.on_offered(now, answer);
    }

    /// The answer to our seal was lost, perhaps to a run before this one, or somebody else sealed. Whether that is
    /// this file as it is now its root tells, once all of the file was read.
    fn on_sealed_already(&mut self, id: UploadId, file: FileInfo) {
        let plan = match Plan::new(file.size, file.chunk_size) {
            Ok(plan) if plan.len() == self.config.size => plan,
            _ => return self.begin_anew(),
        };
        self.free_all();
        if plan != self.ledger.plan() {
            self.start_over(plan);
        }
        let held = Holding { held: ChunkSet::all(plan), ..Holding::default() };
        self.ledger.reconcile(held, &ChunkSet::new());
        (self.id, self.sealed, self.state) = (Some(id), Some(Box::new(file)), State::Moving);
        self.compare_sealed();
    }

    /// It is taken for what it is, or another is begun, which sends nothing of what is the same.
    fn compare_sealed(&mut self) {
        let Some(root) = self.ledger.root() else { return };
        match self.sealed.take().filter(|file| file.root == root) {
            Some(file) => self.end(End::Done(file)),
            None => self.begin_anew(),
        }
    }

    /// The server chose another chunk size: what was read does not fit it.
    fn replan(&mut self, plan: Plan) {
        self.free_all();
        self.start_over(plan);
    }

    /// What the server has, after a call that may have carried digests.
    pub(super) fn on_offered(&mut self, now: Millis, answer: DigestsAnswer) {
        if !answer.fits(self.ledger.plan()) {
            return self.nonsense("it tells of chunks that the file does not have");
        }
        if self.is_another(!answer.differs.is_empty()) {
            return;
        }
        self.ledger.reconcile(answer.holding, &self.buffers.sending());
        self.fill_poll_at = now + FILL_POLL;
        let mut freed = Vec::new();
        let (mut asked, mut lacked) = (0, 0);
        for (id, buffer) in self.buffers.iter_mut() {
            match settle(buffer, &mut self.ledger, &answer.differs, answer.challenge.as_ref()) {
                Settled::NotAsked => continue,
                Settled::Lacked => lacked += 1,
                Settled::Other => {}
                Settled::Here => freed.push(id),
            }
            asked += 1;
        }
        self.unasked.answered(asked, lacked);
        if !freed.is_empty() {
            self.ahead.first_left();
        }
        self.outbox.extend(freed.into_iter().map(|buffer| Action::Free { buffer }));
        if self.is_doubted() {
            self.settle_doubts();
        }
        self.changed(now);
    }

    pub(super) fn on_read(
        &mut self,
        now: Millis,
        ticket: Ticket,
        result: Result<Digest, SourceError>,
    ) {
        let Some((id, buffer)) = self.buffers.reading(ticket) else { return };
        let Buffer::Reading { chunk, since, .. } = *buffer else { return };
        match result {
            Ok(digest) => {
                self.silences = 0;
                self.ahead.was_read(now.since(since));
                if self.damaged.get(&chunk).is_some_and(|damage| damage.digest != digest) {
                    self.ledger.doubt_all();
                    return self.fail(Fault::Source(SourceError::Changed));
                }
                if let Some(is_same) = self.ledger.check(chunk, digest) {
                    return self.on_checked(id, is_same);
                }
                if self.sealed.is_some() {
                    self.ledger.confirm(chunk, digest);
                    self.free(id);
                    return self.compare_sealed();
                }
                let offer = self.ledger.may_fill(chunk) || self.ledger.has(chunk);
                let stage = if offer { Stage::Hashed } else { Stage::Cleared { replace: None } };
                *buffer = Buffer::Full { chunk, digest, stage };
            }
            Err(error) => self.fail(Fault::Source(error)),
        }
    }

    /// A chunk was read once more. Of a file that has changed, some chunks are of before and some of after.
    fn on_checked(&mut self, buffer: BufferId, is_same: bool) {
        match is_same {
            true => self.free(buffer),
            false => self.fail(Fault::Source(SourceError::Changed)),
        }
    }

    pub(super) fn on_moved(&mut self, now: Millis, ticket: Ticket, bytes: u64) {
        let Some((_, buffer)) = self.buffers.sent_as(ticket) else { return };
        let Some(sending) = buffer.sending_mut() else { return };
        let more = bytes.saturating_sub(sending.moved);
        if more > 0 {
            (sending.moved, sending.moved_at) = (bytes, now);
            self.ahead.first_left();
            self.moved(now, more);
        }
    }

    fn moved(&mut self, now: Millis, bytes: u64) {
        self.meter.moved(now, bytes);
        self.tuner.moved(bytes);
    }

    pub(super) fn on_sent(&mut self, now: Millis, ticket: Ticket, result: Result<(), Failure>) {
        let Some((id, buffer)) = self.buffers.sent_as(ticket) else { return };
        let Buffer::Full { chunk, digest, stage: Stage::Sending(sending) } = *buffer else {
            return;
        };
        self.ahead.first_left();
        match result {
            Ok(()) => {
                *buffer = Buffer::Empty;
                self.ahead.was_awaited(sending.awaited(now));
                self.token.accepted_by(ticket);
                self.outbox.push_back(Action::Free { buffer: id });
                self.moved(now, sending.body.saturating_sub(sending.moved));
                self.chunk_arrived(now, chunk, digest);
            }
            Err(failure) => {
                buffer.stop_sending();
                let send = FailedSend { ticket, buffer: id, chunk };
                self.on_send_failed(now, send, failure);
            }
        }
    }

    fn chunk_arrived(&mut self, now: Millis, chunk: ChunkIndex, digest: Digest) {
        self.ledger.chunk_received(chunk, digest);
        self.link.chunk_arrived();
        self.damaged.remove(&chunk);
        self.changed(now);
    }
}

/// What the server said of a buffer's chunk.
enum Settled {
    /// It was not asked.
    NotAsked,
    /// It does not have it.
    Lacked,
    /// It has another owner's, to be proved, or other bytes.
    Other,
    /// It has it: the buffer is empty now.
    Here,
}

/// Moves a buffer on by what the server said.
fn settle(
    buffer: &mut Buffer,
    ledger: &mut Ledger,
    differs: &[DifferingChunk],
    challenge: Option<&Challenge>,
) -> Settled {
    let Buffer::Full { chunk, digest, stage } = buffer else { return Settled::NotAsked };
    let (chunk, digest) = (*chunk, *digest);
    let here = ledger.has(chunk) || ledger.is_filling(chunk);
    let differing = || differs.iter().find(|differing| differing.index == chunk);
    match *stage {
        Stage::Offered if let Some(differing) = differing() => {
            ledger.drop_chunk(chunk);
            *stage = Stage::Cleared { replace: Some(differing.digest) };
            Settled::Other
        }
        Stage::Offered if here => {
            ledger.confirm(chunk, digest);
            *buffer = Buffer::Empty;
            Settled::Here
        }
        Stage::Offered => {
            let to_be_proved = challenge.filter(|challenge| challenge.chunks.contains(chunk));
            let (next, settled) = match to_be_proved {
                Some(challenge) => (Stage::Challenged(challenge.nonce), Settled::Other),
                None => (Stage::Cleared { replace: None }, Settled::Lacked),
            };
            *stage = next;
            settled
        }
        // It came to be held by another way: whether with the same bytes, an offer tells.
        Stage::Cleared { replace: None } if here => {
            *stage = Stage::Hashed;
            Settled::NotAsked
        }
        Stage::Cleared { .. }
        | Stage::Hashed
        | Stage::Sending(_)
        | Stage::Challenged(_)
        | Stage::Proving { .. }
        | Stage::Proved(_)
        | Stage::Shown => Settled::NotAsked,
    }
}
