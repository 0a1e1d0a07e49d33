//! How long bytes are under way, and how many go in a second.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How many bytes are passed on at once: what a read gives.
pub(crate) const PIECE_BYTES: usize = 64 << 10;
/// How many pieces are under way on a line with a delay: 4 MiB, so that 50 MB/s fit through 80 ms.
const PIECES_DELAYED: usize = 64;
/// And on one without: what is taken is passed on at once, or is the sender's still.
const PIECES_AT_ONCE: usize = 1;

/// One way of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How long each byte is under way.
    pub delay: Duration,
    /// At most; as fast as it goes if it is not given.
    pub bytes_per_second: Option<u64>,
}

/// Both ways of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// From the client to the server.
    pub up: Line,
    /// From the server to the client.
    pub down: Line,
}

/// Bytes under way, and when they are there.
pub(crate) struct Piece {
    pub(crate) due: Instant,
    pub(crate) bytes: Vec<u8>,
}

/// Where bytes are put in.
pub(crate) struct Inlet {
    delay: Duration,
    to: mpsc::Sender<Piece>,
}

/// Where they come out.
pub(crate) struct Outlet {
    from: mpsc::Receiver<Piece>,
    bytes_per_second: Option<u64>,
    free_at: Instant,
}

impl Line {
    pub(crate) fn open(self) -> (Inlet, Outlet) {
        let pieces = if self.delay.is_zero() { PIECES_AT_ONCE } else { PIECES_DELAYED };
        let (to, from) = mpsc::channel(pieces);
        let inlet = Inlet { delay: self.delay, to };
        let bytes_per_second = self.bytes_per_second;
        (inlet, Outlet { from, bytes_per_second, free_at: Instant::now() })
    }
}

impl Inlet {
    /// Whether there is still somebody at the other end.
    pub(crate) async fn put(&self, bytes: Vec<u8>) -> bool {
        bytes.is_empty()
            || self.to.send(Piece { due: Instant::now() + self.delay, bytes }).await.is_ok()
    }
}

impl Outlet {
    /// The next bytes, when they are there; none after the last.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let piece = self.from.recv().await?;
        let start = piece.due.max(self.free_at);
        self.free_at = start + self.takes(piece.bytes.len());
        sleep_until(self.free_at.max(piece.due)).await;
        Some(piece.bytes)
    }

    fn takes(&self, len: usize) -> Duration {
        let rate = self.bytes_per_second.filter(|&rate| rate > 0);
        rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(len as f64 / rate as f64))
    }
}
