//! The machine that figures come from.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Instant;

use longhaul_protocol::Digest;
use serde::Serialize;

use crate::error::{Result, io};

/// What is hashed to learn how fast a core does, bytes; and how often: the first time it is still
/// being fetched into memory.
const HASHED_BYTES: usize = 8 << 20;
const HASHED_TIMES: usize = 32;

/// The machine that figures come from.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    virtual_machine: bool,
    memory_gib: u64,
    kernel: String,
    file_system: String,
    /// SHA-256 by one core, the others idle, GB/s.
    sha256_gb_per_s: f64,
}

impl Machine {
    /// Looks at this one; `dir` is on the disk that is measured.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub fn look(dir: &Path) -> Result<Self> {
        let cpuinfo = read("/proc/cpuinfo")?;
        let meminfo = read("/proc/meminfo")?;
        let kib = field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
        Ok(Self {
            processor: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: thread::available_parallelism().map_or(1, |cores| cores.get()),
            virtual_machine: field(&cpuinfo, "flags")
                .is_some_and(|all| has_word(all, "hypervisor")),
            memory_gib: kib.map_or(0, |kib: u64| kib >> 20),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: file_system(dir)?,
            sha256_gb_per_s: sha256_gb_per_s(),
        })
    }

    /// In one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { processor, cores, memory_gib, kernel, file_system, .. } = self;
        let kind = if self.virtual_machine { ", virtual machine" } else { "" };
        format!(
            "{cores} cores ({processor}{kind}), {memory_gib} GiB of memory, Linux {kernel}, disk {file_system}; \
             one core hashes {:.2} GB/s of SHA-256.",
            self.sha256_gb_per_s
        )
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(io(format!("reading {path}")))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|known| known == word)
}

/// Type and options of the deepest mount above `dir`.
fn file_system(dir: &Path) -> Result<String> {
    let dir = dir.canonicalize().map_err(io(format!("finding {}", dir.display())))?;
    let mounts = read("/proc/mounts")?;
    let rows = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let deepest = rows.filter(|row| row.get(1).is_some_and(|at| dir.starts_with(at)));
    let deepest = deepest.max_by_key(|row| row.get(1).map_or(0, |at| at.len()));
    Ok(deepest
        .and_then(|row| Some(format!("{} ({})", row.get(2)?, row.get(3)?)))
        .unwrap_or_default())
}

fn sha256_gb_per_s() -> f64 {
    let bytes = vec![1_u8; HASHED_BYTES];
    let hash = || {
        let since = Instant::now();
        black_box(Digest::of(black_box(&bytes)));
        HASHED_BYTES as f64 / since.elapsed().as_secs_f64() / 1e9
    };
    (0..HASHED_TIMES).map(|_| hash()).fold(0.0, f64::max)
}
