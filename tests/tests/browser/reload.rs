//! The page is loaded again in the middle of an upload, and the file is picked again.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB, append, change_unnoticed};
use longhaul_tests::log::sent_again;
use longhaul_tests::page::{Page, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use std::collections::BTreeSet;
use std::path::Path;

use longhaul_protocol::wire::UploadStatus;

use crate::stage::{HELD, holds, newest_is};

/// An upload of which some chunks are held, in a page that was just loaded again.
async fn interrupted(browser: &Browser, file: &Path) -> (Server, Proxy, UploadStatus) {
    let server = Server::start(Options::demo()).await;
    let proxy = Proxy::start(server.addr(), Hold::AfterChunks(4)).await;
    let page = Page::open(browser, &proxy.origin()).await;
    page.pick(file).await;
    let before = holds(&server, 4, HELD).await;
    page.reload().await;
    proxy.release();
    (server, proxy, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_picked_after_a_reload_goes_on_from_what_the_server_holds() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("reload.bin", 90 * MIB + 17, 2);
        let (server, _proxy, before) = interrupted(browser, &file).await;
        let page = Page::here(browser);
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        assert_eq!(sent_again(&server.requests(), &before.holding.held, 0), []);
        let chunks = server.chunk_requests();
        let uploads: BTreeSet<_> = chunks.iter().map(|request| &request.path).collect();
        assert_eq!(uploads.len(), 1, "it began anew instead of going on: {uploads:?}");
        println!("held {} at the reload; sent in all {}", before.holding.held, chunks.len());
        server.assert_no_fault();
    })
    .await;
}

/// Another browser or device has none of what this one remembers.
async fn forget_everything(browser: &Browser) {
    browser.run("localStorage.clear()", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_device_began_is_gone_on_with() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("elsewhere.bin", 90 * MIB + 17, 7);
        let (server, _proxy, before) = interrupted(browser, &file).await;
        forget_everything(browser).await;
        let page = Page::here(browser);
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        assert_eq!(sent_again(&server.requests(), &before.holding.held, 0), []);
        assert!(server.api().uploads().await.is_empty(), "an upload was begun beside it");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_device_began_of_another_file_of_that_name_and_size_is_left_to_it() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("same.bin", 60 * MIB, 8);
        let (server, _proxy, before) = interrupted(browser, &file).await;
        forget_everything(browser).await;
        let other = Folder::new();
        let file = other.random("same.bin", 60 * MIB, 9);
        let page = Page::here(browser);
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        let theirs = server.api().uploads().await;
        assert_eq!(theirs.len(), 1, "{theirs:?}");
        let held = &theirs[0].holding.held;
        assert_eq!(before.holding.held.without(held).count(), 0, "{held}");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_changed_unnoticed_between_two_picks_is_uploaded_as_it_is_now() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("changed.bin", 60 * MIB, 3);
        let (server, _proxy, before) = interrupted(browser, &file).await;
        let held = before.plan().unwrap().range(before.holding.held.first().unwrap());
        change_unnoticed(&file, held.start + 5, 3, 4);
        let page = Page::here(browser);
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grew_between_two_picks_is_uploaded_as_it_is_now() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("grown.bin", 60 * MIB, 5);
        let (server, _proxy, _) = interrupted(browser, &file).await;
        append(&file, 3 * MIB, 6);
        let page = Page::here(browser);
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        server.assert_no_fault();
    })
    .await;
}
