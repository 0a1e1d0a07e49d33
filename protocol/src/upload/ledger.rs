//! What the sender knows of each chunk: whether the server has it, and whether it is the file's.

use litemap::LiteMap;

use crate::chunk_set::ChunkSet;
use crate::digest::{self, Digest};
use crate::plan::{ChunkIndex, Plan};
use crate::wire::Holding;

/// What the sender knows of each chunk. 32 bytes a chunk for the digests: at most 32 MiB for the
/// largest plan there is, 800 KB for 200 GB.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    plan: Plan,
    /// Durable, by the server's last word.
    held: ChunkSet,
    /// Received, by the server's last word or a 204 since.
    received: ChunkSet,
    /// Being copied by the server from what it has; if also held, it will be sealed when that is done.
    filling: ChunkSet,
    /// Chunks that a 204 told of since the call now under way began: its answer may not know them.
    fresh: ChunkSet,
    /// Chunks whose digest in `digests` is the one the server has them (or fills them) with.
    confirmed: ChunkSet,
    /// Valid where `confirmed` says so.
    digests: Vec<Digest>,
    /// Confirmed chunks that were read once more and found to be the same.
    checked: ChunkSet,
    /// Chunks that the server gave up filling: they are sent without being offered again.
    unfillable: ChunkSet,
    /// Chunks of which the server keeps a beginning, with its length and the chunk's digest.
    partial: LiteMap<ChunkIndex, (u64, Digest)>,
    /// Chunks whose beginning turned out to be another than told: an older request for them was
    /// still being read when the server was asked.
    misled: ChunkSet,
    /// Chunks of which that was found more than once: they are sent whole.
    whole_only: ChunkSet,
    /// Chunks that this sender has begun to send, and of these those that it has begun more than once.
    pub(super) tried: ChunkSet,
    pub(super) retried: ChunkSet,
    /// Bytes that were sent by this sender and received.
    sent_bytes: u64,
}

impl Ledger {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            held: ChunkSet::new(),
            received: ChunkSet::new(),
            filling: ChunkSet::new(),
            fresh: ChunkSet::new(),
            confirmed: ChunkSet::new(),
            digests: Vec::new(),
            checked: ChunkSet::new(),
            unfillable: ChunkSet::new(),
            partial: LiteMap::new(),
            misled: ChunkSet::new(),
            whole_only: ChunkSet::new(),
            tried: ChunkSet::new(),
            retried: ChunkSet::new(),
            sent_bytes: 0,
        }
    }

    pub(super) fn plan(&self) -> Plan {
        self.plan
    }

    /// A call begins whose answer tells what the server has.
    pub(super) fn call_begins(&mut self) {
        self.fresh = ChunkSet::new();
    }

    /// The server's word on what it has, which binds but for what arrived while it was on its way.
    /// Of a chunk in `sending` it keeps more with every byte, which is counted as that is sent.
    pub(super) fn reconcile(&mut self, holding: Holding, sending: &ChunkSet) {
        let Holding { held, pending, filling, partial } = holding;
        let mut received = pending;
        received.union_with(&self.fresh);
        let stopped = self.filling.without(&filling);
        self.unfillable.union_with(&stopped.without(&held).without(&received));
        (self.held, self.received, self.filling) = (held, received, filling);
        self.partial.retain(|chunk, _| sending.contains(*chunk));
        for kept in partial.iter().filter(|kept| !sending.contains(kept.index)) {
            self.partial.insert(kept.index, (kept.offset, kept.digest));
        }
        let lost = self.confirmed.without(&self.known());
        self.confirmed = self.confirmed.without(&lost);
        self.checked = self.checked.without(&lost);
    }

    /// A chunk begins to be sent.
    pub(super) fn chunk_begins(&mut self, chunk: ChunkIndex) {
        if !self.tried.insert(chunk) {
            self.retried.insert(chunk);
        }
    }

    /// A chunk was sent and answered with 204.
    pub(super) fn chunk_received(&mut self, chunk: ChunkIndex, digest: Digest) {
        self.received.insert(chunk);
        self.partial.remove(&chunk);
        self.fresh.insert(chunk);
        self.sent_bytes = self.sent_bytes.saturating_add(self.plan.chunk_bytes(chunk));
        self.confirm(chunk, digest);
    }

    /// Where a chunk of this digest goes on: what the server keeps of it, bytes.
    pub(super) fn offset(&self, chunk: ChunkIndex, digest: Digest) -> u64 {
        match self.partial.get(&chunk).filter(|_| !self.whole_only.contains(chunk)) {
            Some((offset, of)) if *of == digest && *offset < self.plan.chunk_bytes(chunk) => {
                *offset
            }
            _ => 0,
        }
    }

    /// The server did not take the chunk from the offset that it had told.
    pub(super) fn distrust_offset(&mut self, chunk: ChunkIndex) {
        if !self.misled.insert(chunk) {
            self.whole_only.insert(chunk);
        }
    }

    /// The server has the chunk, or is filling it, with this digest of the file's own bytes.
    pub(super) fn confirm(&mut self, chunk: ChunkIndex, digest: Digest) {
        let Ok(at) = usize::try_from(chunk.0) else { return };
        if self.digests.len() <= at {
            self.digests.resize(at.saturating_add(1), digest);
        }
        if let Some(slot) = self.digests.get_mut(at) {
            *slot = digest;
            self.confirmed.insert(chunk);
        }
    }

    /// Every chunk has to be compared with the file again.
    pub(super) fn doubt_all(&mut self) {
        self.confirmed = ChunkSet::new();
        self.check_again();
    }

    /// Every chunk has to be read once more again.
    pub(super) fn check_again(&mut self) {
        self.checked = ChunkSet::new();
    }

    /// Whether the chunk, read once more, is what it was; `None` if it is not confirmed.
    pub(super) fn check(&mut self, chunk: ChunkIndex, digest: Digest) -> Option<bool> {
        let at = usize::try_from(chunk.0).ok()?;
        let was = self.digests.get(at).filter(|_| self.confirmed.contains(chunk))?;
        let is_same = *was == digest;
        if is_same {
            self.checked.insert(chunk);
        }
        Some(is_same)
    }

    /// The next confirmed chunk to read once more, none that is in `busy`.
    pub(super) fn next_to_check(&self, busy: &ChunkSet) -> Option<ChunkIndex> {
        let mut done = self.checked.clone();
        done.union_with(busy);
        self.confirmed.without(&done).first()
    }

    pub(super) fn any_confirmed(&self) -> bool {
        !self.confirmed.is_empty()
    }

    pub(super) fn all_checked(&self) -> bool {
        self.checked.is_complete(self.plan)
    }

    pub(super) fn checked_bytes(&self) -> u64 {
        self.checked.bytes(self.plan)
    }

    /// The server no longer has this chunk as it was: the old bytes make way for new ones.
    pub(super) fn drop_chunk(&mut self, chunk: ChunkIndex) {
        let sets = [&mut self.held, &mut self.received, &mut self.filling];
        for set in sets.into_iter().chain([&mut self.confirmed, &mut self.checked]) {
            set.remove(chunk);
        }
    }

    pub(super) fn has(&self, chunk: ChunkIndex) -> bool {
        self.held.contains(chunk) || self.received.contains(chunk)
    }

    pub(super) fn is_filling(&self, chunk: ChunkIndex) -> bool {
        self.filling.contains(chunk)
    }

    pub(super) fn any_filling(&self) -> bool {
        !self.filling.is_empty()
    }

    pub(super) fn may_fill(&self, chunk: ChunkIndex) -> bool {
        !self.unfillable.contains(chunk)
    }

    /// Held and received chunks.
    pub(super) fn acknowledged(&self) -> ChunkSet {
        let mut set = self.held.clone();
        set.union_with(&self.received);
        set
    }

    /// Whether the server has every chunk.
    pub(super) fn all_arrived(&self) -> bool {
        self.acknowledged().is_complete(self.plan)
    }

    /// The root, once every chunk has arrived, none is being copied any more and all are known to be
    /// the file's.
    pub(super) fn root(&self) -> Option<Digest> {
        let settled = self.all_arrived() && self.filling.is_empty();
        let complete = settled && self.confirmed.is_complete(self.plan);
        complete.then(|| digest::root(self.digests.iter().copied()))
    }

    /// The next chunk to read: first one that the server lacks, then one to compare; none that is
    /// in `busy`.
    pub(super) fn next_to_send(&self, busy: &ChunkSet) -> Option<ChunkIndex> {
        let mut known = self.known();
        known.union_with(busy);
        known.first_absent(0, self.plan.chunk_count())
    }

    pub(super) fn next_to_compare(&self, busy: &ChunkSet) -> Option<ChunkIndex> {
        let mut done = self.confirmed.clone();
        done.union_with(busy);
        let open = self.acknowledged().without(&done);
        open.first()
    }

    /// Bytes of whole chunks and of beginnings that the server keeps.
    pub(super) fn acknowledged_bytes(&self) -> u64 {
        let begun = self.partial.iter().filter(|(chunk, _)| !self.has(**chunk));
        begun.map(|(_, (offset, _))| *offset).sum::<u64>().saturating_add(self.whole_bytes())
    }

    pub(super) fn reused_bytes(&self) -> u64 {
        self.whole_bytes().saturating_sub(self.sent_bytes)
    }

    fn whole_bytes(&self) -> u64 {
        self.acknowledged().bytes(self.plan)
    }

    fn known(&self) -> ChunkSet {
        let mut known = self.acknowledged();
        known.union_with(&self.filling);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CHUNK_LEN_MIN;
    use crate::wire::PartialChunk;

    fn ledger() -> Ledger {
        Ledger::new(Plan::new(4 * CHUNK_LEN_MIN, CHUNK_LEN_MIN).unwrap())
    }

    fn holding(held: &str, filling: &str) -> Holding {
        let (held, filling) = (held.parse().unwrap(), filling.parse().unwrap());
        Holding { held, filling, ..Holding::default() }
    }

    fn reconcile(ledger: &mut Ledger, holding: Holding) {
        ledger.reconcile(holding, &ChunkSet::new());
    }

    #[test]
    fn what_arrived_while_an_answer_was_on_its_way_is_not_forgotten() {
        let mut ledger = ledger();
        ledger.call_begins();
        ledger.chunk_received(ChunkIndex(1), Digest::of(b"1"));
        reconcile(&mut ledger, holding("0", ""));
        assert_eq!(ledger.next_to_send(&ChunkSet::new()), Some(ChunkIndex(2)));
        ledger.call_begins();
        reconcile(&mut ledger, holding("0", ""));
        assert_eq!(
            ledger.next_to_send(&ChunkSet::new()),
            Some(ChunkIndex(1)),
            "the next one binds"
        );
    }

    #[test]
    fn a_chunk_that_was_lost_is_compared_again_if_it_comes_back_from_elsewhere() {
        let mut ledger = ledger();
        reconcile(&mut ledger, holding("0-3", ""));
        (0..4).for_each(|chunk| ledger.confirm(ChunkIndex(chunk), Digest::of(b"")));
        assert!(ledger.root().is_some());
        reconcile(&mut ledger, holding("0-2", ""));
        reconcile(&mut ledger, holding("0-3", ""));
        assert_eq!(ledger.next_to_compare(&ChunkSet::new()), Some(ChunkIndex(3)));
        assert!(ledger.root().is_none());
    }

    #[test]
    fn a_chunk_whose_filling_ended_without_it_is_not_to_be_filled_again() {
        let mut ledger = ledger();
        reconcile(&mut ledger, holding("", "0-1"));
        reconcile(&mut ledger, holding("0", ""));
        assert!(ledger.may_fill(ChunkIndex(0)) && !ledger.may_fill(ChunkIndex(1)));
    }

    fn keeping(chunk: u64, offset: u64) -> Holding {
        let digest = Digest::of(b"");
        let partial = vec![PartialChunk { index: ChunkIndex(chunk), offset, digest }];
        Holding { partial, ..Holding::default() }
    }

    #[test]
    fn the_beginning_of_a_chunk_that_is_being_sent_is_not_counted_twice() {
        let mut ledger = ledger();
        ledger.reconcile(keeping(1, 50), &ChunkSet::new());
        assert_eq!(ledger.acknowledged_bytes(), 50);
        ledger.reconcile(keeping(1, 70), &"1".parse().unwrap());
        assert_eq!(ledger.acknowledged_bytes(), 50, "the 20 are in flight");
        ledger.reconcile(keeping(1, 70), &ChunkSet::new());
        assert_eq!(ledger.acknowledged_bytes(), 70);
    }

    #[test]
    fn a_beginning_that_was_another_than_told_is_gone_on_with_once_more_and_then_sent_whole() {
        let mut ledger = ledger();
        let offset = |ledger: &Ledger| ledger.offset(ChunkIndex(1), Digest::of(b""));
        reconcile(&mut ledger, keeping(1, 50));
        ledger.distrust_offset(ChunkIndex(1));
        reconcile(&mut ledger, keeping(1, 60));
        assert_eq!(offset(&ledger), 60);
        ledger.distrust_offset(ChunkIndex(1));
        assert_eq!(offset(&ledger), 0);
    }

    #[test]
    fn what_came_under_another_digest_is_not_gone_on_with() {
        let mut ledger = ledger();
        reconcile(&mut ledger, keeping(1, 50));
        assert_eq!(ledger.offset(ChunkIndex(1), Digest::of(b"other bytes")), 0);
    }
}
