//! What can be measured, by name.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::measure::Rounds;
use crate::report::Report;

mod browser;
mod first_chunk;
mod http2;
mod ingest;
mod many;
mod memory;
mod path;
mod seal;
mod seal_huge;
mod serve;
mod start;
mod terminal;
mod work;

/// Where a bench finds what it needs, and how much it may do.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The server that is measured.
    pub longhaul: PathBuf,
    /// Another one beside it, to measure a change by.
    pub before: Option<PathBuf>,
    /// The site with the client, as `cargo xtask wasm` builds it.
    pub site: PathBuf,
    /// Who takes part, if not all.
    pub only: Vec<String>,
    /// `bench/peers` of the repository.
    pub packages: PathBuf,
    /// Where peers are kept once they were fetched.
    pub kept: PathBuf,
    /// A folder on the disk that is measured.
    pub dir: PathBuf,
    /// A small run, to see that everything works; its figures mean little.
    pub quick: bool,
    /// How many rounds, if not the bench's own number.
    pub rounds: Option<usize>,
    /// How long a turn waits for a machine that nobody else uses, at most.
    pub patience: Duration,
    /// After this a bench begins nothing new.
    pub time_max: Duration,
}

impl Setup {
    /// One or the other.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Whether somebody takes part.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// The rounds of a bench that by itself runs `full` of them.
    #[must_use]
    pub fn rounds(&self, full: usize) -> Rounds {
        let count = self.rounds.unwrap_or_else(|| self.pick(full, 2));
        Rounds { count, time_max: self.time_max }
    }
}

/// Something to measure.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Measures it.
    pub run: fn(&Setup) -> Result<Report>,
}

/// All of them, in the order they are run.
pub const BENCHES: &[Bench] = &[
    ingest::BENCH,
    http2::BENCH,
    seal::BENCH,
    seal::BENCH_ROWS,
    seal_huge::BENCH,
    memory::BENCH,
    serve::BENCH,
    start::BENCH,
    terminal::BENCH,
    browser::BENCH,
    first_chunk::BENCH,
    many::BENCH,
    path::BENCH,
];
