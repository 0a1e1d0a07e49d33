//! What JavaScript throws, in words.

use js_sys::Object;
use wasm_bindgen::{JsCast as _, JsValue};

/// Its own words; not what `Debug` makes of it, which is left out of the wasm.
pub(crate) fn words(thrown: &JsValue) -> String {
    let of_object = || thrown.dyn_ref::<Object>().map(|object| object.to_string().into());
    thrown.as_string().or_else(of_object).unwrap_or_else(|| "no reason was given".to_owned())
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn what_is_thrown_is_told_in_its_own_words() {
        assert_eq!(words(&"a text".into()), "a text");
        assert_eq!(words(&js_sys::TypeError::new("not so").into()), "TypeError: not so");
        assert_eq!(words(&JsValue::UNDEFINED), "no reason was given");
    }
}
