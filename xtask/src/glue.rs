//! `cargo xtask glue`: the unit tests of the client that need a browser, as a page that runs them.
//!
//! wasm-bindgen's own runner drives neither WebKitGTK nor a browser that a test already has; a page
//! is the same in every engine, and `tests/tests/browser/glue.rs` opens it.

use std::fs;
use std::path::PathBuf;

use wasm_bindgen_cli_support::Bindgen;

use crate::error::Error;
use crate::run::output;
use crate::wasm::{add_target, at};
use crate::workspace::{WASM_TARGET, cargo, root, target};

/// The name that the script and the wasm file carry.
const NAME: &str = "glue";
/// What Cargo says of the program that it has built.
const EXECUTABLE: &str = "\"executable\":\"";

/// Where the page is.
pub(crate) fn folder() -> PathBuf {
    target().join("glue")
}

/// Builds the page.
pub(crate) fn build() -> Result<(), Error> {
    add_target()?;
    let out = folder();
    fs::create_dir_all(&out).map_err(at(&out))?;
    Bindgen::new()
        .input_path(compiled()?)
        .out_name(NAME)
        .omit_default_module_path(false)
        .emit_start(false)
        .typescript(false)
        .web(true)
        .and_then(|bindgen| bindgen.generate(&out))
        .map_err(|error| Error::Bind { reason: format!("{error:#}") })?;
    for page in ["index.html", "run.js"] {
        let from = root().join("wasm-client/glue").join(page);
        fs::copy(&from, out.join(page)).map_err(at(&from))?;
    }
    println!("The unit tests of the client are in {}", out.display());
    Ok(())
}

/// Compiles the tests and returns where they are.
fn compiled() -> Result<PathBuf, Error> {
    let build = ["test", "-p", "longhaul-wasm", "--lib", "--no-run", "--target", WASM_TARGET];
    let said = output(cargo(build).arg("--message-format=json-render-diagnostics"))?;
    let path = said.lines().filter_map(executable).next_back();
    path.map(PathBuf::from).ok_or_else(|| Error::Bind { reason: "cargo built no tests".to_owned() })
}

fn executable(line: &str) -> Option<&str> {
    line.split_once(EXECUTABLE)?.1.split_once('"').map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let line =
            r#"{"reason":"compiler-artifact","executable":"/x/longhaul-1.wasm","fresh":true}"#;
        assert_eq!(executable(line), Some("/x/longhaul-1.wasm"));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
    }
}
