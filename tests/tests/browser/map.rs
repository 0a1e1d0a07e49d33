//! `<longhaul-map>`: what it shows is what is so, and ten thousand chunks do not slow the page down.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;

use crate::stage::{HELD, holds};

/// What stands in the legend, and what a screen reader says of the picture.
const SHOWN: &str = r#"
    const root = document.querySelector('longhaul-map').shadowRoot;
    const counts = [...root.querySelectorAll('[part=legend] bdi')].map((text) => Number(text.textContent.match(/\d+$/)));
    return [counts, root.querySelector('[part=chunks]').ariaLabel, document.querySelector('longhaul-map').checkVisibility()];
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_map_shows_the_upload_that_it_was_told_of_before_it_was_one() {
    // Elements of a document without a window are made into what they are when they come into one that has.
    const EARLY: &str = "
        const early = document.implementation.createHTMLDocument().createElement('longhaul-map');
        early.upload = 7;
        document.body.append(early);
        return [early.upload, early.shadowRoot !== null];";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        Page::open(browser, &server.origin()).await.is_loaded().await;
        assert_eq!(browser.run(EARLY, &[]).await, json!([7, true]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_shows_where_each_chunk_is() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("map.bin", 80 * MIB, 41);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.is_loaded().await;
        let shown = browser.run(SHOWN, &[]).await;
        assert_eq!(shown[2], json!(false), "nothing has moved");
        page.pick(&file).await;
        holds(&server, 3, HELD).await;
        page.press("pause").await;
        // How many a server takes whose proxy holds the rest is the engine's affair.
        let held = wait::until("some of eighty are shown to be there", SOON, async || {
            let counts = browser.run(SHOWN, &[]).await[0].clone();
            let counts: Vec<u64> = serde_json::from_value(counts).unwrap();
            (counts[1] == 0 && counts[2] >= 1 && counts.iter().sum::<u64>() == 80)
                .then_some(counts[2])
        })
        .await;
        let label = browser.run(SHOWN, &[]).await[1].clone();
        assert_eq!(
            label,
            json!(format!("{held} of 80 chunks are on the server, 0 are on their way"))
        );
        proxy.release();
        page.press("resume").await;
        page.comes_to(&["done"], UPLOAD).await;
        wait::until("all of it is shown to be there", SOON, async || {
            let counts = browser.run(SHOWN, &[]).await[0].clone();
            let counts: Vec<u64> = serde_json::from_value(counts).unwrap();
            (counts[..2] == [0, 0] && counts.iter().sum::<u64>() == 80).then_some(())
        })
        .await;
        assert_eq!(browser.run(SHOWN, &[]).await[2], json!(true), "it stays as it was");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_chunks_are_drawn_as_they_change() {
    // Stands for an upload whose chunks arrive in five seconds.
    const MOVE: &str = r#"
        const chunks = new Uint8Array(10_000);
        const source = Object.assign(document.createElement('div'), { id: 'source', chunks: () => chunks.slice() });
        document.body.append(source);
        const map = document.querySelector('longhaul-map');
        map.setAttribute('for', 'source');
        const frames = [];
        const begun = performance.now();
        await new Promise((resolve) => requestAnimationFrame(function frame(now) {
            frames.push(now);
            const at = Math.floor((now - begun) / 5000 * chunks.length);
            if (at >= chunks.length) return resolve();
            chunks.fill(2, 0, Math.max(0, at));
            chunks.fill(1, Math.max(0, at), at + 6);
            const detail = { id: 1, rate: 1e8 };
            source.dispatchEvent(new CustomEvent('longhaul-progress', { detail }));
            source.dispatchEvent(new CustomEvent('longhaul-total', { detail }));
            requestAnimationFrame(frame);
        }));
        chunks.fill(2);
        source.dispatchEvent(new CustomEvent('longhaul-progress', { detail: { id: 1, rate: 1e8 } }));
        await new Promise((resolve) => setTimeout(resolve, 300));
        return frames.length / ((frames.at(-1) - frames[0]) / 1000);
    "#;
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        let rate = browser.run_async(MOVE, &[]).await;
        println!("{rate} frames a second with 10,000 chunks");
        let shown = browser.run(SHOWN, &[]).await;
        assert_eq!(shown[1], "10,000 of 10,000 chunks are on the server, 0 are on their way");
    })
    .await;
}
