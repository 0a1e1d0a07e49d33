//! The sender's state machine: the same in the browser and the terminal.
//!
//! It has no clock and does no I/O. Its surroundings call [`Upload::handle`] with what happened,
//! then [`Upload::poll`] until that returns `None`, doing each action it returns; and the same again
//! when the time that [`Upload::next_timeout`] names has come. Extra calls do no harm, and answers
//! that come late, twice or for something given up are recognised by their ticket and dropped.
//!
//! # States
//!
//! | state | left by | for |
//! | --- | --- | --- |
//! | `Opening`: what the server has is not known | the answer to create or status | `Moving` |
//! | `Moving`: chunks are read, offered, sent; then sealed | any failure that can be tried again | `Opening` |
//! | | the answer to the seal | `Ended(Done)` |
//! | any of these two | `Pause` | `Paused` |
//! | `Paused`, `Ended(Failed)` | `Resume` | `Opening` |
//! | any but `Ended` | a refusal that is final, a source that cannot be read | `Ended(Failed)` |
//! | any but `Ended(Done)` | `Cancel` | `Closing` |
//! | `Closing` | the answer, or enough tries | `Ended(Cancelled)` |
//!
//! Resuming is starting: after a failure, a pause or a reload the machine is in `Opening`, asks what
//! the server has, and goes on with what is missing. Sends that are under way when something else
//! fails go on; only new ones wait.
//!
//! # A chunk's way
//!
//! Its bytes are read into a buffer and hashed, the digest is offered, and only if the server does
//! not have it is the same buffer sent. The first digest travels with create. Chunks that the server
//! held before this session go the same way up to the offer, which compares them with the file: the
//! seal's root is made of digests of the file as it is now, never of digests that the server told.

mod action;
mod buffers;
mod ledger;
mod link;

pub use action::{
    Action, Answer, BufferId, Call, End, Failure, Fault, Input, Phase, Record, SourceError, Ticket,
};

use std::collections::{BTreeMap, VecDeque};

use crate::digest::Digest;
use crate::plan::{CHUNK_LEN_DEFAULT, ChunkIndex, Plan};
use crate::problem::{Problem, ProblemCode, Retry};
use crate::progress::{Meter, Progress};
use crate::time::Millis;
use crate::wire::header::ChunkHeaders;
use crate::wire::ids::UploadId;
use crate::wire::{
    CreateRequest, DigestRun, DigestsAnswer, FileMeta, PROTOCOL_VERSION, SealRequest, UploadStatus,
};

use buffers::{Buffer, Buffers, Sending, Stage};
use ledger::Ledger;
use link::Link;

/// How long a body may stand still before its request is given up: longer than a Wi-Fi roams,
/// shorter than a person's patience.
pub const STALL_TIMEOUT: Millis = Millis(30_000);
/// How long a control call may take.
pub const CALL_TIMEOUT: Millis = Millis(30_000);
/// How long a seal may take: the server syncs up to its `unsynced_bytes_max` first.
pub const SEAL_TIMEOUT: Millis = Millis(180_000);
/// How often what the server copies by itself is asked about.
pub const FILL_POLL: Millis = Millis(250);
/// The shortest time between two records: `localStorage` writes are synchronous.
pub const SAVE_INTERVAL: Millis = Millis(1000);
/// How often a cancel is tried before the upload is left to its expiry.
pub const CANCEL_TRIES: u32 = 3;

/// What to upload, and how to begin.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the file is; its name as [`crate::name::clean`] returns it.
    pub meta: FileMeta,
    /// Its length, bytes.
    pub size: u64,
    /// An upload of the same file from an earlier session.
    pub resume: Option<UploadId>,
    /// Random, for this file and session: what the `Idempotency-Key` is made of.
    pub key: String,
    /// Random: what the jitter is made of.
    pub seed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Moving,
    Paused,
    Closing { tries: u32 },
    Ended(End),
}

/// A control call under way. There is at most one.
#[derive(Clone, Copy, Debug)]
struct Calling {
    ticket: Ticket,
    until: Millis,
    kind: CallKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    Create,
    Status,
    Offer,
    Seal,
    Cancel,
}

/// The sender of one file.
#[derive(Clone, Debug)]
pub struct Upload {
    config: Config,
    state: State,
    id: Option<UploadId>,
    /// How many uploads were begun: each has a key of its own.
    begun: u32,
    ledger: Ledger,
    buffers: Buffers,
    lanes: u64,
    link: Link,
    calling: Option<Calling>,
    next_ticket: u64,
    /// Actions that answer an input.
    outbox: VecDeque<Action>,
    /// Chunks that another sender took over, and until when they are left to it.
    yielded: BTreeMap<ChunkIndex, Millis>,
    /// How often a chunk was refused as damaged; emptied as they arrive.
    damaged: BTreeMap<ChunkIndex, u32>,
    /// Whether a root was refused already: the second time is final.
    root_refused: bool,
    /// When what is being filled is asked about.
    fill_poll_at: Millis,
    /// When the record may be written, if there is anything new in it.
    save_at: Option<Millis>,
    saved_at: Option<Millis>,
    expires_at: Millis,
    meter: Meter,
}

impl Upload {
    /// A sender that will begin a new upload, or go on with `config.resume`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let plan = first_plan(config.size);
        Self {
            state: match &plan {
                Ok(_) => State::Opening,
                Err(fault) => State::Ended(End::Failed(fault.clone())),
            },
            id: config.resume,
            begun: 0,
            ledger: Ledger::new(plan.clone().unwrap_or(Plan::EMPTY)),
            buffers: Buffers::new(plan.map_or(0, Plan::buffers)),
            lanes: 1,
            link: Link::new(config.seed),
            calling: None,
            next_ticket: 0,
            outbox: VecDeque::new(),
            yielded: BTreeMap::new(),
            damaged: BTreeMap::new(),
            root_refused: false,
            fill_poll_at: Millis(0),
            save_at: None,
            saved_at: None,
            expires_at: Millis(0),
            meter: Meter::default(),
            config,
        }
    }

    /// The upload's id, once the server has told it.
    #[must_use]
    pub fn id(&self) -> Option<UploadId> {
        self.id
    }

    /// Where the upload stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Paused => Phase::Paused,
            State::Closing { .. } => Phase::Cancelling,
            State::Ended(end) => Phase::Ended(end.clone()),
            State::Opening | State::Moving => self.moving_phase(),
        }
    }

    /// How far the upload is.
    #[must_use]
    pub fn progress(&self, now: Millis) -> Progress {
        Progress::new(
            self.config.size,
            self.ledger.acknowledged_bytes(),
            self.buffers.in_flight_bytes(),
            self.ledger.reused_bytes(),
            self.meter.rate(now),
        )
    }

    /// Takes in what happened. Call [`Upload::poll`] afterwards until it returns `None`.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match (&self.state, input) {
            (_, Input::Answer { ticket, result }) => self.on_answer(now, ticket, result),
            (_, Input::Read { ticket, result }) => self.on_read(ticket, result),
            (_, Input::Moved { ticket, bytes }) => self.on_moved(now, ticket, bytes),
            (_, Input::Sent { ticket, result }) => self.on_sent(now, ticket, result),
            (State::Opening | State::Moving, Input::Pause) => self.stop(State::Paused),
            (State::Paused | State::Ended(End::Failed(_)), Input::Resume) => self.reopen(),
            (State::Opening | State::Moving, Input::Resume | Input::Online) => self.link.try_now(),
            (
                State::Ended(End::Done(_) | End::Cancelled) | State::Closing { .. },
                Input::Cancel,
            ) => {}
            (_, Input::Cancel) => self.stop(State::Closing { tries: 0 }),
            (_, Input::Pause | Input::Resume | Input::Online) => {}
        }
    }

    /// The next thing to do, if there is one now.
    #[must_use]
    pub fn poll(&mut self, now: Millis) -> Option<Action> {
        self.tick(now);
        if let Some(action) = self.outbox.pop_front() {
            return Some(action);
        }
        let work = match self.state {
            State::Opening => self.open(now),
            State::Moving => self.move_on(now),
            State::Closing { tries } => self.close(now, tries),
            State::Paused | State::Ended(_) => None,
        };
        work.or_else(|| self.save(now))
    }

    /// When [`Upload::poll`] is to be called again even if nothing happens.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        let stalls = self
            .buffers
            .iter()
            .filter_map(|(_, buffer)| buffer.sending())
            .map(|sending| sending.moved_at + STALL_TIMEOUT);
        let fills =
            (self.state == State::Moving && self.ledger.any_filling() && !self.is_calling())
                .then_some(self.fill_poll_at);
        let retry = (!self.is_at_rest()).then(|| self.link.down().map(|down| down.until)).flatten();
        stalls
            .chain(self.calling.map(|calling| calling.until))
            .chain(self.yielded.values().copied())
            .chain(fills)
            .chain(retry)
            .chain(self.save_at)
            .min()
    }

    // What goes on by itself as time passes.

    fn tick(&mut self, now: Millis) {
        self.link.tick(now);
        if self.calling.is_some_and(|calling| calling.until <= now) {
            self.call_timed_out(now);
        }
        let stalled = self.buffers.iter().find(|(_, buffer)| {
            buffer.sending().is_some_and(|sending| sending.moved_at + STALL_TIMEOUT <= now)
        });
        if let Some((buffer, _)) = stalled {
            self.send_stalled(now, buffer);
        }
        self.yields_end(now);
    }

    fn call_timed_out(&mut self, now: Millis) {
        if let Some(Calling { ticket, .. }) = self.calling {
            self.outbox.push_back(Action::HangUp { ticket });
            let failure = Failure::Network("no answer in time".to_owned());
            self.on_answer(now, ticket, Err(failure));
        }
    }

    fn send_stalled(&mut self, now: Millis, stalled: BufferId) {
        for (_, buffer) in self.buffers.iter_mut().filter(|(id, _)| *id == stalled) {
            buffer.stop_sending();
        }
        self.outbox.push_back(Action::Stop { buffer: stalled });
        self.retry_later(now, Failure::Network("no byte moved for too long".to_owned()));
    }

    /// A chunk that was left to another sender is asked about again.
    fn yields_end(&mut self, now: Millis) {
        let before = self.yielded.len();
        self.yielded.retain(|_, until| *until > now);
        if self.yielded.len() < before && self.state == State::Moving {
            self.state = State::Opening;
        }
    }

    // What to do next, by state.

    fn open(&mut self, now: Millis) -> Option<Action> {
        if self.is_calling() || self.link.down().is_some() {
            return None;
        }
        match self.id {
            Some(id) => Some(self.call(now, CallKind::Status, Call::Status(id))),
            None => self.begin(now),
        }
    }

    /// Begins an upload, as soon as the digest of its first chunk is known.
    fn begin(&mut self, now: Millis) -> Option<Action> {
        let plan = self.ledger.plan();
        let digests = if plan.is_empty() { Some(None) } else { self.first_digest().map(Some) };
        let Some(digests) = digests else {
            return self.buffers.all_empty().then(|| self.read(ChunkIndex(0))).flatten();
        };
        let request = Box::new(CreateRequest {
            protocol_version: PROTOCOL_VERSION,
            size: self.config.size,
            chunk_size: Some(plan.chunk_len()),
            meta: self.config.meta.clone(),
            digests,
        });
        let key = format!("{}-{}", self.config.key, self.begun);
        Some(self.call(now, CallKind::Create, Call::Create { request, key }))
    }

    fn first_digest(&mut self) -> Option<DigestRun> {
        self.buffers.iter_mut().find_map(|(_, buffer)| match buffer {
            Buffer::Full { chunk: ChunkIndex(0), digest, stage } => {
                *stage = Stage::Offered;
                Some(DigestRun { start: ChunkIndex(0), digests: vec![*digest] })
            }
            _ => None,
        })
    }

    fn move_on(&mut self, now: Millis) -> Option<Action> {
        if self.link.down().is_some() {
            return None;
        }
        self.send_next(now).or_else(|| self.read_next()).or_else(|| self.call_next(now))
    }

    fn send_next(&mut self, now: Millis) -> Option<Action> {
        let upload = self.id.filter(|_| self.buffers.sending_count() < self.lanes)?;
        let ticket = Ticket(self.next_ticket);
        let yielded = &self.yielded;
        let cleared = |(buffer, slot): (BufferId, &'_ mut Buffer)| match slot {
            Buffer::Full { chunk, digest, stage } if !yielded.contains_key(chunk) => {
                let Stage::Cleared { replace } = *stage else { return None };
                *stage = Stage::Sending(Sending { ticket, replace, moved: 0, moved_at: now });
                let headers = ChunkHeaders { index: *chunk, offset: 0, digest: *digest, replace };
                Some(Action::Send { ticket, buffer, upload, headers })
            }
            _ => None,
        };
        let action = self.buffers.iter_mut().find_map(cleared)?;
        self.next_ticket += 1;
        Some(action)
    }

    fn read_next(&mut self) -> Option<Action> {
        let mut busy = self.buffers.chunks();
        self.yielded.keys().for_each(|chunk| {
            busy.insert(*chunk);
        });
        let compare = self.ledger.next_to_compare(&busy);
        let send = self.ledger.next_to_send(&busy).filter(|_| {
            // One buffer stays free for comparing while the network is the bottleneck.
            compare.is_none() || self.waiting_count() + 1 < self.buffers.count().max(2)
        });
        self.read(send.or(compare)?)
    }

    /// Buffers with chunks that the server lacks, as far as is known.
    fn waiting_count(&self) -> u64 {
        let lacking = |buffer: &Buffer| buffer.chunk().is_some_and(|chunk| !self.ledger.has(chunk));
        self.buffers.iter().filter(|(_, buffer)| lacking(buffer)).count() as u64
    }

    fn read(&mut self, chunk: ChunkIndex) -> Option<Action> {
        let range = self.ledger.plan().range(chunk);
        let ticket = Ticket(self.next_ticket);
        let (buffer, slot) = self.buffers.first_empty()?;
        *slot = Buffer::Reading { chunk, ticket };
        self.next_ticket += 1;
        Some(Action::Read { ticket, buffer, range })
    }

    fn call_next(&mut self, now: Millis) -> Option<Action> {
        let id = self.id.filter(|_| !self.is_calling())?;
        if let Some(root) = self.ledger.root().filter(|_| self.buffers.all_empty()) {
            return Some(self.call(now, CallKind::Seal, Call::Seal(id, SealRequest { root })));
        }
        if let Some(run) = self.next_offer() {
            return Some(self.call(now, CallKind::Offer, Call::Offer(id, run)));
        }
        let ask = self.ledger.any_filling() && self.fill_poll_at <= now;
        ask.then(|| self.call(now, CallKind::Status, Call::Status(id)))
    }

    fn next_offer(&mut self) -> Option<DigestRun> {
        let offer = self.buffers.next_offer();
        let start = offer.first()?.0;
        for (_, buffer) in self.buffers.iter_mut() {
            let offered =
                buffer.chunk().is_some_and(|at| offer.iter().any(|(chunk, _)| *chunk == at));
            if let Some(stage) = buffer.stage_mut().filter(|_| offered) {
                *stage = Stage::Offered;
            }
        }
        Some(DigestRun { start, digests: offer.into_iter().map(|(_, digest)| digest).collect() })
    }

    fn close(&mut self, now: Millis, tries: u32) -> Option<Action> {
        if self.is_calling() || self.link.down().is_some() {
            return None;
        }
        match self.id.filter(|_| tries < CANCEL_TRIES) {
            Some(id) => Some(self.call(now, CallKind::Cancel, Call::Cancel(id))),
            None => {
                self.end(End::Cancelled);
                self.outbox.pop_front()
            }
        }
    }

    fn save(&mut self, now: Millis) -> Option<Action> {
        let id = self.id.filter(|_| self.save_at.is_some_and(|at| at <= now))?;
        (self.save_at, self.saved_at) = (None, Some(now));
        let plan = self.ledger.plan();
        Some(Action::Save(Record {
            id,
            size: plan.len(),
            chunk_size: plan.chunk_len(),
            held: self.ledger.acknowledged(),
            expires_at: self.expires_at,
        }))
    }

    fn call(&mut self, now: Millis, kind: CallKind, call: Call) -> Action {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let timeout = if kind == CallKind::Seal { SEAL_TIMEOUT } else { CALL_TIMEOUT };
        self.calling = Some(Calling { ticket, until: now + timeout, kind });
        self.ledger.call_begins();
        Action::Call { ticket, call }
    }

    // What happened.

    fn on_answer(&mut self, now: Millis, ticket: Ticket, result: Result<Answer, Failure>) {
        let Some(calling) = self.calling.filter(|calling| calling.ticket == ticket) else { return };
        self.calling = None;
        match (calling.kind, result) {
            (CallKind::Create | CallKind::Status, Ok(Answer::Upload(status))) => {
                self.on_status(now, *status);
            }
            (CallKind::Offer, Ok(Answer::Digests(answer))) => self.on_offered(now, answer),
            (CallKind::Seal, Ok(Answer::File(file))) => self.end(End::Done(file)),
            (CallKind::Cancel, Ok(_)) => self.end(End::Cancelled),
            (_, Ok(_)) => self.nonsense("it does not fit the question"),
            (CallKind::Cancel, Err(failure)) => self.on_cancel_failed(now, failure),
            (kind, Err(failure)) => self.on_call_failed(now, kind, failure),
        }
    }

    fn on_status(&mut self, now: Millis, status: UploadStatus) {
        if let Some(file) = status.file {
            return self.end(End::Done(Box::new(file)));
        }
        let plan = match status.plan() {
            Ok(plan) if plan.len() == self.config.size => plan,
            Ok(_) => return self.begin_anew(),
            Err(error) => return self.nonsense(&error.to_string()),
        };
        if plan != self.ledger.plan() {
            self.replan(plan);
        }
        self.id = Some(status.id);
        self.lanes = plan.lanes().min(status.lanes).max(1);
        self.link.set_policy(status.retry);
        self.expires_at = status.expires_at;
        self.state = State::Moving;
        let answer = DigestsAnswer { holding: status.holding, differs: Vec::new() };
        self.on_offered(now, answer);
    }

    /// The server chose another chunk size: what was read does not fit it.
    fn replan(&mut self, plan: Plan) {
        self.free_all();
        self.ledger = Ledger::new(plan);
        self.buffers = Buffers::new(plan.buffers());
    }

    /// What the server has, after a call that may have carried digests.
    fn on_offered(&mut self, now: Millis, answer: DigestsAnswer) {
        self.ledger.reconcile(answer.holding);
        self.fill_poll_at = now + FILL_POLL;
        let differs: BTreeMap<_, _> =
            answer.differs.iter().map(|differing| (differing.index, differing.digest)).collect();
        let mut freed = Vec::new();
        for (id, buffer) in self.buffers.iter_mut() {
            if settle(buffer, &mut self.ledger, &differs) {
                freed.push(id);
            }
        }
        self.outbox.extend(freed.into_iter().map(|buffer| Action::Free { buffer }));
        self.changed(now);
    }

    fn on_read(&mut self, ticket: Ticket, result: Result<Digest, SourceError>) {
        let Some(buffer) = self.buffers.reading(ticket) else { return };
        let Some(chunk) = buffer.chunk() else { return };
        match result {
            Ok(digest) => {
                let offer = self.ledger.may_fill(chunk) || self.ledger.has(chunk);
                let stage = if offer { Stage::Hashed } else { Stage::Cleared { replace: None } };
                *buffer = Buffer::Full { chunk, digest, stage };
            }
            Err(error) => self.fail(Fault::Source(error)),
        }
    }

    fn on_moved(&mut self, now: Millis, ticket: Ticket, bytes: u64) {
        let Some((_, buffer)) = self.buffers.sent_as(ticket) else { return };
        let Some(sending) = buffer.sending_mut() else { return };
        let more = bytes.saturating_sub(sending.moved);
        if more > 0 {
            (sending.moved, sending.moved_at) = (bytes, now);
            self.meter.moved(now, more);
        }
    }

    fn on_sent(&mut self, now: Millis, ticket: Ticket, result: Result<(), Failure>) {
        let Some((id, buffer)) = self.buffers.sent_as(ticket) else { return };
        let Buffer::Full { chunk, digest, stage: Stage::Sending(sending) } = *buffer else {
            return;
        };
        match result {
            Ok(()) => {
                *buffer = Buffer::Empty;
                self.outbox.push_back(Action::Free { buffer: id });
                let rest = self.ledger.plan().chunk_bytes(chunk).saturating_sub(sending.moved);
                self.meter.moved(now, rest);
                self.chunk_arrived(now, chunk, digest);
            }
            Err(failure) => {
                buffer.stop_sending();
                self.on_send_failed(now, id, chunk, failure);
            }
        }
    }

    fn chunk_arrived(&mut self, now: Millis, chunk: ChunkIndex, digest: Digest) {
        self.ledger.chunk_received(chunk, digest);
        self.link.chunk_arrived();
        self.damaged.remove(&chunk);
        self.changed(now);
    }

    // What failed. Every failure that can be tried again ends in `Opening` after a wait.

    fn on_call_failed(&mut self, now: Millis, kind: CallKind, failure: Failure) {
        for stage in self.buffers.iter_mut().filter_map(|(_, buffer)| buffer.stage_mut()) {
            if *stage == Stage::Offered {
                *stage = Stage::Hashed;
            }
        }
        match (kind, retry_of(&failure)) {
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
        let refused = matches!(failure, Failure::Refused { problem, .. }
            if problem.code == ProblemCode::RootMismatch.row().code);
        refused && !self.root_refused
    }

    fn on_send_failed(
        &mut self,
        now: Millis,
        buffer: BufferId,
        chunk: ChunkIndex,
        failure: Failure,
    ) {
        match retry_of(&failure) {
            Retry::Never => self.refuse(failure),
            Retry::AfterStatus => {
                self.free(buffer);
                let until = self.link.superseded_until(now);
                self.yielded.insert(chunk, until);
            }
            Retry::Restart => {
                self.begin_anew();
                self.retry_later(now, failure);
            }
            Retry::Reconcile => {
                self.free(buffer);
                self.retry_later(now, failure);
            }
            Retry::Later if is_damage(&failure) => self.on_damaged(now, buffer, chunk, failure),
            Retry::Later => self.retry_later(now, failure),
        }
    }

    /// The bytes that arrived were not those that were hashed: read them once more.
    fn on_damaged(&mut self, now: Millis, buffer: BufferId, chunk: ChunkIndex, failure: Failure) {
        self.free(buffer);
        let times = self.damaged.entry(chunk).or_default();
        *times += 1;
        match *times {
            times if times > self.link.policy().damaged_max => {
                self.fail(Fault::Damaged { chunk, times });
            }
            _ => self.retry_later(now, failure),
        }
    }

    fn on_cancel_failed(&mut self, now: Millis, failure: Failure) {
        let gone = retry_of(&failure) == Retry::Restart;
        match &mut self.state {
            State::Closing { tries } if !gone => {
                *tries += 1;
                self.link.failed(now, failure);
            }
            _ => self.end(End::Cancelled),
        }
    }

    fn retry_later(&mut self, now: Millis, failure: Failure) {
        self.link.failed(now, failure);
        if self.state == State::Moving {
            self.state = State::Opening;
        }
    }

    fn refuse(&mut self, failure: Failure) {
        match failure {
            Failure::Refused { problem, .. } => self.fail(Fault::Refused(problem)),
            Failure::Network(text) => self.nonsense(&text),
        }
    }

    fn nonsense(&mut self, what: &str) {
        self.fail(Fault::Nonsense(what.to_owned()));
    }

    // Changes of state.

    fn begin_anew(&mut self) {
        self.stop(State::Opening);
        self.id = None;
        self.save_at = None;
        self.begun += 1;
        self.damaged.clear();
        self.yielded.clear();
        self.root_refused = false;
        self.outbox.push_back(Action::Forget);
        if let Ok(plan) = first_plan(self.config.size) {
            self.ledger = Ledger::new(plan);
            self.buffers = Buffers::new(plan.buffers());
        }
    }

    fn reopen(&mut self) {
        self.state = State::Opening;
        self.link.try_now();
        self.damaged.clear();
    }

    fn fail(&mut self, fault: Fault) {
        self.stop(State::Ended(End::Failed(fault)));
    }

    fn end(&mut self, end: End) {
        self.stop(State::Ended(end));
        self.outbox.push_back(Action::Forget);
        self.save_at = None;
    }

    /// Leaves off everything that goes on.
    fn stop(&mut self, state: State) {
        if let Some(Calling { ticket, .. }) = self.calling.take() {
            self.outbox.push_back(Action::HangUp { ticket });
        }
        self.free_all();
        self.link.try_now();
        self.meter.reset();
        self.state = state;
    }

    fn free(&mut self, wanted: BufferId) {
        for (id, buffer) in self.buffers.iter_mut().filter(|(id, _)| *id == wanted) {
            *buffer = Buffer::Empty;
            self.outbox.push_back(Action::Free { buffer: id });
        }
    }

    fn free_all(&mut self) {
        for (id, buffer) in self.buffers.iter_mut().filter(|(_, slot)| **slot != Buffer::Empty) {
            *buffer = Buffer::Empty;
            self.outbox.push_back(Action::Free { buffer: id });
        }
    }

    fn changed(&mut self, now: Millis) {
        let next = self.saved_at.map_or(now, |saved| saved + SAVE_INTERVAL);
        self.save_at.get_or_insert(next.max(now));
    }

    // Questions.

    fn is_calling(&self) -> bool {
        self.calling.is_some()
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Paused | State::Ended(_))
    }

    fn moving_phase(&self) -> Phase {
        if let Some(down) = self.link.down() {
            return Phase::Waiting { until: down.until, why: down.why.clone() };
        }
        let sealing = self.calling.is_some_and(|calling| calling.kind == CallKind::Seal);
        match self.state {
            State::Opening if self.ledger.acknowledged().is_empty() => Phase::Opening,
            _ if sealing => Phase::Sealing,
            _ if !self.ledger.plan().is_empty() && self.ledger.all_arrived() => Phase::Verifying,
            _ => Phase::Uploading,
        }
    }
}

/// Moves a buffer on by what the server said; whether it is empty now.
fn settle(
    buffer: &mut Buffer,
    ledger: &mut Ledger,
    differs: &BTreeMap<ChunkIndex, Digest>,
) -> bool {
    let Buffer::Full { chunk, digest, stage } = buffer else { return false };
    let (chunk, digest) = (*chunk, *digest);
    let here = ledger.has(chunk) || ledger.is_filling(chunk);
    match *stage {
        Stage::Offered if differs.contains_key(&chunk) => {
            ledger.drop_chunk(chunk);
            *stage = Stage::Cleared { replace: differs.get(&chunk).copied() };
        }
        Stage::Offered if here => {
            ledger.confirm(chunk, digest);
            *buffer = Buffer::Empty;
            return true;
        }
        Stage::Offered => *stage = Stage::Cleared { replace: None },
        // It came to be held by another way: whether with the same bytes, an offer tells.
        Stage::Cleared { replace: None } if here => *stage = Stage::Hashed,
        Stage::Cleared { .. } | Stage::Hashed | Stage::Sending(_) => {}
    }
    false
}

fn retry_of(failure: &Failure) -> Retry {
    match failure {
        Failure::Network(_) => Retry::Later,
        Failure::Refused { problem, .. } => problem.retry(),
    }
}

fn is_damage(failure: &Failure) -> bool {
    let damages = [ProblemCode::DigestMismatch, ProblemCode::WrongLength];
    matches!(failure, Failure::Refused { problem, .. }
        if damages.iter().any(|damage| damage.row().code == problem.code))
}

/// The plan that a sender reads by until the server has chosen one.
fn first_plan(size: u64) -> Result<Plan, Fault> {
    Plan::new(size, CHUNK_LEN_DEFAULT).map_err(|error| {
        let problem: Problem = ProblemCode::InvalidPlan.problem(error.to_string());
        Fault::Refused(Box::new(problem))
    })
}
