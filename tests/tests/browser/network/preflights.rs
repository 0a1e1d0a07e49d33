//! What it costs that the page is of another origin.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use longhaul_protocol::ChunkIndex;
use longhaul_protocol::plan::CHUNK_LEN_MIN;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{UploadStatus, path};
use longhaul_tests::api::{chunk_headers, chunk_of};
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::Folder;
use longhaul_tests::page::Page;
use longhaul_tests::server::{Options, Server};

use super::FINISHED;
use crate::stage::newest_is;

const PREFLIGHTS_MAX: usize = 3;
const CHUNKS: u64 = 1000;

/// The file's upload with its first chunk, as another device that wanted small chunks would leave it:
/// a page would choose larger ones, and a thousand of those are 8 GB.
async fn begun_elsewhere(server: &Server, file: &Path) -> UploadId {
    let bytes = Bytes::from(std::fs::read(file).unwrap());
    let name = file.file_name().unwrap().to_str().unwrap();
    let status: UploadStatus =
        server.api().create(name, CHUNKS * CHUNK_LEN_MIN).await.unwrap().json();
    let chunk = chunk_of(&bytes, status.plan().unwrap(), ChunkIndex(0));
    assert_eq!(chunk.len() as u64, CHUNK_LEN_MIN);
    let reply = server.api().chunk(status.id, chunk_headers(0, &chunk), chunk).await.unwrap();
    assert_eq!(reply.status, 204, "{reply:?}");
    status.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_chunks_across_origins_cost_three_preflights_at_most() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("across.bin", CHUNKS * CHUNK_LEN_MIN, 85);
        let pages = Server::start(Options::demo()).await;
        let allow_origin = vec![pages.origin()];
        let chunk_size = Some(CHUNK_LEN_MIN);
        let server =
            Server::start(Options { allow_origin, chunk_size, ..Options::default() }).await;
        let begun = begun_elsewhere(&server, &file).await;
        let address = format!("{}/?server={}", pages.origin(), server.origin());
        let page = Page::open(browser, &address).await;
        page.pick(&file).await;
        page.comes_to(&["done"], FINISHED).await;
        let info = newest_is(&server, &file).await;
        assert_eq!(info.chunk_count, CHUNKS);
        let paths: BTreeSet<_> = server.chunk_requests().into_iter().map(|one| one.path).collect();
        assert_eq!(paths, [path::chunks(begun)].into(), "it began anew, in larger chunks");
        let mut preflights = BTreeMap::<String, usize>::new();
        for request in server.requests().into_iter().filter(|one| one.method == "OPTIONS") {
            *preflights.entry(request.path).or_default() += 1;
        }
        println!("preflights: {preflights:?}");
        // Of each address: its chunks and what little else goes there.
        assert!(preflights.values().all(|&count| count <= PREFLIGHTS_MAX), "{preflights:?}");
        assert!(preflights[&path::chunks(begun)] >= 1, "it was not across origins");
        server.assert_no_fault();
    })
    .await;
}
