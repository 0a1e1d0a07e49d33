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
async fn a_stream_comes_from_its_file_until_its_reader_is_behind_and_is_then_copied_for_a_while() {
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
    let again = came[copied..].iter().position(|byte| *byte == 1).unwrap_or(came.len() - copied);
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
