//! The same scripts with the wasm, and the scripts of workers, in their own text: for pages that may not fetch them,
//! and for bundlers that do not know what to do with them.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::changed;
use crate::error::Error;
use crate::wasm::at;
use crate::workspace::root;

/// In the glue, where its wasm is fetched from if nobody has given it one.
const FETCHED: [(&str, &str); 2] = [
    ("longhaul.js", "new URL('longhaul_bg.wasm', import.meta.url)"),
    ("longhaul-fetch.js", "new URL('longhaul-fetch_bg.wasm', import.meta.url)"),
];
/// What is written for this in `npm/inline`, in place of the site's.
const SOURCES: [&str; 2] = ["longhaul-client.js", "longhaul-download-start.js"];
/// What is part of another text, and not a file here.
const WITHIN: [&str; 3] = ["longhaul-lane.js", "longhaul-download-worker.js", "longhaul-fetch.js"];

/// Makes of the scripts in `inline`, which are the site's, those that fetch nothing.
pub(super) fn write(site: &Path, inline: &Path) -> Result<(), Error> {
    for (name, fetched) in FETCHED {
        let path = inline.join(name);
        let text = read(&path)?;
        put(&path, &changed(&text, fetched, "undefined", &path)?)?;
    }
    let lane = worker(
        inline,
        "longhaul.js",
        "longhaul-lane.js",
        "import init, { Lane } from \"./longhaul.js\";",
    )?;
    let client = format!(
        "export const WASM = \"{}\";\nexport const LANE = {lane:?};\n",
        base64_of(site, "longhaul_bg.wasm")?
    );
    put(&inline.join("inlined-client.js"), &client)?;
    let begin = "import init, { Download } from \"./longhaul-fetch.js\";";
    let worker = worker(inline, "longhaul-fetch.js", "longhaul-download-worker.js", begin)?;
    let wasm = base64_of(site, "longhaul-fetch_bg.wasm")?;
    let bytes = format!(
        "await init({{ module_or_path: Uint8Array.from(atob(\"{wasm}\"), (byte) => byte.charCodeAt(0)) }});"
    );
    let worker =
        changed(&worker, "await init();", &bytes, &inline.join("longhaul-download-worker.js"))?;
    put(&inline.join("inlined-download.js"), &format!("export const WORKER = {worker:?};\n"))?;
    for name in SOURCES {
        put(&inline.join(name), &read(&root().join("npm/inline").join(name))?)?;
    }
    WITHIN
        .iter()
        .map(|name| inline.join(name))
        .try_for_each(|path| fs::remove_file(&path).map_err(at(&path)))
}

/// A worker's script and the glue that it imports, as one.
fn worker(folder: &Path, glue: &str, script: &str, import: &str) -> Result<String, Error> {
    let glue = read(&folder.join(glue))?;
    let path = folder.join(script);
    // What the glue exports as its default has this name in it.
    let text = changed(&read(&path)?, import, "const init = __wbg_init;", &path)?;
    Ok(glue + &text)
}

fn base64_of(folder: &Path, name: &str) -> Result<String, Error> {
    let path = folder.join(name);
    Ok(STANDARD.encode(fs::read(&path).map_err(at(&path))?))
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(at(path))
}

fn put(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(at(path))
}
