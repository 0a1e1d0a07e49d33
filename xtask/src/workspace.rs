//! Where things lie in the repository.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that the client is compiled for.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The finished site.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}

/// Cargo's build folder.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The server's binary, once [`cargo`] has built it with `--release`.
pub(crate) fn server() -> PathBuf {
    released("longhaul-server")
}

/// The terminal's client, likewise.
pub(crate) fn cli() -> PathBuf {
    released("longhaul")
}

/// The network that can be broken, likewise.
pub(crate) fn proxy() -> PathBuf {
    released("longhaul-proxy")
}

/// The bench's binary, likewise.
pub(crate) fn bench() -> PathBuf {
    released("longhaul-bench")
}

fn released(name: &str) -> PathBuf {
    target().join("release").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// The cargo that runs us, with these arguments, in the root.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}
