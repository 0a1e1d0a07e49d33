//! `longhaul`, the program: killed, interrupted, lied to, and what it says of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]
#![allow(clippy::cast_possible_truncation, reason = "it is run on 64-bit machines")]

mod again;
mod fetch;
mod folders;
mod foreign;
mod guests;
mod journals;
mod liars;
mod limits;
mod links;
mod output;
mod parts;
mod rate;
mod readonly;
mod refusals;
mod send;
mod stdin;
mod tls;
mod twice;

use std::time::Duration;

use longhaul_protocol::Digest;
use longhaul_protocol::plan::CHUNK_LEN_SHORT;
use longhaul_protocol::wire::FileInfo;
use longhaul_tests::server::{Options, Server};

/// What the program asks for, of a file that is not large.
const CHUNK: u64 = CHUNK_LEN_SHORT;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server() -> Server {
    Server::start(Options::default()).await
}

/// The only file there, and the SHA-256 of what it serves.
async fn only_file(server: &Server) -> (FileInfo, Digest) {
    let files = server.api().files().await;
    let [file] = &files[..] else { panic!("{files:?}") };
    let (sha256, _) = server.api().download_sha256(file.id, file.size).await;
    (file.clone(), sha256)
}
