//! The main job: a server that dies in the middle of it.

use std::time::Duration;

use longhaul_protocol::wire::UploadStatus;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, GIB};
use longhaul_tests::log::sent_again;
use longhaul_tests::page::Page;
use longhaul_tests::server::{Options, Server};
use tokio::time::sleep;

use crate::stage::{holds, newest_is};

/// A gibibyte on a machine that does other things besides.
const GIBIBYTE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_goes_on_by_itself_after_the_server_is_killed_and_comes_back_whole() {
    let folder = Folder::new();
    let file = folder.random("gibibyte.bin", GIB, 1);
    in_every_engine(async |browser| {
        let mut server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.pick(&file).await;
        let before = holds(&server, 24, GIBIBYTE).await;
        server.kill().await;
        let count = before.plan().unwrap().chunk_count();
        assert!(before.holding.held.count() < count, "it was over before the kill");
        sleep(Duration::from_secs(1)).await;
        server.restart().await;
        let after: UploadStatus = server.api().status(before.id).await.unwrap().json();
        let lost = before.holding.held.without(&after.holding.held);
        assert!(lost.is_empty(), "what was held before the kill is not held after it: {lost}");
        println!("held before the kill {}, after it {}", before.holding.held, after.holding.held);

        page.comes_to(&["done"], GIBIBYTE).await;
        let info = newest_is(&server, &file).await;
        assert_eq!(info.size, GIB);
        let requests = server.requests();
        assert_eq!(sent_again(&requests, &before.holding.held, 0), []);
        assert_eq!(sent_again(&requests, &after.holding.held, 1), []);
        println!("{} chunk requests for {count} chunks", server.chunk_requests().len());
        server.assert_no_fault();
    })
    .await;
}
