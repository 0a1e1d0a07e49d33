//! A rate that the user sets.

use std::time::{Duration, Instant};

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, UPLOAD};
use longhaul_tests::server::{Options, Server};
use serde_json::json;
use tokio::time::sleep;

use crate::stage::newest_is;

const LIMIT: &str =
    "document.querySelector('longhaul-upload').setAttribute('rate-max', arguments[0])";
const LIFT: &str = "document.querySelector('longhaul-upload').removeAttribute('rate-max')";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_takes_at_least_as_long_as_its_rate_says() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("limited.bin", 16 * MIB, 81);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run(LIMIT, &[json!(4 * MIB)]).await;
        let picked = Instant::now();
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        // The system takes something ahead, a few hundred kilobytes.
        assert!(picked.elapsed() >= Duration::from_millis(3500), "{:?}", picked.elapsed());
        newest_is(&server, &file).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_was_begun_at_a_limit_goes_on_from_where_it_is_once_that_is_lifted() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("lifted.bin", 160 * MIB, 82);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run(LIMIT, &[json!(MIB / 2)]).await;
        let picked = Instant::now();
        page.pick(&file).await;
        page.comes_to(&["uploading"], UPLOAD).await;
        sleep(Duration::from_secs(4)).await;
        browser.run(LIFT, &[]).await;
        // A busy machine takes longer over a script, and the system takes some bytes ahead.
        let taken_max = picked.elapsed().as_secs() * MIB / 2 + 3 * MIB;
        page.comes_to(&["done"], UPLOAD).await;
        let requests = server.chunk_requests();
        let rest = requests
            .iter()
            .find(|request| request.chunk == Some(ChunkIndex(0)) && request.status == Some(204))
            .expect("the rest of the first chunk");
        let taken = CHUNK_LEN_DEFAULT - rest.received;
        assert!((MIB..taken_max).contains(&taken), "{taken} bytes of {taken_max}: {requests:?}");
        newest_is(&server, &file).await;
        server.assert_no_fault();
    })
    .await;
}
