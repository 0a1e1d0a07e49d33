//! A sender, and what its tests tell it and hear from it.

use longhaul_protocol::plan::{CHUNK_LEN_SHORT, ChunkIndex, Plan};
use longhaul_protocol::retry::RetryPolicy;
use longhaul_protocol::upload::{Action, Answer, Call, Config, Failure, Input, Ticket, Upload};
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{DigestsAnswer, FileInfo, FileMeta, Holding, UploadStatus};
use longhaul_protocol::{ChunkSet, Digest, Millis, ProblemCode, digest};

pub const ID: UploadId = UploadId([7; 16]);

/// A sender whose surroundings do nothing by themselves.
pub struct Bench {
    pub upload: Upload,
    pub now: Millis,
    pub plan: Plan,
}

impl Bench {
    pub fn new(chunks: u64) -> Self {
        Self::with(chunks, None)
    }

    pub fn with(chunks: u64, resume: Option<UploadId>) -> Self {
        let plan = Plan::new(chunks * CHUNK_LEN_SHORT, CHUNK_LEN_SHORT).unwrap();
        let meta = FileMeta { name: "take.wav".to_owned(), ..FileMeta::default() };
        let config = Config {
            meta,
            size: plan.len(),
            resume,
            key: "key".to_owned(),
            seed: 1,
            ..Config::default()
        };
        Self { upload: Upload::new(config), now: Millis(1000), plan }
    }

    /// One that asks first whether another device has begun.
    pub fn seeking(chunks: u64) -> Self {
        let bench = Self::new(chunks);
        let config = Config { size: bench.plan.len(), seeks: true, ..Config::default() };
        Self { upload: Upload::new(config), ..bench }
    }

    /// No other device has.
    pub fn listed(&mut self, ticket: Ticket) -> Vec<Action> {
        self.tell(Input::Answer { ticket, result: Ok(Answer::Uploads(Vec::new())) })
    }

    /// One that reads every chunk once more before the seal, and whose chunks have all arrived.
    pub fn verifying(chunks: u64) -> Self {
        Self::arrived(chunks, true)
    }

    /// One whose chunks have all arrived.
    pub fn arrived(chunks: u64, verify_source: bool) -> Self {
        let mut bench = Self::with(chunks, Some(ID));
        let Self { plan, .. } = bench;
        let config =
            Config { size: plan.len(), resume: Some(ID), verify_source, ..Config::default() };
        bench.upload = Upload::new(config);
        let (status, _) = call(&bench.actions());
        let held = Holding { held: ChunkSet::all(plan), ..Holding::default() };
        bench.answer(status, held.clone());
        let reading = bench.actions();
        bench.read_all(&reading);
        let (offer, _) = call(&bench.actions());
        let answer = Answer::Digests(DigestsAnswer { holding: held, ..DigestsAnswer::default() });
        bench.upload.handle(bench.now, Input::Answer { ticket: offer, result: Ok(answer) });
        bench
    }

    /// As far as `lanes` chunks being sent.
    pub fn sending(chunks: u64) -> (Self, Vec<Sent>) {
        Self::sending_over(Millis(0), chunks)
    }

    /// The same to a server whose answer to an offer takes so long.
    pub fn sending_over(way: Millis, chunks: u64) -> (Self, Vec<Sent>) {
        let mut bench = Self::new(chunks);
        let actions = bench.actions();
        bench.read_all(&actions);
        let mut reads = bench.actions();
        let create = call(&reads).0;
        bench.answer(create, Holding::default());
        reads.extend(bench.actions());
        bench.read_all(&reads);
        let (offer, _) = call(&bench.actions());
        bench.now = bench.now + way;
        bench.offered(offer);
        let mut sent = sends(&reads);
        sent.extend(sends(&bench.actions()));
        (bench, sent)
    }

    pub fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.upload.poll(self.now)).collect()
    }

    pub fn tell(&mut self, input: Input) -> Vec<Action> {
        self.upload.handle(self.now, input);
        self.actions()
    }

    pub fn wait(&mut self, ms: u64) -> Vec<Action> {
        self.now = self.now + Millis(ms);
        self.actions()
    }

    /// Every read takes a while, as one from a disk does.
    pub fn read_all(&mut self, actions: &[Action]) {
        self.now = self.now + Millis(500);
        for action in actions {
            if let Action::Read { ticket, .. } = action {
                let result = Ok(Digest::of(b"chunk"));
                self.upload.handle(self.now, Input::Read { ticket: *ticket, result });
            }
        }
    }

    pub fn answer(&mut self, ticket: Ticket, holding: Holding) {
        let answer = Answer::Upload(Box::new(self.status(holding)));
        self.upload.handle(self.now, Input::Answer { ticket, result: Ok(answer) });
    }

    /// Tells that the upload is sealed already, as a file of this root.
    pub fn sealed(&mut self, ticket: Ticket, root: Digest) -> Vec<Action> {
        let file = Some(file_info(self.plan.len(), root));
        let status = UploadStatus { file, ..self.status(Holding::default()) };
        self.tell(Input::Answer { ticket, result: Ok(Answer::Upload(Box::new(status))) })
    }

    pub fn offered(&mut self, ticket: Ticket) {
        let answer = Answer::Digests(Default::default());
        self.upload.handle(self.now, Input::Answer { ticket, result: Ok(answer) });
    }

    pub fn status(&self, holding: Holding) -> UploadStatus {
        UploadStatus {
            id: ID,
            meta: FileMeta::default(),
            size: self.plan.len(),
            chunk_size: self.plan.chunk_len(),
            chunk_count: self.plan.chunk_count(),
            digest_algorithm: digest::ALGORITHM.to_owned(),
            lanes: 5,
            retry: RetryPolicy::default(),
            transport_encryption: "none".to_owned(),
            created_at: Millis(0),
            last_activity: Millis(0),
            expires_at: Millis(0),
            holding,
            sealable: false,
            file: None,
            digests: None,
            challenge: None,
            reusable: None,
        }
    }
}

pub fn file_info(size: u64, root: Digest) -> FileInfo {
    let plan = Plan::new(size, CHUNK_LEN_SHORT).unwrap();
    FileInfo {
        id: FileId(ID.0),
        meta: FileMeta::default(),
        size,
        root,
        chunk_size: plan.chunk_len(),
        chunk_count: plan.chunk_count(),
        sealed_at: Millis(0),
        sha256: None,
    }
}

pub type Sent = (Ticket, ChunkIndex);

pub fn sends(actions: &[Action]) -> Vec<Sent> {
    let sent = |action: &Action| match action {
        Action::Send { ticket, headers, .. } => Some((*ticket, headers.index)),
        _ => None,
    };
    actions.iter().filter_map(sent).collect()
}

pub fn reads(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Read { .. })).count()
}

pub fn calls(actions: &[Action]) -> Vec<(Ticket, Call)> {
    let called = |action: &Action| match action {
        Action::Call { ticket, call } => Some((*ticket, call.clone())),
        _ => None,
    };
    actions.iter().filter_map(called).collect()
}

pub fn call(actions: &[Action]) -> (Ticket, Call) {
    calls(actions).pop().expect("a call")
}

pub fn lost() -> Failure {
    Failure::Network("reset".to_owned())
}

pub fn refusal(code: ProblemCode, retry_after: Option<Millis>) -> Failure {
    Failure::Refused { problem: Box::new(code.problem("")), retry_after }
}

pub fn held(set: &str) -> Holding {
    Holding { held: set.parse().unwrap(), ..Holding::default() }
}
