//! What both ends of a Longhaul upload agree on, and every decision that needs no I/O.
//!
//! The way of the data, in the order of the modules: a file's length becomes a [`plan`], each chunk
//! of the plan a [`digest`], the chunks held so far a [`chunk_set`]; [`upload`] decides what to read,
//! send and ask for next, [`download`] what to fetch, [`retry`] when to try again,
//! [`patience`] when to stop that, [`progress`] what to tell a person; [`wire`]
//! is what crosses the network and [`problem`] what it says when something is wrong; [`range`] picks
//! the bytes of a sealed file to serve.
//!
//! Nothing here reads a clock, a socket, a file or a browser: time is an argument.

pub mod chunk_set;
pub mod digest;
pub mod download;
pub mod media_type;
pub mod name;
pub mod patience;
pub mod plan;
pub mod problem;
pub mod progress;
pub mod range;
pub mod retry;
pub mod time;
pub mod upload;
pub mod wire;

pub use chunk_set::ChunkSet;
pub use digest::Digest;
pub use plan::{ChunkIndex, Plan};
pub use problem::{Problem, ProblemCode};
pub use time::Millis;
