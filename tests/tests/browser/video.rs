//! A film that is watched from the server: what is sought is fetched by range, also before the upload ends.

use bytes::Bytes;
use longhaul_protocol::wire::{CreateRequest, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Plan};
use longhaul_tests::api::{Api, chunk_headers, chunk_of, create_request};
use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::MIB;
use longhaul_tests::page::SOON;
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;
use longhaul_tests::wait;
use serde_json::{Value, json};

/// A minute of VP8, ten clusters of six seconds, with an index at its beginning. Before each cluster stands the
/// head of an element that is to be skipped and is left out here: with it the file is too long to be
/// fetched at once.
const FILM: &[u8] = include_bytes!("video/film.webm.part");
/// An element `Void` of 4 MiB: its id, and its length in eight bytes.
const VOID: [u8; 9] = [0xec, 1, 0, 0, 0, 0, 0x40, 0, 0];
const VOID_LEN: usize = 4 << 20;

fn film() -> Bytes {
    let mut film = Vec::new();
    let mut rest = FILM;
    while let Some(at) = rest.windows(VOID.len()).position(|bytes| bytes == VOID) {
        let (before, after) = rest.split_at(at + VOID.len());
        film.extend_from_slice(before);
        film.resize(film.len() + VOID_LEN, 0);
        rest = after;
    }
    film.extend_from_slice(rest);
    assert!(film.len() as u64 > 40 * MIB, "{}", film.len());
    film.into()
}

fn create(film: &Bytes) -> CreateRequest {
    let mut create = create_request("film.webm", film.len() as u64);
    create.meta.media_type = "video/webm".to_owned();
    create
}

const WATCH: &str = r#"
    window.told = [];
    const video = window.video = document.createElement('video');
    for (const kind of ['loadedmetadata', 'seeked', 'error'])
        video.addEventListener(kind, () => told.push({ kind, at: video.currentTime, error: video.error?.message ?? null }));
    Object.assign(video, { muted: true, preload: 'auto', src: arguments[0] });
    document.body.replaceChildren(video);
"#;

async fn told(browser: &Browser, kind: &str) -> Value {
    let what = format!("the video is {kind}");
    wait::until(&what, SOON, async || {
        let told = browser.run("return window.told", &[]).await;
        let told = told.as_array().unwrap();
        assert!(told.iter().all(|told| told["kind"] != json!("error")), "{told:?}");
        told.iter().find(|told| told["kind"] == json!(kind)).cloned()
    })
    .await
}

async fn seeks(browser: &Browser, to: f64) {
    let seek = "window.told = []; window.video.currentTime = arguments[0]";
    browser.run(seek, &[json!(to)]).await;
}

async fn has_sought(browser: &Browser, to: f64) {
    let at = told(browser, "seeked").await["at"].as_f64().unwrap();
    assert!((at - to).abs() < 0.3, "{at} instead of {to}");
}

/// Debian's `WebKitGTK` plays what `GStreamer`'s plugins can, which are packages of their own.
async fn plays(browser: &Browser) -> bool {
    const ANSWER: &str =
        r#"return document.createElement('video').canPlayType('video/webm; codecs="vp8"')"#;
    let plays = browser.run(ANSWER, &[]).await != json!("");
    assert!(plays || browser.engine() == Engine::WebKit, "{:?} plays no VP8", browser.engine());
    if !plays {
        println!("SKIPPED in WebKit: no VP8 without gstreamer1.0-plugins-good");
    }
    plays
}

/// The first bytes of the ranges that were asked for of that path.
fn starts(proxy: &Proxy, path: &str) -> Vec<u64> {
    let start = |range: &str| range.strip_prefix("bytes=")?.split_once('-')?.0.parse().ok();
    let seen = proxy.seen().into_iter().filter(|seen| seen.path == path);
    seen.filter_map(|seen| start(seen.range.as_deref()?)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_seeks_by_ranges() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let film = film();
        let file = store(&server.api(), &create(&film), &film).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        if !plays(browser).await {
            return;
        }
        let path = path::file(file.id);
        browser.run(WATCH, &[json!(path)]).await;
        told(browser, "loadedmetadata").await;
        for (to, near) in [(50.0, 32 * MIB), (20.0, 12 * MIB)] {
            seeks(browser, to).await;
            has_sought(browser, to).await;
            let starts = starts(&proxy, &path);
            assert!(starts.iter().any(|start| *start >= near), "{to}: {starts:?}");
        }
        // Those that the browser has left are logged too, as what they were answered with.
        let partial = server.requests().into_iter().filter(|request| request.path == path);
        assert!(partial.into_iter().any(|request| request.status == Some(206)));
        server.assert_no_fault();
    })
    .await;
}

async fn send(api: &Api, upload: &UploadStatus, film: &Bytes, plan: Plan, chunks: &[u64]) {
    for &index in chunks {
        let bytes = chunk_of(film, plan, ChunkIndex(index));
        let sent = api.chunk(upload.id, chunk_headers(index, &bytes), bytes).await;
        assert_eq!(sent.unwrap().status, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_seeks_in_what_is_still_being_uploaded_and_waits_for_what_has_not_come() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let (api, film) = (server.api(), film());
        let request = CreateRequest { chunk_size: Some(MIB), ..create(&film) };
        let upload: UploadStatus = api.post(path::UPLOADS, &request).await.unwrap().json();
        let plan = upload.plan().unwrap();
        // The clusters of 18 to 36 seconds have not come.
        let (late, there): (Vec<u64>, Vec<u64>) =
            (0..plan.chunk_count()).partition(|chunk| (14..22).contains(chunk));
        send(&api, &upload, &film, plan, &there).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        browser.open(&proxy.origin()).await;
        if !plays(browser).await {
            return;
        }
        let path = path::content(upload.id);
        browser.run(WATCH, &[json!(path)]).await;
        told(browser, "loadedmetadata").await;
        seeks(browser, 50.0).await;
        has_sought(browser, 50.0).await;
        seeks(browser, 27.0).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(
            browser.run("return window.told", &[]).await,
            json!([]),
            "of bytes that are not there"
        );
        send(&api, &upload, &film, plan, &late).await;
        has_sought(browser, 27.0).await;
        let starts = starts(&proxy, &path);
        assert!(starts.iter().any(|start| *start >= 32 * MIB), "{starts:?}");
        server.assert_no_fault();
    })
    .await;
}
