//! The same scripts with the wasm, and the scripts of workers, in their own text: for pages that may not fetch them,
//! and for bundlers that do not know what to do with them.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::wasm::changed;
use crate::wasm::{at, files, smaller_script};
use crate::workspace::root;

/// In the glue, where its wasm is fetched from if nobody has given it one.
const FETCHED: [(&str, &str); 2] = [
    ("longhaul.js", "new URL('longhaul_bg.wasm', import.meta.url)"),
    ("longhaul-fetch.js", "new URL('longhaul-fetch_bg.wasm', import.meta.url)"),
];
/// What takes the place of the glue's import: its default export has this name in it.
const GLUES: &str = "const init = __wbg_init;";
/// What is written for this in `npm/inline`, in place of the site's.
const SOURCES: [&str; 2] = ["longhaul-client.js", "longhaul-download-start.js"];
/// What is part of another text, and not a file here.
const WITHIN: [&str; 3] = ["longhaul-lane.js", "longhaul-download-worker.js", "longhaul-fetch.js"];

/// Makes of the scripts in `inline`, which are the site's as they are written, those that fetch nothing.
pub(super) fn write(site: &Path, inline: &Path) -> Result<(), Error> {
    for (name, fetched) in FETCHED {
        let path = inline.join(name);
        let text = read(&path)?;
        put(&path, &changed(&text, fetched, "undefined", &path)?)?;
    }
    let import = ("import init, { Lane } from \"./longhaul.js\";", GLUES);
    let lane = worker(inline, "longhaul.js", "longhaul-lane.js", &[import])?;
    let client = format!(
        "export const WASM = \"{}\";\nexport const LANE = {lane:?};\n",
        base64_of(site, "longhaul_bg.wasm")?
    );
    put(&inline.join("inlined-client.js"), &client)?;
    let import = ("import init, { Download } from \"./longhaul-fetch.js\";", GLUES);
    let wasm = base64_of(site, "longhaul-fetch_bg.wasm")?;
    let bytes = format!(
        "await init({{ module_or_path: Uint8Array.from(atob(\"{wasm}\"), (byte) => byte.charCodeAt(0)) }});"
    );
    let changes = [import, ("await init();", bytes.as_str())];
    let worker = worker(inline, "longhaul-fetch.js", "longhaul-download-worker.js", &changes)?;
    put(&inline.join("inlined-download.js"), &format!("export const WORKER = {worker:?};\n"))?;
    for name in SOURCES {
        put(&inline.join(name), &read(&root().join("npm/inline").join(name))?)?;
    }
    let within = WITHIN.iter().map(|name| inline.join(name));
    within.into_iter().try_for_each(|path| fs::remove_file(&path).map_err(at(&path)))?;
    files(inline)?
        .iter()
        .try_for_each(|path| put(path, &smaller_script(&with_all_at_once(&read(path)?), path)?))
}

/// What a page loads when it comes to need it is here from the beginning, so that a bundler makes one file.
fn with_all_at_once(script: &str) -> String {
    const LATER: &str = "import(\"./";
    let mut parts = script.split(LATER);
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut imports = String::new();
    for (at, part) in parts.enumerate() {
        let (name, rest) = part.split_once("\")").unwrap_or((part, ""));
        imports += &format!("import * as later{at} from \"./{name}\";\n");
        text += &format!("Promise.resolve(later{at}){rest}");
    }
    imports + &text
}

/// A worker's script, with these changes, and the glue that it imports, as one.
fn worker(
    folder: &Path,
    glue: &str,
    script: &str,
    changes: &[(&str, &str)],
) -> Result<String, Error> {
    let glue = read(&folder.join(glue))?;
    let path = folder.join(script);
    let text = changes
        .iter()
        .try_fold(read(&path)?, |text, (from, to)| changed(&text, from, to, &path))?;
    smaller_script(&(glue + &text), &path)
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
