//! How soon a file's first chunk leaves the page, and how much memory the page takes, whatever the
//! file's length.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::files::Folder;
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::site::Site;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{Bench, Setup};
use crate::browser::Tab;
use crate::disk;
use crate::error::{Error, Result, io};
use crate::peers::longhaul::Longhaul;
use crate::report::{Report, Table, median_and_ends};
use crate::sparse::SparseDisk;

pub(super) const BENCH: Bench = Bench {
    name: "first-chunk",
    about: "the first chunk of 10 MiB and of 100 GiB, and the memory of their page; as root only",
    run,
};

/// The files, bytes: without a byte on the disk that they lie on.
const LENGTHS: [u64; 2] = [10 << 20, 100 << 30];
/// What the owner has of whose chunks the server is asked, bytes; and what it is made of.
const OTHER_LEN: u64 = 1 << 20;
const SEED: u64 = 4;
/// How often each is picked.
const ROUNDS: usize = 10;
/// The same with `--quick`.
const QUICK_ROUNDS: usize = 3;
/// How much larger than the longest file the server's disk is, bytes.
const SPARE: u64 = 8 << 30;
/// How long an upload is looked at, or to its end.
const WATCHED: Duration = Duration::from_secs(20);
/// What an upload may leave on the real disk meanwhile, bytes.
const WRITTEN_MAX: u64 = 4 << 30;
/// What the first chunk is to take at most, milliseconds.
const SOON_MS: f64 = 150.0;
/// What the page is to take at most, MiB: the 64 of the buffers, and nearly as much again.
const MEMORY_MAX_MIB: f64 = 120.0;
const MIB: f64 = (1u64 << 20) as f64;

/// Only a page that nobody else's can look into is told of its memory.
const ISOLATED: [(&str, &str); 2] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
];
/// All that the page's JavaScript and wasm have, workers and buffers included, bytes (HTML, "measure
/// memory").
const MEMORY: &str = "return (await performance.measureUserAgentSpecificMemory()).bytes";

struct Ground<'a> {
    longhaul: &'a Longhaul,
    site: &'a Path,
    sparse: &'a SparseDisk,
    blobs: &'a Path,
}

fn run(setup: &Setup) -> Result<Report> {
    disk::check_room(&setup.dir, WRITTEN_MAX)?;
    let longest = LENGTHS.into_iter().max().unwrap_or(0);
    let sparse = SparseDisk::new(&setup.dir, longest + SPARE)?;
    let rounds = setup.pick(ROUNDS, QUICK_ROUNDS);
    let runtime = Runtime::new().map_err(io("starting a runtime for the browser"))?;
    let store = sparse.dir().join("longhaul");
    // What is all zeroes would be known once 10 MiB of it were a file.
    let longhaul = start(setup, &store, "off")?;
    let blobs = store.join("blobs");
    let ground = Ground { longhaul: &longhaul, site: &setup.site, sparse: &sparse, blobs: &blobs };
    let (mut report, mut table) = runtime.block_on(measure(&ground, rounds))?;
    drop(longhaul);
    let longhaul = start(setup, &store, "owner")?;
    let asked = runtime.block_on(asked_about(&longhaul, rounds));
    drop(longhaul);
    let name = format!("{longest} bytes, asked about");
    report.record(&name, "first chunk", "ms", &asked);
    table.row([
        format!("{}, asked about", longest >> 20),
        median_and_ends(&asked, 0),
        below(&asked, SOON_MS),
        String::new(),
        String::new(),
        rounds.to_string(),
    ]);
    report.table(&table);
    Ok(report)
}

fn start(setup: &Setup, store: &Path, reuse: &str) -> Result<Longhaul> {
    disk::fresh_dir(store)?;
    let mut command = Command::new(&setup.longhaul);
    command.args(["--listen", "127.0.0.1:0", "--log", "warn", "--reuse", reuse, "--www"]);
    Longhaul::go_on_by(command.arg(&setup.site), store)
}

/// Milliseconds for the longest file, of an owner who has another file: his server may have each chunk.
async fn asked_about(longhaul: &Longhaul, rounds: usize) -> Vec<f64> {
    let folder = Folder::new();
    let browser = Browser::start(Engine::Chromium).await;
    let page = Page::open(&browser, &format!("http://{}/", longhaul.server().address())).await;
    page.pick(&folder.random("other.bin", OTHER_LEN, SEED)).await;
    page.comes_to(&["done"], SOON).await;
    browser.close().await;
    let longest = LENGTHS.into_iter().max().unwrap_or(0);
    let file = folder.sparse("asked-about.bin", longest);
    let mut waits = Vec::new();
    for round in 0..rounds {
        waits.push(first_chunk(longhaul, &file).await);
        eprintln!("{longest} bytes, asked about, round {round}: {:?} ms", waits.last());
    }
    waits
}

async fn measure(ground: &Ground<'_>, rounds: usize) -> Result<(Report, Table)> {
    let mut report = Report::new(BENCH.name);
    report.say(format!(
        "{}, a new page each time. First chunk: from the pick to where a proxy sees the first byte of its request, \
         milliseconds. Memory: the most that `performance.measureUserAgentSpecificMemory` tells of the page and its \
         workers, JavaScript, buffers and wasm, over {} s of the upload. The files are sparse, and so is the ext4 that \
         the server writes to; reuse is off, so that all is sent. Asked about: with reuse, of an owner who has another file, so that each first chunk \
         waits for the answer whether the server has it.",
        Tab::version()?,
        WATCHED.as_secs()
    ));
    let columns = ["file, MiB", "first chunk, ms", "goal", "memory, MiB", "goal", "times"];
    let mut table = Table::new(&columns);
    let folder = Folder::new();
    for len in LENGTHS {
        let file = folder.sparse(&format!("{len}.bin"), len);
        let (mut waits, mut memory) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            waits.push(first_chunk(ground.longhaul, &file).await);
            memory.push(most_memory(ground, &file).await? / MIB);
            eprintln!("{len} bytes, round {round}: {:?} ms, {:?} MiB", waits.last(), memory.last());
        }
        report.record(&format!("{len} bytes"), "first chunk", "ms", &waits);
        report.record(&format!("{len} bytes"), "memory", "MiB", &memory);
        table.row([
            (len >> 20).to_string(),
            median_and_ends(&waits, 0),
            below(&waits, SOON_MS),
            median_and_ends(&memory, 0),
            below(&memory, MEMORY_MAX_MIB),
            rounds.to_string(),
        ]);
    }
    Ok((report, table))
}

fn below(values: &[f64], most: f64) -> String {
    let reached = values.iter().all(|value| *value < most);
    format!("< {most}: {}", if reached { "reached" } else { "missed" })
}

/// Milliseconds.
async fn first_chunk(longhaul: &Longhaul, file: &Path) -> f64 {
    let browser = Browser::start(Engine::Chromium).await;
    let proxy = Proxy::start(longhaul.server().address(), Hold::AfterChunks(0)).await;
    let page = Page::open(&browser, &proxy.origin()).await;
    page.is_loaded().await;
    page.pick(file).await;
    let ms = page.first_chunk_ms(&proxy).await;
    give_up(&page).await;
    browser.close().await;
    ms
}

/// Bytes.
async fn most_memory(ground: &Ground<'_>, file: &Path) -> Result<f64> {
    let browser = Browser::start(Engine::Chromium).await;
    let api = Some(ground.longhaul.server().address());
    let site = Site::start(ground.site, &ISOLATED, api).await;
    let page = Page::open(&browser, &site.origin()).await;
    page.is_loaded().await;
    let since = Instant::now();
    page.pick(file).await;
    let mut most = 0.0;
    loop {
        let told = browser.run_async(MEMORY, &[]).await;
        most = told.as_f64().ok_or_else(|| untold(&told))?.max(most);
        ground.sparse.take_away(ground.blobs)?;
        let is_done = page.last_row().await.is_some_and(|row| row.state == "done");
        if is_done || since.elapsed() > WATCHED {
            break;
        }
    }
    give_up(&page).await;
    browser.close().await;
    Ok(most)
}

fn untold(told: &Value) -> Error {
    Error::Page { who: BENCH.name.to_owned(), reason: format!("its memory is {told}") }
}

/// Leaves the disk to the next.
async fn give_up(page: &Page<'_>) {
    if page.last_row().await.is_some_and(|row| row.state != "done") {
        page.press("cancel").await;
        page.comes_to(&["cancelled", "done"], SOON).await;
    }
}
