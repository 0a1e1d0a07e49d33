//! The chunks that arrive, and whether all that was sent of them has been taken in.
//!
//! A sender whose connection was cut asks how much is here and sends the rest. When the disk has a slow moment, megabytes
//! of what it sent before may still lie in the system's buffer: they count if its answer waits for them, and come once
//! more if it does not. So a status waits for each chunk that was arriving when it was asked, until that has ended or
//! its connection has nothing more to read; on a disk that keeps up, that is at once.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use longhaul_protocol::wire::ids::UploadId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a status waits at most: a sender that is faster than the disk always has more to read.
pub const SETTLE_MAX: Duration = Duration::from_secs(1);

/// How long until it looks again, while it waits.
pub const SETTLE_PAUSE: Duration = Duration::from_millis(5);

/// Whether a connection had nothing to read when it was last asked.
#[derive(Debug, Default)]
pub struct Line(AtomicBool);

impl Line {
    fn is_dry(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn was_found(&self, is_dry: bool) {
        self.0.store(is_dry, Ordering::Release);
    }
}

/// A connection that tells its [`Line`].
#[derive(Debug)]
pub(crate) struct Told<IO> {
    io: IO,
    line: Arc<Line>,
}

impl<IO> Told<IO> {
    pub(crate) fn new(io: IO, line: &Arc<Line>) -> Self {
        Self { io, line: Arc::clone(line) }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Told<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.line.was_found(read.is_pending());
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Told<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The chunks that arrive, by their uploads.
#[derive(Debug, Default)]
pub struct Arriving {
    bodies: Mutex<HashMap<UploadId, Vec<Weak<Body>>>>,
}

#[derive(Debug)]
struct Body {
    line: Arc<Line>,
    /// Whether it was read from the connection when that last had nothing: HTTP/2 is read all the time.
    is_read_ahead: bool,
    /// Whether what came of it is taken in, and more is waited for.
    waits: AtomicBool,
}

impl Body {
    fn is_taken_in(&self) -> bool {
        self.waits.load(Ordering::Acquire) && self.line.is_dry()
    }
}

/// A chunk that arrives, until this is dropped.
pub struct Arrival<'a> {
    of: (&'a Arriving, UploadId),
    body: Arc<Body>,
}

impl fmt::Debug for Arrival<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("upload", &self.of.1).field("body", &self.body).finish()
    }
}

impl Arriving {
    /// The body of a chunk is about to be read from a connection; one that `is_shared` is read whether or not anybody
    /// asks for what comes.
    pub fn begin(&self, upload: UploadId, line: &Arc<Line>, is_shared: bool) -> Arrival<'_> {
        let (line, waits) = (Arc::clone(line), AtomicBool::default());
        let body = Arc::new(Body { line, is_read_ahead: is_shared, waits });
        self.bodies().entry(upload).or_default().push(Arc::downgrade(&body));
        Arrival { of: (self, upload), body }
    }

    /// Waits until all that was sent by now of the chunks that arrive is taken in, but no longer than [`SETTLE_MAX`]. Whether
    /// it had to wait.
    pub async fn settle(&self, upload: UploadId) -> bool {
        let mut bodies = self.bodies().get(&upload).cloned().unwrap_or_default();
        let late = Instant::now() + SETTLE_MAX;
        let mut waited = false;
        loop {
            bodies.retain(|body| body.upgrade().is_some_and(|body| !body.is_taken_in()));
            if bodies.is_empty() || Instant::now() >= late {
                return waited;
            }
            waited = true;
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    fn bodies(&self) -> MutexGuard<'_, HashMap<UploadId, Vec<Weak<Body>>>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrival<'_> {
    /// Waits for more of it.
    pub async fn while_waiting<T>(&self, more: impl Future<Output = T>) -> T {
        self.waits(true);
        let more = more.await;
        self.waits(false);
        more
    }

    fn waits(&self, waits: bool) {
        if waits && !self.body.is_read_ahead {
            // What that said is from before the last piece was taken in; hyper looks again now.
            self.body.line.was_found(false);
        }
        self.body.waits.store(waits, Ordering::Release);
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let (arriving, upload) = self.of;
        let mut bodies = arriving.bodies();
        let Some(of_upload) = bodies.get_mut(&upload) else { return };
        of_upload.retain(|body| !std::ptr::eq(body.as_ptr(), Arc::as_ptr(&self.body)));
        if of_upload.is_empty() {
            bodies.remove(&upload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPLOAD: UploadId = UploadId([1; 16]);

    async fn waits_for(arriving: &Arriving) -> Duration {
        let begun = Instant::now();
        arriving.settle(UPLOAD).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_waits_for_a_chunk_that_is_being_taken_in_and_for_none_that_waits_itself() {
        let (arriving, line) = (Arriving::default(), Arc::new(Line::default()));
        assert_eq!(waits_for(&arriving).await, Duration::ZERO);
        let arrival = arriving.begin(UPLOAD, &line, false);
        assert!(waits_for(&arriving).await >= SETTLE_MAX, "it is at the disk");
        line.was_found(true);
        assert!(waits_for(&arriving).await >= SETTLE_MAX, "more may have come meanwhile");
        arrival.waits(true);
        assert!(waits_for(&arriving).await >= SETTLE_MAX, "nobody has looked since");
        line.was_found(true);
        assert_eq!(waits_for(&arriving).await, Duration::ZERO);
        arrival.waits(false);
        assert!(waits_for(&arriving).await >= SETTLE_MAX, "it is at the disk again");
        drop(arrival);
        assert_eq!(waits_for(&arriving).await, Duration::ZERO);
        assert!(arriving.bodies().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn it_answers_as_soon_as_what_it_waits_for_has_ended() {
        let (arriving, line) = (Arriving::default(), Arc::new(Line::default()));
        let (first, second) =
            (arriving.begin(UPLOAD, &line, false), arriving.begin(UPLOAD, &line, false));
        let ended = async {
            tokio::time::sleep(SETTLE_PAUSE * 4).await;
            drop(first);
            tokio::time::sleep(SETTLE_PAUSE * 4).await;
            drop(second);
        };
        let (waited, ()) = tokio::join!(waits_for(&arriving), ended);
        assert!((SETTLE_PAUSE * 8..SETTLE_PAUSE * 10).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_read_ahead_need_not_be_looked_at_again() {
        let (arriving, line) = (Arriving::default(), Arc::new(Line::default()));
        line.was_found(true);
        let arrival = arriving.begin(UPLOAD, &line, true);
        arrival.waits(true);
        assert_eq!(waits_for(&arriving).await, Duration::ZERO);
    }
}
