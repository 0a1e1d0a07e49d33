//! The npm package in the hands of those who install it: pages, bundlers, servers that render.
//!
//! What needs more programs than Vite is left to `cargo xtask npm-consumers`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]

mod accessible;
mod bundlers;
mod contents;
mod inlined;
mod pages;
mod pictures;
mod stage;
mod words;

use longhaul_tests::projects;
