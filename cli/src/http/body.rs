//! What a request carries: bytes that are in memory, piece by piece, so that it is known how far it is.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// How much is handed to the connection at once, bytes: what a system takes in one call.
const SEND_BYTES: usize = 256 * 1024;

/// Called with how many bytes the connection has taken.
type Told = Box<dyn Fn(u64) + Send>;

/// A body.
pub struct Body {
    bytes: Bytes,
    taken: u64,
    told: Option<Told>,
}

impl Body {
    /// None.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Bytes::new())
    }

    /// These bytes.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        Self { bytes, taken: 0, told: None }
    }

    /// These bytes; `told` hears how many of them have been taken, as they are.
    #[must_use]
    pub fn watched(bytes: Bytes, told: impl Fn(u64) + Send + 'static) -> Self {
        Self { bytes, taken: 0, told: Some(Box::new(told)) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // Whoever asks for more has passed on what came before.
        if let Some(told) = self.told.as_ref().filter(|_| self.taken > 0) {
            told(self.taken);
        }
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let count = self.bytes.len().min(SEND_BYTES);
        let piece = self.bytes.split_to(count);
        self.taken = self.taken.saturating_add(count as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.bytes.len())
    }
}
