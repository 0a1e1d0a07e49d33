//! Computes the SHA-256 of whole files, as `sha256sum` prints it, after they are sealed and in
//! nobody's way: one file at a time, [`WRITE_BYTES`] at a time on a thread of its own, and slowly
//! while chunks come or files go out.
//!
//! Every byte passes by, so each chunk is compared with its digest too, and downloads need not do
//! that again (`verified`): a file that has rotten is named, and gets no digest. How far it has come
//! is saved now and then; a restart goes on from there.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::digest::Hasher;
use longhaul_protocol::{ChunkIndex, Plan};

use super::block::WRITE_BYTES;
use super::config::Config;
use super::disk_error;
use super::index::{Index, Unhashed};
use super::layout::{BlobId, Layout};
use super::medium::{Disk, DiskFile, OpenHow};
use super::opened::Opened;
use super::rot;
use super::verified::Verified;
use super::work::{Repeat, Work};
use crate::store::{Result, StoreError};

/// How long each piece waits while bodies are on their way: 25 MB/s are left of a disk and a
/// processor that have something better to do, and it still comes to an end.
const PAUSE: Duration = Duration::from_millis(20);

/// The hashing thread. Dropped: the piece in hand is finished, no other begun.
#[derive(Debug)]
pub(super) struct Wholes {
    worker: Box<dyn Repeat>,
    bodies: Bodies,
}

/// Counts the bodies on their way, in or out: whoever moves one has a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Bodies(Arc<()>);

/// What the thread works with, and on.
#[derive(Debug)]
struct Worker {
    index: Arc<Index>,
    disk: Arc<dyn Disk>,
    layout: Layout,
    verified: Arc<Verified>,
    opened: Arc<Opened>,
    work: Arc<dyn Work>,
    save_bytes: u64,
    bodies: Bodies,
    /// Blobs that could not be read or have rotten: not tried again before the next start.
    failed: BTreeSet<BlobId>,
    current: Option<Current>,
}

/// The blob in hand.
#[derive(Debug)]
struct Current {
    blob: BlobId,
    plan: Plan,
    file: Arc<dyn DiskFile>,
    /// How far it is read, bytes.
    at: u64,
    saved_at: u64,
    whole: Hasher,
    /// Of the chunk that `at` lies in.
    chunk: Hasher,
    piece: Vec<u8>,
}

impl Wholes {
    /// Goes on where the last process stopped.
    pub(super) fn start(
        index: &Arc<Index>,
        disk: &Arc<dyn Disk>,
        layout: &Layout,
        (verified, opened): (&Arc<Verified>, &Arc<Opened>),
        config: &Config,
    ) -> io::Result<Self> {
        let bodies = Bodies::default();
        let mut worker = Worker {
            index: Arc::clone(index),
            disk: Arc::clone(disk),
            layout: layout.clone(),
            verified: Arc::clone(verified),
            opened: Arc::clone(opened),
            work: Arc::clone(&config.work),
            save_bytes: config.whole_save_bytes,
            bodies: bodies.clone(),
            failed: BTreeSet::new(),
            current: None,
        };
        let worker = config.work.repeat("longhaul-whole", Box::new(move || worker.step()))?;
        worker.wake();
        Ok(Self { worker, bodies })
    }

    /// A file has been sealed.
    pub(super) fn wake(&self) {
        self.worker.wake();
    }

    /// A body is on its way, for as long as this lives.
    pub(super) fn body(&self) -> Bodies {
        self.bodies.clone()
    }
}

impl Bodies {
    /// The store and the worker have one too.
    fn are_moving(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}

impl Worker {
    /// Whether there is more to do.
    fn step(&mut self) -> bool {
        if self.index.is_read_only() {
            return false;
        }
        let mut current = match self.current.take().map_or_else(|| self.next(), |it| Ok(Some(it))) {
            Ok(Some(current)) => current,
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(%error, "whole files are not hashed until the next is sealed");
                return false;
            }
        };
        if self.bodies.are_moving() {
            self.work.pause(PAUSE);
        }
        match self.go_on(&mut current) {
            Ok(true) => self.current = Some(current),
            Ok(false) => {}
            Err(error) => self.give_up(current.blob, &error),
        }
        true
    }

    fn next(&mut self) -> Result<Option<Current>> {
        while let Some(blob) = self.index.next_unhashed(|blob| self.failed.contains(&blob))? {
            match self.begin(blob) {
                Ok(Some(current)) => return Ok(Some(current)),
                Ok(None) => {}
                Err(error) => self.give_up(blob, &error),
            }
        }
        Ok(None)
    }

    /// None if it was deleted just now.
    fn begin(&self, blob: BlobId) -> Result<Option<Current>> {
        let Some(unhashed) = self.index.unhashed(blob)? else { return Ok(None) };
        let opened = self.disk.open(&self.layout.blob(blob), OpenHow::Read);
        let file = opened.map_err(disk_error("opening a blob to hash it"))?;
        Ok(Some(Current::new(unhashed, file)))
    }

    fn give_up(&mut self, blob: BlobId, error: &StoreError) {
        if matches!(self.index.is_unhashed(blob), Ok(false)) {
            tracing::debug!(blob = %blob.0, %error, "deleted while it was hashed");
            return;
        }
        tracing::error!(blob = %blob.0, %error, "a whole file is not hashed");
        self.failed.insert(blob);
    }

    /// Hashes the next piece; whether the blob has more.
    fn go_on(&self, current: &mut Current) -> Result<bool> {
        let blob = current.blob;
        if !self.index.is_unhashed(blob)? {
            tracing::debug!(blob = %blob.0, "deleted while it was hashed");
            return Ok(false);
        }
        let (index, is_end) = current.read().map_err(disk_error("reading a blob to hash it"))?;
        if is_end {
            self.compare(current, index)?;
        }
        if current.at == current.plan.len() {
            let digest = std::mem::take(&mut current.whole).finish();
            self.index.keep_whole(blob, digest)?;
            self.opened.forget();
            tracing::info!(blob = %blob.0, sha256 = %digest, "whole file hashed");
            return Ok(false);
        }
        if is_end && current.at - current.saved_at >= self.save_bytes {
            self.index.save_hashing(blob, current.at, &current.whole.save())?;
            current.saved_at = current.at;
        }
        Ok(true)
    }

    /// Compares a chunk that was read to its end with its row.
    fn compare(&self, current: &mut Current, index: ChunkIndex) -> Result<()> {
        let (blob, found) = (current.blob, std::mem::take(&mut current.chunk).finish());
        if self.index.chunk_digest(blob, index)? == Some(found) {
            self.verified.of(blob, current.plan).insert(index);
            return Ok(());
        }
        if !self.index.is_unhashed(blob)? {
            return Ok(());
        }
        self.verified.doubt(blob, index);
        Err(rot::found(&self.index, blob, index, current.plan.range(index)))
    }
}

impl Current {
    /// From where it was saved last; from the start if nobody can make anything of that.
    fn new(unhashed: Unhashed, file: Arc<dyn DiskFile>) -> Self {
        file.will_read_once();
        let Unhashed { blob, plan, at, state } = unhashed;
        let (whole, at) = match Hasher::restore(&state) {
            Some(whole) if at < plan.len() && at % plan.chunk_len() == 0 => (whole, at),
            _ => (Hasher::default(), 0),
        };
        let (chunk, piece) = (Hasher::default(), Vec::new());
        Self { blob, plan, file, at, saved_at: at, whole, chunk, piece }
    }

    /// Reads and hashes the next piece of a chunk: which, and whether it was its last.
    fn read(&mut self) -> io::Result<(ChunkIndex, bool)> {
        let index = ChunkIndex(self.at / self.plan.chunk_len());
        let left = self.plan.range(index).end - self.at;
        let len = usize::try_from(left).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
        self.piece.resize(len, 0);
        self.file.read_exact_at(self.at, &mut self.piece)?;
        self.whole.update(&self.piece);
        self.chunk.update(&self.piece);
        self.at += len as u64;
        Ok((index, len as u64 == left))
    }
}
