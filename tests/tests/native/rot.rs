//! A disk that changes a bit and says nothing, below a real server.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};
use longhaul_tests::api::{chunk_headers, chunk_of, root_of};
use longhaul_tests::files::random_bytes;
use longhaul_tests::server::{Options, Server};

const CHUNK: u64 = 256 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_file_is_refused_by_name_in_the_log_and_served_again_once_it_is_restored() {
    let mut server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
    let api = server.api();
    let file = Bytes::from(random_bytes(3 * CHUNK, 7));
    let upload: UploadStatus = api.create("rots.bin", 3 * CHUNK).await.unwrap().json();
    let plan = upload.plan().unwrap();
    for index in 0..3 {
        let chunk = chunk_of(&file, plan, ChunkIndex(index));
        api.chunk(upload.id, chunk_headers(index, &chunk), chunk).await.unwrap();
    }
    let info: FileInfo = api.seal(upload.id, root_of(&file, plan)).await.unwrap().json();
    // A server that has seen it whole believes that for a while.
    server.kill().await;
    flip(&server, &upload);
    server.restart().await;
    let refused = api.get(&path::file(info.id)).await.unwrap();
    assert_eq!(refused.problem().code, ProblemCode::Internal.row().code, "{refused:?}");
    let rest = api.range(info.id, CHUNK..3 * CHUNK, info.size).await;
    assert_eq!(rest, file.slice(file.len() / 3..));
    let logged = server.lines().into_iter().find(|line| line.contains("ROTTEN")).expect("an alarm");
    assert!(logged.contains(&info.id.to_string()) && logged.contains("chunk=0"), "{logged}");
    flip(&server, &upload);
    assert_eq!(api.download_sha256(info.id, info.size).await.0, Digest::of(&file));
}

/// Flips a bit of the first chunk.
fn flip(server: &Server, upload: &UploadStatus) {
    let blob = super::crash::blob_of(server, upload.id);
    let blob = OpenOptions::new().read(true).write(true).open(blob).unwrap();
    let mut byte = [0];
    blob.read_exact_at(&mut byte, 70_000).unwrap();
    blob.write_all_at(&[byte[0] ^ 4], 70_000).unwrap();
}
