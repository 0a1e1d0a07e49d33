//! Files that a page downloads and verifies: by the client's `Downloader`, without the element.

pub(crate) mod element;
mod faults;
mod going_on;
mod liars;
mod memory;
mod picked;
mod room;

use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::Digest;
use longhaul_protocol::plan::CHUNK_LEN_SHORT;
use longhaul_protocol::wire::{CreateRequest, FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::files::random_bytes;
use longhaul_tests::proxy::{Harm, Line, Lines, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;
use longhaul_tests::wait;
use serde_json::{Value, json};

/// How long a few dozen megabytes may take on a busy machine, a wait after a fault included.
pub(crate) const DOWNLOAD: Duration = Duration::from_secs(90);
/// What a page asks for of a file that is not large.
pub(crate) const CHUNK: u64 = CHUNK_LEN_SHORT;

/// Begins with the file at that address, and keeps what is told of it.
const BEGIN: &str = r#"
    const [url, options, of] = args;
    // A browser without a screen has no picker; what it gives is a handle too.
    const root = await navigator.storage?.getDirectory?.();
    if (of.picked) of.handle = await root.getFileHandle(of.picked, { create: true });
    const { Downloader } = await import(new URL('/longhaul-downloader.js', location.href));
    window.told = [];
    window.downloader = new Downloader(options);
    for (const kind of ['state', 'file', 'progress', 'complete', 'error'])
        window.downloader.addEventListener(kind, ({ detail: { blob, ...detail } }) => {
            if (blob) window.blob = blob;
            window.told.push({ kind, detail });
        });
    return window.downloader.add(url, of);
"#;

/// What of the downloads of this page is left in the browser's own storage.
const LEFT: &str = r#"
    const root = await navigator.storage.getDirectory();
    const names = [];
    try {
        const folder = await root.getDirectoryHandle('longhaul-downloads');
        for await (const name of folder.keys()) names.push(name);
    } catch {}
    return names.sort();
"#;

const SHA256: &str = r#"
    const digest = await crypto.subtle.digest('SHA-256', await window.blob.arrayBuffer());
    return btoa(String.fromCharCode(...new Uint8Array(digest)));
"#;

/// A download in the page that is open.
#[derive(Clone, Copy)]
pub(crate) struct Downloading<'a> {
    browser: &'a Browser,
}

impl<'a> Downloading<'a> {
    /// Begins with the file at that address, in a page that has the client.
    pub(crate) async fn begin(browser: &'a Browser, url: &str) -> Self {
        Self::begin_with(browser, url, &json!({})).await
    }

    pub(crate) async fn begin_with(browser: &'a Browser, url: &str, options: &Value) -> Self {
        browser.run_async(BEGIN, &[json!(url), options.clone(), json!({})]).await;
        Self { browser }
    }

    /// Into a file that was picked.
    pub(crate) async fn begin_into_picked(browser: &'a Browser, url: &str) -> Self {
        let of = json!({ "picked": "picked.bin" });
        browser.run_async(BEGIN, &[json!(url), json!({}), of]).await;
        Self { browser }
    }

    /// Waits until it is in one of these states.
    pub(crate) async fn comes_to(&self, states: &[&str]) -> Value {
        let ends = ["done", "failed", "cancelled"];
        let what = format!("the download is {}", states.join(" or "));
        wait::until(&what, DOWNLOAD, async || {
            let state = self.last("state").await?;
            let word = state["state"].as_str().unwrap_or_default().to_owned();
            if states.contains(&word.as_str()) {
                return Some(state);
            }
            assert!(!ends.contains(&word.as_str()), "instead of {states:?}: {state}");
            None
        })
        .await
    }

    /// Waits until it is done, and compares it with what the server has.
    pub(crate) async fn arrives_as(&self, file: &FileInfo) {
        self.comes_to(&["done"]).await;
        assert_eq!(Some(self.sha256().await), file.sha256);
    }

    /// Waits until so many bytes are verified and written.
    pub(crate) async fn holds(&self, bytes: u64) -> u64 {
        wait::until(&format!("{bytes} bytes are held"), DOWNLOAD, async || {
            let progress = self.last("progress").await?;
            progress["acknowledged"].as_u64().filter(|held| *held >= bytes)
        })
        .await
    }

    /// The last thing of that kind that was told.
    pub(crate) async fn last(&self, kind: &str) -> Option<Value> {
        const LAST: &str =
            "return window.told?.findLast(told => told.kind === arguments[0])?.detail ?? null";
        let last = self.browser.run(LAST, &[json!(kind)]).await;
        Some(last).filter(|last| !last.is_null())
    }

    /// Whether it has ever been in that state.
    pub(crate) async fn has_been(&self, state: &str) -> bool {
        let was = "return window.told.some(told => told.kind === 'state' && told.detail.state === arguments[0])";
        self.browser.run(was, &[json!(state)]).await == json!(true)
    }

    /// Has the page do something with it: `pause`, `resume`, `cancel`.
    pub(crate) async fn does(&self, what: &str) {
        self.browser.run("window.downloader[arguments[0]](1)", &[json!(what)]).await;
    }

    /// The SHA-256 of what it has become.
    pub(crate) async fn sha256(&self) -> Digest {
        let told = self.browser.run_async(SHA256, &[]).await;
        Digest::from_base64(told.as_str().unwrap()).unwrap()
    }

    /// What of downloads is left in the browser's own storage.
    pub(crate) async fn left(&self) -> Value {
        self.browser.run_async(LEFT, &[]).await
    }
}

/// Runs a test in every engine that is wanted and keeps files for pages; WebKitGTK does not.
pub(crate) async fn where_files_are_kept(test: impl AsyncFn(&Browser)) {
    for engine in Engine::wanted().into_iter().filter(|engine| *engine != Engine::WebKit) {
        eprintln!("in {engine:?}");
        let browser = Browser::start(engine).await;
        test(&browser).await;
        browser.close().await;
    }
}

/// A server with a file of so many random bytes, in chunks as a page asks for.
pub(crate) async fn stored(len: u64, seed: u64) -> (Server, FileInfo) {
    stored_in(Some(CHUNK), len, seed).await
}

/// In chunks of that size; of the server's own choice if none is given.
pub(crate) async fn stored_in(chunk_size: Option<u64>, len: u64, seed: u64) -> (Server, FileInfo) {
    let server = Server::start(Options::demo()).await;
    let bytes = Bytes::from(random_bytes(len, seed));
    let create = CreateRequest { chunk_size, ..create_request("stored.bin", len) };
    let file = store(&server.api(), &create, &bytes).await;
    (server, file)
}

/// The file's address at that origin.
pub(crate) fn address(origin: &str, file: &FileInfo) -> String {
    format!("{origin}{}", path::file(file.id))
}

/// Each connection brings a chunk a second from now on.
pub(crate) fn slow(proxy: &Proxy) {
    let down = Line { bytes_per_second: Some(CHUNK), ..Line::default() };
    proxy.set_lines(Lines { down, ..Lines::default() });
    // Those that brought the page stay as they are.
    proxy.harm_all(Harm::Close);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_with_the_bytes_that_the_server_has() {
    where_files_are_kept(async |browser| {
        for (len, seed) in [(24 * CHUNK + 17, 61), (CHUNK, 62), (1, 63)] {
            let (server, file) = stored(len, seed).await;
            browser.open(&server.origin()).await;
            let download = Downloading::begin(browser, &address(&server.origin(), &file)).await;
            download.arrives_as(&file).await;
            let told = download.last("file").await.unwrap();
            assert_eq!((&told["name"], &told["id"]), (&json!("stored.bin"), &json!(1)));
            server.assert_no_fault();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_keeps_no_files_says_so_and_fetches_nothing() {
    for engine in Engine::wanted().into_iter().filter(|engine| *engine == Engine::WebKit) {
        let browser = Browser::start(engine).await;
        let (server, file) = stored(CHUNK, 68).await;
        browser.open(&server.origin()).await;
        let download = Downloading::begin(&browser, &address(&server.origin(), &file)).await;
        download.comes_to(&["failed"]).await;
        let told = download.last("error").await.unwrap();
        assert_eq!(told["code"], json!("unable"), "{told}");
        assert!(told["advice"].as_str().unwrap().contains("plain link"), "{told}");
        const HINDRANCE: &str =
            "return (await import(new URL('/longhaul-downloader.js', location.href))).hindrance()";
        let why = browser.run_async(HINDRANCE, &[]).await;
        assert_eq!(why, json!("this browser keeps no files for pages"));
        let path = path::file(file.id);
        assert!(server.requests().iter().all(|request| request.path != path), "it was fetched");
        browser.close().await;
    }
}
