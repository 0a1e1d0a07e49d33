//! `cargo xtask bench`: builds what is measured and what measures, and runs it.

use std::process::Command;

use crate::error::Error;
use crate::run::{heading, run};
use crate::workspace::{bench, cargo, dist, server};
use crate::{programs, wasm};

/// `bench/` has a command line of its own; all arguments are for it.
pub(crate) fn run_bench(arguments: &[String]) -> Result<(), Error> {
    heading("programs");
    programs::ensure()?;
    heading("client");
    wasm::build(&wasm::Options::default())?;
    heading("the programs and their bench, as released");
    run(&mut cargo([
        "build",
        "--release",
        "-p",
        "longhaul-server",
        "-p",
        "longhaul-cli",
        "-p",
        "longhaul-bench",
    ]))?;
    run(Command::new(bench())
        .arg("--server")
        .arg(server())
        .arg("--site")
        .arg(dist())
        .args(arguments))
}
