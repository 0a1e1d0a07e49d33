//! Promises that are resolved from outside.

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast as _, JsValue};

/// A promise, and what resolves it.
///
/// The place for that function must not be filled by `Function::default()` before the promise gives it: a
/// function made of text is what a strict content security policy forbids, and it throws.
pub(crate) fn resolvable() -> (Promise, Function) {
    let mut resolve = JsValue::UNDEFINED;
    let promise = Promise::new(&mut |given, _| resolve = given.into());
    (promise, resolve.unchecked_into())
}
