//! What a network and a receiver do by chance, as a seed decides.

use std::collections::BTreeMap;

use longhaul_protocol::plan::ChunkIndex;

/// How often one chunk is damaged at the most: the retry policy gives up at one more.
const DAMAGES_MAX: u32 = 4;

/// How likely each thing is, per message.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    lost: f64,
    doubled: f64,
    vanished: f64,
    damaged: f64,
    late: f64,
    /// Per message: the receiver restarts.
    restart: f64,
}

impl Faults {
    pub fn lossy() -> Self {
        Self { lost: 0.15, doubled: 0.1, late: 0.3, ..Self::default() }
    }

    pub fn restarts() -> Self {
        Self { restart: 0.05, ..Self::default() }
    }

    pub fn black_holes() -> Self {
        Self { vanished: 0.1, late: 0.5, ..Self::default() }
    }

    pub fn damaging() -> Self {
        Self { damaged: 0.15, ..Self::default() }
    }

    pub fn everything() -> Self {
        Self { lost: 0.1, doubled: 0.1, vanished: 0.03, damaged: 0.03, late: 0.3, restart: 0.02 }
    }
}

pub struct Fate {
    pub course: Course,
    pub doubled: bool,
    /// When the receiver restarts, milliseconds from now.
    pub restart_in: Option<u64>,
}

pub enum Course {
    Arrives,
    Lost,
    AnswerLost,
    Vanished,
}

/// Where it all comes from.
pub struct Chance {
    pub rng: fastrand::Rng,
    faults: Faults,
    damages: BTreeMap<ChunkIndex, u32>,
}

impl Chance {
    pub fn new(rng: fastrand::Rng, faults: Faults) -> Self {
        Self { rng, faults, damages: BTreeMap::new() }
    }

    /// Whether something so likely happens. Takes no chance where it cannot.
    pub fn happens(&mut self, likely: f64) -> bool {
        likely > 0.0 && self.rng.f64() < likely
    }

    /// How long a message is on its way, milliseconds.
    pub fn delay(&mut self) -> u64 {
        let slow = self.rng.f64() < self.faults.late;
        self.rng.u64(1..if slow { 3000 } else { 40 })
    }

    /// What becomes of a message.
    pub fn fate(&mut self) -> Fate {
        let restarts = self.rng.f64() < self.faults.restart;
        let restart_in = restarts.then(|| self.rng.u64(0..200));
        let course = match self.rng.f64() {
            x if x < self.faults.lost / 2.0 => Course::Lost,
            x if x < self.faults.lost => Course::AnswerLost,
            x if x < self.faults.lost + self.faults.vanished => Course::Vanished,
            _ => Course::Arrives,
        };
        Fate { course, doubled: self.rng.f64() < self.faults.doubled, restart_in }
    }

    /// Each chunk often enough to be noticed, never so often that it is given up.
    pub fn damages(&mut self, chunk: ChunkIndex) -> bool {
        let times = self.damages.entry(chunk).or_default();
        let damaged = self.rng.f64() < self.faults.damaged && *times < DAMAGES_MAX;
        *times += u32::from(damaged);
        damaged
    }
}
