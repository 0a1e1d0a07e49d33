//! Reading and hashing one slice of a file.

use std::ops::Range;

use js_sys::{ArrayBuffer, Object, Reflect, Uint8Array};
use longhaul_protocol::Digest;
use longhaul_protocol::digest::{DIGEST_LEN, Hasher};
use longhaul_protocol::upload::SourceError;
use longhaul_protocol::wire::proof::Nonce;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DomException, File, SubtleCrypto};

use crate::number::float;

/// How many bytes are copied into the wasm's memory at once where it has to hash: enough to make
/// the copying's fixed cost small, small enough to stay in the processor's cache.
const WINDOW_BYTES: u32 = 128 * 1024;

/// The bytes of one slice, and their digest.
pub(super) struct Slice {
    pub(super) bytes: ArrayBuffer,
    pub(super) digest: Digest,
}

/// Reads the slice into one buffer and hashes that buffer.
pub(super) async fn read(file: &File, range: Range<u64>) -> Result<Slice, SourceError> {
    let length = range.end.saturating_sub(range.start);
    let blob = file
        .slice_with_f64_and_f64(float(range.start), float(range.end))
        .map_err(|error| unreadable(&error))?;
    let bytes = contents(&blob).await?;
    if u64::from(bytes.byte_length()) != length {
        return Err(SourceError::Changed);
    }
    let digest = hash(&bytes).await?;
    Ok(Slice { bytes, digest })
}

/// The proof of having these bytes. The wasm hashes it: the browser would need nonce and bytes in one
/// buffer, which is a second copy of the chunk.
pub(super) fn proof(nonce: Nonce, bytes: &ArrayBuffer) -> Digest {
    hash_by_wasm(nonce.hasher(), &Uint8Array::new(bytes))
}

async fn contents(blob: &Blob) -> Result<ArrayBuffer, SourceError> {
    let read = JsFuture::from(blob.array_buffer()).await.map_err(|error| unreadable(&error))?;
    read.dyn_into().map_err(|_| SourceError::Unreadable("the browser gave no bytes".to_owned()))
}

async fn hash(bytes: &ArrayBuffer) -> Result<Digest, SourceError> {
    match subtle() {
        Some(subtle) => hash_by_browser(&subtle, bytes).await,
        None => Ok(hash_by_wasm(Hasher::default(), &Uint8Array::new(bytes))),
    }
}

/// Only there in secure contexts: on `https:` and on the same machine.
fn subtle() -> Option<SubtleCrypto> {
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into()).ok()?;
    Reflect::get(&crypto, &"subtle".into()).ok()?.dyn_into().ok()
}

async fn hash_by_browser(
    subtle: &SubtleCrypto,
    bytes: &ArrayBuffer,
) -> Result<Digest, SourceError> {
    let promise = subtle
        .digest_with_str_and_buffer_source("SHA-256", bytes.unchecked_ref::<Object>())
        .map_err(|error| unreadable(&error))?;
    let digest = JsFuture::from(promise).await.map_err(|error| unreadable(&error))?;
    let mut raw = [0; DIGEST_LEN];
    Uint8Array::new(&digest).copy_to(&mut raw);
    Ok(Digest(raw))
}

fn hash_by_wasm(mut hasher: Hasher, bytes: &Uint8Array) -> Digest {
    let mut at = 0;
    while at < bytes.length() {
        let end = at.saturating_add(WINDOW_BYTES).min(bytes.length());
        hasher.update(&bytes.subarray(at, end).to_vec());
        at = end;
    }
    hasher.finish()
}

/// Engines tell a file that was changed by the same name as another fault: Chromium as one that may no
/// longer be read, WebKit as one that is gone.
fn unreadable(error: &JsValue) -> SourceError {
    let text = match error.dyn_ref::<DomException>() {
        Some(error) if error.name() == "NotFoundError" => {
            "it was changed, moved or deleted".to_owned()
        }
        Some(error) if error.name() == "NotReadableError" => {
            "it was changed since it was picked, or this page may not read it any more".to_owned()
        }
        Some(error) => format!("{}: {}", error.name(), error.message()),
        None => format!("{error:?}"),
    };
    SourceError::Unreadable(text)
}
