//! What a browser has to fetch before it can upload, and before it can download.

use std::fs;

use longhaul_tests::artefacts;
use longhaul_tests::imports::imports;

/// The wasm, its glue, the worker's script and what starts that, bytes, as a server sends them that compresses with
/// brotli. A page loads them before the first file can be picked.
const CLIENT_BYTES_MAX: u64 = 90 * 1024;
const CLIENT: [&str; 5] = [
    "longhaul_bg.wasm",
    "longhaul.js",
    "longhaul-lane.js",
    "longhaul-client.js",
    "longhaul-elsewhere.js",
];

/// What `<longhaul-upload>` adds to it.
const ELEMENT_BYTES_MAX: u64 = 15 * 1024;

/// The same of what downloads, which a page that uploads never loads: a worker does, when a download
/// begins.
const DOWNLOADER_BYTES_MAX: u64 = 66 * 1024;
const DOWNLOADER: [&str; 6] = [
    "longhaul-fetch_bg.wasm",
    "longhaul-fetch.js",
    "longhaul-download-worker.js",
    "longhaul-downloader.js",
    "longhaul-download-start.js",
    "longhaul-elsewhere.js",
];

#[test]
fn the_client_stays_small() {
    stays_within(CLIENT_BYTES_MAX, &CLIENT);
}

#[test]
fn what_downloads_stays_small() {
    stays_within(DOWNLOADER_BYTES_MAX, &DOWNLOADER);
}

#[test]
fn the_element_adds_little_to_the_client() {
    let scripts = imported("longhaul-upload.js");
    let added: Vec<_> =
        scripts.iter().map(String::as_str).filter(|name| !CLIENT.contains(name)).collect();
    assert!(added.contains(&"longhaul-row.js"), "what the element imports is not found: {added:?}");
    stays_within(ELEMENT_BYTES_MAX, &added);
}

/// A script, and what it imports, and what those do.
fn imported(first: &str) -> Vec<String> {
    let mut names = vec![first.to_owned()];
    let mut at = 0;
    while let Some(name) = names.get(at) {
        let text = fs::read_to_string(artefacts::dist().join(name)).unwrap();
        let new =
            imports(&text).into_iter().filter(|name| !names.iter().any(|known| known == name));
        let new: Vec<_> = new.map(str::to_owned).collect();
        names.extend(new);
        at += 1;
    }
    names
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
