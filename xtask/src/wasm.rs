//! `cargo xtask wasm`: the site, complete, in one folder.

use std::env;
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

/// How trunk tells a hook its folder.
const STAGING_VARIABLE: &str = "TRUNK_STAGING_DIR";

/// How to build the site.
#[derive(Default)]
pub(crate) struct Options {
    /// Fast to build, slow to run.
    dev: bool,
    /// Where to, if not to `dist/`.
    out: Option<PathBuf>,
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
                ("--trunk", _) => options.out = Some(staging()?),
                _ => return Err(Error::Usage { given: format!("wasm {argument}") }),
            }
        }
        Ok(options)
    }

    fn profile(&self) -> (&'static str, &'static str) {
        if self.dev { ("dev", "debug") } else { ("wasm", "wasm") }
    }
}

/// Where trunk gathers a build before it shows it. Trunk writes its own `index.html` over ours then:
/// the same page with its live reload.
fn staging() -> Result<PathBuf, Error> {
    env::var_os(STAGING_VARIABLE).map(PathBuf::from).ok_or(Error::NoTrunk)
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
    copy_site(&out)?;
    println!("The site is in {}", out.display());
    Ok(())
}

/// Where rustup is absent, the compiler's own message about the target says enough.
pub(crate) fn add_target() -> Result<(), Error> {
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
    let debug = bindgen.debug(dev).remove_name_section(!dev);
    debug
        .remove_producers_section(!dev)
        .web(true)
        .and_then(|bindgen| bindgen.generate(out))
        .map_err(|error| Error::Bind { reason: format!("{error:#}") })
}

fn copy_site(out: &Path) -> Result<(), Error> {
    let www = root().join("www");
    for entry in fs::read_dir(&www).map_err(at(&www))? {
        copy(&entry.map_err(at(&www))?.path(), out)?;
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

/// What went wrong with a file, by its path.
pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}
