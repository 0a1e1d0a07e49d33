//! Longhaul from a terminal: the sender and the receiver of `longhaul-protocol`, with a disk and a
//! network around them.
//!
//! [`send`] and [`fetch`] each drive one state machine: they do what it asks for and tell it what came of
//! it. [`http`] makes requests, [`endpoint`] knows where, [`report`] tells a person or a program how far
//! it is, [`ending`] what the exit code is.
#![deny(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "they panic where nothing can be written"
)]

pub mod clock;
mod disk;
mod driving;
pub mod ending;
pub mod endpoint;
pub mod fetch;
pub mod http;
mod part;
pub mod report;
pub mod send;
mod source;
