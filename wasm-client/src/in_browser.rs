//! What the tests that run in a browser share. `cargo xtask glue` builds them all into one page.

use gloo_timers::callback::Timeout;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use crate::endpoint::Endpoint;

/// A file as a person would pick it.
pub(crate) fn file(name: &str, bytes: &[u8], last_modified: f64) -> File {
    let kind = Reflect::get(&js_sys::global(), &"File".into()).expect("File");
    let parts = Array::of1(&Uint8Array::from(bytes));
    let options = object(&[("type", "video/mp4".into()), ("lastModified", last_modified.into())]);
    let arguments = Array::of3(&parts, &name.into(), &options);
    let file = Reflect::construct(kind.unchecked_ref::<Function>(), &arguments).expect("a file");
    file.unchecked_into()
}

/// An object with these fields.
pub(crate) fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).expect("a plain object");
    }
    object.into()
}

/// A field of an object; `undefined` if there is none.
pub(crate) fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).expect("an object")
}

/// Lets other things happen for so many milliseconds.
pub(crate) async fn sleep(ms: u32) {
    let done = Promise::new(&mut |resolve, _| {
        Timeout::new(ms, move || drop(resolve.call0(&JsValue::UNDEFINED))).forget();
    });
    JsFuture::from(done).await.expect("it is only ever resolved");
}

/// A server that no other test talks to.
pub(crate) fn endpoint(name: &str) -> Endpoint {
    Endpoint::parse(&format!("https://{name}.example"), "https://page.example/")
        .expect("an address")
}
