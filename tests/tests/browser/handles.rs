//! What an earlier visit has not finished is gone on with by one click, without a picker. Chromium
//! only: it alone lets a page keep by what it can ask for a file again.
//!
//! No driver opens the system's own dialog for files (`dialogs` does, by keys). Here it answers with a
//! handle of a file of the site's own (Origin Private File System), which is kept, asked for and read as
//! any other.

use std::path::Path;

use fantoccini::Locator::Css;
use longhaul_protocol::wire::UploadStatus;
use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::log::sent_again;
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;

use crate::stage::{HELD, holds, newest_is, really_drop};

/// Copies a file into the site's own file system; the dialog answers with its handle.
async fn dialog_answers_with(browser: &Browser, file: &Path) {
    const INPUT: &str = "
        const input = Object.assign(document.createElement('input'), { type: 'file', id: 'source' });
        document.body.append(input);";
    const ANSWER: &str = "
        const [source] = document.getElementById('source').files;
        const folder = await navigator.storage.getDirectory();
        const handle = await folder.getFileHandle(source.name, { create: true });
        await source.stream().pipeTo(await handle.createWritable());
        window.showOpenFilePicker = async () => [handle];
        document.getElementById('source').remove();";
    browser.run(INPUT, &[]).await;
    let input = browser.client().find(Css("#source")).await.unwrap();
    input.send_keys(file.to_str().unwrap()).await.unwrap();
    browser.run_async(ANSWER, &[]).await;
}

/// Clicks where a file is chosen, which drivers do not do.
async fn click_to_choose(browser: &Browser) {
    const CLICK: &str = "
        const root = document.querySelector('longhaul-upload').shadowRoot;
        root.querySelector('input[type=file]').click();";
    browser.run(CLICK, &[]).await;
}

/// The names of what is shown as not finished.
async fn unfinished(browser: &Browser) -> Vec<String> {
    const NAMES: &str = "
        const root = document.querySelector('longhaul-upload').shadowRoot;
        const list = root.querySelector('[part=unfinished]');
        if (!list || list.hidden) return [];
        const names = list.querySelectorAll('[part=unfinished-row] [part=name]');
        return [...names].map(name => name.textContent);";
    serde_json::from_value(browser.run(NAMES, &[]).await).unwrap()
}

/// What the page says beside its lists.
async fn notice(browser: &Browser) -> String {
    const NOTICE: &str = "
        const root = document.querySelector('longhaul-upload').shadowRoot;
        return root.querySelector('[part=notice]').textContent;";
    serde_json::from_value(browser.run(NOTICE, &[]).await).unwrap()
}

async fn comes_to_show(browser: &Browser, names: &[&str]) {
    wait::until(&format!("{names:?} are shown as not finished"), SOON, async || {
        (unfinished(browser).await == names).then_some(())
    })
    .await;
}

/// Clicks a button of what is not finished.
async fn click(browser: &Browser, part: &str) {
    let element = browser.client().find(Css("longhaul-upload")).await.unwrap();
    let root = element.shadow_root().await.unwrap();
    let button = format!("[part=unfinished-row] [part={part}]");
    root.find(Css(&button)).await.unwrap().click().await.unwrap();
}

/// A page that was just loaded again in the middle of an upload.
async fn interrupted(browser: &Browser, file: &Path) -> (Server, Proxy, UploadStatus) {
    let server = Server::start(Options::demo()).await;
    let proxy = Proxy::start(server.addr(), Hold::AfterChunks(4)).await;
    let page = Page::open(browser, &proxy.origin()).await;
    dialog_answers_with(browser, file).await;
    click_to_choose(browser).await;
    let before = holds(&server, 4, HELD).await;
    page.reload().await;
    (server, proxy, before)
}

async fn in_chromium(test: impl AsyncFn(&Browser)) {
    in_every_engine(async |browser| {
        if browser.engine() == Engine::Chromium {
            test(browser).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_finished_goes_on_after_a_reload_by_one_click() {
    in_chromium(async |browser| {
        let folder = Folder::new();
        let file = folder.random("recording.bin", 60 * MIB + 17, 151);
        let (server, proxy, before) = interrupted(browser, &file).await;
        comes_to_show(browser, &["recording.bin"]).await;
        browser.screenshot("unfinished").await;
        proxy.release();
        click(browser, "resume").await;
        let page = Page::here(browser);
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        assert_eq!(sent_again(&server.requests(), &before.holding.held, 0), []);
        assert!(unfinished(browser).await.is_empty());
        page.reload().await;
        page.pick(&folder.random("next.bin", MIB, 152)).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert!(unfinished(browser).await.is_empty(), "what is done is forgotten");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tab_is_about_is_not_shown_as_not_finished() {
    in_chromium(async |browser| {
        let folder = Folder::new();
        let file = folder.random("moving.bin", 60 * MIB, 153);
        let (_server, proxy, _) = interrupted(browser, &file).await;
        comes_to_show(browser, &["moving.bin"]).await;
        click(browser, "resume").await;
        Page::here(browser).comes_to(&["uploading"], SOON).await;
        let first = browser.client().window().await.unwrap();
        let second = browser.client().new_window(true).await.unwrap().handle;
        browser.client().switch_to_window(second).await.unwrap();
        Page::open(browser, &proxy.origin()).await;
        const FOUND: &str = "
            const { unfinished } = await import('/longhaul-handles.js');
            return (await unfinished('')).filter(({ isBusy }) => !isBusy).length;";
        assert_eq!(browser.run_async(FOUND, &[]).await, json!(0));
        assert!(unfinished(browser).await.is_empty());
        browser.client().switch_to_window(first.clone()).await.unwrap();
        browser.client().close_window().await.unwrap();
        let left = browser.client().windows().await.unwrap().pop().unwrap();
        browser.client().switch_to_window(left).await.unwrap();
        Page::here(browser).reload().await;
        comes_to_show(browser, &["moving.bin"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_or_gone_is_not_offered_again() {
    in_chromium(async |browser| {
        let folder = Folder::new();
        let file = folder.random("moved.bin", 60 * MIB, 155);
        let (_server, proxy, _) = interrupted(browser, &file).await;
        comes_to_show(browser, &["moved.bin"]).await;
        const REMOVE: &str = "
            const folder = await navigator.storage.getDirectory();
            await folder.removeEntry(args[0]);";
        browser.run_async(REMOVE, &[json!("moved.bin")]).await;
        click(browser, "resume").await;
        comes_to_show(browser, &[]).await;
        let told = notice(browser).await;
        assert!(told.contains("moved.bin") && told.contains("is no longer where it was"), "{told}");

        let file = folder.random("unwanted.bin", 60 * MIB, 156);
        dialog_answers_with(browser, &file).await;
        click_to_choose(browser).await;
        let page = Page::here(browser);
        page.comes_to(&["uploading"], SOON).await;
        page.reload().await;
        comes_to_show(browser, &["unwanted.bin"]).await;
        click(browser, "forget").await;
        comes_to_show(browser, &[]).await;
        page.reload().await;
        proxy.release();
        page.pick(&folder.random("next.bin", 1, 157)).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert!(unfinished(browser).await.is_empty());
    })
    .await;
}

/// Nobody is there to answer the browser's question: `dialogs` has somebody.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_dropped_is_offered_again() {
    in_chromium(async |browser| {
        let folder = Folder::new();
        let file = folder.random("dropped.bin", 60 * MIB, 158);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(4)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        really_drop(browser, &file).await;
        holds(&server, 4, HELD).await;
        page.reload().await;
        comes_to_show(browser, &["dropped.bin"]).await;
    })
    .await;
}
