//! A page's memory does not grow with what it downloads: by what its processes take of the machine, and in Chromium
//! by what the browser says that the page's JavaScript and wasm have.

#![allow(clippy::cast_possible_truncation, reason = "it is run on 64-bit machines")]

use std::time::{Duration, Instant};

use longhaul_protocol::Digest;
use longhaul_tests::artefacts;
use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::files::{GIB, MIB, random_bytes};
use longhaul_tests::memory::Memory;
use longhaul_tests::proxy::{Fault, Harm, Hold, Proxy, Way};
use longhaul_tests::site::Site;
use serde_json::json;
use tokio::time::sleep;

use super::{Downloading, address, stored_in, where_files_are_kept};

/// What the processes of a page that downloads may take beyond what they take while it rests: its buffers
/// are 64 MiB of that at most.
const PAGE_MAX: u64 = 150 * MIB;

/// The same where bytes are damaged and the page is loaded again midway, whose memory is given back late:
/// much less than comes.
const TROUBLED_MAX: u64 = 300 * MIB;
/// How much of it is hashed at once to compare it.
const PIECE: u64 = 64 * MIB;

/// What JavaScript and wasm of the page and its worker may have, buffers included: these are 64 MiB at most.
const SCRIPTS_MAX: u64 = 150 * MIB;
/// Longer is a download that stands still.
const PATIENCE: Duration = Duration::from_secs(300);
/// Only a page that nobody else's can look into is told of its memory.
const ISOLATED: [(&str, &str); 2] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
];
const MEASURE: &str = "return (await performance.measureUserAgentSpecificMemory()).bytes";

const PIECE_SHA256: &str = r#"
    const [start, end] = args;
    const digest = await crypto.subtle.digest('SHA-256', await window.blob.slice(start, end).arrayBuffer());
    return btoa(String.fromCharCode(...new Uint8Array(digest)));
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: cargo xtask soak"]
async fn two_gibibytes_take_less_than_150_mebibytes_of_a_pages_memory() {
    takes_less_than_its_share(2 * GIB, 81).await;
}

/// More than the bound: a page that keeps what comes is caught.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_mebibytes_take_less_than_150_of_a_pages_memory() {
    takes_less_than_its_share(208 * MIB, 82).await;
}

async fn takes_less_than_its_share(len: u64, seed: u64) {
    where_files_are_kept(async |browser| {
        let (server, file) = stored_in(None, len, seed).await;
        browser.open(&server.origin()).await;
        sleep(Duration::from_secs(2)).await;
        let (rests, begun) = (browser.memory(), Instant::now());
        let download = Downloading::begin(browser, &address(&server.origin(), &file)).await;
        let peak = peak_until(&download, browser, len).await;
        let took = begun.elapsed();
        println!("{:?}, {len} bytes: {rests} before, at most {peak}; {took:?}", browser.engine());
        assert_came(browser, len, seed).await;
        assert!(peak.pages < rests.pages + PAGE_MAX, "{peak} against {rests}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: cargo xtask soak"]
async fn two_gibibytes_come_whole_though_a_bit_is_turned_and_the_page_is_loaded_again_midway() {
    let (len, seed) = (2 * GIB, 85);
    where_files_are_kept(async |browser| {
        let (server, file) = stored_in(None, len, seed).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        browser.run_async("await import('/longhaul-fetch.js').then(it => it.default())", &[]).await;
        sleep(Duration::from_secs(2)).await;
        let rests = browser.memory();
        proxy.add(Fault::once(Way::Down, 100 * MIB, Harm::Corrupt));
        let url = address(&proxy.origin(), &file);
        let download = Downloading::begin(browser, &url).await;
        let first = peak_until(&download, browser, GIB).await;
        assert!(download.has_been("waiting").await, "nothing was noticed");
        browser.client().refresh().await.unwrap();
        let download = Downloading::begin(browser, &url).await;
        let peak = first.max(peak_until(&download, browser, len).await);
        let reused = download.last("progress").await.unwrap()["reused"].as_u64().unwrap();
        println!("{:?}: {rests} before, at most {peak}; {reused} bytes reused", browser.engine());
        assert!(peak.pages < rests.pages + TROUBLED_MAX, "{peak} against {rests}");
        assert!(reused > GIB / 2, "only {reused} bytes were there after the reload");
        assert_came(browser, len, seed).await;
    })
    .await;
}

/// The most that the browser's processes take until so many bytes are held; until it is over if that is all.
async fn peak_until(download: &Downloading<'_>, browser: &Browser, held: u64) -> Memory {
    let (mut peak, begun) = (browser.memory(), Instant::now());
    loop {
        peak = peak.max(browser.memory());
        let progress = download.last("progress").await.unwrap_or_default();
        let holds = progress["acknowledged"].as_u64().is_some_and(|bytes| bytes >= held);
        if holds && (Some(held) < progress["total"].as_u64() || is_over(download).await) {
            return peak;
        }
        let state = download.last("state").await;
        assert!(begun.elapsed() < PATIENCE, "{state:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn is_over(download: &Downloading<'_>) -> bool {
    download.last("complete").await.is_some()
}

/// Compares what has come with the bytes of that seed.
async fn assert_came(browser: &Browser, len: u64, seed: u64) {
    let bytes = random_bytes(len, seed);
    for (at, piece) in (0..).step_by(PIECE as usize).zip(bytes.chunks(PIECE as usize)) {
        let told = browser.run_async(PIECE_SHA256, &[json!(at), json!(at + PIECE)]).await;
        assert_eq!(told, json!(Digest::of(piece).to_base64()), "from byte {at} on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_mebibytes_take_less_than_150_of_a_pages_scripts() {
    scripts_take_less_than_their_share(208 * MIB, 83).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: cargo xtask soak"]
async fn two_gibibytes_take_less_than_150_mebibytes_of_a_pages_scripts() {
    scripts_take_less_than_their_share(2 * GIB, 84).await;
}

/// Only Chromium tells a page.
async fn scripts_take_less_than_their_share(len: u64, seed: u64) {
    if !Engine::wanted().contains(&Engine::Chromium) {
        return;
    }
    let browser = Browser::start(Engine::Chromium).await;
    let (server, file) = stored_in(None, len, seed).await;
    let site = Site::start(&artefacts::dist(), &ISOLATED, Some(server.addr())).await;
    browser.open(&site.origin()).await;
    let download = Downloading::begin(&browser, &address(&site.origin(), &file)).await;
    let (mut most, mut looks, begun) = (0, 0, Instant::now());
    while !is_over(&download).await {
        most = most.max(browser.run_async(MEASURE, &[]).await.as_u64().unwrap());
        looks += 1;
        let state = download.last("state").await;
        assert!(state.as_ref().is_none_or(|state| state["state"] != json!("failed")), "{state:?}");
        assert!(begun.elapsed() < PATIENCE, "{state:?}");
    }
    println!("{len} bytes: at most {} MiB, looked at {looks} times", most / MIB);
    assert!(looks > 3 && most > 0, "nobody looked");
    assert!(most < SCRIPTS_MAX, "{most} bytes");
    browser.close().await;
}
