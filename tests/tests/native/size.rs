//! What a browser has to fetch before it can upload, and before it can download.

use std::fs;

use longhaul_tests::artefacts;

/// The wasm, its glue and the worker's script, bytes, as a server sends them that compresses with
/// brotli. A page loads them before the first file can be picked.
const CLIENT_BYTES_MAX: u64 = 90 * 1024;
const CLIENT: [&str; 3] = ["longhaul_bg.wasm", "longhaul.js", "longhaul-lane.js"];

/// The same of what downloads, which a page that uploads never loads: a worker does, when a download
/// begins.
const DOWNLOADER_BYTES_MAX: u64 = 66 * 1024;
const DOWNLOADER: [&str; 4] = [
    "longhaul-fetch_bg.wasm",
    "longhaul-fetch.js",
    "longhaul-download-worker.js",
    "longhaul-downloader.js",
];

#[test]
fn the_client_stays_small() {
    stays_within(CLIENT_BYTES_MAX, &CLIENT);
}

#[test]
fn what_downloads_stays_small() {
    stays_within(DOWNLOADER_BYTES_MAX, &DOWNLOADER);
}

fn stays_within(max: u64, names: &[&str]) {
    let size = |name: &&str| compressed(&fs::read(artefacts::dist().join(name)).unwrap());
    let sizes: Vec<_> = names.iter().map(|name| (name, size(name))).collect();
    let all: u64 = sizes.iter().map(|(_, size)| size).sum();
    println!("{all} bytes after brotli: {sizes:?}");
    assert!(all <= max, "{all} bytes after brotli, more than {max}: {sizes:?}");
}

/// By the parameters of `brotli -q 11 -w 24`, which whoever compresses once can afford.
fn compressed(bytes: &[u8]) -> u64 {
    let parameters =
        brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters).unwrap() as u64
}
