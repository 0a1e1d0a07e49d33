//! The same file in two tabs of one browser.

use std::path::{Path, PathBuf};

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;

use crate::stage::{HELD, holds, newest_is};

/// Two tabs: in the first an upload is under way, in the second, which is shown, the same file waits for
/// it.
struct Tabs {
    _folder: Folder,
    file: PathBuf,
    server: Server,
    proxy: Proxy,
    first: fantoccini::wd::WindowHandle,
    second: fantoccini::wd::WindowHandle,
}

async fn two_tabs(browser: &Browser) -> Tabs {
    let folder = Folder::new();
    let file = folder.random("shared.bin", 96 * MIB, 111);
    let server = Server::start(Options::demo()).await;
    let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
    let first = browser.client().window().await.unwrap();
    pick(browser, &proxy, &file).await;
    holds(&server, 3, HELD).await;
    let second = browser.client().new_window(true).await.unwrap().handle;
    browser.client().switch_to_window(second.clone()).await.unwrap();
    pick(browser, &proxy, &file).await;
    let row = Page::here(browser).comes_to(&["elsewhere"], SOON).await;
    assert!(row.status.ends_with("this one goes on when that has ended."), "{row:?}");
    Tabs { _folder: folder, file, server, proxy, first, second }
}

async fn pick(browser: &Browser, proxy: &Proxy, file: &Path) {
    Page::open(browser, &proxy.origin()).await.pick(file).await;
}

impl Tabs {
    /// Leaves one tab, for the tests that follow.
    async fn close_one(&self, browser: &Browser) {
        browser.client().close_window().await.unwrap();
        browser.client().switch_to_window(self.first.clone()).await.unwrap();
    }

    fn sent(&self) -> u64 {
        self.server.chunk_requests().iter().map(|request| request.received).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_tab_sends_is_sent_once() {
    in_every_engine(async |browser| {
        let tabs = two_tabs(browser).await;
        tabs.proxy.release();
        Page::here(browser).comes_to(&["done"], UPLOAD).await;
        newest_is(&tabs.server, &tabs.file).await;
        assert_eq!(tabs.sent(), 96 * MIB, "{:#?}", tabs.server.chunk_requests());
        tabs.server.assert_no_fault();
        tabs.close_one(browser).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_waited_for_another_tab_is_no_time_of_its_own() {
    const HAS_STARTED: &str = "
        const { Entry } = await import('/longhaul-row.js');
        const entry = new Entry(1, () => false);
        return ['queued', 'elsewhere', 'opening'].map((state) => {
            entry.came({ state });
            return entry.started !== undefined;
        });";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        Page::open(browser, &server.origin()).await;
        assert_eq!(browser.run_async(HAS_STARTED, &[]).await, json!([false, false, true]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_is_closed_leaves_its_file_to_the_other() {
    in_every_engine(async |browser| {
        let tabs = two_tabs(browser).await;
        browser.client().switch_to_window(tabs.first.clone()).await.unwrap();
        browser.client().close_window().await.unwrap();
        browser.client().switch_to_window(tabs.second.clone()).await.unwrap();
        tabs.proxy.release();
        Page::here(browser).comes_to(&["done"], UPLOAD).await;
        newest_is(&tabs.server, &tabs.file).await;
        tabs.server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_give_up_what_another_tab_sends_takes_nothing_from_it() {
    in_every_engine(async |browser| {
        let tabs = two_tabs(browser).await;
        let page = Page::here(browser);
        page.press("cancel").await;
        page.comes_to(&["cancelled"], SOON).await;
        tabs.close_one(browser).await;
        tabs.proxy.release();
        wait::until("the first tab is done", UPLOAD, async || {
            (!tabs.server.api().files().await.is_empty()).then_some(())
        })
        .await;
        newest_is(&tabs.server, &tabs.file).await;
        assert_eq!(tabs.sent(), 96 * MIB);
        tabs.server.assert_no_fault();
    })
    .await;
}
