//! Pause, resume and cancel.

use std::time::Duration;

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{HELD, holds, newest_is};

#[tokio::test(flavor = "multi_thread")]
async fn pause_stops_sending_and_resume_goes_on() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("paused.bin", 96 * MIB, 14);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&file).await;
        holds(&server, 3, HELD).await;
        page.press("pause").await;
        page.comes_to(&["paused"], SOON).await;
        proxy.release();
        sleep(Duration::from_millis(500)).await;
        let (begun, received) = (proxy.chunks_seen().len(), server.chunk_requests().len());
        sleep(Duration::from_secs(2)).await;
        assert_eq!(proxy.chunks_seen().len(), begun, "chunks were begun during the pause");
        assert_eq!(server.chunk_requests().len(), received, "chunks arrived during the pause");
        assert_eq!(page.last_row().await.unwrap().state, "paused");
        page.press("resume").await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_waits_for_its_turn_whatever_is_set_meanwhile() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        let limit = "document.querySelector('longhaul-upload').setAttribute('rate-max', 1e9)";
        page.pick(&folder.random("first.bin", 96 * MIB, 18)).await;
        page.pick(&folder.random("second.bin", 20 * MIB, 19)).await;
        holds(&server, 3, HELD).await;
        browser.run(limit, &[]).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(page.last_row().await.unwrap().state, "queued");
        assert_eq!(server.api().uploads().await.len(), 1, "the second has begun");
        proxy.release();
        page.comes_to(&["done"], UPLOAD).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_frees_what_both_ends_kept() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("cancelled.bin", 96 * MIB, 15);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&file).await;
        let upload = holds(&server, 3, HELD).await;
        assert!(server.disk_bytes() >= 96 * MIB, "the space was not reserved");
        let kept = "return JSON.stringify(localStorage)";
        let records =
            async || browser.run(kept, &[]).await.to_string().contains(&upload.id.to_string());
        wait::until("the page keeps a record", SOON, async || records().await.then_some(())).await;

        page.press("cancel").await;
        page.comes_to(&["cancelled"], SOON).await;
        proxy.release();
        assert_eq!(server.api().status(upload.id).await.unwrap().status, 404);
        assert!(server.api().uploads().await.is_empty());
        wait::until("the blob is gone from the disk", SOON, async || {
            (server.disk_bytes() == 0).then_some(())
        })
        .await;
        assert!(!records().await, "the page still keeps a record of it");
        let begun = proxy.chunks_seen().len();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(proxy.chunks_seen().len(), begun, "chunks were begun after the cancel");
        assert_eq!(browser.run("return location.origin", &[]).await, json!(proxy.origin()));
        server.assert_no_fault();
    })
    .await;
}

/// Presses `resume` in the row of the file of that name.
const RESUME: &str = r#"
    const rows = document.querySelector('longhaul-upload').shadowRoot.querySelectorAll('[part~=row]');
    const named = row => row.querySelector('[part~=name]').textContent.trim() === arguments[0];
    [...rows].find(named).querySelector('[part~=resume]').click();
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_resumed_while_another_moves_has_its_turn_after_it() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let first = folder.random("first.bin", 32 * MIB, 16);
        let second = folder.random("second.bin", 48 * MIB, 17);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(0)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&first).await;
        page.comes_to(&["uploading"], SOON).await;
        page.press("pause").await;
        page.comes_to(&["paused"], SOON).await;
        page.pick(&second).await;
        page.comes_to(&["uploading"], SOON).await;
        browser.run(RESUME, &[json!("first.bin")]).await;
        proxy.release();
        wait::until("both files are done", UPLOAD, async || {
            let rows = page.rows().await;
            (rows.len() == 2 && rows.iter().all(|row| row.state == "done")).then_some(())
        })
        .await;
        server.assert_no_fault();
    })
    .await;
}
