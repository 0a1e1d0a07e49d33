//! End to end: the real server's process, real browsers, real files.
//!
//! The harness of the suites in `tests/`. [`server`] starts, kills and restarts the server and reads
//! its log; [`browser`] drives an engine and [`page`] the demo page in it; [`proxy`] stands between
//! the two and spoils what goes through; [`api`] asks the server without a
//! browser; [`authority`] certifies servers; [`terminal`] runs `longhaul`; [`projects`] install the
//! npm package; [`screen`] is one, and a keyboard; [`files`] makes what is uploaded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness has nobody to hand an error to: its panic is the failure report"
)]
#![allow(clippy::cast_possible_truncation, reason = "browsers are tested on 64-bit machines")]

pub mod api;
pub mod artefacts;
pub mod authority;
pub mod browser;
pub mod files;
pub mod imports;
pub mod liar;
pub mod log;
pub mod memory;
pub mod page;
pub mod process;
pub mod projects;
pub mod receiver;
pub mod screen;
pub mod server;
pub mod site;
pub mod small_disk;
pub mod stored;
pub mod strace;
pub mod terminal;
pub mod wait;

pub use longhaul_proxy as proxy;
