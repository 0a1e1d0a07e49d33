//! The bytes of a sealed file on their way out: one frame in memory, read when the last one is gone,
//! so that a reader who is slow, or stops, costs no more than that.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::outbox::Outbox;
use crate::store::{FileReader, Source, StoreError};

/// How much of a file is read at once, bytes: large enough that the cost of a read is small beside
/// the copy, small enough that a thousand readers take 256 MiB.
pub const FRAME_BYTES: u64 = 256 * 1024;

/// The first of it where many answers share a connection, bytes: nobody knows whether its reader will ever take one, and
/// he can ask for a hundred at once. Each frame is twice as long as the one before, so that nobody has us hold more for
/// him than he has taken.
pub const FIRST_FRAME_BYTES: u64 = 16 * 1024;

/// What of a file goes out before others have a turn, bytes: who reads as fast as it comes would keep a
/// thread that also tells the others what has come for them.
const TURN_BYTES: u64 = 1 << 20;

/// A stretch of a body.
#[derive(Clone, Debug)]
pub enum Stretch {
    /// These bytes: the frame around a part.
    Text(Bytes),
    /// These bytes of the file.
    File(Range<u64>),
}

impl Stretch {
    /// Its length, bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Bytes that are to go out.
struct Piece {
    bytes: Bytes,
    /// Where they lie in the file, if they are its own in the system's memory.
    offset: Option<u64>,
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, offset: None }
    }
}

type Read = Pin<Box<dyn Future<Output = Result<Bytes, StoreError>> + Send>>;

enum Next {
    Here(Piece),
    Coming(Read),
}

/// Stretches of a file, one after the other.
pub struct FileBody<R> {
    reader: R,
    stretches: VecDeque<Stretch>,
    /// Read before the head was sent.
    first: Option<Piece>,
    coming: Option<Read>,
    left: u64,
    /// Since others had their turn, bytes.
    sent: u64,
    /// No frame lies in two of these, bytes.
    unit: u64,
    /// The next frame is no longer, bytes.
    frame_max: u64,
    posting: Option<Posting>,
}

/// Where the socket learns what is in which file. Only who has one may hand on a map of the file; without it
/// somebody looks at the bytes, and they are copied.
struct Posting {
    outbox: Arc<Outbox>,
    file: Option<Arc<dyn Source>>,
}

impl<R: FileReader> FileBody<R> {
    /// A body of some stretches, in memory of ours: whatever is done with it, no page of it has to come from a disk.
    pub fn new(reader: R, stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let stretches: VecDeque<_> = stretches.into_iter().collect();
        let left = stretches.iter().map(Stretch::len).sum();
        let (first, coming, posting) = (None, None, None);
        let (unit, frame_max) = (u64::MAX, FRAME_BYTES);
        Self { reader, stretches, first, coming, left, sent: 0, unit, frame_max, posting }
    }

    /// The same in frames of which none lies in two chunks: what has come of a file need not wait for
    /// what has not.
    #[must_use]
    pub fn chunk_by_chunk(self, chunk_len: u64) -> Self {
        Self { unit: chunk_len.max(1), ..self }
    }

    /// The same for a connection that may have many answers at once: short at first, and longer as they are taken.
    #[must_use]
    pub fn sharing(self, is_shared: bool) -> Self {
        Self { frame_max: if is_shared { FIRST_FRAME_BYTES } else { self.frame_max }, ..self }
    }

    /// The same for a connection that sends what is at hand from the file, or from a map of it, if it has an outbox.
    #[must_use]
    pub fn posting_to(mut self, outbox: Option<&Arc<Outbox>>) -> Self {
        let outbox = outbox.map(Arc::clone);
        self.posting = outbox.map(|outbox| Posting { outbox, file: self.reader.source() });
        self
    }

    /// Reads the first frame, so that a file whose beginning cannot be served is refused, and not
    /// broken off after a head that promised it.
    ///
    /// # Errors
    /// Those of [`FileReader::read_at`].
    pub async fn begun(mut self) -> Result<Self, StoreError> {
        self.first = match self.next() {
            Some(Next::Here(piece)) => Some(piece),
            Some(Next::Coming(read)) => Some(read.await?.into()),
            None => None,
        };
        Ok(self)
    }

    /// How many bytes are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes, unless everything was read.
    fn next(&mut self) -> Option<Next> {
        let range = match self.stretches.pop_front()? {
            Stretch::Text(text) => return Some(Next::Here(text.into())),
            Stretch::File(range) => range,
        };
        let unit_end = (range.start / self.unit).saturating_add(1).saturating_mul(self.unit);
        let end = range.end.min(range.start.saturating_add(self.frame_max)).min(unit_end);
        self.frame_max = self.frame_max.saturating_mul(2).min(FRAME_BYTES);
        if end < range.end {
            self.stretches.push_front(Stretch::File(end..range.end));
        }
        let len = usize::try_from(end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        Some(self.read(len, range))
    }

    /// The first `len` bytes of what is still to come of a stretch.
    fn read(&mut self, len: usize, left: Range<u64>) -> Next {
        if self.posting.is_none() {
            let (reader, offset) = (self.reader.clone(), left.start);
            return Next::Coming(Box::pin(async move { reader.read_copied(offset, len).await }));
        }
        let (offset, left) = (left.start, left.end.saturating_sub(left.start));
        let is_turn_over = self.sent >= TURN_BYTES;
        self.sent = if is_turn_over { 0 } else { self.sent } + len as u64;
        let at_hand = self.reader.at_hand(offset, len);
        if len as u64 == FRAME_BYTES {
            // Those of other threads too: where the system lets nobody interrupt what one has begun, a small answer
            // waits for as long as a stream goes on.
            std::thread::yield_now();
        }
        if !is_turn_over && let Some(bytes) = at_hand {
            return Next::Here(Piece { bytes, offset: Some(offset) });
        }
        let reader = self.reader.clone();
        Next::Coming(Box::pin(async move {
            // To wait for the disk is a turn of the others too.
            let Some(bytes) = at_hand else { return reader.read_on(offset, len, left).await };
            tokio::task::yield_now().await;
            Ok(bytes)
        }))
    }

    /// Just before hyper has it: what is posted earlier would be forgotten.
    fn frame(&mut self, Piece { bytes, offset }: Piece) -> Frame<Bytes> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if let (Some(Posting { outbox, file: Some(file) }), Some(offset)) = (&self.posting, offset)
        {
            outbox.post(&bytes, file, offset);
        }
        Frame::data(bytes)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, StoreError>>> {
        let next = self.coming.take().map(Next::Coming).or_else(|| self.next());
        let mut coming = match next {
            None => return Poll::Ready(None),
            Some(Next::Here(piece)) => return Poll::Ready(Some(Ok(piece))),
            Some(Next::Coming(read)) => read,
        };
        let read = coming.as_mut().poll(cx);
        if read.is_pending() {
            self.coming = Some(coming);
        }
        read.map(|read| Some(read.map(Piece::from)))
    }
}

/// The reader is never pinned.
impl<R> Unpin for FileBody<R> {}

impl<R: FileReader> Body for FileBody<R> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(self.frame(first))));
        }
        let read = ready!(self.poll_next(cx));
        // The head is out already; who has the connection tells whose error it was.
        Poll::Ready(read.map(|read| Ok(self.frame(read.map_err(std::io::Error::other)?))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl<R> std::fmt::Debug for FileBody<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileBody({} bytes left)", self.left)
    }
}

#[cfg(test)]
mod tests;
