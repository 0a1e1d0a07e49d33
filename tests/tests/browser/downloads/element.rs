//! `<longhaul-download>`, as a person uses it on the demo page.

use std::path::PathBuf;

use bytes::Bytes;
use longhaul_protocol::plan::CHUNK_LEN_SHORT as CHUNK;
use longhaul_protocol::wire::{FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::files::sha256;
use longhaul_tests::page::SOON;
use longhaul_tests::proxy::{Hold, Lines, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::polite::{asks, comes_to_ask};

use super::{DOWNLOAD, slow, stored, where_files_are_kept};

const STANDS: &str = r#"
    const element = document.querySelector('#files longhaul-download');
    if (!element?.shadowRoot) return null;
    const part = name => element.shadowRoot.querySelector(`[part=${name}]`);
    const shown = [...element.shadowRoot.querySelectorAll('button, a')].filter(it => !it.hidden);
    return {
        state: element.dataset.state,
        status: part('status').textContent,
        error: part('error').textContent,
        buttons: shown.map(it => it.getAttribute('part')),
        names: shown.map(it => it.getAttribute('aria-label')),
        bar: part('progress').hidden ? null : part('progress').value,
        barName: part('progress').getAttribute('aria-label'),
    };
"#;

/// Presses a button, or more; a browser without a screen has no picker.
const PRESS: &str = r#"
    const element = document.querySelector('#files longhaul-download');
    element.toggleAttribute('no-picker', !window.picked);
    for (const part of arguments) element.shadowRoot.querySelector(`[part=${part}]`).click();
"#;

/// Has the picker answer with a file of the browser's own storage, which is written in the same way.
const PICKER: &str = r#"
    const root = await navigator.storage.getDirectory();
    window.picked = await root.getFileHandle('picked.bin', { create: true });
    window.asked = 0;
    window.showSaveFilePicker = async () => {
        window.asked += 1;
        return window.picked;
    };
    document.querySelector('#files longhaul-download')
        .addEventListener('longhaul-download-complete', ({ detail }) => window.blob = detail.blob);
"#;

/// What it shows.
pub(crate) async fn stands(browser: &Browser) -> Value {
    browser.run(STANDS, &[]).await
}

/// Waits until it is in that state.
pub(crate) async fn comes_to(browser: &Browser, state: &str) -> Value {
    wait::until(&format!("the element is {state}"), DOWNLOAD, async || {
        let stands = stands(browser).await;
        assert!(state == "failed" || stands["state"] != json!("failed"), "{stands}");
        (stands["state"] == json!(state)).then_some(stands)
    })
    .await
}

/// Has Chromium put what is saved where Firefox does.
async fn downloads_folder(browser: &Browser) -> PathBuf {
    let folder = browser.home().join("Downloads");
    if browser.engine() == Engine::Chromium {
        let params = json!({ "behavior": "allow", "downloadPath": folder });
        browser.devtools("Page.setDownloadBehavior", params).await;
    }
    folder
}

async fn saved(browser: &Browser, file: &FileInfo) -> PathBuf {
    let path = downloads_folder(browser).await.join("stored.bin");
    wait::until("the file is saved", DOWNLOAD, async || {
        let is_whole = path.metadata().is_ok_and(|meta| meta.len() == file.size);
        is_whole.then(|| path.clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_listed_is_downloaded_verified_and_saved_by_one_click() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(12 * CHUNK + 3, 91).await;
        browser.open(&server.origin()).await;
        downloads_folder(browser).await;
        let idle = comes_to(browser, "idle").await;
        assert_eq!(idle["names"], json!(["Download and verify: stored.bin"]));
        browser.run(PRESS, &[json!("start")]).await;
        let done = comes_to(browser, "done").await;
        assert!(done["status"].as_str().unwrap().starts_with("Every byte is verified"), "{done}");
        assert_eq!((&done["bar"], &done["barName"]), (&json!(1), &json!("stored.bin")));
        let saved = saved(browser, &file).await;
        assert_eq!(Some(sha256(&saved)), file.sha256);
        assert_eq!(done["buttons"], json!(["link", "clear"]));
        browser.run(PRESS, &[json!("clear")]).await;
        comes_to(browser, "idle").await;
        wait::until("nothing is kept", SOON, async || {
            let left = super::Downloading { browser }.left().await;
            (left == json!([])).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_paused_left_and_gone_on_with_by_its_buttons() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(24 * CHUNK, 92).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        comes_to(browser, "idle").await;
        slow(&proxy);
        browser.run(PRESS, &[json!("start")]).await;
        wait::until("some of it is there", DOWNLOAD, async || {
            let bar = stands(browser).await["bar"].as_f64();
            bar.filter(|bar| *bar > 0.4)
        })
        .await;
        browser.run(PRESS, &[json!("pause")]).await;
        let paused = comes_to(browser, "paused").await;
        assert_eq!(paused["buttons"], json!(["resume", "cancel"]));
        browser.client().refresh().await.unwrap();
        let idle = wait::until("it can be gone on with", SOON, async || {
            let stands = stands(browser).await;
            let name = stands["names"][0].as_str().unwrap_or_default().to_owned();
            name.starts_with("Go on downloading").then_some(stands)
        });
        idle.await;
        proxy.set_lines(Lines::default());
        downloads_folder(browser).await;
        browser.run(PRESS, &[json!("start")]).await;
        comes_to(browser, "done").await;
        let saved = saved(browser, &file).await;
        assert_eq!(Some(sha256(&saved)), file.sha256);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_asked_about_only_while_a_picked_file_moves() {
    where_files_are_kept(async |browser| {
        let (server, file) = stored(24 * CHUNK, 94).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        comes_to(browser, "idle").await;
        browser.run_async(PICKER, &[]).await;
        assert!(!asks(browser).await, "nothing is there to be lost");
        slow(&proxy);
        browser.run(PRESS, &[json!("start")]).await;
        comes_to(browser, "downloading").await;
        comes_to_ask(browser, true).await;
        // It was put in its place meanwhile, and goes on for who stays.
        comes_to(browser, "paused").await;
        comes_to(browser, "downloading").await;
        browser.run(PRESS, &[json!("pause")]).await;
        comes_to(browser, "paused").await;
        assert!(!asks(browser).await, "it is in its place");
        proxy.set_lines(Lines::default());
        browser.run(PRESS, &[json!("resume")]).await;
        comes_to(browser, "done").await;
        assert!(!asks(browser).await, "it is over");
        assert_eq!(Some(super::Downloading { browser }.sha256().await), file.sha256);
    })
    .await;
}

/// What is written there outlasts the page.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_not_asked_about_while_a_file_comes_to_the_browsers_own_storage() {
    where_files_are_kept(async |browser| {
        let (server, _file) = stored(24 * CHUNK, 95).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        comes_to(browser, "idle").await;
        slow(&proxy);
        browser.run(PRESS, &[json!("start")]).await;
        comes_to(browser, "downloading").await;
        assert!(!asks(browser).await);
        assert_eq!(stands(browser).await["state"], json!("downloading"), "and it goes on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_asks_once_where_to_and_fetches_once() {
    where_files_are_kept(async |browser| {
        for picks in [false, true] {
            let (server, file) = stored(12 * CHUNK, 96).await;
            browser.open(&server.origin()).await;
            comes_to(browser, "idle").await;
            downloads_folder(browser).await;
            if picks {
                browser.run_async(PICKER, &[]).await;
            }
            browser.run(PRESS, &[json!("start"), json!("start")]).await;
            comes_to(browser, "done").await;
            // A second one would wait for its turn.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(requests(&server, &file), 12);
            let asked = browser.run("return window.asked ?? null", &[]).await;
            assert_eq!(asked, if picks { json!(1) } else { json!(null) });
        }
    })
    .await;
}

/// A page that somebody has uploaded would else be one of this site, by the link to what was downloaded.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_no_page_of_this_site_whatever_its_name_is() {
    where_files_are_kept(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Bytes::from_static(b"<script>document.title = 'taken over'</script>");
        let mut create = create_request("page.html", page.len() as u64);
        "text/html".clone_into(&mut create.meta.media_type);
        store(&server.api(), &create, &page).await;
        browser.open(&server.origin()).await;
        comes_to(browser, "idle").await;
        downloads_folder(browser).await;
        browser.run(PRESS, &[json!("start")]).await;
        comes_to(browser, "done").await;
        const SAVED: &str = r#"
            const element = document.querySelector('#files longhaul-download');
            const link = element.shadowRoot.querySelector('[part=link]');
            const blob = await (await fetch(link.href)).blob();
            return { type: blob.type, name: link.download, text: await blob.text() };
        "#;
        let saved = browser.run_async(SAVED, &[]).await;
        let text = String::from_utf8(page.to_vec()).unwrap();
        let whole =
            json!({ "type": "application/octet-stream", "name": "page.html", "text": text });
        assert_eq!(saved, whole);
    })
    .await;
}

fn requests(server: &Server, file: &FileInfo) -> usize {
    server.requests().iter().filter(|request| request.path == path::file(file.id)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_kept_there_is_a_plain_link_and_words() {
    for engine in Engine::wanted().into_iter().filter(|engine| *engine == Engine::WebKit) {
        let browser = Browser::start(engine).await;
        let (server, file) = stored(CHUNK, 93).await;
        browser.open(&server.origin()).await;
        let stands = comes_to(&browser, "unable").await;
        assert_eq!(stands["buttons"], json!(["link"]));
        let status = stands["status"].as_str().unwrap();
        assert!(status.starts_with("Not verified: this browser keeps no files"), "{status}");
        const HREF: &str = "return document.querySelector('#files longhaul-download').shadowRoot.querySelector('a').href";
        let href = browser.run(HREF, &[]).await;
        assert_eq!(href, json!(super::address(&server.origin(), &file)));
        assert_eq!(requests(&server, &file), 0);
        browser.close().await;
    }
}
