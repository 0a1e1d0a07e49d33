//! What a browser's processes take of the machine's memory.

use crate::files::MIB;
use crate::process::descendants;

/// The memory of a browser at one moment, bytes: proportional set size, in which a page shared by
/// several processes counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The processes that run pages and their workers.
    pub pages: u64,
    /// All processes, the one that talks to the network included.
    pub all: u64,
}

impl Memory {
    /// That of the processes a driver has started.
    #[must_use]
    pub fn of_browser(driver: i32) -> Self {
        let mut memory = Self::default();
        for pid in descendants(driver) {
            let bytes = proportional_bytes(pid).unwrap_or(0);
            memory.all += bytes;
            if runs_pages(pid) {
                memory.pages += bytes;
            }
        }
        memory
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { pages: self.pages.max(other.pages), all: self.all.max(other.all) }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB in pages, {} MiB in all", self.pages / MIB, self.all / MIB)
    }
}

/// Chromium's renderers, Firefox's content processes, WebKit's web processes.
fn runs_pages(pid: i32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    ["--type=renderer", "-contentproc", "WebKitWebProcess"].iter().any(|kind| line.contains(kind))
}

fn proportional_bytes(pid: i32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
