//! `cargo xtask wasm`: the site, complete, in one folder.

mod minified;
mod smaller;
mod unused;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_bindgen_cli_support::Bindgen;

use crate::error::Error;
use crate::run::{output, run};
use crate::workspace::{WASM_TARGET, cargo, dist, root, target};
use smaller::Bound;

/// What cargo calls the client.
const NAME: &str = "longhaul";
/// The wasms that are made of it: the feature that each is, and the name that its files carry. A page that
/// uploads loads nothing of what downloads.
const PARTS: [(&str, &str); 2] = [("upload", NAME), ("download", "longhaul-fetch")];
/// Scripts that belong to the client and not to any page.
const SCRIPTS: [&str; 7] = [
    "wasm-client/longhaul-client.js",
    "wasm-client/longhaul-elsewhere.js",
    "wasm-client/longhaul-lane.js",
    "wasm-client/longhaul-download-start.js",
    "wasm-client/longhaul-downloader.js",
    "wasm-client/longhaul-downloader.d.ts",
    "wasm-client/longhaul-download-worker.js",
];

/// Where the standard library's source lies in a toolchain.
const SOURCE: &str = "lib/rustlib/src/rust/library/Cargo.lock";
/// Has cargo compile the standard library with the client, for its size. That is not stable, and asked
/// of the stable compiler all the same: a nightly changes from day to day.
const SMALLER: [&str; 4] =
    ["-Z", "build-std=std,panic_abort", "-Z", "build-std-features=optimize_for_size"];
/// A panic traps without a word (`wasm-client/src/panic.rs` has them), and nothing is written for a
/// programmer. A list in a configuration is added to the one of `.cargo/config.toml`.
const SILENT: &str = "target.wasm32-unknown-unknown.rustflags=['-Zunstable-options', \
                      '-Cpanic=immediate-abort', '-Zfmt-debug=none', '-Zlocation-detail=none']";

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
    let out = match &options.out {
        Some(folder) => folder.clone(),
        None => cleared(dist())?,
    };
    fs::create_dir_all(&out).map_err(at(&out))?;
    if options.dev {
        lay(options, &out)?;
    } else {
        let readable = cleared(readable())?;
        fs::create_dir_all(&readable).map_err(at(&readable))?;
        lay(options, &readable)?;
        files(&readable)?.iter().try_for_each(|file| serve(file, &out))?;
    }
    println!("The site is in {}", out.display());
    Ok(())
}

/// The site as it was before its scripts became what browsers load.
pub(crate) fn readable() -> PathBuf {
    target().join("site")
}

fn lay(options: &Options, out: &Path) -> Result<(), Error> {
    for (feature, name) in PARTS {
        bind(&compile(options, feature)?, out, name, options.dev)?;
    }
    files(&root().join("www"))?.iter().try_for_each(|file| copy(file, out))?;
    SCRIPTS.iter().try_for_each(|script| copy(&root().join(script), out))
}

/// Puts a file of the site where browsers get it.
fn serve(file: &Path, out: &Path) -> Result<(), Error> {
    if file.extension().is_none_or(|end| end != "js") {
        return copy(file, out);
    }
    let text = fs::read_to_string(file).map_err(at(file))?;
    let to = out.join(file.file_name().unwrap_or_default());
    fs::write(&to, smaller_script(&text, file)?).map_err(at(&to))
}

/// A script in as few bytes as it can be.
pub(crate) fn smaller_script(text: &str, path: &Path) -> Result<String, Error> {
    minified::minified(text).map_err(|reason| Error::Script { path: path.to_owned(), reason })
}

/// Whether the standard library's source is here; if need be, it is fetched.
fn has_source() -> bool {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()));
    let library = sysroot.map(|sysroot| Path::new(sysroot.trim()).join(SOURCE)).unwrap_or_default();
    let is_there = || library.exists();
    let added = || run(Command::new("rustup").args(["component", "add", "rust-src"])).is_ok();
    let has = is_there() || (added() && is_there());
    if !has {
        println!("Without the component rust-src the wasm is larger, and not what is to be served");
    }
    has
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

fn compile(options: &Options, feature: &str) -> Result<PathBuf, Error> {
    let (profile, folder) = options.profile();
    let build = ["build", "-p", "longhaul-wasm", "--target", WASM_TARGET, "--profile", profile];
    let mut build = cargo(build);
    build.args(["--no-default-features", "--features", feature]);
    if !options.dev && has_source() {
        build.env("RUSTC_BOOTSTRAP", "1").args(SMALLER).args(["--config", SILENT]);
    }
    run(&mut build)?;
    Ok(target().join(WASM_TARGET).join(folder).join(format!("{NAME}.wasm")))
}

/// The binder is a library of this workspace: one lock file holds it and the macro to one version.
fn bind(compiled: &Path, out: &Path, name: &str, dev: bool) -> Result<(), Error> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled).out_name(name).typescript(true).omit_default_module_path(false);
    let debug = bindgen.debug(dev).remove_name_section(!dev);
    debug
        .remove_producers_section(!dev)
        .web(true)
        .and_then(|bindgen| bindgen.generate_output())
        .and_then(|mut output| {
            unused::take_out(output.wasm_mut());
            output.emit(out)
        })
        .map_err(|error| Error::Bind { reason: format!("{error:#}") })?;
    if dev { Ok(()) } else { make_smaller(out, name) }
}

/// In place of what the binder has written.
fn make_smaller(out: &Path, name: &str) -> Result<(), Error> {
    let wasm = out.join(format!("{name}_bg.wasm"));
    let scripts = [".js", ".d.ts", "_bg.wasm.d.ts"].map(|end| out.join(format!("{name}{end}")));
    let texts = scripts.iter().map(|path| fs::read_to_string(path).map_err(at(path)));
    let bound = Bound {
        wasm: fs::read(&wasm).map_err(at(&wasm))?,
        scripts: texts.collect::<Result<_, _>>()?,
    };
    let bound = bound.smaller().map_err(|error| Error::Bind { reason: error.to_string() })?;
    fs::write(&wasm, bound.wasm).map_err(at(&wasm))?;
    let mut scripts = scripts.iter().zip(bound.scripts);
    scripts.try_for_each(|(path, text)| fs::write(path, text).map_err(at(path)))
}

/// What lies in a folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(at(folder))).collect()
}

pub(crate) fn copy(path: &Path, folder: &Path) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default();
    fs::copy(path, folder.join(name)).map(drop).map_err(at(path))
}

/// A text with one place changed, which has to be there.
pub(crate) fn changed(text: &str, from: &str, to: &str, path: &Path) -> Result<String, Error> {
    match text.matches(from).count() {
        1 => Ok(text.replace(from, to)),
        _ => Err(Error::Unexpected { path: path.to_owned(), missing: from.to_owned() }),
    }
}

/// A file that was renamed in `www/` must not live on in the site.
pub(crate) fn cleared(folder: PathBuf) -> Result<PathBuf, Error> {
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
