//! What the clients of a history were told, and so what must be true after a crash.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis, Plan};
use longhaul_server::store::event::EventKey;

use crate::store::fixture::{CHUNK, bytes};

/// How many contents there are for each chunk: few, so that uploads share some.
pub(super) const VARIANTS: u64 = 3;

/// An answer that is not true, or an error where there was no reason for one.
pub(super) type Told<T = ()> = Result<T, String>;

type Contents = HashMap<(u64, u64, u64), (Bytes, Digest)>;

/// What one chunk can contain.
pub(super) fn content(plan: Plan, index: ChunkIndex, variant: u64) -> (Bytes, Digest) {
    thread_local! {
        static MADE: RefCell<Contents> = RefCell::default();
    }
    let len = plan.chunk_bytes(index);
    MADE.with_borrow_mut(|made| {
        made.entry((len, index.0 % 2, variant))
            .or_insert_with(|| {
                // Chunks of all lengths begin alike, and every other one is the same.
                let mut bytes = bytes(CHUNK, 1 + variant * 2 + index.0 % 2);
                bytes.truncate(len as usize);
                let digest = Digest::of(&bytes);
                (Bytes::from(bytes), digest)
            })
            .clone()
    })
}

/// Whether some client may have sent that as this chunk.
pub(super) fn is_content(plan: Plan, index: ChunkIndex, digest: Digest) -> bool {
    (0..VARIANTS).any(|variant| content(plan, index, variant).1 == digest)
}

/// An upload that a client was told of.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) plan: Plan,
    /// Chunks that a status called held, and that nobody has begun to replace since.
    pub(super) promised: ChunkSet,
    /// Requests with `Chunk-Replace` that were begun, by chunk.
    pub(super) replaces: BTreeMap<u64, u64>,
    /// Those under way.
    pub(super) replacing: BTreeMap<u64, u64>,
    /// A seal was asked for.
    pub(super) may_be_sealed: bool,
    /// A cancel was asked for, or its time is over.
    pub(super) may_be_gone: bool,
}

impl Known {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            promised: ChunkSet::new(),
            replaces: BTreeMap::new(),
            replacing: BTreeMap::new(),
            may_be_sealed: false,
            may_be_gone: false,
        }
    }

    pub(super) fn begin_replace(&mut self, index: ChunkIndex) {
        self.promised.remove(index);
        *self.replaces.entry(index.0).or_default() += 1;
        *self.replacing.entry(index.0).or_default() += 1;
    }

    pub(super) fn end_replace(&mut self, index: ChunkIndex) {
        *self.replacing.entry(index.0).or_default() -= 1;
    }

    /// What a status that began when there had been `before` replaces promises by calling `held`
    /// held: those that nobody was replacing meanwhile.
    pub(super) fn promise(&mut self, held: &ChunkSet, before: &BTreeMap<u64, u64>) {
        for index in held.iter() {
            let quiet = self.replaces.get(&index.0) == before.get(&index.0)
                && self.replacing.get(&index.0).is_none_or(|count| *count == 0);
            if quiet {
                self.promised.insert(index);
            }
        }
    }
}

/// A file that a client was told of.
#[derive(Debug)]
pub(super) struct KnownFile {
    pub(super) info: FileInfo,
    /// The upload that it was, if that is known: it goes with the file.
    pub(super) upload: Option<UploadId>,
    pub(super) may_be_gone: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Arc<AtomicU64>,
    pub(super) uploads: BTreeMap<UploadId, Known>,
    pub(super) files: BTreeMap<FileId, KnownFile>,
    /// Keys whose create was answered.
    pub(super) keys: BTreeMap<String, UploadId>,
    pub(super) gone_uploads: BTreeSet<UploadId>,
    pub(super) gone_files: BTreeSet<FileId>,
    /// How often a delete was asked for.
    pub(super) deletes: BTreeMap<FileId, u32>,
    /// Events that somebody began to forget, by the file that was made or the upload that expired.
    pub(super) may_be_told: BTreeSet<[u8; 16]>,
    /// Those that are forgotten for good.
    pub(super) told: BTreeSet<EventKey>,
    /// The disk failed at some time, so that the store may say so.
    pub(super) may_fail: bool,
    pub(super) wrong: Vec<String>,
    pub(super) answers: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Arc::new(AtomicU64::new(1_800_000_000_000)),
            uploads: BTreeMap::new(),
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            gone_uploads: BTreeSet::new(),
            gone_files: BTreeSet::new(),
            deletes: BTreeMap::new(),
            may_be_told: BTreeSet::new(),
            told: BTreeSet::new(),
            may_fail: false,
            wrong: Vec::new(),
            answers: 0,
        }
    }

    pub(super) fn now(&self) -> Millis {
        Millis(self.now.load(Ordering::SeqCst))
    }

    /// A delete is about to be asked for.
    pub(super) fn begin_delete(&mut self, id: FileId) {
        *self.deletes.entry(id).or_default() += 1;
        let Some(file) = self.files.get_mut(&id) else { return };
        file.may_be_gone = true;
        if let Some(known) = file.upload.and_then(|upload| self.uploads.get_mut(&upload)) {
            known.may_be_gone = true;
        }
    }

    /// Time passes. After a day nobody may count on an upload any more.
    pub(super) fn pass(&mut self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
        self.uploads.values_mut().for_each(|known| known.may_be_gone = true);
    }
}
