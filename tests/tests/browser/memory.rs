//! The page's memory does not grow with the file.

use std::path::Path;
use std::time::Duration;

use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::{Folder, GIB, MIB};
use longhaul_tests::memory::Memory;
use longhaul_tests::page::Page;
use longhaul_tests::server::{Options, Server};
use tokio::time::sleep;

/// What a garbage collector may leave for later, on a busy machine; a page that kept the file once
/// would keep 2 GiB, and Chromium left to itself keeps it twice.
const SLACK: u64 = 512 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn two_gibibytes_take_no_more_of_the_pages_memory_than_a_quarter_of_one() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        // In chunks as large.
        let small = peak(browser.engine(), &folder.random("small.bin", GIB / 4, 16)).await;
        println!("256 MiB: at most {small}");
        let large = peak(browser.engine(), &folder.random("large.bin", 2 * GIB, 17)).await;
        println!("2 GiB: at most {large}");
        assert!(large.pages < small.pages + SLACK, "{large} against {small}");
        assert!(large.all < small.all + SLACK, "{large} against {small}");
    })
    .await;
}

/// The most memory that a new browser takes while it uploads the file.
async fn peak(engine: Engine, file: &Path) -> Memory {
    let server = Server::start(Options::demo()).await;
    let browser = Browser::start(engine).await;
    let page = Page::open(&browser, &server.origin()).await;
    let mut peak = browser.memory();
    page.pick(file).await;
    for _ in 0..1200 {
        peak = peak.max(browser.memory());
        match page.last_row().await.map(|row| row.state).as_deref() {
            Some("done") => return peak,
            Some("failed") => break,
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("the upload was not done: {:?}", page.last_row().await)
}
