//! Files that change or go while they are uploaded.

use std::fs;
use std::path::{Path, PathBuf};

use longhaul_protocol::Digest;
use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::{Folder, MIB, append, change_unnoticed};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use serde_json::json;

use crate::stage::{HELD, holds};

/// Uploads a file to which this is done when some of its chunks were read and sent, and returns what
/// the page says then.
async fn upload_while(
    browser: &Browser,
    file: &Path,
    verify: bool,
    act: impl FnOnce(&Path),
) -> String {
    let server = Server::start(Options::demo()).await;
    let proxy = Proxy::start(server.addr(), Hold::AfterChunks(4)).await;
    let page = Page::open(browser, &proxy.origin()).await;
    if verify {
        let verify = "document.querySelector('longhaul-upload').setAttribute('verify-source', '')";
        browser.run(verify, &[]).await;
    }
    page.pick(file).await;
    let held = holds(&server, 4, HELD).await;
    assert!(held.holding.held.count() < held.chunk_count);
    act(file);
    proxy.release();
    let row = page.comes_to(&["failed"], UPLOAD).await;
    assert_eq!(server.api().files().await, [], "it was sealed all the same");
    server.assert_no_fault();
    row.error.to_lowercase()
}

fn file(folder: &Folder, seed: u64) -> PathBuf {
    folder.random("source.bin", 200 * MIB, seed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_goes_ends_in_words_that_say_so() {
    in_every_engine(async |browser| {
        let gone = |file: &Path| fs::remove_file(file).unwrap();
        let said = upload_while(browser, &file(&Folder::new(), 101), false, gone).await;
        assert!(said.contains("file") && said.contains("pick it again"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_ends_in_words_that_say_so() {
    in_every_engine(async |browser| {
        if browser.engine() == Engine::Firefox {
            // It goes on reading what was picked: nothing of what was added, and all of the rest.
            return;
        }
        let grow = |file: &Path| append(file, MIB, 103);
        let said = upload_while(browser, &file(&Folder::new(), 102), false, grow).await;
        assert!(said.contains("changed"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_change_unnoticed_are_found_when_the_source_is_verified() {
    in_every_engine(async |browser| {
        let change = |file: &Path| change_unnoticed(file, 5, 3, 105);
        let said = upload_while(browser, &file(&Folder::new(), 104), true, change).await;
        assert!(said.contains("changed"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stays_as_it_is_passes_the_second_look() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let verify = "document.querySelector('longhaul-upload').setAttribute('verify-source', '')";
        browser.run(verify, &[]).await;
        page.pick(&folder.random("same.bin", 40 * MIB, 106)).await;
        page.comes_to(&["done"], SOON).await;
        server.assert_no_fault();
    })
    .await;
}

/// A file that looks like any other made by this, of 12 MiB of bytes of its own.
const LOOKS_THE_SAME: &str = "
    const [factor] = args;
    const words = Uint32Array.from({ length: 3 << 20 }, (_, at) => at * factor);
    const file = new File([words], 'take.wav', { lastModified: 1000 });
    await document.querySelector('longhaul-upload').addFiles([file]);";

fn sha256_of(factor: u32) -> Digest {
    let words = (0..3_u32 << 20).flat_map(|at| at.wrapping_mul(factor).to_le_bytes());
    Digest::of(&words.collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_picked_again_while_it_rests_is_sent_as_it_was_picked_last() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(4)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        browser.run_async(LOOKS_THE_SAME, &[json!(3)]).await;
        holds(&server, 4, HELD).await;
        page.press("pause").await;
        page.comes_to(&["paused"], SOON).await;
        proxy.release_when_left().await;
        browser.run_async(LOOKS_THE_SAME, &[json!(5)]).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(page.rows().await.len(), 1, "it is the same upload");
        let files = server.api().files().await;
        let (sha256, _) = server.api().download_sha256(files[0].id, files[0].size).await;
        assert_eq!((files.len(), sha256), (1, sha256_of(5)));
        server.assert_no_fault();
    })
    .await;
}
