//! Servers that are none, and say what they are told to.

use longhaul_protocol::plan::ChunkIndex;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::{DigestRun, FileInfo, FileMeta, Manifest};
use longhaul_protocol::{Digest, Millis, digest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What a server tells of a file of these bytes in chunks of that length.
#[must_use]
pub fn manifest(id: FileId, chunk_len: u64, bytes: &[u8]) -> Manifest {
    let digests: Vec<_> = bytes.chunks(chunk_len as usize).map(Digest::of).collect();
    let file = FileInfo {
        id,
        meta: FileMeta { name: "x".to_owned(), ..FileMeta::default() },
        size: bytes.len() as u64,
        root: digest::root(digests.iter().copied()),
        chunk_size: chunk_len,
        chunk_count: digests.len() as u64,
        sealed_at: Millis(1),
        sha256: None,
    };
    Manifest { file, digests: DigestRun { start: ChunkIndex(0), digests }, next: None }
}

/// Something that answers the head of each request with these bytes, and is no Longhaul server.
///
/// # Panics
/// When it can get no port.
pub async fn fake(answer: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("a free port"));
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
