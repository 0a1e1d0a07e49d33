//! `longhaul`, the program: killed, interrupted, lied to, and what it says of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]
#![allow(clippy::cast_possible_truncation, reason = "it is run on 64-bit machines")]

mod fetch;
mod folders;
mod liars;
mod rate;
mod refusals;
mod send;
mod stdin;
mod tls;

use std::time::Duration;

use longhaul_protocol::Digest;
use longhaul_protocol::plan::CHUNK_LEN_SHORT;
use longhaul_protocol::wire::FileInfo;
use longhaul_tests::server::{Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

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

/// Something that answers the head of each request with these bytes, and is no Longhaul server.
async fn fake(answer: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                if let Ok(count) = stream.read(&mut request).await {
                    let answer = answer(&String::from_utf8_lossy(&request[..count]));
                    drop(stream.write_all(&answer).await);
                }
            });
        }
    });
    origin
}
