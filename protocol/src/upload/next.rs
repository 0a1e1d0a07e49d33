//! What a sender does next, by its state: at most one action a question.

use super::buffers::{Buffer, Sending, Stage};
use super::{
    Action, BufferId, CALL_TIMEOUT, Call, CallKind, Calling, LIST_TIMEOUT, Record, SEAL_TIMEOUT,
    State, Ticket, Upload,
};
use crate::chunk_set::ChunkSet;
use crate::plan::{ChunkIndex, LANES_MAX, SHORT_FILE_MAX};
use crate::time::Millis;
use crate::wire::header::ChunkHeaders;
use crate::wire::{CreateRequest, DigestRun, PROTOCOL_VERSION, SealRequest};

/// How long the server has to be asked for before more than the first chunk is read: one that is near has
/// answered by then, and reading would only delay the chunk that it is asked for.
pub(super) const EARLY_AFTER: Millis = Millis(50);
/// The same for a long file, whose first chunk a page that has just been clicked at takes longer to read and whose
/// room a server longer to reserve; and how soon a server answers that is near.
pub(super) const NEAR: Millis = Millis(150);
/// Hexadecimal digits of a root in a key: enough to tell apart what one file was at some times.
const ROOT_DIGITS: usize = 16;
/// From more than this on a file is begun before its first chunk is read, bytes: the server takes longer to
/// reserve its room than a disk to read a chunk.
pub(super) const BEGUN_EARLY_MIN: u64 = SHORT_FILE_MAX;

impl Upload {
    pub(super) fn open(&mut self, now: Millis) -> Option<Action> {
        if self.is_held_up() {
            return None;
        }
        let next = match self.id {
            _ if self.seeks() => self.seek(now),
            None if self.looks => self.read_first(now),
            _ if self.looks || self.is_calling() => None,
            Some(id) => Some(self.call(now, CallKind::Status, Call::Status(id))),
            None => self.begin(now),
        };
        next.or_else(|| self.read_early(now))
    }

    /// Reads on while a server far away is asked to begin an upload, so that every lane has a chunk when
    /// it has answered.
    fn read_early(&mut self, now: Millis) -> Option<Action> {
        let (_, chunk) = self.early().filter(|(at, _)| *at <= now)?;
        self.read(now, chunk)
    }

    /// When reading early is due; `None` while there is nothing to read early.
    pub(super) fn early_at(&self) -> Option<Millis> {
        self.early().map(|(at, _)| at)
    }

    fn early(&self) -> Option<(Millis, ChunkIndex)> {
        let begins = self.state == State::Opening && self.id.is_none() && !self.is_held_up();
        let is_idle = self.waiting_count() < self.lanes_of(LANES_MAX) && !self.is_first_alone();
        let is_due = begins && is_idle && self.buffers.has_read(ChunkIndex(0));
        let calling = self.calling.filter(|_| is_due)?;
        let chunk = self.ledger.next_to_send(&self.buffers.chunks())?;
        let is_long = self.config.size > BEGUN_EARLY_MIN;
        Some((calling.since + if is_long { NEAR } else { EARLY_AFTER }, chunk))
    }

    /// Reads the first chunk, unless that is done or under way.
    pub(super) fn read_first(&mut self, now: Millis) -> Option<Action> {
        let is_busy = self.buffers.chunks().contains(ChunkIndex(0));
        (!is_busy).then(|| self.read(now, ChunkIndex(0))).flatten()
    }

    /// Begins an upload, as soon as the digest of its first chunk is known; a long one as soon as no other
    /// device has begun it, because the server takes a while to reserve its room.
    fn begin(&mut self, now: Millis) -> Option<Action> {
        if self.may_be_stored() {
            return self.store(now);
        }
        if !self.ledger.plan().is_empty() && !self.buffers.has_read(ChunkIndex(0)) {
            let read = self.read_first(now);
            let may_precede = self.config.seeks && self.config.size > BEGUN_EARLY_MIN;
            if read.is_some() || !may_precede {
                return read;
            }
        }
        let digests = self.next_offer();
        let (request, key) = (Box::new(self.create_request(digests)), self.create_key());
        Some(self.call(now, CallKind::Create, Call::Create { request, key }))
    }

    pub(super) fn create_request(&self, digests: Option<DigestRun>) -> CreateRequest {
        CreateRequest {
            protocol_version: PROTOCOL_VERSION,
            size: self.config.size,
            chunk_size: Some(self.ledger.plan().chunk_len()),
            meta: self.config.meta.clone(),
            digests,
        }
    }

    /// A whole file's has its root in it: of other bytes that had its name, size and date the server may have made a
    /// file by the same key.
    pub(super) fn create_key(&self) -> String {
        let key = format!("{}-{}", self.config.key, self.begun);
        match self.stored {
            Some(root) => format!("{key}-{:.*}", ROOT_DIGITS, root.to_string()),
            None => key,
        }
    }

    pub(super) fn move_on(&mut self, now: Millis) -> Option<Action> {
        if self.is_held_up() {
            return None;
        }
        self.prove_next(now)
            .or_else(|| self.send_next(now))
            .or_else(|| self.read_next(now))
            .or_else(|| self.call_next(now))
    }

    fn send_next(&mut self, now: Millis) -> Option<Action> {
        let is_free = self.has_free_lane() && self.pace.until().is_none();
        let upload = self.id.filter(|_| is_free && !self.is_doubted())?;
        self.clear_unasked(now);
        let ticket = Ticket(self.next_ticket);
        let ledger = &self.ledger;
        let rate_max = self.pace.of_a_body(self.sharing);
        // Where bodies wait for their turn, whoever watches an upload that is still coming needs its beginning.
        let first = self.buffers.cleared().filter(|at| !self.yielded.contains_key(at)).min()?;
        let cleared = |(buffer, slot): (BufferId, &'_ mut Buffer)| match slot {
            Buffer::Full { chunk, digest, stage } if *chunk == first => {
                let Stage::Cleared { replace } = *stage else { return None };
                let offset = ledger.offset(*chunk, *digest);
                let body = ledger.plan().chunk_bytes(*chunk).saturating_sub(offset);
                let begun = Sending { ticket, replace, offset, body, moved: 0, moved_at: now };
                *stage = Stage::Sending(begun);
                let headers = ChunkHeaders { index: *chunk, offset, digest: *digest, replace };
                Some((body, Action::Send { ticket, buffer, upload, headers, rate_max }))
            }
            _ => None,
        };
        let (body, action) = self.buffers.iter_mut().find_map(cleared)?;
        self.ledger.chunk_begins(first);
        self.pace.begins(now, body, self.sharing);
        self.next_ticket += 1;
        Some(action)
    }

    /// Has the next chunk sent although the server was not asked for it, if it may go so.
    fn clear_unasked(&mut self, now: Millis) {
        let is_to_go = |chunk| !self.yielded.contains_key(&chunk);
        if !self.goes_unasked(now) || self.buffers.cleared().any(is_to_go) {
            return;
        }
        let Some(chunk) = self.buffers.hashed().min() else { return };
        if !self.ledger.has(chunk) && !self.yielded.contains_key(&chunk) {
            self.buffers.clear(chunk);
            self.unasked.went();
        }
    }

    fn goes_unasked(&self, now: Millis) -> bool {
        let rate_max = self.pace.of_a_body(self.sharing).unwrap_or(u64::MAX);
        !self.is_doubted() && self.unasked.may_go(self.meter.rate(now).min(rate_max))
    }

    /// Whether a body may leave. A lane whose body has left waits for its answer on the connection that is
    /// there for calls, while none is wanted: on a long way a round trip each chunk would go by unused otherwise.
    fn has_free_lane(&self) -> bool {
        let is_wanted = self.is_calling() || self.buffers.any_hashed();
        let is_spare = self.sharing <= 1 && !is_wanted && self.ahead.may_leave_meanwhile();
        let waiting = u64::from(is_spare);
        let lanes = self.lanes();
        self.buffers.leaving_count() < lanes && self.buffers.sending_count() < lanes + waiting
    }

    /// Whether the first chunk is on its way out, and nothing is to be read beside it.
    fn is_first_alone(&self) -> bool {
        self.ahead.alone_until().is_some() && !self.buffers.all_empty()
    }

    fn read_next(&mut self, now: Millis) -> Option<Action> {
        if self.is_first_alone() {
            return None;
        }
        let mut busy = self.buffers.chunks();
        self.yielded.keys().for_each(|chunk| {
            busy.insert(*chunk);
        });
        let compare = self.ledger.next_to_compare(&busy);
        let send = self.ledger.next_to_send(&busy).filter(|_| !self.is_doubted()).filter(|_| {
            // One buffer stays free for comparing while the network is the bottleneck.
            let spare = u64::from(compare.is_some());
            self.waiting_count() + spare < self.buffers.count().min(self.wanted(now)).max(1 + spare)
        });
        self.read(now, send.or(compare).or_else(|| self.check_next(&busy))?)
    }

    /// What is to be read once more, when everything else is done.
    fn check_next(&self, busy: &ChunkSet) -> Option<ChunkIndex> {
        let is_wanted = self.config.verify_source && self.ledger.root().is_some();
        is_wanted.then(|| self.ledger.next_to_check(busy)).flatten()
    }

    fn is_verified(&self) -> bool {
        !self.config.verify_source || self.ledger.all_checked()
    }

    /// How many of them are of use at the rate there is.
    fn wanted(&self, now: Millis) -> u64 {
        let chunk_len = self.ledger.plan().chunk_len();
        self.lanes() + self.ahead.chunks(self.meter.rate(now), chunk_len)
    }

    /// Buffers with chunks that the server lacks, as far as is known.
    fn waiting_count(&self) -> u64 {
        let lacking = |buffer: &Buffer| buffer.chunk().is_some_and(|chunk| !self.ledger.has(chunk));
        self.buffers.iter().filter(|(_, buffer)| lacking(buffer)).count() as u64
    }

    pub(super) fn read(&mut self, now: Millis, chunk: ChunkIndex) -> Option<Action> {
        let range = self.ledger.plan().range(chunk);
        let ticket = Ticket(self.next_ticket);
        let (buffer, slot) = self.buffers.next_empty()?;
        *slot = Buffer::Reading { chunk, ticket, since: now };
        self.next_ticket += 1;
        Some(Action::Read { ticket, buffer, range })
    }

    fn call_next(&mut self, now: Millis) -> Option<Action> {
        // A browser would keep it until a connection is free, and it has only so long.
        let is_connected = self.buffers.sending_count() <= LANES_MAX;
        let id = self.id.filter(|_| is_connected && !self.is_calling())?;
        let is_ready = self.buffers.all_empty() && self.is_verified();
        if let Some(root) = self.ledger.root().filter(|_| is_ready) {
            return Some(self.call(now, CallKind::Seal, Call::Seal(id, SealRequest { root })));
        }
        if let Some(request) = self.next_proofs() {
            return Some(self.call(now, CallKind::Prove, Call::Prove(id, request)));
        }
        if let Some(run) = self.offers(now).then(|| self.next_offer()).flatten() {
            return Some(self.call(now, CallKind::Offer, Call::Offer(id, run)));
        }
        let ask = self.ledger.any_filling() && self.fill_poll_at <= now;
        ask.then(|| self.call(now, CallKind::Status, Call::Status(id)))
    }

    /// Whether digests are offered now: not those of chunks that go unasked as soon as a lane is free.
    fn offers(&self, now: Millis) -> bool {
        !self.goes_unasked(now)
            || self
                .buffers
                .hashed()
                .any(|chunk| self.ledger.has(chunk) || self.yielded.contains_key(&chunk))
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

    pub(super) fn save(&mut self, now: Millis) -> Option<Action> {
        let id = self.id.filter(|_| self.save_at.is_some_and(|at| at <= now))?;
        (self.save_at, self.saved_at) = (None, Some(now));
        Some(Action::Save(Record { id, expires_at: self.expires_at }))
    }

    pub(super) fn call(&mut self, now: Millis, kind: CallKind, call: Call) -> Action {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let timeout = match kind {
            CallKind::Seal => SEAL_TIMEOUT,
            CallKind::List => LIST_TIMEOUT,
            _ => CALL_TIMEOUT,
        };
        if kind == CallKind::Create {
            self.unheard = true;
        }
        self.calling = Some(Calling { ticket, since: now, until: now + timeout, kind });
        self.ledger.call_begins();
        Action::Call { ticket, call }
    }
}
