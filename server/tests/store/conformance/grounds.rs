//! The stores there are, and where they stand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use longhaul_server::store::StoreError;
use longhaul_server::store::disk::medium::Disk as _;
use longhaul_server::store::disk::{Config, DiskStore, Reuse};

use super::{Ground, cases};
use crate::store::fixture::Place;
use crate::store::sim::{Fault, Kept, SimDisk, Stage};

const DIR: &str = "/data";
/// How many orders and crashes each case is given where a seed says what happens.
const SEEDS: u64 = 25;

/// The disk store on the real disk. It is closed and opened again now and then.
struct OnDisk {
    place: Place,
    config: Config,
    store: Option<DiskStore>,
}

impl OnDisk {
    fn new(change: impl FnOnce(Config) -> Config) -> Self {
        let place = Place::new();
        let config = change(place.config());
        let store = Some(place.open_with(&config));
        Self { place, config, store }
    }
}

impl Ground for OnDisk {
    type Store = DiskStore;

    fn store(&self) -> &DiskStore {
        self.store.as_ref().unwrap()
    }

    fn interrupt(&mut self) {
        self.store = None;
        self.store = Some(self.place.open_with(&self.config));
    }

    async fn wait(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What happens to a simulated disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    Nothing,
    /// Calls fail now and then, but for those to the index, after which only a restart helps.
    Failures,
    Crashes,
}

/// The disk store in memory, on a simulated disk.
struct Simulated {
    happens: Happens,
    config: Config,
    disk: SimDisk,
    rng: Rng,
    store: Option<DiskStore>,
}

impl Simulated {
    fn new(happens: Happens, stage: &Stage, seed: u64) -> Self {
        let disk = SimDisk::new(seed);
        disk.create_dir(Path::new(DIR)).and_then(|()| disk.sync_dir(Path::new("/"))).unwrap();
        let work = Arc::new(stage.clone());
        let config = Config { work, index_cache_bytes: 1 << 20, ..Place::new().config() };
        let rng = Rng::with_seed(seed);
        let mut ground = Self { happens, config, disk, rng, store: None };
        ground.open();
        ground
    }

    fn open(&mut self) {
        let disk = Arc::new(self.disk.clone());
        self.store = Some(DiskStore::open_on(disk, Path::new(DIR), self.config.clone()).unwrap());
        self.fail();
    }

    fn fail(&mut self) {
        if self.happens == Happens::Failures {
            let fault = [Fault::Io, Fault::Full, Fault::Read][self.rng.usize(..3)];
            let from = self.rng.u64(1..40);
            self.disk.fail_blobs(from..from + self.rng.u64(1..4), fault);
        }
    }
}

impl Ground for Simulated {
    type Store = DiskStore;

    fn store(&self) -> &DiskStore {
        self.store.as_ref().unwrap()
    }

    fn interrupt(&mut self) {
        match self.happens {
            Happens::Nothing => {}
            Happens::Failures => self.fail(),
            Happens::Crashes => {
                self.disk.turn_off();
                self.store = None;
                self.disk = self.disk.survivor(Kept::any(&mut self.rng), &mut self.rng);
                self.open();
            }
        }
    }

    fn excuses(&self, error: &StoreError) -> bool {
        let of_the_disk = matches!(error, StoreError::Disk { .. } | StoreError::NoSpace { .. });
        self.happens == Happens::Failures && of_the_disk
    }

    async fn wait(&self) {
        // Faults pass with what is done, and a read does nothing.
        let _ = self.disk.sync_dir(Path::new("/"));
        tokio::task::yield_now().await;
    }
}

fn on_disk(change: impl FnOnce(Config) -> Config, case: impl AsyncFn(&mut OnDisk)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut ground = OnDisk::new(change);
        case(&mut ground).await;
    });
}

fn simulated(happens: Happens, case: impl AsyncFn(&mut Simulated)) {
    let seeds = if happens == Happens::Nothing { 1 } else { SEEDS };
    for seed in 0..seeds {
        let stage = Stage::new(seed);
        let mut ground = Simulated::new(happens, &stage, seed);
        let run = std::panic::AssertUnwindSafe(|| stage.run(case(&mut ground)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            println!("in seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

macro_rules! conformance {
    ($($case:ident)+) => {
        mod in_memory { $(#[test] fn $case() {
            super::simulated(super::Happens::Nothing, super::cases::$case);
        })+ }
        mod on_a_failing_disk { $(#[test] fn $case() {
            super::simulated(super::Happens::Failures, super::cases::$case);
        })+ }
        mod on_a_crashing_disk { $(#[test] fn $case() {
            super::simulated(super::Happens::Crashes, super::cases::$case);
        })+ }
        mod on_the_real_disk { $(#[test] fn $case() {
            super::on_disk(|config| config, super::cases::$case);
        })+ }
        mod without_reuse { $(#[test] fn $case() {
            let change = |config| super::Config { reuse: super::Reuse::Off, ..config };
            super::on_disk(change, super::cases::$case);
        })+ }
    };
}

conformance! {
    what_is_sent_is_served_at_every_edge_of_a_chunk
    any_range_and_any_page_of_digests_is_served
    a_chunk_is_verified_and_a_bad_one_costs_nothing
    a_held_chunk_is_replaced_by_naming_it
    a_request_again_is_harmless
    a_seal_wants_every_chunk_and_its_root
    nobody_sees_or_touches_what_is_anothers
    what_is_ended_is_gone_for_good
    lists_come_by_the_page_with_everything_once
    what_broke_off_goes_on_where_the_status_says
    the_same_file_again_is_not_sent_where_bytes_are_shared
}
