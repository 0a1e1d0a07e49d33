//! Pieces of files on their way through hyper to a socket. hyper hands the socket slices of memory; here it
//! says of which file a slice is, and the system can send it from there instead of copying it.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::store::Source;
use crate::stream::FRAME_BYTES;

/// What is longer is sent from its file, bytes: up to here a copy costs no more than a call of its own.
const WRITTEN_MAX: usize = 16 * 1024;

/// What is as long is a piece of a stream, bytes.
const STREAMED_MIN: u64 = FRAME_BYTES;

/// How many pieces are remembered. hyper writes once it has gathered as many buffers, heads among them, so there
/// are seldom more; then the oldest is forgotten and, if it was not written yet, copied.
const POSTED_MAX: usize = 16;

/// What a connection has to send.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<VecDeque<Posted>>);

struct Posted {
    /// As long as these are held no other bytes can have their address.
    bytes: Bytes,
    file: Arc<dyn Source>,
    offset: u64,
}

/// A slice that is in a file.
pub(crate) struct Found {
    /// Which of the slices it is.
    pub(crate) at: usize,
    pub(crate) file: Arc<dyn Source>,
    /// Where it begins there.
    pub(crate) offset: u64,
    pub(crate) len: usize,
    /// Whether it is of a piece of a stream, and not a small range.
    pub(crate) is_streamed: bool,
}

impl Outbox {
    /// These bytes, which are handed to hyper now, lie in the file at `offset`, and always will.
    pub fn post(&self, bytes: &Bytes, file: &Arc<dyn Source>, offset: u64) {
        if bytes.len() <= WRITTEN_MAX {
            return;
        }
        let mut posted = self.posted();
        if posted.len() == POSTED_MAX {
            posted.pop_front();
        }
        posted.push_back(Posted { bytes: bytes.clone(), file: Arc::clone(file), offset });
    }

    /// The first of some slices that is in a file. Pieces are written in the order in which they were posted, so
    /// those before it have been, and are forgotten.
    pub(crate) fn find(&self, slices: &[IoSlice<'_>]) -> Option<Found> {
        let mut posted = self.posted();
        if posted.is_empty() {
            return None;
        }
        let mut slices = slices.iter().enumerate().filter(|(_, slice)| !slice.is_empty());
        let (at, len, nth, offset) = slices.find_map(|(at, slice)| {
            let mut places = posted.iter().enumerate();
            places.find_map(|(nth, it)| Some((at, slice.len(), nth, it.place_of(slice)?)))
        })?;
        posted.drain(..nth);
        let piece = posted.front()?;
        let is_streamed = piece.bytes.len() as u64 >= STREAMED_MIN;
        Some(Found { at, file: Arc::clone(&piece.file), offset, len, is_streamed })
    }

    /// Everything was written.
    pub(crate) fn clear(&self) {
        self.posted().clear();
    }

    /// Nobody panics who holds it.
    fn posted(&self) -> MutexGuard<'_, VecDeque<Posted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Posted {
    /// Where in the file a slice begins, if all of it is of these bytes. What hyper has written a part of
    /// begins later.
    fn place_of(&self, slice: &[u8]) -> Option<u64> {
        let skipped = slice.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        let end = skipped.checked_add(slice.len())?;
        (end <= self.bytes.len()).then(|| self.offset.saturating_add(skipped as u64))
    }
}

impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Posted({} bytes at {})", self.bytes.len(), self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Source for Nowhere {
        fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
            None
        }
    }

    const LEN: usize = 64 * 1024;

    fn posted(count: usize) -> (Outbox, Vec<Bytes>) {
        let (outbox, file) = (Outbox::default(), Arc::new(Nowhere) as Arc<dyn Source>);
        let pieces: Vec<_> = (0..count).map(|_| Bytes::from(vec![0; LEN])).collect();
        for (at, piece) in pieces.iter().enumerate() {
            outbox.post(piece, &file, (at * LEN) as u64);
        }
        (outbox, pieces)
    }

    fn place(outbox: &Outbox, slices: &[&[u8]]) -> Option<(usize, u64)> {
        let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        outbox.find(&slices).map(|found| (found.at, found.offset))
    }

    #[test]
    fn a_slice_is_found_by_where_it_lies_and_only_if_all_of_it_does() {
        let (outbox, pieces) = posted(2);
        let [first, second] = &pieces[..] else { panic!() };
        assert_eq!(place(&outbox, &[b"head", &first[7..], second]), Some((1, 7)));
        assert_eq!(place(&outbox, &[b"head", second]), Some((1, LEN as u64)));
        assert_eq!(place(&outbox, &[b"head", &[]]), None);
        assert_eq!(place(&outbox, &[&vec![0; LEN]]), None, "the same bytes elsewhere");
        let (whole, file) = (Bytes::from(vec![0; 3 * LEN]), Arc::new(Nowhere) as Arc<dyn Source>);
        outbox.post(&whole.slice(LEN..2 * LEN), &file, 0);
        for beyond in [LEN - 1..LEN + 9, 2 * LEN - 1..2 * LEN + 1, 0..3 * LEN, 2 * LEN..2 * LEN + 1]
        {
            assert_eq!(place(&outbox, &[&whole[beyond]]), None);
        }
    }

    #[test]
    fn what_was_posted_before_what_is_written_now_is_not_kept_for_a_slow_reader() {
        let (outbox, pieces) = posted(4);
        assert_eq!(place(&outbox, &[&pieces[2][9..], &pieces[3]]), Some((0, 2 * LEN as u64 + 9)));
        let kept: Vec<_> = pieces.iter().map(|piece| !piece.is_unique()).collect();
        assert_eq!(kept, [false, false, true, true]);
    }

    #[test]
    fn what_was_written_and_the_oldest_of_too_many_are_forgotten() {
        let (outbox, pieces) = posted(POSTED_MAX + 1);
        assert_eq!(place(&outbox, &[&pieces[0]]), None);
        assert_eq!(place(&outbox, &[&pieces[1]]), Some((0, LEN as u64)));
        assert!(!pieces[1].is_unique());
        outbox.clear();
        assert!(place(&outbox, &[&pieces[1]]).is_none() && pieces[1].is_unique());
    }
}
