//! Pausing, leaving, coming back.

use longhaul_protocol::wire::path;
use longhaul_tests::browser::Browser;
use longhaul_tests::proxy::{Hold, Lines, Proxy};
use longhaul_tests::server::Server;
use serde_json::json;

use super::{CHUNK, Downloading, address, slow, stored, where_files_are_kept};

/// A download through a slow proxy, some of which is there.
async fn begun(browser: &Browser, seed: u64) -> (Server, Proxy, longhaul_protocol::wire::FileInfo) {
    let (server, file) = stored(32 * CHUNK + 5, seed).await;
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    browser.open(&proxy.origin()).await;
    slow(&proxy);
    let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
    download.holds(8 * CHUNK).await;
    (server, proxy, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_after_a_reload_with_what_was_there() {
    where_files_are_kept(async |browser| {
        let (server, proxy, file) = begun(browser, 71).await;
        // The record is written once a second at the most.
        Downloading { browser }.holds(14 * CHUNK).await;
        proxy.set_lines(Lines::default());
        browser.client().refresh().await.unwrap();
        let before = requests(&server, &file);
        let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
        download.arrives_as(&file).await;
        let reused = download.last("progress").await.unwrap()["reused"].as_u64().unwrap();
        println!("{reused} bytes of {} were there", file.size);
        assert!(reused >= 8 * CHUNK, "only {reused}");
        let fetched = requests(&server, &file) - before;
        let missing = file.chunk_count - reused.div_ceil(CHUNK);
        println!("{fetched} requests for {missing} chunks");
        // Those that the page left were on their way too, and are logged once the server has noticed.
        assert!(fetched as u64 <= missing + 5, "{fetched} requests for {missing} chunks");
    })
    .await;
}

fn requests(server: &Server, file: &longhaul_protocol::wire::FileInfo) -> usize {
    server.requests().iter().filter(|request| request.path == path::file(file.id)).count()
}

/// Spoils the beginning of what is kept of the only download.
const SPOIL: &str = r#"
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('longhaul-downloads');
    for await (const [name, handle] of folder.entries()) {
        if (name.endsWith('.json')) continue;
        const writable = await handle.createWritable({ keepExistingData: true });
        await writable.write({ type: 'write', position: 5, data: new Uint8Array([1, 2, 3]) });
        await writable.close();
    }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spoilt_in_between_is_noticed_and_fetched_again() {
    where_files_are_kept(async |browser| {
        let (_server, proxy, file) = begun(browser, 72).await;
        Downloading { browser }.holds(14 * CHUNK).await;
        proxy.set_lines(Lines::default());
        browser.client().refresh().await.unwrap();
        browser.run_async(SPOIL, &[]).await;
        let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
        download.arrives_as(&file).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_paused_asks_for_nothing_until_it_is_resumed() {
    where_files_are_kept(async |browser| {
        let (_server, proxy, file) = begun(browser, 73).await;
        let download = Downloading { browser };
        download.does("pause").await;
        download.comes_to(&["paused"]).await;
        let seen = proxy.seen().len();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(proxy.seen().len(), seen, "something was asked for");
        proxy.set_lines(Lines::default());
        download.does("resume").await;
        download.arrives_as(&file).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_download_that_is_given_up() {
    where_files_are_kept(async |browser| {
        let (_server, _proxy, _file) = begun(browser, 74).await;
        let download = Downloading { browser };
        download.does("cancel").await;
        download.comes_to(&["cancelled"]).await;
        longhaul_tests::wait::until("nothing is left", super::DOWNLOAD, async || {
            (download.left().await == json!([])).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_download_waits_for_the_first() {
    where_files_are_kept(async |browser| {
        let (_server, proxy, file) = begun(browser, 75).await;
        let again = "return window.downloader.add(arguments[0])";
        let url = json!(address(&proxy.origin(), &file));
        assert_eq!(browser.run(again, &[url]).await, json!(2));
        let download = Downloading { browser };
        let state = download.last("state").await.unwrap();
        assert_eq!((&state["id"], &state["state"]), (&json!(2), &json!("queued")));
        proxy.set_lines(Lines::default());
        longhaul_tests::wait::until("both are done", super::DOWNLOAD, async || {
            let state = download.last("state").await?;
            (state["id"] == json!(2) && state["state"] == json!("done")).then_some(())
        })
        .await;
        assert_eq!(Some(download.sha256().await), file.sha256);
    })
    .await;
}
