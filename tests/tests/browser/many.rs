//! Ten thousand files: the page stays responsive, and only what is seen of the list is in it.

use std::ops::RangeInclusive;
use std::time::Duration;

use longhaul_protocol::plan::LANES_MAX;
use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Early, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::{ADD_MANY, press_for_all as press};

/// The longest task there may be, milliseconds. Fifty are what a person feels and what is aimed at, and with
/// the machine to itself Chromium notices none; one that runs other tests as well stretches tasks. All files
/// taken in or all rows laid out at once take longer than this on any.
const LONG_MS: f64 = 250.0;

/// How long the slowest engine may take to have them all in its list, on a machine that does much else.
const TAKEN_IN: Duration = Duration::from_secs(240);

/// Notes every long task, and where a browser tells of none, how long the thread was not to be had.
const OBSERVE: &str = r#"
    window.longest = 0;
    window.long = [];
    if (PerformanceObserver.supportedEntryTypes.includes('longtask')) {
        new PerformanceObserver(list => {
            for (const { duration, startTime } of list.getEntries()) {
                window.long.push({ duration, startTime });
                window.longest = Math.max(window.longest, duration);
            }
        }).observe({ type: 'longtask' });
        return true;
    }
    let last = performance.now();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
        const now = performance.now();
        window.longest = Math.max(window.longest, now - last);
        last = now;
        setTimeout(() => { last = performance.now(); port2.postMessage(null); }, 4);
    };
    port2.postMessage(null);
    return false;
"#;

const SHOWN: &str = r#"
    const root = document.querySelector('longhaul-upload').shadowRoot;
    const rows = [...root.querySelectorAll('[part~=row]')];
    return {
        rows: rows.length,
        places: rows.map(row => Number(row.getAttribute('aria-posinset'))),
        sizes: [...new Set(rows.map(row => row.getAttribute('aria-setsize')))],
        files: root.querySelector('[part~=total-files]').textContent,
        focused: root.activeElement?.closest('[part~=row]')?.getAttribute('aria-posinset') ?? null,
        part: root.activeElement?.getAttribute('part') ?? null,
    };
"#;

/// What was told last of all files together.
async fn total_of(browser: &Browser) -> Value {
    const LAST: &str =
        "return window.told.findLast(({ name }) => name === 'total')?.detail ?? null";
    browser.run(LAST, &[]).await
}

async fn total_comes_to(browser: &Browser, within: Duration, key: &str, value: Value) -> Value {
    wait::until(&format!("the total's {key} is {value}"), within, async || {
        let total = total_of(browser).await;
        (total[key] == value).then_some(total)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_are_listed_without_one_long_task() {
    const FILES: u64 = 10_000;
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        // None of them ends, so that all of them stay in the list.
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(0)).await;
        Page::open(browser, &proxy.origin()).await;
        let tells = browser.run(OBSERVE, &[]).await == json!(true);
        browser.run(ADD_MANY, &[json!(FILES), json!(16)]).await;
        let total = total_comes_to(browser, TAKEN_IN, "files", json!(FILES)).await;
        assert_eq!(total["total"], json!(FILES * 16));

        // What is painted comes a frame later.
        let shown = wait::until("all files are shown", SOON, async || {
            let shown = browser.run(SHOWN, &[]).await;
            let is_all = shown["files"] == json!("0 of 10,000 files")
                && shown["sizes"] == json!([FILES.to_string()]);
            is_all.then_some(shown)
        })
        .await;
        assert!(shown["rows"].as_u64().unwrap() < 60, "rows that nobody sees: {shown}");
        keys_reach_every_row(browser, FILES).await;

        // Nor while they move.
        proxy.release();
        wait::until("hundreds of them are done", UPLOAD, async || {
            (total_of(browser).await["done"].as_u64() >= Some(300)).then_some(())
        })
        .await;
        let longest = browser.run("return [window.longest, window.long]", &[]).await;
        println!("{:?}: the longest task that was noticed: {longest} ms", browser.engine());
        // The others do not tell tasks from what else kept the thread, such as this machine.
        assert!(!tells || longest[0].as_f64().unwrap() <= LONG_MS, "{longest}");
    })
    .await;
}

/// Goes from row to row by the keys that lists are walked with.
async fn keys_reach_every_row(browser: &Browser, files: u64) {
    const PRESS: &str = r#"
        const root = document.querySelector('longhaul-upload').shadowRoot;
        if (!root.activeElement?.closest('[part~=row]')) root.querySelector('[part~=row] [part~=cancel]').focus();
        const key = new KeyboardEvent('keydown', { key: arguments[0], bubbles: true, cancelable: true });
        root.activeElement.dispatchEvent(key);
    "#;
    for (key, place) in
        [("ArrowDown", 2), ("End", files), ("ArrowUp", files - 1), ("Home", 1), ("PageDown", 9)]
    {
        browser.run(PRESS, &[json!(key)]).await;
        let shown = browser.run(SHOWN, &[]).await;
        assert_eq!(shown["focused"], json!(place.to_string()), "after {key}: {shown}");
        assert_eq!(shown["part"], json!("cancel"), "after {key}: {shown}");
        let places: Vec<u64> = serde_json::from_value(shown["places"].clone()).unwrap();
        assert!(places.is_sorted() && places.len() < 60, "after {key}: {places:?}");
    }
    // The row with the focus stays, wherever the list is scrolled to.
    const SCROLL: &str = r#"
        const root = document.querySelector('longhaul-upload').shadowRoot;
        root.querySelector('.scroller').scrollTop = 1e9;
    "#;
    browser.run(SCROLL, &[]).await;
    wait::until("the end of the list is shown", SOON, async || {
        let shown = browser.run(SHOWN, &[]).await;
        let places: Vec<u64> = serde_json::from_value(shown["places"].clone()).unwrap();
        (places.contains(&files) && places.contains(&9) && shown["focused"] == json!("9"))
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_paused_resumed_tried_again_and_cleared_together() {
    const FILES: u64 = 60;
    // A file has failed that is refused in one request and as a chunk: half of the refused, but of those
    // that move at once each may have been refused only once.
    const REFUSED: u64 = 12;
    const FAILED: RangeInclusive<u64> = (REFUSED - LANES_MAX).div_ceil(2)..=REFUSED / 2;
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(20)).await;
        Page::open(browser, &proxy.origin()).await;
        for _ in 0..REFUSED {
            proxy.answer_next_chunk(Early::of_proxy(413));
        }
        browser.run(ADD_MANY, &[json!(FILES), json!(300)]).await;
        total_comes_to(browser, UPLOAD, "done", json!(20)).await;
        press(browser, "pause-all").await;
        let total = total_comes_to(browser, SOON, "held", json!(true)).await;
        let failed = total["failed"].as_u64().unwrap();
        assert!(total["moving"] == json!(0) && FAILED.contains(&failed), "{total}");
        proxy.release();
        let begun = proxy.chunks_seen().len();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(proxy.chunks_seen().len(), begun, "chunks were begun during the pause");

        press(browser, "resume-all").await;
        total_comes_to(browser, UPLOAD, "done", json!(FILES - failed)).await;
        press(browser, "show-failed").await;
        assert_eq!(browser.run(SHOWN, &[]).await["part"], json!("resume"));
        press(browser, "retry-all").await;
        let total = total_comes_to(browser, UPLOAD, "done", json!(FILES)).await;
        assert_eq!(total["acknowledged"], json!(FILES * 300), "{total}");
        assert_eq!(server.api().files().await.len() as u64, FILES);
        press(browser, "clear-all").await;
        wait::until("the list is empty", SOON, async || {
            (browser.run(SHOWN, &[]).await["rows"] == json!(0)).then_some(())
        })
        .await;
        server.assert_no_fault();
    })
    .await;
}
