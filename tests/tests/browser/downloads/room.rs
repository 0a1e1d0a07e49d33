//! No room for what is downloaded: told in words, and gone on with once there is.

use longhaul_protocol::wire::{FileInfo, path};
use longhaul_tests::browser::{Browser, Engine, Setup};
use longhaul_tests::files::MIB;
use longhaul_tests::proxy::{Hold, Lines, Proxy};
use longhaul_tests::server::Server;
use serde_json::json;

use super::{CHUNK, Downloading, address, slow, stored};

/// What the page's site is given, bytes.
const QUOTA: u64 = 64 * MIB;
/// What something else of the site takes of it.
const FILLED: u64 = 50 * MIB;
/// Firefox gives a site a fifth of what it has for all; it reads that once, from a profile, in KiB.
const FIREFOX: Setup = Setup {
    on_screen: false,
    prefs: &[(FIREFOX_LIMIT, 5 * QUOTA / 1024)],
    disk_bytes: None,
    chromium_args: &[],
};
const FIREFOX_LIMIT: &str = "dom.quotaManager.temporaryStorage.fixedLimit";
/// A disk of which Firefox does not know how small it is, with room for its profile.
const SMALL: Setup = Setup {
    on_screen: false,
    prefs: &[(FIREFOX_LIMIT, 16 * 1024 * 1024)],
    disk_bytes: Some(256 * MIB),
    chromium_args: &[],
};

const FILL: &str = r#"
    const root = await navigator.storage.getDirectory();
    const writable = await (await root.getFileHandle('of something else', { create: true })).createWritable();
    await writable.write(new Uint8Array(args[0]));
    await writable.close();
"#;

/// Whether more than that is refused.
const REFUSES: &str = r#"
    const root = await navigator.storage.getDirectory();
    const writable = await (await root.getFileHandle('too much', { create: true })).createWritable();
    try {
        await writable.truncate(args[0]);
        await writable.close();
        return false;
    } catch {
        return true;
    } finally {
        await root.removeEntry('too much');
    }
"#;

const MAKE_ROOM: &str = r#"
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('of something else');
"#;

/// Runs a test in a page of a site whose storage is nearly full.
async fn where_it_is_filled(origin: &str, test: impl AsyncFn(&Browser)) {
    for engine in Engine::wanted().into_iter().filter(|engine| *engine != Engine::WebKit) {
        eprintln!("in {engine:?}");
        let browser = Browser::start_with(engine, &FIREFOX).await;
        browser.open(origin).await;
        if engine == Engine::Chromium {
            let quota = json!({ "origin": origin, "quotaSize": QUOTA });
            browser.devtools("Storage.overrideQuotaForOrigin", quota).await;
        }
        browser.run_async(FILL, &[json!(FILLED)]).await;
        test(&browser).await;
        browser.close().await;
    }
}

/// What is told of a download that has failed for want of room.
async fn told(download: &Downloading<'_>) {
    download.comes_to(&["failed"]).await;
    let told = download.last("error").await.unwrap();
    assert_eq!(told["code"], json!("full"), "{told}");
    let words = format!("{} {}", told["message"], told["advice"]);
    assert!(words.contains("no room") && words.contains("make some"), "{told}");
}

/// Makes room, and has it go on to its end.
async fn goes_on_with_room(browser: &Browser, download: &Downloading<'_>, file: &FileInfo) {
    browser.run_async(MAKE_ROOM, &[]).await;
    download.does("resume").await;
    download.arrives_as(file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_without_room_is_told_before_a_byte_is_asked_for_and_used_once_there_is() {
    let (server, file) = stored(24 * CHUNK, 111).await;
    where_it_is_filled(&server.origin(), async |browser| {
        let download = Downloading::begin(browser, &address(&server.origin(), &file)).await;
        told(&download).await;
        assert!(!download.has_been("downloading").await);
        goes_on_with_room(browser, &download, &file).await;
    })
    .await;
}

/// All of its room is taken before its first byte.
#[tokio::test(flavor = "multi_thread")]
async fn who_fills_the_storage_in_the_middle_of_a_download_takes_nothing_from_it() {
    let (server, file) = stored(24 * CHUNK, 113).await;
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    where_it_is_filled(&proxy.origin(), async |browser| {
        browser.run_async(MAKE_ROOM, &[]).await;
        slow(&proxy);
        let download = Downloading::begin(browser, &address(&proxy.origin(), &file)).await;
        download.holds(4 * CHUNK).await;
        // Chromium takes a power of two for it.
        browser.run_async(FILL, &[json!(QUOTA - file.size.next_power_of_two() - 8 * MIB)]).await;
        let missing = file.size - 4 * CHUNK;
        let refuses = browser.run_async(REFUSES, &[json!(missing)]).await;
        assert_eq!(refuses, json!(true), "there is room for what is missing");
        proxy.set_lines(Lines::default());
        download.arrives_as(&file).await;
    })
    .await;
}

/// What was written since a picked file was opened is gone with the write that failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_picked_file_for_which_there_is_no_room_is_looked_through_before_it_goes_on() {
    let (server, file) = stored(24 * CHUNK, 112).await;
    where_it_is_filled(&server.origin(), async |browser| {
        let url = address(&server.origin(), &file);
        let download = Downloading::begin_into_picked(browser, &url).await;
        told(&download).await;
        assert!(download.has_been("downloading").await, "some of it came");
        goes_on_with_room(browser, &download, &file).await;
    })
    .await;
}

/// Where Firefox keeps it no room is taken before it is written to; Chromium lets no site fill a disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_in_the_middle_of_a_download_is_told_and_costs_nothing_that_has_come() {
    if !Engine::wanted().contains(&Engine::Firefox) {
        return;
    }
    let (server, file) = stored(48 * CHUNK, 114).await;
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    let browser = Browser::start_with(Engine::Firefox, &SMALL).await;
    browser.open(&proxy.origin()).await;
    slow(&proxy);
    let download = Downloading::begin(&browser, &address(&proxy.origin(), &file)).await;
    download.holds(4 * CHUNK).await;
    browser.disk().fill();
    told(&download).await;
    let held = download.last("progress").await.unwrap()["acknowledged"].as_u64().unwrap();
    browser.disk().give_back();
    proxy.set_lines(Lines::default());
    let before = requests(&server, &file);
    download.does("resume").await;
    download.arrives_as(&file).await;
    let fetched = (requests(&server, &file) - before) as u64;
    println!("{held} bytes were held, {fetched} of {} chunks were fetched then", file.chunk_count);
    assert!(fetched <= file.chunk_count - held / CHUNK, "{fetched} chunks, and {held} bytes held");
    browser.close().await;
}

fn requests(server: &Server, file: &FileInfo) -> usize {
    server.requests().iter().filter(|request| request.path == path::file(file.id)).count()
}
