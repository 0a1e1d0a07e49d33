//! The receiver's state machine: the same in the browser and the terminal.
//!
//! It has no clock and does no I/O. Its surroundings call [`Download::handle`] with what happened, then
//! [`Download::poll`] until that returns `None`, doing each action it returns; and the same again when
//! the time that [`Download::next_timeout`] names has come. Extra calls do no harm, and answers that come
//! late, twice or for something given up are recognised by their ticket and dropped.
//!
//! # States
//!
//! | state | left by | for |
//! | --- | --- | --- |
//! | `Opening`: the manifest is not known | its last page | `Preparing` |
//! | `Preparing`: the target is made | the target | `Moving` |
//! | `Moving`: chunks are checked, fetched, written | the last chunk | `Finishing` |
//! | `Finishing`: the target gets its name | its name | `Ended(Done)` |
//! | any of these but `Finishing` | `Pause` | `Paused` |
//! | any of these | a refusal that is final, a manifest that lies, a target that fails | `Ended(Failed)` |
//! | `Paused`, `Ended(Failed)` | `Resume` | `Opening`, or `Moving` once there is a target |
//! | any but `Ended(Done)`, `Ended(Cancelled)` | `Lost`: what was held is only claimed | `Opening`, or as it rests |
//! | any but `Finishing`, `Ended(Done)` | `Cancel`: the target goes; `Leave`: it stays | `Ended(Cancelled)` |
//!
//! A refused token leaves the state as it is: nothing new is begun until there is a fresh one, and if
//! there is none the download fails. A failure that can be tried again leaves it as it is too, and
//! nothing new is begun for a while.
//!
//! # A chunk's way
//!
//! Fetched into a buffer and hashed as it comes, compared with the manifest, and only then written to the
//! target. What broke off stays in its buffer, and the next attempt fetches the rest. A chunk that an
//! earlier session is said to have written is read from the target and compared first: a record is a
//! hint of where to look, and no more.

mod action;
pub mod answer;
mod happened;
mod manifest;
mod next;
mod slots;

pub use action::{Action, End, Fault, FetchError, Input, Phase, Record, TargetError};
pub use manifest::ManifestError;

use std::collections::VecDeque;

use litemap::LiteMap;

use crate::chunk_set::ChunkSet;
use crate::digest::Digest;
use crate::plan::{ChunkIndex, LANES_MAX, Plan};
use crate::progress::{Meter, Progress};
use crate::time::Millis;
use crate::upload::Ticket;
use crate::upload::link::Link;
use crate::upload::pace::Pace;
use crate::upload::renew::Token;
use crate::wire::FileInfo;
use crate::wire::ids::FileId;

use manifest::{Gathered, Gathering};
use slots::{Slot, Slots};

/// Chunks of an earlier session that are read at once, while others are fetched: one core can hash faster
/// than most networks bring, and the disk has writing to do.
pub const CHECKS_MAX: usize = 2;
/// The time between the first chunk and the first record of a session. Every wait for another is half as long again,
/// up to [`crate::upload::SAVE_INTERVAL`]: a session that is killed early keeps most of what it wrote, a long one does not write
/// records all the time, and a small file is here before there is one.
pub const RECORD_INTERVAL: Millis = Millis(100);

/// What to download, and how to begin.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which file.
    pub file: FileId,
    /// The root that it has to have, if the user knows it.
    pub root: Option<Digest>,
    /// What an earlier session has left.
    pub resume: Option<Record>,
    /// How many chunks are fetched at once, at least 1; more than [`LANES_MAX`] are not.
    pub lanes: u64,
    /// Random: what the jitter is made of.
    pub seed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Preparing(Ticket),
    Moving,
    Finishing(Ticket),
    Paused,
    Ended(End),
}

/// A page of the manifest that is asked for.
#[derive(Clone, Copy, Debug)]
struct Asking {
    ticket: Ticket,
    until: Millis,
}

/// The receiver of one file.
#[derive(Clone, Debug)]
pub struct Download {
    config: Config,
    state: State,
    gathering: Gathering,
    /// The manifest, once it is whole.
    file: Option<Gathered>,
    is_prepared: bool,
    asking: Option<Asking>,
    slots: Slots,
    /// Written to the target and verified.
    held: ChunkSet,
    held_bytes: u64,
    /// Of these, what an earlier session has written.
    reused_bytes: u64,
    /// What an earlier session is said to have written, until it was looked at.
    claimed: ChunkSet,
    /// Held, claimed, or in a buffer: not to be fetched by anybody else.
    taken: ChunkSet,
    /// How often a chunk came damaged, or the server failed at it; emptied as they are verified.
    spoilt: LiteMap<ChunkIndex, u32>,
    link: Link,
    pace: Pace,
    token: Token,
    next_ticket: u64,
    /// Actions that answer an input.
    outbox: VecDeque<Action>,
    /// When the record may be written, if there is anything new in it.
    save_at: Option<Millis>,
    saved_at: Option<Millis>,
    /// How long after that the next may be.
    save_interval: Millis,
    meter: Meter,
}

impl Download {
    /// A receiver that asks for the manifest first.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            state: State::Opening,
            gathering: Gathering::default(),
            file: None,
            is_prepared: false,
            asking: None,
            slots: Slots::default(),
            held: ChunkSet::new(),
            held_bytes: 0,
            reused_bytes: 0,
            claimed: ChunkSet::new(),
            taken: ChunkSet::new(),
            spoilt: LiteMap::new(),
            link: Link::new(config.seed),
            pace: Pace::default(),
            token: Token::default(),
            next_ticket: 0,
            outbox: VecDeque::new(),
            save_at: None,
            saved_at: None,
            save_interval: RECORD_INTERVAL,
            meter: Meter::default(),
            config,
        }
    }

    /// What the file is, once its manifest is known and holds together.
    #[must_use]
    pub fn file(&self) -> Option<&FileInfo> {
        self.file.as_ref().map(|gathered| &*gathered.file)
    }

    /// Where the download stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Paused => Phase::Paused,
            State::Ended(end) => Phase::Ended(end.clone()),
            State::Finishing(_) => Phase::Finishing,
            _ => self.moving_phase(),
        }
    }

    fn moving_phase(&self) -> Phase {
        if let Some(down) = self.link.down() {
            return Phase::Waiting { until: down.until, why: down.why.clone() };
        }
        if self.token.is_awaited() {
            return Phase::Renewing;
        }
        match self.state {
            State::Moving if self.taken.is_complete(self.plan()) && self.only_checks() => {
                Phase::Checking
            }
            State::Moving => Phase::Downloading,
            _ => Phase::Opening,
        }
    }

    fn only_checks(&self) -> bool {
        let checks = |slot: &Slot| matches!(slot, Slot::Empty | Slot::Checking { .. });
        self.slots.iter().all(|(_, slot)| checks(slot))
    }

    /// How far the download is.
    #[must_use]
    pub fn progress(&self, now: Millis) -> Progress {
        let plan = self.plan();
        let in_flight = self.slots.in_flight_bytes(plan);
        Progress::new(
            plan.len(),
            self.held_bytes,
            in_flight,
            self.reused_bytes,
            self.meter.rate(now),
        )
    }

    /// Takes in what happened. Call [`Download::poll`] afterwards until it returns `None`.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match (&self.state, input) {
            (_, Input::Page { ticket, result }) => self.on_page(now, ticket, result),
            (_, Input::Prepared { ticket, result }) => self.on_prepared(ticket, result),
            (_, Input::Checked { ticket, result }) => self.on_checked(now, ticket, result),
            (_, Input::Moved { ticket, bytes }) => self.on_moved(now, ticket, bytes),
            (_, Input::Fetched { ticket, result }) => self.on_fetched(now, ticket, result),
            (_, Input::Written { ticket, result }) => self.on_written(now, ticket, result),
            (_, Input::Finished { ticket, result }) => self.on_finished(ticket, result),
            (_, Input::Renewed { ticket, is_fresh }) => self.on_renewed(ticket, is_fresh),
            (_, Input::Lanes { lanes }) => self.config.lanes = lanes,
            (_, Input::RateMax { bytes_per_second }) => self.limit_rate(bytes_per_second),
            (State::Ended(End::Done(_) | End::Cancelled), _) => {}
            (_, Input::Lost) => self.lose_target(),
            (State::Paused | State::Ended(_), Input::Resume) => self.reopen(),
            (_, Input::Resume | Input::Online) => self.link.try_now(),
            // It is over in a moment, and cannot be taken back halfway.
            (State::Finishing(_), Input::Pause | Input::Leave | Input::Cancel)
            | (State::Ended(_) | State::Paused, Input::Pause) => {}
            (_, Input::Pause) => self.stop(State::Paused),
            (_, Input::Leave) => self.stop(State::Ended(End::Cancelled)),
            (_, Input::Cancel) => {
                self.stop(State::Ended(End::Cancelled));
                self.save_at = None;
                self.outbox.extend([Action::Discard, Action::Forget]);
            }
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
            State::Preparing(_) | State::Finishing(_) | State::Paused | State::Ended(_) => None,
        };
        work.or_else(|| self.save(now))
    }

    // Changes of state.

    fn reopen(&mut self) {
        self.state = if self.is_prepared { State::Moving } else { State::Opening };
        self.link.try_now();
        self.spoilt.clear();
        self.token.trust();
    }

    fn fail(&mut self, fault: Fault) {
        self.stop(State::Ended(End::Failed(fault)));
    }

    /// Leaves off everything that goes on. What is held is told at once, because nothing may follow.
    fn stop(&mut self, state: State) {
        if let Some(Asking { ticket, .. }) = self.asking.take() {
            self.outbox.push_back(Action::HangUp { ticket });
        }
        for (buffer, slot) in self.slots.iter_mut().filter(|(_, slot)| **slot != Slot::Empty) {
            if let Some(chunk) = slot.chunk().filter(|chunk| !self.claimed.contains(*chunk)) {
                self.taken.remove(chunk);
            }
            *slot = Slot::Empty;
            self.outbox.push_back(Action::Free { buffer });
        }
        self.link.try_now();
        self.meter.reset();
        self.state = state;
        if self.save_at.is_some() {
            self.save_at = Some(Millis(0));
        }
    }

    /// Going on is starting: what was held is a hint of where to look in the target that is made anew.
    fn lose_target(&mut self) {
        let state = if self.is_at_rest() { self.state.clone() } else { State::Opening };
        self.stop(state);
        self.config.resume = self.record();
        (self.claimed, self.taken, self.held) = Default::default();
        (self.held_bytes, self.reused_bytes, self.is_prepared) = (0, 0, false);
    }

    fn changed(&mut self, now: Millis) {
        let next = self.saved_at.unwrap_or(now) + self.save_interval;
        self.save_at.get_or_insert(next.max(now));
    }

    // Questions.

    fn plan(&self) -> Plan {
        self.file.as_ref().map_or(Plan::EMPTY, |gathered| gathered.plan)
    }

    fn lanes(&self) -> u64 {
        self.config.lanes.clamp(1, LANES_MAX).min(self.plan().lanes())
    }

    /// Whether nothing new may be asked of the server for now.
    fn is_held_up(&self) -> bool {
        self.link.down().is_some() || self.token.is_awaited()
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Paused | State::Ended(_))
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }
}
