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

/// How long a timer is to run for that span, milliseconds. One more, because a browser's clock is coarse and its timers may fire early; waking
/// early only asks the machine once more.
pub(crate) fn delay(span: Millis) -> u32 {
    const LONGEST: u32 = i32::MAX as u32;
    u32::try_from(span.0.saturating_add(1)).unwrap_or(LONGEST).min(LONGEST)
}
