//! The page's clocks.

use longhaul_protocol::Millis;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::number::whole;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Since the page was opened; never set back. The clock of the state machines.
pub(crate) fn now() -> Millis {
    Millis(whole(performance_now()))
}

/// Since 1970, as far as the computer knows. The clock of the wire.
pub(crate) fn since_1970() -> Millis {
    Millis(whole(js_sys::Date::now()))
}
