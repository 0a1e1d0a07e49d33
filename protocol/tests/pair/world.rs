//! Virtual time, and what must hold at every step.

mod network;

use std::collections::BTreeMap;

use longhaul_protocol::plan::{CHUNK_LEN_SHORT, ChunkIndex, Plan};
use longhaul_protocol::problem::SUPERSEDED_WAIT;
use longhaul_protocol::upload::{
    Action, Answer, BufferId, Call, Config, End, Failure, Input, ONE_REQUEST_MAX, Phase, Ticket,
    Upload,
};
use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::header::{ChunkHeaders, StoreHeaders};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkSet, Digest, Millis, Problem, ProblemCode, digest};

use super::chance::Chance;
use super::receiver::{Receiver, proof_of};
use super::scene::Scene;

/// Longer than any run may take: one that does is stuck.
const DEADLINE: Millis = Millis(4 * 3600 * 1000);

enum Event {
    /// Something reaches the sender.
    Input(Input),
    Call {
        ticket: Ticket,
        call: Call,
        answer: bool,
    },
    Chunk {
        ticket: Ticket,
        upload: UploadId,
        headers: ChunkHeaders,
        body: Digest,
        answer: bool,
    },
    Store {
        ticket: Ticket,
        headers: StoreHeaders,
        body: Digest,
        answer: bool,
    },
    BreakOff {
        upload: UploadId,
        headers: ChunkHeaders,
        bytes: u64,
    },
    Sync,
    Restart,
    Vanish,
    Wake,
    User(Input),
    Reload,
}

pub struct World {
    chance: Chance,
    scene: Scene,
    now: Millis,
    seq: u64,
    events: BTreeMap<(Millis, u64), Event>,
    pub receiver: Receiver,
    receiver_down_until: Millis,
    sender: Upload,
    config: Config,
    sends: u64,
    went_on: u64,
    /// What each buffer of the sender's surroundings holds.
    buffers: BTreeMap<BufferId, Option<Digest>>,
    sending: BTreeMap<Ticket, BufferId>,
    /// Chunks that a delivered answer called held, by upload.
    told: BTreeMap<UploadId, ChunkSet>,
    sent_as: BTreeMap<Ticket, (UploadId, ChunkIndex)>,
    /// Chunks that were taken over, and until when they are not to be taken back.
    left_alone: BTreeMap<(UploadId, ChunkIndex), Millis>,
}

impl World {
    pub fn new(seed: u64, scene: Scene) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let short = if scene.chunks > 0 { rng.u64(0..CHUNK_LEN_SHORT / 2) } else { 0 };
        let size = match scene.small {
            true => rng.u64(1..=ONE_REQUEST_MAX),
            false => scene.chunks * CHUNK_LEN_SHORT - short,
        };
        let mut receiver = Receiver::default();
        receiver.chunk_len = scene.chunk_len_of_receiver;
        receiver.lends = seed.is_multiple_of(2);
        let plan = Plan::new(size, CHUNK_LEN_SHORT).unwrap();
        for chunk in (0..scene.chunks).map(ChunkIndex) {
            let digest = content(plan, chunk);
            if rng.f64() < scene.known {
                receiver.known.insert(digest);
            }
            if rng.f64() < scene.of_others {
                receiver.of_others.insert(digest);
            }
            if rng.f64() < scene.fills_fail {
                receiver.rotten.insert(digest);
            }
        }
        let resume = (scene.held_before > 0.0).then(|| {
            let held = (0..scene.chunks).map(ChunkIndex).filter(|_| rng.f64() < scene.held_before);
            let held: Vec<_> = held.collect();
            let was = |chunk, rng: &mut fastrand::Rng| match rng.f64() < scene.changed {
                true => Digest::of(b"what the file was once"),
                false => content(plan, chunk),
            };
            let rows = held.into_iter().map(|chunk| (chunk, was(chunk, &mut rng))).collect();
            receiver.seed(plan, rows)
        });
        let meta = FileMeta { name: "take.wav".to_owned(), ..FileMeta::default() };
        let config = Config {
            meta,
            size,
            resume: resume.filter(|_| !scene.elsewhere),
            seeks: scene.elsewhere,
            verify_source: scene.verifies,
            lanes: None,
            key: format!("key-{seed}"),
            seed,
        };
        let mut world = Self {
            chance: Chance::new(rng, scene.faults),
            scene,
            now: Millis(0),
            seq: 0,
            events: BTreeMap::new(),
            receiver,
            receiver_down_until: Millis(0),
            sender: Upload::new(config.clone()),
            config,
            sends: 0,
            went_on: 0,
            buffers: BTreeMap::new(),
            sending: BTreeMap::new(),
            told: BTreeMap::new(),
            sent_as: BTreeMap::new(),
            left_alone: BTreeMap::new(),
        };
        world.plan_the_story();
        world
    }

    fn plan_the_story(&mut self) {
        self.after(50, Event::Sync);
        if let Some(at) = self.scene.cancel_at {
            self.after(at, Event::User(Input::Cancel));
        }
        if let Some(at) = self.scene.vanish_at {
            self.after(at, Event::Vanish);
        }
        for _ in 0..if self.scene.pauses { 3 } else { 0 } {
            let at = self.chance.rng.u64(0..5000);
            self.after(at, Event::User(Input::Pause));
            let rest = at + self.chance.rng.u64(0..3000);
            self.after(rest, Event::User(Input::Resume));
            self.after(8100, Event::User(Input::Resume));
        }
        for _ in 0..if self.scene.reloads { 2 } else { 0 } {
            let at = self.chance.rng.u64(0..5000);
            self.after(at, Event::Reload);
        }
    }

    pub fn bodies_sent(&self) -> u64 {
        self.sends
    }

    /// Bodies that began inside a chunk.
    pub fn bodies_that_went_on(&self) -> u64 {
        self.went_on
    }

    pub fn run_to_the_end(mut self) -> Self {
        self.drive();
        while !self.is_over() {
            let ((at, _), event) = self.events.pop_first().expect("the sender waits for nothing");
            assert!(at < DEADLINE, "stuck in {:?}", self.sender.phase());
            self.now = self.now.max(at);
            self.happen(event);
            self.drive();
        }
        self.check_the_end();
        self
    }

    fn is_over(&self) -> bool {
        matches!(self.sender.phase(), Phase::Ended(_)) && !self.user_will_act()
    }

    fn user_will_act(&self) -> bool {
        self.events.values().any(|event| matches!(event, Event::Reload)) && !self.is_done()
    }

    fn is_done(&self) -> bool {
        matches!(self.sender.phase(), Phase::Ended(End::Done(_)))
    }

    fn check_the_end(&self) {
        match self.sender.phase() {
            Phase::Ended(End::Done(file)) => {
                let plan = Plan::new(file.size, file.chunk_size).unwrap();
                let chunks = (0..plan.chunk_count()).map(|chunk| content(plan, ChunkIndex(chunk)));
                assert_eq!(file.root, digest::root(chunks), "the file that was sealed");
                let sealed = self.receiver.uploads.values().filter_map(|open| open.file.as_ref());
                assert!(sealed.clone().any(|one| one.id == file.id), "it is there");
                // Of a small file nothing is known after a reload.
                let may_be_two = self.scene.reloads && self.scene.small;
                assert!(may_be_two || sealed.count() == 1, "one upload, one file");
            }
            Phase::Ended(End::Cancelled) => assert!(self.scene.cancel_at.is_some()),
            phase => panic!("ended in {phase:?}"),
        }
        assert!(self.buffers.values().all(Option::is_none), "every buffer is freed at the end");
    }

    // The sender's surroundings.

    fn drive(&mut self) {
        while let Some(action) = self.sender.poll(self.now) {
            self.act(action);
        }
        if let Some(at) = self.sender.next_timeout() {
            let at = Millis(at.0.max(self.now.0 + 1));
            self.at(at, Event::Wake);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Call { ticket, call } => self.post(ticket, call),
            Action::Read { ticket, buffer, range } => {
                let full = self.buffers.insert(buffer, Some(content_of(&range)));
                assert!(full.flatten().is_none(), "a buffer is freed before it is filled again");
                let result = Ok(content_of(&range));
                let delay = self.chance.rng.u64(1..30);
                self.after(delay, Event::Input(Input::Read { ticket, result }));
            }
            Action::Send { ticket, buffer, upload, headers, .. } => {
                let body = self.buffers[&buffer].expect("a buffer that is sent is full");
                self.sending.insert(ticket, buffer);
                self.send(ticket, upload, headers, body);
            }
            Action::Store { ticket, buffer, headers } => {
                let body = self.buffers[&buffer].expect("a buffer that is sent is full");
                self.sending.insert(ticket, buffer);
                self.store(ticket, headers, body);
            }
            Action::Prove { ticket, buffer, nonce } => {
                let bytes = self.buffers[&buffer].expect("a buffer that is proved is full");
                let result = match self.chance.rng.f64() {
                    at if at < self.scene.proofs_wrong / 4.0 => return,
                    at if at < self.scene.proofs_wrong / 2.0 => {
                        Err(Failure::Local("the worker ended".to_owned()))
                    }
                    at if at < self.scene.proofs_wrong => Ok(Digest::of(b"something else")),
                    _ => Ok(proof_of(nonce, bytes)),
                };
                let delay = self.chance.rng.u64(1..30);
                self.after(delay, Event::Input(Input::Proved { ticket, result }));
            }
            Action::Free { buffer } => {
                self.buffers.insert(buffer, None);
                self.sending.retain(|_, sent| *sent != buffer);
            }
            Action::Stop { buffer } => self.sending.retain(|_, sent| *sent != buffer),
            Action::Renew { .. } => panic!("nobody refuses a token here"),
            Action::HangUp { .. } | Action::Save(_) | Action::Forget => {}
        }
    }

    // What happens.

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.deliver(input),
            Event::Call { ticket, call, answer } => {
                let result = self.reach().and_then(|()| refused(self.receiver.answer(&call)));
                if answer {
                    let delay = self.chance.delay();
                    self.after(delay, Event::Input(Input::Answer { ticket, result }));
                }
            }
            Event::Chunk { ticket, upload, headers, body, answer } => {
                let is_taken = answer && self.chance.happens(self.scene.taken_over);
                let result = self.reach().and_then(|()| match is_taken {
                    true => Err(self.take_over(ticket, upload, headers)),
                    false => refused(self.receiver.chunk(upload, &headers, body)),
                });
                if answer {
                    let delay = self.chance.delay();
                    self.after(delay, Event::Input(Input::Sent { ticket, result }));
                }
            }
            Event::Store { ticket, headers, body, answer } => {
                let result =
                    self.reach().and_then(|()| refused(self.receiver.store(&headers, body)));
                if answer {
                    let delay = self.chance.delay();
                    self.after(delay, Event::Input(Input::Stored { ticket, result }));
                }
            }
            Event::BreakOff { upload, headers, bytes } => {
                self.receiver.break_off(upload, &headers, bytes);
            }
            Event::Sync => {
                self.receiver.sync();
                self.after(300, Event::Sync);
            }
            Event::Restart => {
                self.receiver.restart();
                self.receiver_down_until = self.now + Millis(self.chance.rng.u64(0..5000));
            }
            Event::Vanish => self.receiver.vanish(),
            Event::User(input) => self.sender.handle(self.now, input),
            Event::Reload => self.reload(),
            Event::Wake => {}
        }
    }

    /// Another sender has begun to send the chunk, and may come to its end.
    fn take_over(&mut self, ticket: Ticket, upload: UploadId, headers: ChunkHeaders) -> Failure {
        if self.chance.rng.bool() {
            let (later, body) = (self.chance.rng.u64(0..20_000), headers.digest);
            let headers = ChunkHeaders { offset: 0, ..headers };
            self.after(later, Event::Chunk { ticket, upload, headers, body, answer: false });
        }
        let problem = Box::new(ProblemCode::Superseded.problem(""));
        Failure::Refused { problem, retry_after: None }
    }

    fn deliver(&mut self, input: Input) {
        if let Input::Sent { ticket, .. } | Input::Stored { ticket, .. } = &input {
            let waits = self.sending.remove(ticket).is_some();
            if let Some(&chunk) = self.sent_as.get(ticket)
                && waits
                && is_superseded(&input)
            {
                self.left_alone.insert(chunk, self.now + SUPERSEDED_WAIT);
            }
        }
        if let Input::Answer { result: Ok(Answer::Upload(status)), .. } = &input {
            self.told.entry(status.id).or_default().union_with(&status.holding.held);
        }
        self.sender.handle(self.now, input);
    }

    fn reach(&mut self) -> Result<(), Failure> {
        match self.receiver_down_until <= self.now {
            true => Ok(()),
            false => Err(Failure::Network("refused".to_owned())),
        }
    }

    /// The page is gone, and the same file is picked again.
    fn reload(&mut self) {
        if self.is_done() {
            return;
        }
        let resume = self.sender.id();
        self.config.key.push('r');
        self.events.retain(|_, event| !matches!(event, Event::Input(_)));
        for event in self.events.values_mut() {
            if let Event::Call { answer, .. }
            | Event::Chunk { answer, .. }
            | Event::Store { answer, .. } = event
            {
                *answer = false;
            }
        }
        self.buffers.clear();
        self.sending.clear();
        self.left_alone.clear();
        self.sender = Upload::new(Config { resume, ..self.config.clone() });
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + Millis(delay), event);
    }

    fn at(&mut self, at: Millis, event: Event) {
        self.seq += 1;
        self.events.insert((at, self.seq), event);
    }
}

fn is_superseded(input: &Input) -> bool {
    let Input::Sent { result: Err(Failure::Refused { problem, .. }), .. } = input else {
        return false;
    };
    problem.code == ProblemCode::Superseded.row().code
}

fn refused<T>(result: Result<T, Problem>) -> Result<T, Failure> {
    result.map_err(|problem| Failure::Refused { problem: Box::new(problem), retry_after: None })
}

/// The file has no bytes here: a range of it stands for them.
fn content(plan: Plan, chunk: ChunkIndex) -> Digest {
    content_of(&plan.range(chunk))
}

fn content_of(range: &std::ops::Range<u64>) -> Digest {
    Digest::of(format!("{range:?}").as_bytes())
}
