//! What a receiver does next, by its state, and what goes on by itself as time passes.

use super::slots::{Fetching, Slot};
use super::{Action, Asking, CHECKS_MAX, Download, Fault, Record, State, TargetError};
use crate::chunk_set::ChunkSet;
use crate::plan::ChunkIndex;
use crate::time::Millis;
use crate::upload::{BufferId, CALL_TIMEOUT, Failure, READ_TIMEOUT, SAVE_INTERVAL, STALL_TIMEOUT};

impl Download {
    pub(super) fn open(&mut self, now: Millis) -> Option<Action> {
        if self.file.is_some() {
            return Some(self.prepare());
        }
        if self.asking.is_some() || self.is_held_up() {
            return None;
        }
        let (ticket, start) = (self.ticket(), self.gathering.next());
        self.asking = Some(Asking { ticket, until: now + CALL_TIMEOUT });
        Some(Action::Page { ticket, start })
    }

    fn prepare(&mut self) -> Action {
        let (ticket, plan) = (self.ticket(), self.plan());
        self.claimed = self.claims();
        self.taken = self.claimed.clone();
        self.state = State::Preparing(ticket);
        Action::Prepare { ticket, plan, keep: !self.claimed.is_empty() }
    }

    /// What an earlier session is said to have written of this very file.
    fn claims(&self) -> ChunkSet {
        let of_this = |record: &&Record| {
            let ours = self.file().map(|file| (file.root, file.size, file.chunk_size));
            ours == Some((record.root, record.size, record.chunk_size))
        };
        let record = self.config.resume.as_ref().filter(of_this);
        record.map_or_else(ChunkSet::new, |record| {
            let beyond = |chunk: &ChunkIndex| !self.plan().has(*chunk);
            let mut held = record.held.clone();
            let past: Vec<_> = record.held.iter().filter(beyond).collect();
            past.into_iter().for_each(|chunk| {
                held.remove(chunk);
            });
            held
        })
    }

    pub(super) fn move_on(&mut self, now: Millis) -> Option<Action> {
        if self.held.is_complete(self.plan()) && self.slots.all_empty() {
            return Some(self.finish());
        }
        self.check_next(now).or_else(|| self.fetch_next(now))
    }

    fn finish(&mut self) -> Action {
        let ticket = self.ticket();
        self.state = State::Finishing(ticket);
        Action::Finish { ticket }
    }

    fn check_next(&mut self, now: Millis) -> Option<Action> {
        if self.slots.checking_count() >= CHECKS_MAX {
            return None;
        }
        let chunk = self.claimed.iter().find(|chunk| !self.slots.has(*chunk))?;
        let (ticket, range) = (self.ticket(), self.plan().range(chunk));
        let (buffer, slot) = self.slots.first(|slot| *slot == Slot::Empty)?;
        *slot = Slot::Checking { chunk, ticket, since: now };
        Some(Action::Check { ticket, buffer, range })
    }

    fn fetch_next(&mut self, now: Millis) -> Option<Action> {
        let is_free = (self.slots.fetching().count() as u64) < self.lanes();
        if !is_free || self.is_held_up() || self.pace.until().is_some() {
            return None;
        }
        let (buffer, chunk, kept) = self.next_chunk()?;
        let (ticket, range) = (self.ticket(), self.plan().range(chunk));
        let fetching = Fetching { chunk, ticket, kept, moved: 0, moved_at: now };
        for (_, slot) in self.slots.iter_mut().filter(|(id, _)| *id == buffer) {
            *slot = Slot::Fetching(fetching);
        }
        self.taken.insert(chunk);
        let rate_max = self.pace.of_a_body(1);
        self.pace.begins(now, self.plan().chunk_bytes(chunk).saturating_sub(kept), 1);
        Some(Action::Fetch { ticket, buffer, chunk: range, kept, rate_max })
    }

    /// One whose beginning is here, else the first that nobody has.
    fn next_chunk(&mut self) -> Option<(BufferId, ChunkIndex, u64)> {
        let begun = self.slots.iter().find_map(|(buffer, slot)| match *slot {
            Slot::Kept { chunk, bytes } => Some((buffer, chunk, bytes)),
            _ => None,
        });
        begun.or_else(|| {
            let chunk = self.taken.first_absent(0, self.plan().chunk_count())?;
            let (buffer, _) = self.slots.first(|slot| *slot == Slot::Empty)?;
            Some((buffer, chunk, 0))
        })
    }

    pub(super) fn save(&mut self, now: Millis) -> Option<Action> {
        self.save_at.filter(|at| *at <= now)?;
        let record = self.record()?;
        (self.save_at, self.saved_at) = (None, Some(now));
        let longer = Millis(self.save_interval.0 + self.save_interval.0 / 2);
        self.save_interval = longer.min(SAVE_INTERVAL);
        Some(Action::Save(record))
    }

    /// What is held, or is said to be and was not found missing.
    pub(super) fn record(&self) -> Option<Record> {
        if !self.is_prepared {
            return self.config.resume.clone();
        }
        let file = self.file()?;
        let (root, size, chunk_size) = (file.root, file.size, file.chunk_size);
        let mut held = self.held.clone();
        held.union_with(&self.claimed);
        Some(Record { root, size, chunk_size, held })
    }

    // Time.

    /// When [`Download::poll`] is to be called again even if nothing happens.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        let moving = (!self.is_at_rest()).then_some(());
        let stalls = self.slots.fetching().map(|fetching| fetching.moved_at + STALL_TIMEOUT);
        stalls
            .chain(self.silences().map(|(_, until)| until))
            .chain(self.asking.map(|asking| asking.until))
            .chain(moving.and(self.pace.until()))
            .chain(moving.and(self.link.down().map(|down| down.until)))
            .chain(self.token.until())
            .chain(self.save_at)
            .min()
    }

    fn silences(&self) -> impl Iterator<Item = (BufferId, Millis)> + '_ {
        self.slots.iter().filter_map(|(id, slot)| Some((id, slot.silent_since()? + READ_TIMEOUT)))
    }

    pub(super) fn tick(&mut self, now: Millis) {
        self.link.tick(now);
        self.pace.tick(now);
        if let Some(Asking { ticket, .. }) = self.asking.filter(|asking| asking.until <= now) {
            self.outbox.push_back(Action::HangUp { ticket });
            self.on_page(now, ticket, Err(Failure::Network("no answer in time".to_owned())));
        }
        let stalled = |fetching: &Fetching| fetching.moved_at + STALL_TIMEOUT <= now;
        if self.stop_fetching(stalled) {
            let why = Failure::Network("no byte moved for too long".to_owned());
            self.link.failed(now, why);
        }
        if self.silences().any(|(_, until)| until <= now) {
            self.fail(Fault::Target(TargetError::Silent));
        }
        if self.token.until().is_some_and(|until| until <= now) {
            self.renewal_timed_out();
        }
    }

    /// Bodies on their way were begun at another rate: they go on at this one from where they are.
    pub(super) fn limit_rate(&mut self, bytes_per_second: Option<u64>) {
        if self.pace.set(bytes_per_second) {
            self.stop_fetching(|_| true);
        }
    }

    /// Whether there was any.
    fn stop_fetching(&mut self, wanted: impl Fn(&Fetching) -> bool) -> bool {
        let mut stopped = Vec::new();
        for (buffer, slot) in self.slots.iter_mut() {
            match *slot {
                Slot::Fetching(fetching) if wanted(&fetching) => stopped.push((buffer, fetching)),
                _ => {}
            }
        }
        for (buffer, fetching) in &stopped {
            self.outbox.push_back(Action::Stop { buffer: *buffer });
            self.keep(*buffer, *fetching);
        }
        !stopped.is_empty()
    }
}
