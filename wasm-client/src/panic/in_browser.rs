use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

fn thrown(error: &JsValue, stack: &str) -> Option<String> {
    Reflect::set(error, &"stack".into(), &stack.into()).unwrap();
    bug(error)
}

#[wasm_bindgen_test]
fn a_trap_of_ours_is_told_as_a_bug_and_nothing_else_is() {
    let trap = WebAssembly::RuntimeError::new("unreachable").into();
    let text = thrown(&trap, "at http://x/longhaul_bg.wasm:wasm-function[7]:0x12").unwrap();
    assert!(text.contains("has a bug") && text.contains("unreachable"), "{text}");
    assert!(text.contains("wasm-function[7]:0x12"), "{text}");
    assert_eq!(thrown(&trap, "at http://x/other.wasm:wasm-function[7]"), None);
    let fault = Error::new("of the page").into();
    assert_eq!(thrown(&fault, "at http://x/longhaul-upload.js"), None);
    assert_eq!(bug(&JsValue::NULL), None);
}
