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
//! | | another rate, or a chunk that was left alone for long enough | `Opening` |
//! | `Opening`, `Moving` | an upload that is gone, or another file's | `Opening`, anew |
//! | | the answer to the seal | `Ended(Done)` |
//! | `Opening` | an answer that it is sealed already | `Moving`, in which the file is only read |
//! | `Moving` of what is sealed already | all of it was read, and the root is the file's own | `Ended(Done)` |
//! | | another root | `Opening`, anew |
//! | | the answer to the one request of a small file | `Ended(Done)` |
//! | any of these two | `Pause` | `Paused` |
//! | `Opening` after `Look` | `Pause`: what was found is looked for again | `Paused` |
//! | `Paused`, `Ended(Failed)` | `Resume` | `Opening` |
//! | `Paused`, `Ended(Failed)` | `Look` | `Opening`, in which nothing is begun before `Resume` |
//! | any but `Ended` | a refusal that is final, a source that cannot be read or has changed | `Ended(Failed)` |
//! | any but `Closing`, `Ended(Done)`, `Ended(Cancelled)` | `Cancel` | `Closing` |
//! | any but `Ended(Done)`, `Ended(Cancelled)` | `Leave` | `Ended(Cancelled)`, and nothing is deleted |
//! | `Closing` | a small file that was stored, or a status that tells of our own seal | `Ended(Done)` |
//! | | the answer, enough tries, no token to ask with, or `Cancel` after a try | `Ended(Cancelled)` |
//!
//! A refused token leaves the state as it is: nothing new is begun until there is a fresh one, and
//! if there is none the upload fails.
//!
//! Resuming is starting: after a failure, a pause or a reload the machine is in `Opening`, asks what
//! the server has, and goes on with what is missing. Sends that are under way when something else
//! fails go on; only new ones wait.
//!
//! A small file is read and stored in one request, in `Opening`: there is no upload to ask about.
//!
//! # A chunk's way
//!
//! Its bytes are read into a buffer and hashed, the digest is offered, and only if the server does
//! not have it is the same buffer sent; some are sent unasked: on very fast
//! lines, and the first where there is nothing to find (`unasked.rs`). If
//! the server has it from another owner, the same buffer is hashed once more, with a nonce of the
//! server's, which proves that the sender has the bytes. The digests of what was read by then travel
//! with create. Chunks that the server held before this session go the same way up to the offer,
//! which compares them with the file: the seal's root is made of digests of the file
//! as it is now, never of digests that the server told.

mod action;
mod ahead;
mod buffers;
mod closing;
pub(crate) mod failed;
mod happened;
mod ledger;
pub(crate) mod link;
mod map;
mod next;
pub(crate) mod pace;
mod proof;
pub(crate) mod renew;
mod rest;
mod seek;
mod share;
mod store;
mod timeouts;
mod tuner;
mod unasked;

pub use map::Whereabouts;
pub use store::ONE_REQUEST_MAX;

pub use action::{
    Action, Answer, BufferId, Call, End, Failure, Fault, Input, Phase, Record, SourceError, Ticket,
};

use std::collections::VecDeque;

use litemap::LiteMap;

use crate::digest::Digest;
use crate::plan::{ChunkIndex, Plan};
use crate::problem::{Problem, ProblemCode};
use crate::progress::{Meter, Progress};
use crate::time::Millis;
use crate::wire::ids::UploadId;
use crate::wire::{FileInfo, FileMeta};

use ahead::Ahead;
use buffers::Buffers;
use failed::Damage;
use ledger::Ledger;
use link::Link;
use pace::Pace;
use renew::Token;
use seek::Seek;
use tuner::Tuner;
use unasked::Unasked;

/// How long a body may stand still before its request is given up: longer than a Wi-Fi roams,
/// shorter than a person's patience.
pub const STALL_TIMEOUT: Millis = Millis(30_000);
/// How long a control call may take.
pub const CALL_TIMEOUT: Millis = Millis(30_000);
/// How long the server's list of open uploads is waited for: it is only a convenience.
pub const LIST_TIMEOUT: Millis = Millis(5_000);
/// How long reading and hashing one chunk may take: a network folder or a disk that spins up needs
/// seconds; a worker that the browser ended never answers.
pub const READ_TIMEOUT: Millis = Millis(120_000);
/// How many reads and proofs in a row may end so before the upload fails.
pub const READ_TRIES: u32 = 3;
/// How long a seal may take: the server syncs up to its `unsynced_bytes_max` first.
pub const SEAL_TIMEOUT: Millis = Millis(180_000);
/// How long the page may take for a fresh token: a person may have to sign in again for it.
pub const RENEW_TIMEOUT: Millis = Millis(300_000);
/// How often what the server copies by itself is asked about.
pub const FILL_POLL: Millis = Millis(250);
/// The shortest time between two records: `localStorage` writes are synchronous.
pub const SAVE_INTERVAL: Millis = Millis(1000);
/// How often a cancel is tried before the upload is left to its expiry.
pub const CANCEL_TRIES: u32 = 6;

/// What to upload, and how to begin.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What the file is; its name as [`crate::name::clean`] returns it.
    pub meta: FileMeta,
    /// Its length, bytes.
    pub size: u64,
    /// An upload of the same file from an earlier session.
    pub resume: Option<UploadId>,
    /// Whether to look for an upload of the same file that another device began.
    pub seeks: bool,
    /// Whether every chunk is read and hashed once more before the seal, for surroundings that do not
    /// tell when a file changes while it is read.
    pub verify_source: bool,
    /// The most chunks that are sent at once; as many as memory and the server allow if it is not given.
    pub lanes: Option<u64>,
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
    since: Millis,
    until: Millis,
    kind: CallKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    List,
    Create,
    Status,
    Offer,
    Prove,
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
    /// Whether the server was asked to begin this one and may have, though no answer to it was heard.
    unheard: bool,
    /// The root of a small file that was sent in one request.
    stored: Option<Digest>,
    /// The file that the upload has become, until it is known whether it is the one at hand.
    sealed: Option<Box<FileInfo>>,
    ledger: Ledger,
    buffers: Buffers,
    seek: Seek,
    /// Whether another tab may have the file: until that is known nothing is begun.
    looks: bool,
    /// Whether a small file is tried in one request.
    stores: bool,
    /// How many files share this device's lanes and buffers.
    sharing: u64,
    /// How many chunks the server lets one upload send at once.
    lanes_max: u64,
    link: Link,
    tuner: Tuner,
    ahead: Ahead,
    unasked: Unasked,
    pace: Pace,
    token: Token,
    calling: Option<Calling>,
    next_ticket: u64,
    /// Actions that answer an input.
    outbox: VecDeque<Action>,
    /// Chunks that another sender took over or another file's needed the lane of, and until when they
    /// are left alone.
    yielded: LiteMap<ChunkIndex, Millis>,
    /// Chunks that were refused as damaged, what was sent of them and how often; emptied as they arrive.
    damaged: LiteMap<ChunkIndex, Damage>,
    /// How many reads and proofs in a row got no answer.
    silences: u32,
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
            unheard: false,
            stored: None,
            sealed: None,
            ledger: Ledger::new(plan.clone().unwrap_or(Plan::EMPTY)),
            buffers: Buffers::new(plan.as_ref().map_or(0, |plan| plan.buffers())),
            seek: if config.seeks { Seek::Open } else { Seek::Over },
            looks: false,
            stores: true,
            sharing: 1,
            lanes_max: 1,
            link: Link::new(config.seed),
            tuner: Tuner::new(),
            ahead: Ahead::default(),
            unasked: Unasked::default(),
            pace: Pace::default(),
            token: Token::default(),
            calling: None,
            next_ticket: 0,
            outbox: VecDeque::new(),
            yielded: LiteMap::new(),
            damaged: LiteMap::new(),
            silences: 0,
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
        let done = matches!(self.state, State::Ended(End::Done(_)));
        let size = self.config.size;
        let progress = Progress::new(
            size,
            if done { size } else { self.ledger.acknowledged_bytes() },
            self.buffers.in_flight_bytes(),
            self.ledger.reused_bytes(),
            self.meter.rate(now),
        );
        Progress { checked: self.ledger.checked_bytes(), ..progress }
    }

    /// Takes in what happened. Call [`Upload::poll`] afterwards until it returns `None`.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match (&self.state, input) {
            (_, Input::Answer { ticket, result }) => self.on_answer(now, ticket, result),
            (_, Input::Read { ticket, result }) => self.on_read(now, ticket, result),
            (_, Input::Stored { ticket, result }) => self.on_stored(now, ticket, result),
            (_, Input::Proved { ticket, result }) => self.on_proved(now, ticket, result),
            (_, Input::Moved { ticket, bytes }) => self.on_moved(now, ticket, bytes),
            (_, Input::Sent { ticket, result }) => self.on_sent(now, ticket, result),
            (_, Input::Renewed { ticket, is_fresh }) => self.on_renewed(ticket, is_fresh),
            (_, Input::Sharing { files }) => self.share_with(now, files),
            (_, Input::RateMax { bytes_per_second }) => self.limit_rate(bytes_per_second),
            (State::Opening | State::Moving, Input::Pause) => self.pause(),
            (State::Paused | State::Ended(End::Failed(_)), Input::Look) => {
                self.reopen();
                self.looks = true;
            }
            (State::Opening, Input::Look) => self.looks = true,
            (State::Paused | State::Ended(End::Failed(_)), Input::Resume) => self.reopen(),
            (State::Paused | State::Ended(End::Failed(_)), Input::Picked) => {
                self.ledger.doubt_all();
            }
            (State::Opening | State::Moving, Input::Resume) => {
                self.looks = false;
                self.link.try_now();
            }
            (_, Input::Verify) => {
                self.config.verify_source = true;
                self.ledger.check_again();
            }
            (_, Input::Online) => self.link.came_online(),
            (State::Ended(End::Done(_) | End::Cancelled), Input::Cancel) => {}
            (State::Closing { tries }, Input::Cancel) => self.cancel_again(*tries),
            (_, Input::Cancel) => self.cancel(),
            (State::Ended(End::Done(_) | End::Cancelled), Input::Leave) => {}
            (_, Input::Leave) => self.stop(State::Ended(End::Cancelled)),
            (_, Input::Pause | Input::Look | Input::Resume | Input::Picked) => {}
        }
    }

    /// The next thing to do, if there is one now.
    #[must_use]
    pub fn poll(&mut self, now: Millis) -> Option<Action> {
        self.tick(now);
        if let Some(action) = self.outbox.pop_front() {
            if let Action::Free { buffer } = action {
                self.buffers.was_freed(buffer);
            }
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

    // Changes of state.

    fn begin_anew(&mut self) {
        self.stop(State::Opening);
        (self.id, self.sealed) = (None, None);
        self.save_at = None;
        self.begun += 1;
        self.unheard = false;
        self.seek = Seek::Over;
        self.damaged.clear();
        self.yielded.clear();
        self.root_refused = false;
        self.outbox.push_back(Action::Forget);
        if let Ok(plan) = first_plan(self.config.size) {
            self.start_over(plan);
        }
    }

    /// Nothing is known of what a server has of chunks of this length.
    fn start_over(&mut self, plan: Plan) {
        self.ledger = Ledger::new(plan);
        self.buffers = self.new_buffers(plan);
        self.unasked = Unasked::default();
    }

    /// Bodies on their way were begun at another rate: they go on at this one from where they are.
    fn limit_rate(&mut self, bytes_per_second: Option<u64>) {
        // What is waited for while an upload is given up is its only request.
        if !self.pace.set(bytes_per_second) || matches!(self.state, State::Closing { .. }) {
            return;
        }
        self.tuner.disturbed();
        let stopped = self.buffers.stop_least(self.buffers.sending_count());
        if !stopped.is_empty() {
            self.ask_again();
        }
        self.outbox.extend(stopped.into_iter().map(|(buffer, _)| Action::Stop { buffer }));
    }

    fn changed(&mut self, now: Millis) {
        let next = self.saved_at.map_or(now, |saved| saved + SAVE_INTERVAL);
        self.save_at.get_or_insert(next.max(now));
    }

    // Questions.

    fn is_calling(&self) -> bool {
        self.calling.is_some()
    }

    /// Whether nothing new may be begun for now.
    fn is_held_up(&self) -> bool {
        self.link.down().is_some() || self.token.is_awaited()
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Paused | State::Ended(_))
    }

    fn moving_phase(&self) -> Phase {
        if let Some(down) = self.link.down() {
            return Phase::Waiting { until: down.until, why: down.why.clone() };
        }
        if self.token.is_awaited() {
            return Phase::Renewing;
        }
        let sealing = self.calling.is_some_and(|calling| calling.kind == CallKind::Seal);
        match self.state {
            State::Opening if self.ledger.acknowledged().is_empty() && !self.is_storing() => {
                Phase::Opening
            }
            _ if sealing => Phase::Sealing,
            _ if !self.ledger.plan().is_empty() && self.ledger.all_arrived() => Phase::Verifying,
            _ => Phase::Uploading,
        }
    }
}

/// The plan that a sender reads by until the server has chosen one.
fn first_plan(size: u64) -> Result<Plan, Fault> {
    Plan::of_file(size).map_err(|error| {
        let problem: Problem = const { ProblemCode::InvalidPlan.row() }.problem(error.to_string());
        Fault::Refused(Box::new(problem))
    })
}
