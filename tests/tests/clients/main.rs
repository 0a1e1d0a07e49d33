//! What programs that other people wrote get from the real server, by SHA-256.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test's panic is its report"
)]

mod aria2;
mod curl;
mod fetched;
mod wget;
