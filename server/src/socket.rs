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
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd as _, BorrowedFd};
    use std::os::unix::fs::FileExt as _;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::store::Source;

    const LEN: usize = 100_000;
    /// Not at a page.
    const OFFSET: usize = 4099;

    struct Opened(File);

    impl Source for Opened {
        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }
    }

    /// Bytes of a file of which those in memory are told apart: they are zeroes, and no byte of it is.
    fn posted(outbox: &Outbox, file_len: usize) -> (Bytes, Vec<u8>) {
        let file = tempfile::tempfile().unwrap();
        let whole: Vec<_> = (1..=251).cycle().take(file_len).collect();
        file.write_all_at(&whole, 0).unwrap();
        let (file, piece) = (Arc::new(Opened(file)) as Arc<dyn Source>, Bytes::from(vec![0; LEN]));
        outbox.post(&piece, &file, OFFSET as u64);
        (piece, whole[OFFSET..file_len.min(OFFSET + LEN)].to_vec())
    }

    async fn connected() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(listener.accept().await.unwrap().0, Arc::default()), reader)
    }

    /// What comes of some slices, written as hyper writes them.
    async fn sent(socket: &mut Socket, reader: &mut TcpStream, slices: &[&[u8]]) -> Vec<u8> {
        let mut came = vec![0; slices.iter().map(|slice| slice.len()).sum()];
        let mut slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let writing = async {
            let mut slices = slices.as_mut_slice();
            while !slices.is_empty() {
                let written = socket.write_vectored(slices).await.unwrap();
                assert!(written > 0);
                IoSlice::advance_slices(&mut slices, written);
            }
        };
        let reading = async {
            // Until nothing more goes into the sockets.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            reader.read_exact(&mut came).await.unwrap();
        };
        tokio::join!(writing, reading);
        came
    }

    #[tokio::test]
    async fn what_is_in_a_file_comes_from_there_until_all_is_written() {
        let (mut socket, mut reader) = connected().await;
        let (piece, in_file) = posted(&socket.outbox, 2 * LEN);
        let came = sent(&mut socket, &mut reader, &[b"before", &piece, b"after"]).await;
        assert!(came == [b"before", in_file.as_slice(), b"after"].concat());
        socket.flush().await.unwrap();
        let came = sent(&mut socket, &mut reader, &[&piece]).await;
        assert!(came == piece, "what was written is forgotten");
    }

    /// He is behind when no more goes into the sockets.
    #[tokio::test]
    async fn a_stream_comes_from_its_file_until_its_reader_is_behind_and_is_then_copied_for_a_while()
     {
        const PIECE: usize = 256 * 1024;
        const PIECES: usize = 200;
        let (mut socket, mut reader) = connected().await;
        let in_file = vec![1; PIECES * PIECE];
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&in_file, 0).unwrap();
        let file = Arc::new(Opened(file)) as Arc<dyn Source>;
        let reading = tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let mut came = vec![7; PIECES * PIECE];
            reader.read_exact(&mut came).await.unwrap();
            came
        });
        for nth in 0..PIECES {
            let piece = Bytes::from(vec![0; PIECE]);
            socket.outbox.post(&piece, &file, (nth * PIECE) as u64);
            let mut slice = [IoSlice::new(&piece)];
            let mut left = slice.as_mut_slice();
            while !left.is_empty() {
                let written = socket.write_vectored(left).await.unwrap();
                IoSlice::advance_slices(&mut left, written);
            }
            socket.flush().await.unwrap();
        }
        let came = reading.await.unwrap();
        assert_eq!(came[..PIECE], in_file[..PIECE]);
        let copied = came.iter().position(|byte| *byte == 0).expect("he was behind");
        let again =
            came[copied..].iter().position(|byte| *byte == 1).unwrap_or(came.len() - copied);
        assert!(again >= 7 * PIECE, "{again}");
        assert!(came.iter().all(|byte| *byte < 2));
    }

    #[tokio::test]
    async fn what_is_written_in_parts_goes_on_where_it_stopped() {
        let (mut socket, mut reader) = connected().await;
        let (piece, in_file) = posted(&socket.outbox, 2 * LEN);
        let slices = [b"head".as_slice(), &piece].repeat(100);
        let came = sent(&mut socket, &mut reader, &slices).await;
        assert!(came == [b"head", in_file.as_slice()].concat().repeat(100));
    }

    #[tokio::test]
    async fn where_nothing_can_be_sent_from_files_it_is_copied_and_that_is_told_once() {
        let (mut socket, mut reader) = connected().await;
        let (log, guard) = Log::start();
        // A folder is no file to send from.
        let folder = Arc::new(Opened(File::open("/").unwrap())) as Arc<dyn Source>;
        for _ in 0..2 {
            let piece = Bytes::from(vec![7; LEN]);
            socket.outbox.post(&piece, &folder, 0);
            assert!(sent(&mut socket, &mut reader, &[&piece]).await == piece);
        }
        drop(guard);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("WARN").count(), 1, "{log}");
    }

    #[derive(Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

    impl Log {
        fn start() -> (Self, tracing::subscriber::DefaultGuard) {
            let log = Self::default();
            let to = log.clone();
            let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone());
            (log, tracing::subscriber::set_default(subscriber.with_ansi(false).finish()))
        }
    }

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_the_file_does_not_give_is_left_to_who_takes_it_from_memory() {
        let (mut socket, mut reader) = connected().await;
        let (piece, in_file) = posted(&socket.outbox, OFFSET + LEN / 2);
        let came = sent(&mut socket, &mut reader, &[&piece]).await;
        assert!(came == [in_file.as_slice(), &piece[LEN / 2..]].concat());
    }
}
