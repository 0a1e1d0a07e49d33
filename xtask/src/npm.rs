//! `cargo xtask npm`: the package for the npm registry, of the site that `cargo xtask wasm` builds and of what lies
//! in `npm/`.

mod inlined;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::run::{heading, run};
use crate::wasm::{self, at, changed, cleared, copy, files, readable};
use crate::workspace::{dist, root, target};

/// The package's name, and its folder's.
const NAME: &str = "longhaul";
/// What is no page's business.
const LEFT_OUT: [&str; 2] = ["longhaul-fetch.d.ts", "index.html"];
/// How the names of the demo page's own scripts begin.
const DEMO: &str = "demo";
/// What is as it is in the repository.
const SOURCES: [&str; 12] = [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "npm/README.md",
    "npm/custom-elements.json",
    "npm/react.js",
    "npm/types/longhaul-client.d.ts",
    "npm/types/longhaul-download.d.ts",
    "npm/types/longhaul-map.d.ts",
    "npm/types/longhaul-upload.d.ts",
    "npm/types/longhaul-words.d.ts",
    "npm/types/longhaul-words-zh.d.ts",
    "npm/types/react.d.ts",
];
/// The version in the package's own `package.json`, in whose place the workspace's comes.
const NO_VERSION: &str = "\"version\": \"0.0.0\"";

/// Where the package lies, unpacked.
fn folder() -> PathBuf {
    target().join("npm").join(NAME)
}

/// Where it lies, packed.
pub(crate) fn tarball() -> PathBuf {
    target().join("npm").join(format!("{NAME}-{}.tgz", env!("CARGO_PKG_VERSION")))
}

/// Builds the site, and the package of it.
pub(crate) fn build() -> Result<(), Error> {
    wasm::build(&wasm::Options::default())?;
    pack()
}

/// Makes the package of the site that is there, and packs it.
pub(crate) fn pack() -> Result<(), Error> {
    heading("npm package");
    let out = cleared(folder())?;
    let inline = out.join("inline");
    fs::create_dir_all(&inline).map_err(at(&inline))?;
    for file in site()? {
        copy(&file, &out)?;
        if is_script(&file) {
            copy(&readable().join(file.file_name().unwrap_or_default()), &inline)?;
        }
    }
    SOURCES.iter().try_for_each(|source| copy(&root().join(source), &out))?;
    inlined::write(&out, &inline)?;
    describe(&out)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination", ".."]).current_dir(&out);
    run(&mut npm)?;
    println!("The package is {}", tarball().display());
    Ok(())
}

/// What of the site is in the package.
fn site() -> Result<Vec<PathBuf>, Error> {
    let mut paths = files(&dist())?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_wanted = ["js", "ts", "wasm"].iter().any(|end| has_end(path, end));
        is_wanted
            && !LEFT_OUT.contains(&&*name)
            && !name.starts_with(DEMO)
            && !name.ends_with("_bg.wasm.d.ts")
    });
    Ok(paths)
}

fn is_script(path: &Path) -> bool {
    has_end(path, "js")
}

fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension == end)
}

/// With the workspace's version.
fn describe(out: &Path) -> Result<(), Error> {
    let from = root().join("npm/package.json");
    let text = fs::read_to_string(&from).map_err(at(&from))?;
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let to = out.join("package.json");
    fs::write(&to, changed(&text, NO_VERSION, &version, &from)?).map_err(at(&to))
}
