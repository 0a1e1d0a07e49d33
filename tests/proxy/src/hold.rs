//! Chunks that are held up.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// As many chunks as there may ever be.
const NO_END_OF_CHUNKS: usize = Semaphore::MAX_PERMITS / 4;

/// How many chunks a proxy lets through before it holds the others up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All.
    Nothing,
    /// So many.
    AfterChunks(usize),
    /// So many, but the bodies of all are taken in: a sender that leaves is noticed at once, as by a server,
    /// and not only when what it left in the sockets has been read.
    ButBodiesAfter(usize),
}

/// Where chunks wait.
#[derive(Debug)]
pub(crate) struct Gate {
    chunks: Semaphore,
    takes_bodies: bool,
    on_the_way: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(hold: Hold) -> Self {
        let permits = match hold {
            Hold::Nothing => NO_END_OF_CHUNKS,
            Hold::AfterChunks(count) | Hold::ButBodiesAfter(count) => count,
        };
        Self {
            chunks: Semaphore::new(permits),
            takes_bodies: matches!(hold, Hold::ButBodiesAfter(_)),
            on_the_way: AtomicUsize::new(0),
        }
    }

    pub(crate) fn open(&self) {
        self.chunks.add_permits(NO_END_OF_CHUNKS);
    }

    /// Waits until a chunk may pass.
    pub(crate) async fn pass(&self) {
        self.chunks.acquire().await.expect("never closed").forget();
    }

    pub(crate) fn takes_bodies(&self) -> bool {
        self.takes_bodies
    }

    pub(crate) fn on_the_way(&self) -> usize {
        self.on_the_way.load(Ordering::Relaxed)
    }
}

/// A chunk that is counted for as long as this lives.
pub(crate) struct OnTheWay<'a>(&'a Gate);

impl<'a> OnTheWay<'a> {
    pub(crate) fn begin(gate: &'a Gate) -> Self {
        gate.on_the_way.fetch_add(1, Ordering::Relaxed);
        Self(gate)
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.0.on_the_way.fetch_sub(1, Ordering::Relaxed);
    }
}
