//! What a browser has to fetch before it can upload.

use std::fs;

use longhaul_tests::artefacts;

/// The wasm, its glue and the worker's script, bytes, as a server sends them that compresses with
/// brotli. A page loads them before the first file can be picked.
const CLIENT_BYTES_MAX: u64 = 90 * 1024;
const CLIENT: [&str; 3] = ["longhaul_bg.wasm", "longhaul.js", "longhaul-lane.js"];

#[test]
fn the_client_stays_small() {
    let sizes =
        CLIENT.map(|name| (name, compressed(&fs::read(artefacts::dist().join(name)).unwrap())));
    println!("after brotli: {sizes:?}");
    let all: u64 = sizes.iter().map(|(_, size)| size).sum();
    assert!(
        all <= CLIENT_BYTES_MAX,
        "{all} bytes after brotli, more than {CLIENT_BYTES_MAX}: {sizes:?}"
    );
}

/// By the parameters of `brotli -q 11 -w 24`, which whoever compresses once can afford.
fn compressed(bytes: &[u8]) -> u64 {
    let parameters =
        brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters).unwrap() as u64
}
