//! The sizes at which arithmetic goes wrong.

use longhaul_protocol::plan::{CHUNK_LEN_SHORT, Plan, SHORT_FILE_MAX};
use longhaul_protocol::upload::ONE_REQUEST_MAX;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::Folder;
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;

use crate::stage::upload;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_no_byte_of_one_and_around_a_chunk_come_back_as_they_were() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let mut chunks = 0;
        let around = |len| [len - 1, len, len + 1];
        let sizes =
            [0, 1].into_iter().chain(around(ONE_REQUEST_MAX)).chain(around(CHUNK_LEN_SHORT));
        for (seed, len) in (40..).zip(sizes.chain([2 * CHUNK_LEN_SHORT, SHORT_FILE_MAX + 1])) {
            let file = folder.random(&format!("{len}-bytes.bin"), len, seed);
            let info = upload(&page, &server, &file).await;
            assert_eq!(
                (info.size, info.chunk_count),
                (len, Plan::of_file(len).unwrap().chunk_count())
            );
            chunks += if len > ONE_REQUEST_MAX { info.chunk_count } else { 0 };
            assert_eq!(server.chunk_requests().len() as u64, chunks, "each chunk is sent once");
        }
        wait::until("the page lists every sealed file", SOON, async || {
            (page.download_links().await.len() == 10).then_some(())
        })
        .await;
        server.assert_no_fault();
    })
    .await;
}
