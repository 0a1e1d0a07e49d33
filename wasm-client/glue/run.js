// Runs every test that `#[wasm_bindgen_test]` has exported, one after the other, and shows what came
// of them in `#output`. `?only=WORD` runs those whose name has the word.
import init, { WasmBindgenTestContext as Context } from "./glue.js";

// By way of a function of the page's, a panic in a test comes back as an exception.
globalThis.__wbg_test_invoke = (test) => test();

const output = document.getElementById("output");
const only = new URLSearchParams(location.search).get("only") ?? "";

async function run() {
  const wasm = await init();
  const tests = Object.keys(wasm).filter((name) => name.startsWith("__wbgt_") && name.includes(only));
  const passed = await new Context(false).run(tests.map((name) => wasm[name]));
  return { passed, count: tests.length };
}

run().then(
  (result) => { window.result = result; },
  // A test that traps takes the others with it.
  (error) => { window.result = { passed: false, count: 0 }; output.textContent += `\n${error.stack ?? error}`; },
);
