//! The servers that are measured: how each is had, started, and given a file.

use std::path::{Path, PathBuf};

pub mod longhaul;
pub mod nginx;
pub mod node_tus;
pub mod wrk;

/// Where peers are kept once they were fetched.
#[must_use]
pub fn kept_in(target: &Path) -> PathBuf {
    target.join("bench-peers")
}
