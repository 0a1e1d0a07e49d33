//! What a person sees when this crate has a bug.
//!
//! The wasm that is served says nothing itself: the texts of its panics, and what formats them, would be
//! a tenth of it. It traps, the browser tells the page, and the page is told here.

use js_sys::{Error, JsString, Reflect, WebAssembly};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::console;

/// How the browser tells of what nobody has caught: what was thrown, by the name it has there.
const UNCAUGHT: [(&str, &str); 2] = [("error", "error"), ("unhandledrejection", "reason")];

/// Says so in the console; the browser's own is the one word `unreachable`. In a worker there is nobody
/// to tell: its page replaces it.
pub(crate) fn explain() {
    #[cfg(debug_assertions)]
    std::panic::set_hook(Box::new(|panic| console::error_1(&panic.to_string().into())));
    let Some(window) = web_sys::window() else { return };
    for (event, member) in UNCAUGHT {
        let told = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
            let thrown = Reflect::get(&event, &member.into()).ok();
            if let Some(text) = thrown.and_then(|thrown| bug(&thrown)) {
                console::error_1(&text.into());
            }
        });
        // Fails for no event of this name.
        drop(window.add_event_listener_with_callback(event, told.as_ref().unchecked_ref()));
        told.forget();
    }
}

/// What there is to say of it, if it is a trap of ours: a page may have other wasm too.
fn bug(thrown: &JsValue) -> Option<String> {
    thrown.dyn_ref::<WebAssembly::RuntimeError>()?;
    let error: &Error = thrown.unchecked_ref();
    let stack: JsString = Reflect::get(error, &"stack".into()).ok()?.dyn_into().ok()?;
    stack.includes("longhaul", 0).then(|| {
        format!(
            "Longhaul has a bug and stopped; reload the page and pick the files again, the uploads \
             go on from where they were. Please report this: {} {stack}",
            String::from(error.message())
        )
    })
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
