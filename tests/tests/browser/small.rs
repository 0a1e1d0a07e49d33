//! Small files: one request each.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::plan::LANES_MAX;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::Folder;
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;

use crate::stage::upload;
use crate::tokens::listed;

/// What was asked of the server's API beside its list of files.
fn writes(server: &Server) -> Vec<(String, String)> {
    let api = server.requests().into_iter().filter(|request| request.path.starts_with("/v1/"));
    let writes = api.filter(|request| request.method != "GET");
    writes.map(|request| (request.method, request.path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_is_one_request_and_the_same_again_takes_no_room() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let file = folder.random("small.bin", 100_000, 91);
        upload(&page, &server, &file).await;
        assert_eq!(writes(&server), [("POST".to_owned(), "/v1/files".to_owned())]);
        let taken = server.disk_bytes();
        upload(&page, &server, &file).await;
        assert_eq!(writes(&server).len(), 2);
        assert_eq!(server.api().files().await.len(), 2);
        assert_eq!(server.disk_bytes(), taken, "its bytes were stored once more");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_take_all_lanes_though_one_file_is_to_move_at_a_time() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        // The others wait for what the first is told of who it is.
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(1)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        let files: Vec<_> = (0..9u8)
            .map(|one| folder.random(&format!("{one}.bin"), 5000, 192 + u64::from(one)))
            .collect();
        page.pick_all(&files.iter().map(|file| file.as_path()).collect::<Vec<_>>()).await;
        let lanes = usize::try_from(LANES_MAX).unwrap();
        wait::until("all lanes send", UPLOAD, async || {
            (proxy.chunks_seen().len() > lanes).then_some(())
        })
        .await;
        assert_eq!(proxy.chunks_seen().len(), 1 + lanes);
        proxy.release();
        wait::until("all are stored", UPLOAD, async || {
            (server.api().files().await.len() == files.len()).then_some(())
        })
        .await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_of_a_guest_are_one_guests() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let more = vec!["--allow-anonymous".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let page = Page::open(browser, &server.origin()).await;
        let files: Vec<_> = (0..6u8)
            .map(|one| folder.random(&format!("{one}.bin"), 5000, 92 + u64::from(one)))
            .collect();
        page.pick_all(&files.iter().map(|file| file.as_path()).collect::<Vec<_>>()).await;
        wait::until("all are stored", UPLOAD, async || (writes(&server).len() == 6).then_some(()))
            .await;
        page.comes_to(&["done"], SOON).await;
        page.reload().await;
        assert_eq!(listed(browser).await.as_array().map(Vec::len), Some(6));
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_less_in_one_request_gets_a_small_file_the_usual_way() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let more = vec!["--chunk-size".to_owned(), "65536".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let page = Page::open(browser, &server.origin()).await;
        let file = folder.random("chunked.bin", 200_000, 99);
        upload(&page, &server, &file).await;
        let posted = server.requests().into_iter().filter(|request| request.method == "POST");
        let statuses: Vec<_> = posted.filter_map(|request| request.status).collect();
        let too_large = ProblemCode::TooLarge.row().status;
        assert_eq!(statuses, [too_large, 201, 204, 201], "stored, begun, sent, sealed");
        server.assert_no_fault();
    })
    .await;
}
