//! The page for who does not see it, or has no mouse: axe-core in every state, in light and in dark, the whole flow by
//! keys, and what a screen reader says.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use longhaul_protocol::ProblemCode;
use longhaul_tests::api::create_request;
use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Control, Early, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::projects::Project;

/// Nothing that axe-core finds wrong: each rule by its name, and the places.
async fn is_clean(browser: &Browser, axe: &str, state: &str) {
    const FOUND: &str = r#"
        const { violations } = await axe.run(document, { resultTypes: ['violations'] });
        return violations.map(({ id, help, nodes }) =>
            `${id} (${help}): ` + nodes.map(({ target, failureSummary }) => `${target.flat()} ${failureSummary}`).join(' / '));
    "#;
    browser.run(axe, &[]).await;
    for scheme in ["light", "dark"] {
        // Only Chromium's driver can choose.
        if browser.engine() == Engine::Chromium {
            let features =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.devtools("Emulation.setEmulatedMedia", features).await;
        }
        let found = browser.run_async(FOUND, &[]).await;
        assert_eq!(found, json!([]), "{state}, {scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_wrong_in_any_state_in_light_and_in_dark() {
    let project = Project::new("axe");
    let script = project.path().join("node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(script).unwrap();
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(2)).await;
        let proxy = Arc::new(proxy);
        let control = Control::listen(([127, 0, 0, 1], 0).into(), Arc::clone(&proxy), &[]).await;
        // With all that the page can show.
        let address = format!("{}/?network={}", proxy.origin(), control.origin());
        let page = Page::open(browser, &address).await;
        page.is_loaded().await;
        is_clean(browser, &axe, "empty").await;
        let press = "document.getElementById(arguments[0]).click()";
        browser.run(press, &[json!("language")]).await;
        is_clean(browser, &axe, "in Chinese").await;
        browser.run(press, &[json!("language")]).await;
        let file = folder.random("film.bin", 48 * MIB, 31);
        page.pick(&file).await;
        page.has_been("uploading", SOON).await;
        is_clean(browser, &axe, "uploading").await;
        page.press("pause").await;
        page.comes_to(&["paused"], SOON).await;
        is_clean(browser, &axe, "paused").await;
        browser.run(press, &[json!("cut")]).await;
        is_clean(browser, &axe, "with a network that was cut").await;
        page.reload().await;
        page.is_loaded().await;
        is_clean(browser, &axe, "not finished last time").await;
        proxy.release();
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        is_clean(browser, &axe, "done").await;
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        is_clean(browser, &axe, "instant").await;
        proxy.answer_next_chunk(Early::of(ProblemCode::TooLarge));
        page.pick(&folder.random("too large.bin", 12 * MIB, 32)).await;
        page.comes_to(&["failed"], SOON).await;
        is_clean(browser, &axe, "failed").await;
        server_is_silent(browser, &page, &proxy, &folder.random("waits.bin", 12 * MIB, 33)).await;
        is_clean(browser, &axe, "waiting").await;
        add_many(browser, 300).await;
        is_clean(browser, &axe, "many").await;
    })
    .await;
}

/// Brings the page to wait for its next try.
async fn server_is_silent(_: &Browser, page: &Page<'_>, proxy: &Proxy, file: &Path) {
    for _ in 0..8 {
        proxy.answer_next_chunk(Early::of(ProblemCode::Unavailable));
    }
    page.pick(file).await;
    page.comes_to(&["waiting"], SOON).await;
}

async fn add_many(browser: &Browser, count: u32) {
    const ADD: &str = r#"
        const files = Array.from({ length: arguments[0] }, (_, at) => new File([`${at}`], `${at}.txt`));
        await document.querySelector('longhaul-upload').addFiles(files);
    "#;
    browser.run_async(ADD, &[json!(count)]).await;
}

/// What has the focus: the part or the name of it, through every shadow root.
async fn focus(browser: &Browser) -> String {
    const FOCUS: &str = r#"
        let at = document.activeElement;
        while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at?.part?.value || at?.type || at?.localName || '';
    "#;
    serde_json::from_value(browser.run(FOCUS, &[]).await).unwrap()
}

async fn press(browser: &Browser, key: Key) {
    let key = char::from(key);
    let keys = KeyActions::new("keyboard".into())
        .then(KeyAction::Down { value: key })
        .then(KeyAction::Up { value: key });
    browser.client().perform_actions(keys).await.unwrap();
}

/// Goes from one to the next until that has the focus.
async fn tab_to(browser: &Browser, wanted: &str) {
    let mut seen = Vec::new();
    for _ in 0..12 {
        press(browser, Key::Tab).await;
        seen.push(focus(browser).await);
        if seen.last().unwrap() == wanted {
            return;
        }
    }
    panic!("no {wanted} by Tab, only {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_flow_goes_by_keys_and_the_focus_is_never_lost() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("keys.bin", 48 * MIB, 34);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(2)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.is_loaded().await;
        tab_to(browser, "file").await;
        // The system's dialog is no part of the page; the file comes as if it had been chosen there.
        page.pick(&file).await;
        page.has_been("uploading", SOON).await;
        tab_to(browser, "pause").await;
        press(browser, Key::Space).await;
        page.comes_to(&["paused"], SOON).await;
        assert_eq!(focus(browser).await, "resume", "the button that was pressed is gone");
        press(browser, Key::Enter).await;
        page.comes_to(&["uploading"], SOON).await;
        assert_eq!(focus(browser).await, "pause");
        proxy.release();
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(focus(browser).await, "clear", "of what is done nothing can be paused");
        press(browser, Key::Enter).await;
        wait::until("the row is gone", SOON, async || page.rows().await.is_empty().then_some(()))
            .await;
        assert_eq!(focus(browser).await, "file", "where the next file is chosen");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_reader_says_of_an_upload_what_a_person_would() {
    const LISTEN: &str = r#"
        const region = document.querySelector('longhaul-upload').shadowRoot.querySelector('[aria-live]');
        window.said = [];
        new MutationObserver(() => window.said.push([performance.now(), region.textContent]))
            .observe(region, { childList: true, characterData: true, subtree: true });
    "#;
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("film.bin", 64 * MIB, 35);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(30)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.is_loaded().await;
        browser.run(LISTEN, &[]).await;
        page.pick(&file).await;
        let said = async || said(browser).await;
        wait::until("how far it is is said", SOON, async || {
            let said = said().await;
            said.iter().any(|(_, text)| text.contains('%')).then_some(())
        })
        .await;
        page.press("pause").await;
        wait::until("that it rests is said", SOON, async || {
            (said().await.last()?.1 == "film.bin: Paused").then_some(())
        })
        .await;
        proxy.release();
        page.press("resume").await;
        wait::until("that it is done is said", UPLOAD, async || {
            (said().await.last()?.1 == "film.bin: Done").then_some(())
        })
        .await;
        let said = said().await;
        println!("{said:?}");
        assert!(said.len() <= 9, "that is a flood: {said:?}");
        assert!(said.iter().all(|(_, text)| text.starts_with("film.bin: ")), "{said:?}");
        // A test of how long it waits, not of how fast anything is: a timer never fires early.
        assert!(
            said.windows(2).all(|pair| pair[1].0 - pair[0].0 > 500.0),
            "too fast to be heard: {said:?}"
        );
    })
    .await;
}

/// What was said, and when, milliseconds.
async fn said(browser: &Browser) -> Vec<(f64, String)> {
    let said: Value = browser.run("return window.said", &[]).await;
    serde_json::from_value(said).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
async fn lighthouse_gives_all_of_its_points_for_accessibility() {
    let project = Project::new("lighthouse");
    let server = Server::start(Options::demo()).await;
    let bytes = Bytes::from(vec![7; 1_000_000]);
    store(&server.api(), &create_request("film.bin", 1_000_000), &bytes).await;
    let proxy = Arc::new(Proxy::start(server.addr(), Hold::Nothing).await);
    let control = Control::listen(([127, 0, 0, 1], 0).into(), Arc::clone(&proxy), &[]).await;
    let address = format!("{}/?network={}", proxy.origin(), control.origin());
    let flags = "--chrome-flags=--headless --no-sandbox --disable-gpu";
    let args = [&*address, "--only-categories=accessibility", "--output=json", "--quiet", flags];
    let report = tokio::task::block_in_place(|| project.run("lighthouse", &args));
    let report: Value = serde_json::from_str(&report).unwrap();
    let faults: Vec<_> = report["audits"]
        .as_object()
        .unwrap()
        .values()
        .filter(|audit| audit["score"] == 0)
        .collect();
    assert_eq!(report["categories"]["accessibility"]["score"], 1, "{faults:#?}");
}
