//! Whole downloads in virtual time: requests that fail in every way, chunks that come damaged, sessions
//! that are killed, targets that lost what they had. What is true at every step is asserted at every
//! step.

use std::collections::BTreeMap;
use std::ops::Range;

use longhaul_protocol::download::{Action, Config, Download, End, Input, Phase, Record};
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, ChunkIndex};
use longhaul_protocol::upload::{BufferId, Ticket};
use longhaul_protocol::{ChunkSet, Digest, Millis, ProblemCode};

use super::bench::{FILE, chunk_digest, lost, manifest, refusal};

const CHUNK: u64 = CHUNK_LEN_DEFAULT;
const LANES: u64 = 3;
/// Longer than any run may take: one that does is stuck.
const DEADLINE: Millis = Millis(8 * 3600 * 1000);

/// What goes wrong, as shares of what is done.
#[derive(Clone, Copy, Default)]
struct Scene {
    chunks: u64,
    cut: f64,
    silent: f64,
    refused: f64,
    damaged: f64,
    /// Sessions that are killed.
    kills: u32,
    /// Chunks that a killed session's target has lost.
    torn: f64,
    pauses: f64,
}

struct World {
    rng: fastrand::Rng,
    scene: Scene,
    now: Millis,
    seq: u64,
    events: BTreeMap<(Millis, u64), Input>,
    download: Download,
    /// The bytes that lie in the target.
    target: BTreeMap<u64, Digest>,
    /// The chunk that each buffer has whole, and with which bytes.
    buffers: BTreeMap<BufferId, Digest>,
    fetching: BTreeMap<BufferId, Ticket>,
    saved: Option<Record>,
    /// Bytes that came over the network.
    moved: u64,
    written: u64,
}

impl World {
    fn new(seed: u64, scene: Scene) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            scene,
            now: Millis(0),
            seq: 0,
            events: BTreeMap::new(),
            download: Download::new(config(seed, None)),
            target: BTreeMap::new(),
            buffers: BTreeMap::new(),
            fetching: BTreeMap::new(),
            saved: None,
            moved: 0,
            written: 0,
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }

    fn later(&mut self, input: Input) -> Millis {
        let at = self.now + Millis(self.rng.u64(1..400));
        self.seq += 1;
        self.events.insert((at, self.seq), input);
        at
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Page { ticket, start } => {
                let result = match () {
                    () if self.chance(self.scene.cut) => Err(lost()),
                    () if self.chance(self.scene.refused) => Err(refusal(ProblemCode::Unavailable)),
                    () => Ok(Box::new(manifest(self.scene.chunks, start.0..self.scene.chunks))),
                };
                self.later(Input::Page { ticket, result });
            }
            Action::Prepare { ticket, keep, .. } => {
                if !keep {
                    self.target.clear();
                }
                self.later(Input::Prepared { ticket, result: Ok(()) });
            }
            Action::Check { ticket, range, .. } => {
                let bytes = self.target.get(&(range.start / CHUNK)).copied();
                let result = Ok(bytes.unwrap_or(Digest::of(b"hole")));
                self.later(Input::Checked { ticket, result });
            }
            Action::Fetch { ticket, buffer, chunk, kept, .. } => {
                self.fetching.insert(buffer, ticket);
                assert!(self.fetching.len() as u64 <= LANES, "lanes");
                self.fetch(ticket, buffer, &chunk, kept);
            }
            Action::Write { ticket, buffer, range } => {
                let digest = self.buffers[&buffer];
                assert_eq!(digest, chunk_digest(range.start / CHUNK), "other bytes are written");
                self.target.insert(range.start / CHUNK, digest);
                self.written += 1;
                self.later(Input::Written { ticket, result: Ok(()) });
            }
            Action::Stop { buffer } => drop(self.fetching.remove(&buffer)),
            Action::Free { buffer } => {
                self.fetching.remove(&buffer);
                self.buffers.remove(&buffer);
            }
            Action::Finish { ticket } => {
                let whole = (0..self.scene.chunks)
                    .all(|at| self.target.get(&at) == Some(&chunk_digest(at)));
                assert!(whole, "a target that is not whole gets its name");
                self.later(Input::Finished { ticket, result: Ok(()) });
            }
            Action::Save(record) => self.save(record),
            Action::Forget => self.saved = None,
            Action::HangUp { .. } => {}
            Action::Discard | Action::Renew { .. } => panic!("nobody wants that"),
        }
    }

    fn fetch(&mut self, ticket: Ticket, buffer: BufferId, chunk: &Range<u64>, kept: u64) {
        assert_eq!(kept > 0, self.buffers.contains_key(&buffer), "what is kept is in the buffer");
        let wanted = CHUNK - kept;
        let some = self.rng.u64(1..wanted.max(2)).min(wanted);
        let scene = self.scene;
        let result = match () {
            () if self.chance(scene.cut) => (some, Some(Err(lost().into()))),
            () if self.chance(scene.silent) => (some, None),
            () if self.chance(scene.refused) => {
                (0, Some(Err(refusal(ProblemCode::TooManyRequests).into())))
            }
            () if self.chance(scene.damaged) => (wanted, Some(Ok(Digest::of(b"damaged")))),
            () => (wanted, Some(Ok(chunk_digest(chunk.start / CHUNK)))),
        };
        let (bytes, result) = result;
        self.moved += bytes;
        if bytes > 0 {
            let digest = result.as_ref().and_then(|result| result.as_ref().ok());
            self.buffers.insert(buffer, *digest.unwrap_or(&Digest::of(b"part")));
            let at = self.later(Input::Moved { ticket, bytes });
            self.seq += 1;
            if let Some(result) = result {
                self.events.insert((at, self.seq), Input::Fetched { ticket, result });
            }
        } else if let Some(result) = result {
            self.later(Input::Fetched { ticket, result });
        }
    }

    fn save(&mut self, record: Record) {
        for chunk in record.held.iter() {
            assert!(
                self.target.contains_key(&chunk.0) || self.scene.torn > 0.0,
                "{chunk} is claimed"
            );
        }
        self.saved = Some(record);
    }

    fn settle(&mut self) {
        while let Some(action) = self.download.poll(self.now) {
            self.act(action);
        }
        let progress = self.download.progress(self.now);
        assert!(progress.acknowledged + progress.in_flight <= progress.total, "{progress:?}");
    }

    /// The session is gone without a word, and another goes on.
    fn kill(&mut self, seed: u64) {
        self.events.clear();
        self.buffers.clear();
        self.fetching.clear();
        let torn = self.scene.torn;
        let mut rng = self.rng.fork();
        self.target.retain(|_, _| rng.f64() >= torn);
        self.download = Download::new(config(seed, self.saved.clone()));
    }

    fn step(&mut self) {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let due = event.into_iter().chain(self.download.next_timeout()).min();
        self.now = due.expect("something to wait for").max(self.now);
        assert!(self.now < DEADLINE, "stuck: {:?}", self.download.phase());
        if event.is_some_and(|at| at <= self.now) {
            let input = self.events.pop_first().unwrap().1;
            let ended = match &input {
                Input::Fetched { ticket, .. } => Some(*ticket),
                _ => None,
            };
            self.fetching.retain(|_, ticket| Some(*ticket) != ended);
            self.download.handle(self.now, input);
        }
        if self.chance(self.scene.pauses) {
            self.download.handle(self.now, Input::Pause);
            self.settle();
            self.download.handle(self.now, Input::Resume);
        }
        self.settle();
    }

    fn run(&mut self) {
        let mut kills = self.scene.kills;
        self.settle();
        loop {
            match self.download.phase() {
                Phase::Ended(End::Done(file)) => return assert_eq!(file.id, FILE),
                Phase::Ended(other) => panic!("{other:?}"),
                _ => {}
            }
            if kills > 0 && self.chance(0.02) {
                kills -= 1;
                self.kill(u64::from(kills));
                self.settle();
            }
            self.step();
        }
    }
}

fn config(seed: u64, resume: Option<Record>) -> Config {
    Config { file: FILE, root: None, resume, lanes: LANES, seed }
}

fn runs(scene: Scene, check: impl Fn(&World)) {
    for seed in 0..60 {
        let mut world = World::new(seed, scene);
        world.run();
        check(&world);
    }
}

#[test]
fn on_a_good_day_every_byte_comes_once() {
    runs(Scene { chunks: 40, ..Scene::default() }, |world| {
        assert_eq!((world.moved, world.written), (40 * CHUNK, 40));
    });
}

#[test]
fn through_cuts_silence_and_refusals_every_byte_comes_once() {
    let scene = Scene { chunks: 30, cut: 0.3, silent: 0.05, refused: 0.2, ..Scene::default() };
    runs(scene, |world| assert_eq!((world.moved, world.written), (30 * CHUNK, 30)));
}

#[test]
fn through_damage_only_what_was_damaged_comes_again() {
    let scene = Scene { chunks: 30, damaged: 0.05, cut: 0.1, ..Scene::default() };
    runs(scene, |world| assert_eq!(world.written, 30));
}

#[test]
fn killed_sessions_are_gone_on_with_and_what_a_target_lost_is_fetched_again() {
    let scene = Scene { chunks: 40, kills: 4, cut: 0.1, ..Scene::default() };
    runs(scene, |world| {
        // A killed session loses what was in its buffers and what it wrote since its last record.
        let lost = world.moved.saturating_sub(40 * CHUNK) / CHUNK;
        assert!(lost <= 4 * 40, "{lost}");
    });
    let scene = Scene { torn: 0.3, ..scene };
    runs(scene, |_| {});
}

#[test]
fn pauses_lose_what_is_in_the_buffers_and_nothing_else() {
    let scene = Scene { chunks: 30, pauses: 0.05, cut: 0.05, ..Scene::default() };
    runs(scene, |world| assert!(world.written >= 30, "{}", world.written));
}

#[test]
fn a_session_that_has_everything_only_looks_at_it() {
    let mut world = World::new(1, Scene { chunks: 9, ..Scene::default() });
    world.run();
    let held: ChunkSet = (0..9).map(ChunkIndex).collect();
    let root = manifest(9, 0..9).file.root;
    let record = Record { root, size: 9 * CHUNK, chunk_size: CHUNK, held };
    let before = world.moved;
    world.download = Download::new(config(2, Some(record)));
    world.run();
    assert_eq!(world.moved, before);
}
