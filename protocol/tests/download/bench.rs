//! A receiver on a bench: its file, its clock, and what it asks for.

use std::ops::Range;

use longhaul_protocol::download::{Action, Config, Download, Input};
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, ChunkIndex};
use longhaul_protocol::upload::{Failure, Ticket};
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::{DigestRun, FileInfo, FileMeta, Manifest};
use longhaul_protocol::{Digest, Millis, ProblemCode, digest};

pub const FILE: FileId = FileId([7; 16]);

/// What stands for the bytes of a chunk.
pub fn chunk_digest(chunk: u64) -> Digest {
    Digest::of(&chunk.to_le_bytes())
}

/// A page of the manifest of a file of so many whole chunks.
pub fn manifest(count: u64, page: Range<u64>) -> Manifest {
    let file = FileInfo {
        id: FILE,
        meta: FileMeta { name: "file.bin".to_owned(), ..FileMeta::default() },
        size: count * CHUNK_LEN_DEFAULT,
        root: digest::root((0..count).map(chunk_digest)),
        chunk_size: CHUNK_LEN_DEFAULT,
        chunk_count: count,
        sealed_at: Millis(1),
        sha256: None,
    };
    let next = (page.end < count).then_some(ChunkIndex(page.end));
    let start = ChunkIndex(page.start);
    Manifest { file, digests: DigestRun { start, digests: page.map(chunk_digest).collect() }, next }
}

pub fn lost() -> Failure {
    Failure::Network("cut".to_owned())
}

pub fn refusal(code: ProblemCode) -> Failure {
    Failure::Refused { problem: Box::new(code.problem("")), retry_after: None }
}

/// A fetch that was asked for.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub ticket: Ticket,
    pub chunk: ChunkIndex,
    pub kept: u64,
    pub rate_max: Option<u64>,
}

pub fn fetches(actions: &[Action]) -> Vec<Fetch> {
    let fetch = |action: &Action| match action {
        Action::Fetch { ticket, chunk, kept, rate_max, .. } => Some(Fetch {
            ticket: *ticket,
            chunk: ChunkIndex(chunk.start / CHUNK_LEN_DEFAULT),
            kept: *kept,
            rate_max: *rate_max,
        }),
        _ => None,
    };
    actions.iter().filter_map(fetch).collect()
}

pub fn checks(actions: &[Action]) -> Vec<(Ticket, ChunkIndex)> {
    let check = |action: &Action| match action {
        Action::Check { ticket, range, .. } => {
            Some((*ticket, ChunkIndex(range.start / CHUNK_LEN_DEFAULT)))
        }
        _ => None,
    };
    actions.iter().filter_map(check).collect()
}

#[derive(Clone)]
pub struct Bench {
    pub download: Download,
    pub now: Millis,
    /// The chunks of the last record.
    pub saved: Option<String>,
    /// How many there were.
    pub saves: u32,
    count: u64,
}

impl Bench {
    pub fn new(count: u64) -> Self {
        Self::with(count, |_| {})
    }

    pub fn with(count: u64, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { file: FILE, root: None, resume: None, lanes: 4, seed: 5 };
        change(&mut config);
        Self { download: Download::new(config), now: Millis(1000), saved: None, saves: 0, count }
    }

    /// One that has its manifest and its target, and what it then asks for; and whether the target was to
    /// be kept.
    pub fn prepared(&mut self) -> (bool, Vec<Action>) {
        let actions = self.actions();
        let [Action::Page { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
        let actions = self.page(ticket, manifest(self.count, 0..self.count));
        let [Action::Prepare { ticket, keep, .. }] = actions[..] else { panic!("{actions:?}") };
        (keep, self.tell(Input::Prepared { ticket, result: Ok(()) }))
    }

    /// One that fetches.
    pub fn fetching(count: u64) -> (Self, Vec<Fetch>) {
        let mut bench = Self::new(count);
        let (_, actions) = bench.prepared();
        (bench, fetches(&actions))
    }

    pub fn actions(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.download.poll(self.now) {
            match action {
                Action::Save(record) => {
                    self.saved = Some(record.held.to_string());
                    self.saves += 1;
                }
                action => actions.push(action),
            }
            assert!(actions.len() < 1000, "it never ends: {actions:?}");
        }
        actions
    }

    pub fn tell(&mut self, input: Input) -> Vec<Action> {
        self.download.handle(self.now, input);
        self.actions()
    }

    pub fn page(&mut self, ticket: Ticket, page: Manifest) -> Vec<Action> {
        self.tell(Input::Page { ticket, result: Ok(Box::new(page)) })
    }

    pub fn wait(&mut self, ms: u64) -> Vec<Action> {
        self.now = self.now + Millis(ms);
        self.actions()
    }

    pub fn arrives(&mut self, fetch: &Fetch) -> Vec<Action> {
        let result = Ok(chunk_digest(fetch.chunk.0));
        self.tell(Input::Fetched { ticket: fetch.ticket, result })
    }

    /// It arrives and is to be written.
    pub fn writes(&mut self, fetch: &Fetch) -> Ticket {
        let actions = self.arrives(fetch);
        let Action::Write { ticket, .. } = actions[0] else { panic!("{actions:?}") };
        ticket
    }

    pub fn fails(&mut self, fetch: &Fetch, failure: Failure) -> Vec<Action> {
        self.tell(Input::Fetched { ticket: fetch.ticket, result: Err(failure.into()) })
    }
}
