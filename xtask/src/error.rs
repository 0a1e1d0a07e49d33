//! Why a command of the project could not do its work.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

/// What happened, and what to do about it.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A program is not installed, or not allowed to run.
    #[error("`{command}` could not be started: {source}")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and said no.
    #[error("`{command}` failed ({status}); what it printed above says why")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file or folder could not be read or written.
    #[error("{} cannot be read or written: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no longer as it was known.
    #[error("{} has no `{missing}`, or has it twice, where something is made of it; mend xtask/src", path.display())]
    Unexpected {
        /// Which.
        path: PathBuf,
        /// What was looked for in it.
        missing: String,
    },
    /// A script of the site could not be made smaller.
    #[error("{} is no script that can be minified: {reason}", path.display())]
    Script {
        /// Which.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// No page of the manual could be made.
    #[error(transparent)]
    Page(#[from] longhaul_reference::Error),
    /// The compiled client could not be bound to JavaScript.
    #[error("wasm-bindgen refused the compiled client: {reason}")]
    Bind {
        /// What it said.
        reason: String,
    },
    /// `protocol` decides and must not be able to do anything else.
    #[error(
        "longhaul-protocol depends on {found}, by which it could touch the world; move that code to the client or the server"
    )]
    Impure {
        /// The crates that it must not have.
        found: String,
    },
    /// A program that the tests drive is not there, and there is no right to install it.
    #[error(
        "{missing} not found, and this user may not install packages; run\n  apt-get install -y --no-install-recommends {packages}\nas root, or put other builds of them on PATH"
    )]
    NoProgram {
        /// The programs.
        missing: String,
        /// The packages that Debian has them in.
        packages: String,
    },
    /// The disk would be full before the tests are through.
    #[error(
        "{} has {free} GiB free, and the tests need {needed}; make room there, or name another disk by CARGO_TARGET_DIR or TMPDIR",
        folder.display()
    )]
    NoRoom {
        /// Whose disk.
        folder: PathBuf,
        /// GiB.
        needed: u64,
        /// GiB.
        free: u64,
    },
    /// No cargo-fuzz, or no nightly to run it with.
    #[error(
        "cargo-fuzz or a nightly toolchain is missing; run\n  rustup toolchain install nightly --profile minimal\n  cargo install cargo-fuzz --locked"
    )]
    NoFuzzer,
    /// The tests let something wrong pass.
    #[error("nobody noticed these mutants: {names}; write tests that do")]
    Survivors {
        /// Which.
        names: String,
    },
    /// The tests that a mutant's row names let it pass, others do not.
    #[error(
        "these mutants were noticed, but not by the tests that their rows name: {names}; name those that did, or mend those that did not"
    )]
    NoticedByOthers {
        /// Which.
        names: String,
    },
    /// The code that a mutant changes has changed.
    #[error(
        "the mutant `{name}` finds its place no more, or two; mend it in xtask/src/mutants/table.rs"
    )]
    StaleMutant {
        /// Which.
        name: &'static str,
    },
    /// `--trunk` by hand.
    #[error("`--trunk` is for trunk, which names its folder; `cargo xtask wasm` builds into dist/")]
    NoTrunk,
    /// Not one of our commands.
    #[error("there is no command `{given}`; `cargo xtask help` lists them")]
    Usage {
        /// What was asked for.
        given: String,
    },
}
