//! What a fuzzer holds Longhaul's parsers to: one check for each target, which takes any bytes and
//! panics if what is read from them is not what a slow twin reads, or is written otherwise than it
//! was read. On stable `server/tests/corpus.rs` runs the same checks over the corpus.

pub mod answer;
pub mod chunk_set;
pub mod forwarded;
pub mod gate;
pub mod headers;
pub mod json;
pub mod link;
pub mod paths;
pub mod token;
