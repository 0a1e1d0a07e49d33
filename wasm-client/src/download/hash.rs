//! SHA-256 by the browser, which has it wherever a download can be kept: in secure contexts.

use js_sys::{Object, Reflect, Uint8Array};
use longhaul_protocol::Digest;
use longhaul_protocol::digest::DIGEST_LEN;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::SubtleCrypto;

/// The digest of the bytes as they are now.
pub(super) async fn sha256(bytes: &Uint8Array) -> Result<Digest, JsValue> {
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into())?;
    let subtle: SubtleCrypto = Reflect::get(&crypto, &"subtle".into())?.dyn_into()?;
    let bytes: &Object = bytes.unchecked_ref();
    let digest =
        JsFuture::from(subtle.digest_with_str_and_buffer_source("SHA-256", bytes)?).await?;
    let mut raw = [0; DIGEST_LEN];
    Uint8Array::new(&digest).copy_to(&mut raw);
    Ok(Digest(raw))
}
