//! What who runs the server needs: that it can be watched and stopped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]

mod draining;
mod metrics;
mod thousand;
