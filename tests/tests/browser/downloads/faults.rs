//! What a network and a server do to a download.

use std::time::Duration;

use longhaul_protocol::wire::path;
use longhaul_tests::proxy::{Fault, Harm, Hold, Lines, Proxy, Way};
use longhaul_tests::server::Server;
use serde_json::json;
use tokio::time::sleep;

use super::{CHUNK, Downloading, address, slow, stored, where_files_are_kept};

/// The requests for bytes of the file.
fn requests(server: &Server, id: longhaul_protocol::wire::ids::FileId) -> usize {
    server.requests().iter().filter(|request| request.path == path::file(id)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_is_turned_on_the_way_is_noticed_and_its_chunk_fetched_again() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(12 * CHUNK, 64).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        // The page has its scripts; what is spoilt lies in the body of a chunk.
        browser.run_async("await import('/longhaul-fetch.js').then(it => it.default())", &[]).await;
        proxy.add(Fault::once(Way::Down, 2 * CHUNK, Harm::Corrupt));
        let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
        download.arrives_as(&file).await;
        assert!(download.has_been("waiting").await, "nothing was noticed");
        assert_eq!(requests(&server, file.id), 13, "one chunk is fetched twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_cost_no_byte_that_has_arrived() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(24 * CHUNK, 65).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        slow(&proxy);
        let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
        download.holds(4 * CHUNK).await;
        proxy.set_lines(Lines::default());
        proxy.harm_all(Harm::Reset);
        download.arrives_as(&file).await;
        assert!(download.has_been("waiting").await, "nothing broke");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    where_files_are_kept(async |browser| {
        let (mut server, file) = stored(24 * CHUNK, 66).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        slow(&proxy);
        let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
        download.holds(4 * CHUNK).await;
        server.kill().await;
        download.comes_to(&["waiting"]).await;
        sleep(Duration::from_secs(1)).await;
        proxy.set_lines(Lines::default());
        server.restart().await;
        download.arrives_as(&file).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_is_set_is_kept() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(4 * CHUNK, 67).await;
        browser.open(&server.origin()).await;
        let url = address(&server.origin(), &file);
        let begun = std::time::Instant::now();
        let options = json!({ "rateMax": CHUNK });
        let download = Downloading::begin_with(browser, &url, &options).await;
        download.arrives_as(&file).await;
        // A lower bound is the promise itself, whatever else the machine does.
        assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    })
    .await;
}
