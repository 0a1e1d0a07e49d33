//! What a program that speaks the native API gets from the server's process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]

mod bad_input;
mod crash;
mod faults;
mod full;
mod rot;
mod sent;
mod size;
