//! One history: clients, a crash, a recovery, what must be true then, and on from there.

use std::path::Path;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use longhaul_protocol::Millis;
use longhaul_server::store::Owner;
use longhaul_server::store::disk::medium::Disk as _;
use longhaul_server::store::disk::{Clock, Config, DiskStore, Ids};
use longhaul_server::store::event::Tells;

use super::check::{self, DIR};
use super::client::Client;
use super::world::{Told, World};
use crate::store::fixture::{CHUNK, alice, bob};
use crate::store::sim::{Fault, Kept, Lie, SimDisk, Stage};

/// When everything has expired.
pub(super) const DAYS_LATER: Millis = Millis(u64::MAX / 2);

/// What an owner may have, bytes: some histories come to it.
pub(super) const OWNER_BYTES_MAX: u64 = 24 * CHUNK;

/// What kind of history it is to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// What the disk lies about.
    pub(super) lie: Option<Lie>,
    /// Whether calls fail now and then, besides the crash.
    pub(super) fails: bool,
}

/// What came of it. The same seed gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) crashes: u32,
    pub(super) answers: u64,
    pub(super) failures: u64,
    pub(super) trace: u64,
}

struct History {
    kind: Kind,
    rng: Rng,
    stage: Stage,
    disk: SimDisk,
    /// What each owner was told.
    worlds: [(Owner, Arc<Mutex<World>>); 2],
    config: Config,
    came: Came,
}

/// Plays the history of a seed.
pub(super) fn play(seed: u64, kind: Kind) -> Told<Came> {
    let mut rng = Rng::with_seed(seed);
    let world = World::new();
    let disk = SimDisk::new(rng.u64(..));
    let above = Path::new(DIR).parent().unwrap();
    disk.create_dir(above).and_then(|()| disk.sync_dir(Path::new("/"))).unwrap();
    disk.lie(kind.lie);
    let stage = Stage::new(rng.u64(..));
    let config = config(&world, &stage, &mut rng);
    let came = Came { crashes: 0, answers: 0, failures: 0, trace: 0 };
    let others = World { now: Arc::clone(&world.now), ..World::new() };
    let worlds = [(alice(), Arc::new(Mutex::new(world))), (bob(), Arc::new(Mutex::new(others)))];
    let mut history = History { kind, rng, stage, disk, worlds, config, came };
    for _ in 0..history.rng.u8(1..=3) {
        history.until_a_crash()?;
        history.recover()?;
    }
    let answers = history.worlds.iter().map(|(_, world)| world.lock().unwrap().answers);
    history.came.answers = answers.sum();
    Ok(history.came)
}

fn config(world: &World, stage: &Stage, rng: &mut Rng) -> Config {
    let now = Arc::clone(&world.now);
    let ids = Mutex::new(rng.fork());
    Config {
        chunk_len: CHUNK,
        index_cache_bytes: 1 << 20,
        bytes_per_owner_max: Some(OWNER_BYTES_MAX),
        unsynced_bytes_max: if rng.bool() { 1 << 30 } else { CHUNK },
        tells: Tells { sealed: true, expired: true },
        clock: Clock::new(move || Millis(now.load(std::sync::atomic::Ordering::SeqCst))),
        ids: Ids::new(move || Ok(ids.lock().unwrap().u128(..).to_le_bytes())),
        work: Arc::new(stage.clone()),
        ..Config::default()
    }
}

impl History {
    fn open(&self, disk: &SimDisk) -> Result<DiskStore, String> {
        self.open_with(disk, self.config.clone())
    }

    fn open_with(&self, disk: &SimDisk, config: Config) -> Result<DiskStore, String> {
        let opened = DiskStore::open_on(Arc::new(disk.clone()), Path::new(DIR), config);
        opened.map_err(|error| format!("the store does not open: {error}"))
    }

    fn until_a_crash(&mut self) -> Told {
        let at_the_start = self.rng.u8(..8) == 0;
        if at_the_start {
            self.disk.turn_off_after(self.rng.u64(1..400));
        }
        match self.open(&self.disk) {
            Ok(store) => self.live(store, at_the_start)?,
            Err(_) if self.disk.is_off() => {}
            Err(error) => return Err(error),
        }
        self.crash();
        Ok(())
    }

    fn live(&mut self, store: DiskStore, will_crash: bool) -> Told {
        if !will_crash {
            let most = [30, 200, 800, 3000][self.rng.usize(..4)];
            self.disk.turn_off_after(self.rng.u64(1..most));
        }
        if self.kind.fails {
            let from = self.rng.u64(1..200);
            let fault = [Fault::Io, Fault::Full, Fault::Read][self.rng.usize(..3)];
            self.disk.fail(from..from + self.rng.u64(1..8), fault);
        }
        let clients: Vec<_> = (0..self.rng.u8(1..=3)).map(|_| self.client(&store)).collect();
        let deeds = self.rng.u32(4..25);
        let closes = self.rng.u8(..4) == 0;
        self.stage.run(async move {
            let mut tasks = tokio::task::JoinSet::new();
            clients.into_iter().for_each(|client| drop(tasks.spawn(client.live(deeds))));
            while let Some(ended) = tasks.join_next().await {
                ended.expect("a client panicked");
            }
            if closes {
                store.shutdown().await;
            }
            drop(store);
        });
        let wrong = self.worlds.iter().find_map(|(_, world)| world.lock().unwrap().wrong.pop());
        wrong.map_or(Ok(()), Err)
    }

    fn client(&mut self, store: &DiskStore) -> Client {
        // Most of them the first owner's, so that they meet.
        let whose = usize::from(self.rng.u8(..4) == 0);
        let (owner, world) = self.worlds[whose].clone();
        let others = Arc::clone(&self.worlds[1 - whose].1);
        Client {
            owner,
            world,
            others,
            store: store.clone(),
            disk: self.disk.clone(),
            rng: self.rng.fork(),
        }
    }

    fn crash(&mut self) {
        self.disk.turn_off();
        self.came.crashes += 1;
        self.came.failures += self.disk.failures();
        self.came.trace = self.came.trace.rotate_left(9) ^ self.disk.trace();
        self.disk = self.disk.survivor(Kept::any(&mut self.rng), &mut self.rng);
    }

    /// Starts again, which may be cut off too.
    fn recover(&mut self) -> Told {
        while self.rng.u8(..3) == 0 {
            self.disk.turn_off_after(self.rng.u64(1..60));
            match self.open(&self.disk) {
                Err(error) if !self.disk.is_off() => return Err(error),
                _ => self.crash(),
            }
        }
        let store = self.open(&self.disk)?;
        let (stage, worlds) = (self.stage.clone(), self.worlds.clone());
        let listed = stage.run(async {
            let mut all = Vec::new();
            for (owner, world) in &worlds {
                let listed = check::promises(&store, owner, world).await?;
                check::events(&store, owner, world, &listed).await?;
                all.push(listed);
            }
            drop(store);
            Ok::<_, String>(all)
        })?;
        let copy = self.disk.copy();
        let store =
            self.open_with(&copy, Config { bytes_per_owner_max: None, ..self.config.clone() })?;
        stage.run(async {
            let goes_on = check::goes_on(&store, &copy).await;
            drop(store);
            goes_on
        })?;
        for ((_, world), listed) in worlds.iter().zip(listed) {
            check::begin_again(&mut world.lock().unwrap(), listed);
        }
        Ok(())
    }
}
