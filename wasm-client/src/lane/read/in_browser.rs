use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::in_browser::file;

fn bytes(len: u32) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn buffer(bytes: &[u8]) -> ArrayBuffer {
    Uint8Array::from(bytes).buffer()
}

/// Around the windows in which the wasm hashes, and a length that is no multiple of anything.
const LENGTHS: [u32; 7] = [0, 1, 3, WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, 1_000_003];

#[wasm_bindgen_test]
async fn the_browser_and_the_wasm_hash_alike() {
    let subtle = subtle().expect("this page is a secure context");
    for len in LENGTHS {
        let bytes = bytes(len);
        let wanted = Digest::of(&bytes);
        assert_eq!(hash_by_browser(&subtle, &buffer(&bytes)).await, Ok(wanted), "{len} bytes");
        assert_eq!(hash_by_wasm(Hasher::default(), &Uint8Array::from(&bytes[..])), wanted, "{len}");
    }
}

#[wasm_bindgen_test]
async fn a_slice_is_read_to_the_byte() {
    let bytes = bytes(100_000);
    let file = file("slice", &bytes, 0.0);
    for range in [0..100_000usize, 0..0, 1..2, 99_999..100_000, 333..77_777] {
        let slice = read(&file, range.start as u64..range.end as u64, None)
            .await
            .expect("these bytes are there");
        let wanted = &bytes[range];
        assert_eq!(Uint8Array::new(&slice.bytes).to_vec(), wanted);
        assert_eq!(slice.digest, Digest::of(wanted));
    }
}

#[wasm_bindgen_test]
async fn a_file_that_is_shorter_than_it_was_is_told_apart() {
    let short = file("short", &bytes(10), 0.0);
    assert_eq!(read(&short, 0..11, None).await.err(), Some(SourceError::Changed));
    assert_eq!(read(&short, 10..20, None).await.err(), Some(SourceError::Changed));
}

#[wasm_bindgen_test]
async fn a_proof_is_of_nonce_and_bytes() {
    let bytes = bytes(300_000);
    let nonce = Nonce(Digest([5; DIGEST_LEN]));
    let mut hasher = nonce.hasher();
    hasher.update(&bytes);
    let wanted = hasher.finish();
    let file = file("proved", &bytes, 0.0);
    assert_eq!(proof(nonce, &file).await, Ok(wanted));
    assert_ne!(proof(Nonce(Digest([6; DIGEST_LEN])), &file).await, Ok(wanted));
}
