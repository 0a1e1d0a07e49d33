//! Measures what a person waits for, in a real browser on this machine, and prints it.
//!
//! `cargo run --release -p longhaul-tests --bin measure [first-chunk] [rate]`, on a machine that does
//! nothing else. It wants 21 GiB of free disk: the server reserves a file's space when its upload
//! begins.
#![allow(clippy::expect_used, clippy::panic, reason = "a measurement that fails has no result")]

use std::time::{Duration, Instant};

use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::files::{Folder, GIB, MIB};
use longhaul_tests::memory::Memory;
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};

/// Often enough that a figure's spread shows.
const REPEATS: usize = 5;

#[tokio::main]
async fn main() {
    let named: Vec<_> = std::env::args().skip(1).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|given| given == name);
    for engine in Engine::wanted() {
        println!("{engine:?}");
        if wanted("first-chunk") {
            first_chunk(engine).await;
        }
        if wanted("rate") {
            rate_and_memory(engine).await;
        }
    }
}

async fn first_chunk(engine: Engine) {
    let (folder, browser) = (Folder::new(), Browser::start(engine).await);
    for len in [MIB, 64 * MIB, GIB, 20 * GIB] {
        let file = folder.sparse(&format!("{len}.bin"), len);
        let mut waits = Vec::new();
        for _ in 0..REPEATS {
            let server = Server::start(Options::demo()).await;
            let proxy = Proxy::start(server.addr(), Hold::AfterChunks(0)).await;
            let page = Page::open(&browser, &proxy.origin()).await;
            page.pick(&file).await;
            waits.push(page.first_chunk_ms(&proxy).await.round());
            page.press("cancel").await;
            page.comes_to(&["cancelled"], SOON).await;
        }
        println!("  {:>6} MiB: the first chunk left after {waits:?} ms", len / MIB);
    }
    browser.close().await;
}

async fn rate_and_memory(engine: Engine) {
    let folder = Folder::new();
    for (seed, len) in [(1, 64 * MIB), (2, GIB), (3, 4 * GIB)] {
        let file = folder.random(&format!("{len}.bin"), len, seed);
        let (server, browser) =
            (Server::start(Options::demo()).await, Browser::start(engine).await);
        let page = Page::open(&browser, &server.origin()).await;
        let mut peak = Memory::default();
        let began = Instant::now();
        page.pick(&file).await;
        loop {
            peak = peak.max(browser.memory());
            match page.last_row().await.map(|row| row.state).as_deref() {
                Some("done") => break,
                Some("failed") => panic!("{:?}", page.last_row().await),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let rate = (len / MIB) as f64 / seconds;
        println!("  {:>6} MiB: {seconds:.1} s, {rate:.0} MiB/s, at most {peak}", len / MIB);
        browser.close().await;
    }
}
