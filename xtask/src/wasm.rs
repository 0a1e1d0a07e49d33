//! `cargo xtask wasm`: the site, complete, in one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use crate::error::Error;
use crate::run::{output, run};
use crate::workspace::{WASM_TARGET, cargo, dist, root, target};

/// The name that scripts and the wasm file carry.
const NAME: &str = "longhaul";
/// The worker's script, which belongs to the client and not to any page.
const LANE_SCRIPT: &str = "wasm-client/longhaul-lane.js";

/// How to build the site.
#[derive(Default)]
pub(crate) struct Options {
    /// Fast to build, slow to run.
    dev: bool,
    /// Where to, if not to `dist/`.
    out: Option<PathBuf>,
    /// A file of `www/` that somebody else puts there.
    skip: Option<String>,
}

impl Options {
    /// Reads the command line.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match (argument.as_str(), rest.as_slice()) {
                ("--dev", _) => options.dev = true,
                ("--out", [_, ..]) => options.out = rest.next().map(PathBuf::from),
                ("--skip", [_, ..]) => options.skip = rest.next().cloned(),
                _ => return Err(Error::Usage { given: format!("wasm {argument}") }),
            }
        }
        Ok(options)
    }

    fn profile(&self) -> (&'static str, &'static str) {
        if self.dev { ("dev", "debug") } else { ("wasm", "wasm") }
    }
}

/// Compiles the client, binds it, and lays the pages beside it.
pub(crate) fn build(options: &Options) -> Result<(), Error> {
    add_target()?;
    let compiled = compile(options)?;
    let out = match &options.out {
        Some(folder) => folder.clone(),
        None => cleared(dist())?,
    };
    fs::create_dir_all(&out).map_err(at(&out))?;
    bind(&compiled, &out, options.dev)?;
    copy_scripts(&out, options.skip.as_deref())?;
    println!("The site is in {}", out.display());
    Ok(())
}

/// Where rustup is absent, the compiler's own message about the target says enough.
fn add_target() -> Result<(), Error> {
    let installed = output(Command::new("rustup").args(["target", "list", "--installed"]));
    match installed {
        Ok(list) if !list.lines().any(|line| line == WASM_TARGET) => {
            run(Command::new("rustup").args(["target", "add", WASM_TARGET]))
        }
        _ => Ok(()),
    }
}

fn compile(options: &Options) -> Result<PathBuf, Error> {
    let (profile, folder) = options.profile();
    run(&mut cargo([
        "build",
        "-p",
        "longhaul-wasm",
        "--target",
        WASM_TARGET,
        "--profile",
        profile,
    ]))?;
    Ok(target().join(WASM_TARGET).join(folder).join(format!("{NAME}.wasm")))
}

/// The binder is a library of this workspace: one lock file holds it and the macro to one version.
fn bind(compiled: &Path, out: &Path, dev: bool) -> Result<(), Error> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled).out_name(NAME).typescript(true).omit_default_module_path(false);
    let debug = bindgen.debug(dev).keep_debug(dev).remove_name_section(!dev);
    debug
        .remove_producers_section(!dev)
        .web(true)
        .and_then(|bindgen| bindgen.generate(out))
        .map_err(|error| Error::Bind { reason: format!("{error:#}") })
}

fn copy_scripts(out: &Path, skip: Option<&str>) -> Result<(), Error> {
    let www = root().join("www");
    for entry in fs::read_dir(&www).map_err(at(&www))? {
        let path = entry.map_err(at(&www))?.path();
        if path.file_name().is_some_and(|name| skip.is_none_or(|skip| name != skip)) {
            copy(&path, out)?;
        }
    }
    copy(&root().join(LANE_SCRIPT), out)
}

fn copy(path: &Path, folder: &Path) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default();
    fs::copy(path, folder.join(name)).map(drop).map_err(at(path))
}

/// A file that was renamed in `www/` must not live on in the site.
fn cleared(folder: PathBuf) -> Result<PathBuf, Error> {
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { path: folder, source })
        }
        _ => Ok(folder),
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}
