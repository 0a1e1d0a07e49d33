//! The body of an answer, piece by piece.

use gloo_net::http::Response;
use js_sys::{ArrayBuffer, Reflect, Uint8Array};
use longhaul_protocol::upload::Failure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStreamDefaultReader;

use super::request::cut;
use crate::json::option;

/// How much is read at once, bytes: a few packets of what a browser's network hands over.
const PIECE_BYTES: u32 = 256 * 1024;

#[wasm_bindgen]
extern "C" {
    /// `ReadableStream`, which web-sys has without the error of a body that has no such reader.
    type Stream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &Stream, options: &JsValue) -> Result<Filler, JsValue>;

    /// `ReadableStreamBYOBReader`, which it has without a buffer that stays JavaScript's.
    pub(super) type Filler;
    #[wasm_bindgen(method)]
    fn read(this: &Filler, into: &Uint8Array) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn cancel(this: &Filler) -> js_sys::Promise;
}

/// What of it is still to come.
pub(super) enum Body {
    /// Into the same memory again and again: pieces in memory of their own are garbage, which Chromium
    /// collects late, of 2 GiB some 400 MiB.
    Filled { filler: Filler, spare: Option<ArrayBuffer> },
    /// Where a browser does not fill a page's memory.
    Handed(ReadableStreamDefaultReader),
}

impl Body {
    /// Of this answer.
    pub(super) fn of(response: &Response) -> Result<Self, Failure> {
        let body = response.body().ok_or_else(|| cut("an answer without a body"))?;
        let stream: &Stream = body.unchecked_ref();
        let filler = option("mode", "byob").and_then(|mode| stream.reader(&mode).ok());
        if let Some(filler) = filler {
            return Ok(Self::Filled { filler, spare: Some(ArrayBuffer::new(PIECE_BYTES)) });
        }
        let reader = ReadableStreamDefaultReader::new(&body);
        reader.map(Self::Handed).map_err(|_| Failure::Local("the body cannot be read".to_owned()))
    }

    /// The next bytes, which are good until the next are asked for; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        let read = match self {
            Self::Filled { filler, spare } => {
                let spare = spare.take().unwrap_or_else(|| ArrayBuffer::new(PIECE_BYTES));
                filler.read(&Uint8Array::new(&spare))
            }
            Self::Handed(reader) => reader.read(),
        };
        let step = JsFuture::from(read).await.map_err(|_| cut("the connection broke off"))?;
        let member = |name: &str| Reflect::get(&step, &name.into()).ok();
        let piece: Option<Uint8Array> = member("value").and_then(|piece| piece.dyn_into().ok());
        if let (Self::Filled { spare, .. }, Some(piece)) = (self, &piece) {
            *spare = Some(piece.buffer());
        }
        let is_over = member("done").is_some_and(|done| done.is_truthy());
        Ok(piece.filter(|_| !is_over))
    }

    /// What still comes is not wanted.
    pub(super) async fn cancel(self) {
        let cancelled = match self {
            Self::Filled { filler, .. } => filler.cancel(),
            Self::Handed(reader) => reader.cancel(),
        };
        // It has ended by itself.
        drop(JsFuture::from(cancelled).await);
    }
}
