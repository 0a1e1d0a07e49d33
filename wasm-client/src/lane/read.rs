//! Reading and hashing one slice of a file.

use std::ops::Range;

use js_sys::{ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use longhaul_protocol::Digest;
use longhaul_protocol::digest::{DIGEST_LEN, Hasher};
use longhaul_protocol::upload::SourceError;
use longhaul_protocol::wire::proof::Nonce;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DomException, File, SubtleCrypto};

use crate::json::option;
use crate::number::float;
use crate::thrown;

/// How many bytes are copied into the wasm's memory at once where it has to hash: enough to make
/// the copying's fixed cost small, small enough to stay in the processor's cache.
const WINDOW_BYTES: u32 = 128 * 1024;

/// One slice, its bytes, and their digest.
pub(super) struct Read {
    pub(super) blob: Blob,
    pub(super) bytes: ArrayBuffer,
    pub(super) digest: Digest,
}

/// Reads the slice into one buffer and hashes that buffer; `spare` is one that may be used for it.
pub(super) async fn read(
    file: &File,
    range: Range<u64>,
    spare: Option<ArrayBuffer>,
) -> Result<Read, SourceError> {
    let length = range.end.saturating_sub(range.start);
    let blob = file
        .slice_with_f64_and_f64(float(range.start), float(range.end))
        .map_err(|error| unreadable(&error))?;
    let spare = spare.filter(|spare| u64::from(spare.byte_length()) == length);
    let bytes = contents(&blob, spare).await?;
    if u64::from(bytes.byte_length()) != length {
        return Err(SourceError::Changed);
    }
    let digest = hash(&bytes).await?;
    Ok(Read { blob, bytes, digest })
}

/// The proof of having these bytes. The wasm hashes it: the browser would need nonce and bytes in one
/// buffer, which is a second copy of the chunk.
pub(super) async fn proof(nonce: Nonce, slice: &Blob) -> Result<Digest, SourceError> {
    let bytes = anew(slice).await?;
    Ok(hash_by_wasm(nonce.hasher(), &Uint8Array::new(&bytes)))
}

/// Whether all of the slice can still be read: what the browser sends of a file that is gone, shorter or on a
/// failing disk ends like a lost connection.
pub(super) async fn check(slice: &Blob) -> Result<(), SourceError> {
    let bytes = anew(slice).await?;
    if float(bytes.byte_length().into()) >= slice.size() {
        Ok(())
    } else {
        Err(SourceError::Changed)
    }
}

/// Into the spare buffer, where there is one and the browser fills buffers of others: a new one of
/// 8 MiB costs more to be had from the system and cleared than the bytes do to be copied into it.
async fn contents(blob: &Blob, spare: Option<ArrayBuffer>) -> Result<ArrayBuffer, SourceError> {
    let reader = spare.and_then(|spare| Some((reader(blob)?, spare)));
    let filled = match reader {
        Some((reader, spare)) => fill(&reader, spare).await,
        None => None,
    };
    match filled {
        Some(bytes) => Ok(bytes),
        // What went wrong is told best by the plain way.
        None => anew(blob).await,
    }
}

async fn anew(blob: &Blob) -> Result<ArrayBuffer, SourceError> {
    let read = JsFuture::from(blob.array_buffer()).await.map_err(|error| unreadable(&error))?;
    read.dyn_into().map_err(|_| SourceError::Unreadable("the browser gave no bytes".to_owned()))
}

#[wasm_bindgen]
extern "C" {
    /// `ReadableStream`, which web-sys has without the error of a browser that has no such reader.
    type Stream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &Stream, options: &JsValue) -> Result<Reader, JsValue>;

    /// `ReadableStreamBYOBReader`, which it has without the option `min`.
    type Reader;
    #[wasm_bindgen(method)]
    fn read(this: &Reader, into: &Uint8Array, options: &JsValue) -> Promise;
}

/// `None` where a blob's bytes are not to be had that way.
fn reader(blob: &Blob) -> Option<Reader> {
    let stream: Stream = blob.stream().unchecked_into();
    stream.reader(&option("mode", "byob")?).ok()
}

/// Fills the buffer, which changes hands at each step; `None` if its bytes do not come or end early.
async fn fill(reader: &Reader, mut bytes: ArrayBuffer) -> Option<ArrayBuffer> {
    let (length, mut at) = (bytes.byte_length(), 0);
    while at < length {
        let rest = Uint8Array::new_with_byte_offset(&bytes, at);
        // All at once, where the browser knows the option.
        let all = option("min", rest.length())?;
        let read = JsFuture::from(reader.read(&rest, &all)).await.ok()?;
        let part: Uint8Array = Reflect::get(&read, &"value".into()).ok()?.dyn_into().ok()?;
        if part.length() == 0 {
            return None;
        }
        (at, bytes) = (at.saturating_add(part.length()), part.buffer());
    }
    Some(bytes)
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
        None => thrown::words(error),
    };
    SourceError::Unreadable(text)
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
