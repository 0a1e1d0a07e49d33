//! The sender's chunk buffers: what each holds and how far it is.
//!
//! A buffer goes `Empty → Reading → Hashed → Offered → Cleared → Sending → Empty`. One that the
//! server turns out to have goes back to `Empty` from `Offered`; one whose sending failed goes back
//! to `Cleared` with its bytes. One whose bytes are to be proved goes from `Offered` by `Challenged →
//! Proving → Proved → Shown` to `Cleared`, and back to `Hashed` if the server has it then.

use crate::chunk_set::ChunkSet;
use crate::digest::Digest;
use crate::plan::ChunkIndex;
use crate::time::Millis;
use crate::upload::{BufferId, READ_TIMEOUT, Ticket};
use crate::wire::proof::Nonce;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffer {
    Empty,
    Reading { chunk: ChunkIndex, ticket: Ticket, since: Millis },
    Full { chunk: ChunkIndex, digest: Digest, stage: Stage },
}

/// How far a full buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its digest is not yet offered.
    Hashed,
    /// Its digest is in the offer under way.
    Offered,
    /// The server has it from another owner: to be proved with this.
    Challenged(Nonce),
    /// The proof is being computed.
    Proving { ticket: Ticket, since: Millis },
    /// The proof, not yet shown.
    Proved(Digest),
    /// Its proof is in the call under way.
    Shown,
    /// The server does not have it: to be sent, over a held chunk of that digest if there is one.
    Cleared { replace: Option<Digest> },
    /// Being sent.
    Sending(Sending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) ticket: Ticket,
    pub(super) replace: Option<Digest>,
    /// Where in the chunk the body starts.
    pub(super) offset: u64,
    /// How long the body is, bytes.
    pub(super) body: u64,
    /// Bytes of the body that the network has taken.
    pub(super) moved: u64,
    /// When it last took any.
    pub(super) moved_at: Millis,
}

impl Sending {
    /// Whether the network has taken all of the body, and only the answer is waited for.
    fn has_left(&self) -> bool {
        self.moved >= self.body
    }

    /// For how long.
    pub(super) fn awaited(&self, now: Millis) -> Millis {
        if self.has_left() { now.since(self.moved_at) } else { Millis(0) }
    }
}

impl Buffer {
    pub(super) fn chunk(&self) -> Option<ChunkIndex> {
        match *self {
            Self::Empty => None,
            Self::Reading { chunk, .. } | Self::Full { chunk, .. } => Some(chunk),
        }
    }

    pub(super) fn sending(&self) -> Option<&Sending> {
        match self {
            Self::Full { stage: Stage::Sending(sending), .. } => Some(sending),
            _ => None,
        }
    }

    pub(super) fn sending_mut(&mut self) -> Option<&mut Sending> {
        match self {
            Self::Full { stage: Stage::Sending(sending), .. } => Some(sending),
            _ => None,
        }
    }

    /// The stage of a full buffer, to move it on.
    pub(super) fn stage_mut(&mut self) -> Option<&mut Stage> {
        match self {
            Self::Full { stage, .. } => Some(stage),
            _ => None,
        }
    }

    /// A buffer that failed to be sent keeps its bytes for the next try.
    pub(super) fn stop_sending(&mut self) {
        if let Some(stage) = self.stage_mut()
            && let Stage::Sending(Sending { replace, .. }) = *stage
        {
            *stage = Stage::Cleared { replace };
        }
    }
}

/// All buffers of one sender.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    slots: Vec<Buffer>,
    /// How many may be in use. Slots beyond it are left from when it was more.
    count: u64,
    /// The one that was freed last: whoever does the reading may still have its memory.
    freed: Option<BufferId>,
}

impl Buffers {
    pub(super) fn new(count: u64) -> Self {
        let mut buffers = Self { slots: Vec::new(), count: 0, freed: None };
        buffers.set_count(count);
        buffers
    }

    /// Allows so many from now on. What is in use beyond them ends as it would have.
    pub(super) fn set_count(&mut self, count: u64) {
        let slots = (self.slots.len() as u64)..count;
        self.slots.extend(slots.map(|_| Buffer::Empty));
        self.count = count;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (BufferId, &Buffer)> {
        (0..).map(BufferId).zip(&self.slots)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (BufferId, &mut Buffer)> {
        (0..).map(BufferId).zip(&mut self.slots)
    }

    /// The buffer that is being read under this ticket.
    pub(super) fn reading(&mut self, wanted: Ticket) -> Option<(BufferId, &mut Buffer)> {
        self.iter_mut()
            .find(|(_, slot)| matches!(slot, Buffer::Reading { ticket, .. } if *ticket == wanted))
    }

    /// The digest of what lies in a buffer, whole.
    pub(super) fn digest(&self, wanted: BufferId) -> Option<Digest> {
        self.iter().find(|(id, _)| *id == wanted).and_then(|(_, buffer)| match *buffer {
            Buffer::Full { digest, .. } => Some(digest),
            _ => None,
        })
    }

    /// The buffer that is being sent under this ticket.
    pub(super) fn sent_as(&mut self, wanted: Ticket) -> Option<(BufferId, &mut Buffer)> {
        self.iter_mut().find(|(_, buffer)| buffer.sending().is_some_and(|s| s.ticket == wanted))
    }

    /// When each read and each proof under way is given up.
    pub(super) fn silences(&self) -> impl Iterator<Item = (BufferId, Millis)> {
        self.iter().filter_map(|(id, buffer)| match buffer {
            Buffer::Reading { since, .. }
            | Buffer::Full { stage: Stage::Proving { since, .. }, .. } => {
                Some((id, *since + READ_TIMEOUT))
            }
            _ => None,
        })
    }

    /// The buffer that is being hashed with a nonce under this ticket.
    pub(super) fn proving(&mut self, wanted: Ticket) -> Option<(BufferId, &mut Stage)> {
        self.iter_mut()
            .filter_map(|(id, buffer)| Some((id, buffer.stage_mut()?)))
            .find(|(_, stage)| matches!(stage, Stage::Proving { ticket, .. } if *ticket == wanted))
    }

    /// The surroundings have been told to free this one.
    pub(super) fn was_freed(&mut self, buffer: BufferId) {
        self.freed = Some(buffer);
    }

    /// One to read into: that which was freed last, if it is empty.
    pub(super) fn next_empty(&mut self) -> Option<(BufferId, &mut Buffer)> {
        let used = self.slots.iter().filter(|buffer| **buffer != Buffer::Empty).count() as u64;
        let (is_free, freed) = (used < self.count, self.freed.take());
        let empty = |(_, buffer): &(BufferId, &mut Buffer)| is_free && **buffer == Buffer::Empty;
        self.iter_mut().filter(empty).min_by_key(|(id, _)| (Some(*id) != freed, *id))
    }

    pub(super) fn all_empty(&self) -> bool {
        self.slots.iter().all(|buffer| *buffer == Buffer::Empty)
    }

    /// Whether a chunk lies in a buffer, whole.
    pub(super) fn has_read(&self, wanted: ChunkIndex) -> bool {
        let is_it = |slot: &Buffer| matches!(slot, Buffer::Full { chunk, .. } if *chunk == wanted);
        self.slots.iter().any(is_it)
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn sending_count(&self) -> u64 {
        self.slots.iter().filter_map(Buffer::sending).count() as u64
    }

    /// How many bodies the network has not taken yet.
    pub(super) fn leaving_count(&self) -> u64 {
        self.slots.iter().filter_map(Buffer::sending).filter(|it| !it.has_left()).count() as u64
    }

    /// Whether a digest is still to be offered.
    pub(super) fn any_hashed(&self) -> bool {
        self.slots.iter().any(|buffer| hashed(buffer).is_some())
    }

    /// The chunks that are to be sent and are not.
    pub(super) fn cleared(&self) -> impl Iterator<Item = ChunkIndex> {
        self.slots.iter().filter_map(|slot| match *slot {
            Buffer::Full { chunk, stage: Stage::Cleared { .. }, .. } => Some(chunk),
            _ => None,
        })
    }

    /// The chunks whose digests are still to be offered.
    pub(super) fn hashed(&self) -> impl Iterator<Item = ChunkIndex> {
        self.slots.iter().filter_map(hashed).map(|(chunk, _)| chunk)
    }

    /// Has one of those sent without it.
    pub(super) fn clear(&mut self, wanted: ChunkIndex) {
        let found =
            self.slots.iter_mut().find(|slot| hashed(slot).is_some_and(|(at, _)| at == wanted));
        if let Some(stage) = found.and_then(Buffer::stage_mut) {
            *stage = Stage::Cleared { replace: None };
        }
    }

    /// Stops so many sends, those of which the least has gone, and names them; those of which all has, last.
    pub(super) fn stop_least(&mut self, count: u64) -> Vec<(BufferId, ChunkIndex)> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut sending: Vec<_> = self
            .iter_mut()
            .filter_map(|(id, buffer)| {
                let sending = buffer.sending()?;
                Some(((sending.has_left(), sending.moved, id), buffer))
            })
            .collect();
        sending.sort_unstable_by_key(|(order, _)| *order);
        let stop = |((.., id), buffer): ((bool, u64, BufferId), &mut Buffer)| {
            buffer.stop_sending();
            Some((id, buffer.chunk()?))
        };
        sending.into_iter().take(count).filter_map(stop).collect()
    }

    /// The chunks in the buffers.
    pub(super) fn chunks(&self) -> ChunkSet {
        self.slots.iter().filter_map(Buffer::chunk).collect()
    }

    /// The chunks that are being sent.
    pub(super) fn sending(&self) -> ChunkSet {
        let sending = self.slots.iter().filter(|buffer| buffer.sending().is_some());
        sending.filter_map(Buffer::chunk).collect()
    }

    /// Bytes of bodies that the network has taken.
    pub(super) fn in_flight_bytes(&self) -> u64 {
        self.slots.iter().filter_map(Buffer::sending).map(|sending| sending.moved).sum()
    }

    /// The run of consecutive chunks, from the lowest on, whose digests are to be offered next.
    pub(super) fn next_offer(&self) -> Vec<(ChunkIndex, Digest)> {
        let all = || self.slots.iter().filter_map(hashed);
        let first = all().map(|(chunk, _)| chunk.0).min().unwrap_or(0);
        (first..).map_while(|at| all().find(|(chunk, _)| chunk.0 == at)).collect()
    }
}

fn hashed(buffer: &Buffer) -> Option<(ChunkIndex, Digest)> {
    match *buffer {
        Buffer::Full { chunk, digest, stage: Stage::Hashed } => Some((chunk, digest)),
        _ => None,
    }
}
