//! Where the things under test are: the server's binary and the built page.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The server's binary: `LONGHAUL_SERVER`, else the newer of the debug and the release build.
#[must_use]
pub fn server() -> PathBuf {
    binary("longhaul-server", "LONGHAUL_SERVER")
}

/// The terminal's client: `LONGHAUL_CLI`, else the newer of the debug and the release build.
#[must_use]
pub fn cli() -> PathBuf {
    binary("longhaul", "LONGHAUL_CLI")
}

fn binary(name: &str, variable: &str) -> PathBuf {
    let found = from_environment(variable).or_else(|| {
        let builds = ["debug", "release"].map(|build| target().join(build).join(name));
        builds.into_iter().filter(|path| path.is_file()).max_by_key(|path| modified(path))
    });
    found.unwrap_or_else(|| missing(name, variable))
}

/// The folder of the built demo page: `LONGHAUL_DIST`, else `dist` in the workspace.
#[must_use]
pub fn dist() -> PathBuf {
    from_environment("LONGHAUL_DIST")
        .or_else(|| Some(workspace().join("dist")))
        .filter(|path| path.join("index.html").is_file())
        .unwrap_or_else(|| missing("the built page", "LONGHAUL_DIST"))
}

/// The packed npm package: `LONGHAUL_PACKAGE`, else the one in the target folder.
#[must_use]
pub fn package() -> PathBuf {
    let name = concat!("longhaul-", env!("CARGO_PKG_VERSION"), ".tgz");
    from_environment("LONGHAUL_PACKAGE")
        .or_else(|| Some(target().join("npm").join(name)))
        .filter(|path| path.is_file())
        .unwrap_or_else(|| missing("the npm package", "LONGHAUL_PACKAGE"))
}

/// The folder of the page that runs the client's unit tests: `LONGHAUL_GLUE`, else `glue` in the target
/// folder.
#[must_use]
pub fn glue() -> PathBuf {
    from_environment("LONGHAUL_GLUE")
        .or_else(|| Some(target().join("glue")))
        .filter(|path| path.join("index.html").is_file())
        .unwrap_or_else(|| missing("the page of unit tests", "LONGHAUL_GLUE"))
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Cargo's target folder, wherever it was put: this program lies in it, and Cargo has marked it.
#[must_use]
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    let marked = program.ancestors().find(|path| path.join("CACHEDIR.TAG").is_file());
    marked.expect("this program lies in a target folder").to_owned()
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

fn missing(what: &str, variable: &str) -> ! {
    panic!("{what} is not built: `cargo xtask test` builds it, or {variable} can name one")
}
