//! What a person at the demo page gets: a real browser, a real server, real files.
//!
//! In Chromium; `LONGHAUL_ENGINES=chromium,firefox,webkit` runs every test in each of those named.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]

mod again;
mod controls;
mod cross_origin;
mod demo;
mod dialogs;
mod downloads;
mod drops;
mod early_answers;
mod elements;
mod everyone;
mod first_chunk;
mod folders;
mod forms;
mod glue;
mod handles;
mod hooks;
mod hostile;
mod killed_server;
mod left;
mod links;
mod many;
mod map;
mod memory;
mod names;
mod network;
mod person;
mod policies;
mod polite;
mod rate;
mod reload;
mod sizes;
mod small;
mod source;
mod stage;
mod strangers;
mod tabs;
mod tokens;
mod video;
mod voices;
mod workers;
