//! What a server is reached through: TLS of its own, and what others put in front of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test's panic is its report"
)]

mod caddy;
mod curl;
mod front;
mod http2;
mod nginx;
mod renewal;
mod socket;
mod tls;
mod unit;
