//! The socket that hyper writes to: what of it is in a file, the system takes from there (`outbox`).
//!
//! That spares us a copy, and costs a reader on the same machine, who would have found a copy in a cache of the
//! processor. So a stream goes from the file while its reader waits for us, and is copied for a while once he is
//! behind: whoever of the two has more to do gets the help.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::outbox::Outbox;

/// How many pieces of a stream are copied once the socket was full: with fewer the reader is what is slow, with more
/// we are.
const COPIED_WHEN_FULL: u32 = 8;

/// A connection. Nothing encrypts between hyper and it.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    outbox: Arc<Outbox>,
    /// How many pieces are still to be copied.
    to_copy: u32,
}

impl Socket {
    /// Sends what `outbox` knows from its file.
    #[must_use]
    pub fn new(stream: TcpStream, outbox: Arc<Outbox>) -> Self {
        Self { stream, outbox, to_copy: 0 }
    }

    fn was_full(&mut self) {
        self.to_copy = COPIED_WHEN_FULL;
    }
}

#[cfg(target_os = "linux")]
mod from_file {
    use std::sync::Once;

    use rustix::fs::sendfile;
    use rustix::io::Errno;
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    use tokio::io::Interest;

    use super::{Context, IoSlice, Poll, Socket, TcpStream, io, ready};

    /// The system, or where the files lie, has no such way: nothing is wrong, and each range costs a copy.
    fn tell_once(error: &io::Error) {
        static TOLD: Once = Once::new();
        let is_no_way =
            |errno| matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM);
        if Errno::from_io_error(error).is_some_and(is_no_way) {
            TOLD.call_once(|| {
                tracing::warn!(
                    %error,
                    "small ranges are copied, which takes more of the processor: the system does not send them \
                     from the files in the data folder"
                );
            });
        }
    }

    impl Socket {
        /// Sends the first slice that is in a file from there, or what comes before it; hyper comes again
        /// for the rest. `None` if there is none, or if the file does not give it: who takes the slice from
        /// memory is told why.
        pub(super) fn poll_send(
            &mut self,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<Option<usize>>> {
            let Some(found) = self.outbox.find(slices) else { return Poll::Ready(Ok(None)) };
            let Some(file) = found.file.descriptor() else { return Poll::Ready(Ok(None)) };
            if found.is_streamed && self.to_copy > 0 {
                self.to_copy -= 1;
                return Poll::Ready(Ok(None));
            }
            let (before, _) = slices.split_at(found.at);
            if before.iter().any(|slice| !slice.is_empty()) {
                // The system waits with it for the piece: they leave as one.
                let (flags, mut none) =
                    (SendFlags::MORE | SendFlags::NOSIGNAL, SendAncillaryBuffer::default());
                let send = |stream: &_| sendmsg(stream, before, &mut none, flags);
                return self.poll_when_writable(cx, send).map_ok(Some);
            }
            let send = |stream: &_| sendfile(stream, file, Some(&mut { found.offset }), found.len);
            let sent = ready!(self.poll_when_writable(cx, send)).inspect_err(tell_once);
            Poll::Ready(Ok(sent.ok().filter(|sent| *sent > 0)))
        }

        fn poll_when_writable(
            &mut self,
            cx: &mut Context<'_>,
            mut send: impl FnMut(&TcpStream) -> rustix::io::Result<usize>,
        ) -> Poll<io::Result<usize>> {
            loop {
                let is_ready = self.stream.poll_write_ready(cx);
                if is_ready.is_pending() {
                    self.was_full();
                }
                ready!(is_ready)?;
                let stream = &self.stream;
                let sent = stream.try_io(Interest::WRITABLE, || Ok(send(stream)?));
                let kind = sent.as_ref().err().map(io::Error::kind);
                if !matches!(kind, Some(io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)) {
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Socket {
    fn poll_send(
        &self,
        _cx: &mut Context<'_>,
        _slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<Option<usize>>> {
        Poll::Ready(Ok(None))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.poll_send(cx, slices))? {
            Some(sent) => Poll::Ready(Ok(sent)),
            None => {
                let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
                if written.is_pending() {
                    self.was_full();
                }
                written
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls it when it has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.clear();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.clear();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
