//! Another client that sends the same chunks at the same time, and noise for bodies: chunks are
//! taken over all the time, and nothing of the rival's is ever held.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::path;
use longhaul_protocol::{ChunkIndex, ProblemCode};
use longhaul_tests::api::{Api, chunk_headers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How much goes at once, bytes: a chunk is taken over at any of its pieces.
const PIECE: usize = 32 * 1024;
/// Between pieces: a rival's chunk takes a few times as long as another.
const PAUSE: Duration = Duration::from_millis(1);

/// Sends noise as one chunk after the other; counts how often somebody took the chunk over. Ends
/// when the server is gone.
pub(super) async fn bother(
    api: &Api,
    id: UploadId,
    chunks: &[ChunkIndex],
    noise: &Bytes,
    superseded: &AtomicU64,
) {
    for &index in chunks {
        let headers = chunk_headers(index.0, b"announced, and not what comes");
        let Ok(answer) = send_slowly(api, id, headers, noise).await else { return };
        assert!(!answer.starts_with("HTTP/1.1 2"), "noise was taken as chunk {index}: {answer}");
        let is_superseded = answer.contains(ProblemCode::Superseded.row().code);
        superseded.fetch_add(u64::from(is_superseded), Ordering::Relaxed);
    }
}

async fn send_slowly(
    api: &Api,
    id: UploadId,
    headers: ChunkHeaders,
    body: &Bytes,
) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(api.addr()).await?;
    let mut head = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", path::chunks(id), api.addr());
    head += &format!("connection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers.write() {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    for piece in body.chunks(PIECE) {
        stream.write_all(piece).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
