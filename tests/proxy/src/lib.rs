//! A TCP proxy that spoils what goes through it.
//!
//! Bytes go through as they came, on one connection to the server for each of the client's. A
//! [`Line`] makes them late or slow; a [`Fault`] happens at an exact byte of a connection: it is
//! closed or reset there, goes silent, or one bit is turned. Heads of requests are read on the way,
//! so that chunks can be held up ([`Hold`]) and requests answered here ([`Early`]). What went each
//! way on each connection is counted ([`Connection`]). A [`Control`] lets a page break its own network.
//!
//! It reads HTTP/1.1 whose bodies have a `Content-Length`, which is all that browsers send.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's tool has nobody to hand an error to: its panic is the failure report"
)]
#![allow(clippy::cast_possible_truncation, reason = "it is run on 64-bit machines")]

mod answer;
mod connection;
mod control;
mod fault;
mod head;
mod hold;
mod line;
mod network;
mod proxy;
mod tally;

pub use answer::Early;
pub use control::Control;
pub use fault::{Fault, Harm, Way};
pub use head::Seen;
pub use hold::Hold;
pub use line::{Line, Lines};
pub use network::Speed;
pub use proxy::Proxy;
pub use tally::{Connection, Count};
