//! Into a file that the person has picked. What Chromium's picker gives is a handle; here it is one in the
//! browser's own storage, which is written in the same way, and in Firefox too.

use longhaul_tests::proxy::{Hold, Lines, Proxy};
use serde_json::json;

use super::{CHUNK, Downloading, address, slow, stored, where_files_are_kept};

#[tokio::test(flavor = "multi_thread")]
async fn pauses_that_are_taken_back_at_once_lose_nothing_of_a_picked_file() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(24 * CHUNK + 7, 101).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        slow(&proxy);
        let url = address(&proxy.origin(), &file);
        let download = Downloading::begin_into_picked(browser, &url).await;
        for held in [4, 8] {
            download.holds(held * CHUNK).await;
            const HESITATE: &str = "for (const what of ['pause', 'resume', 'pause', 'resume']) window.downloader[what](1)";
            browser.run(HESITATE, &[]).await;
        }
        proxy.set_lines(Lines::default());
        download.arrives_as(&file).await;
        let progress = download.last("progress").await.unwrap();
        assert_eq!(progress["reused"], json!(0), "nothing was lost and looked for: {progress}");
    })
    .await;
}

/// Somebody writes behind the end of what is there.
const LENGTHEN: &str = r#"
    const root = await navigator.storage.getDirectory();
    const handle = await root.getFileHandle('picked.bin');
    const writable = await handle.createWritable({ keepExistingData: true });
    await writable.write({ type: 'write', position: args[0], data: 'of somebody else' });
    await writable.close();
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_adds_to_a_picked_file_that_rests_is_not_in_it_in_the_end() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(24 * CHUNK + 7, 102).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        slow(&proxy);
        let url = address(&proxy.origin(), &file);
        let download = Downloading::begin_into_picked(browser, &url).await;
        download.holds(4 * CHUNK).await;
        download.does("pause").await;
        download.comes_to(&["paused"]).await;
        browser.run_async(LENGTHEN, &[json!(file.size + 5)]).await;
        proxy.set_lines(Lines::default());
        download.does("resume").await;
        download.arrives_as(&file).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_before_the_worker_has_begun_is_heard() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(3 * CHUNK, 103).await;
        browser.open(&server.origin()).await;
        const BEGIN: &str = r#"
            const { Downloader } = await import(new URL('/longhaul-downloader.js', location.href));
            window.told = [];
            window.downloader = new Downloader({ token: () => new Promise(give => { window.give = give }) });
            for (const kind of ['state', 'progress', 'complete'])
                window.downloader.addEventListener(kind, ({ detail: { blob, ...detail } }) => {
                    if (blob) window.blob = blob;
                    window.told.push({ kind, detail });
                });
            window.downloader.add(args[0]);
            while (!window.give) await new Promise(done => setTimeout(done, 10));
            window.downloader.pause(1);
            window.give(undefined);
        "#;
        browser.run_async(BEGIN, &[json!(address(&server.origin(), &file))]).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let download = Downloading { browser };
        download.comes_to(&["paused"]).await;
        assert!(!download.has_been("downloading").await, "it went on");
        download.does("resume").await;
        download.arrives_as(&file).await;
    })
    .await;
}
