//! One tab of this browser at a time sends a file (Web Locks).
//!
//! Where there are none (pages that are not of a secure context), tabs do not know of each other; what
//! they send of the same file twice the server takes once.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::json::option;
use crate::promise::resolvable;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["navigator", "locks"], js_name = request)]
    fn request(name: &str, options: &JsValue, granted: &JsValue) -> Result<Promise, JsValue>;
}

/// Held until it is dropped, or the page is gone.
#[derive(Debug)]
pub(crate) struct Lock {
    release: Function,
}

/// What came of asking for it.
#[derive(Debug)]
pub(crate) enum Asked<L = Lock> {
    /// It is ours.
    Held(L),
    /// Another tab has it.
    Taken,
    /// This browser has no locks here.
    Absent,
}

/// Asks for the lock of that name, and does not wait for it.
pub(crate) async fn ask(name: &str) -> Asked {
    held(name, true).await
}

/// Waits for it.
pub(crate) async fn wait(name: &str) -> Asked {
    held(name, false).await
}

async fn held(name: &str, if_available: bool) -> Asked {
    let Some(options) = option("ifAvailable", if_available) else { return Asked::Absent };
    let (told, tell) = resolvable();
    // The browser holds the lock until the promise that the callback returns is resolved.
    let granted = Closure::once_into_js(move |lock: JsValue| {
        let (until, release) = resolvable();
        let answer: &JsValue = if lock.is_null() { &JsValue::FALSE } else { &release };
        drop(tell.call1(&JsValue::UNDEFINED, answer));
        if lock.is_null() { JsValue::UNDEFINED } else { until.into() }
    });
    let Ok(request) = request(name, &options, &granted) else { return Asked::Absent };
    // A request that is refused never calls back.
    match JsFuture::from(Promise::race(&Array::of2(&told, &request))).await {
        Ok(answer) => match answer.dyn_into() {
            Ok(release) => Asked::Held(Lock { release }),
            Err(_) => Asked::Taken,
        },
        Err(_) => Asked::Absent,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Resolving a promise does not throw.
        drop(self.release.call0(&JsValue::UNDEFINED));
    }
}
