//! `cargo xtask test`: everything that has to hold, cheapest first.

use std::process::Command;

use crate::error::Error;
use crate::run::{heading, run};
use crate::tally::run_counted;
use crate::workspace::{WASM_TARGET, cargo, cli, dist, server};
use crate::{glue, programs, purity, wasm};

/// Where the end-to-end tests find the server's binary.
const CLI_VARIABLE: &str = "LONGHAUL_CLI";
const SERVER_VARIABLE: &str = "LONGHAUL_SERVER";
/// Where they find the page of the client's unit tests.
const GLUE_VARIABLE: &str = "LONGHAUL_GLUE";
/// Where the end-to-end tests find the built site.
const DIST_VARIABLE: &str = "LONGHAUL_DIST";

/// Stops at the first thing that does not hold.
pub(crate) fn run_tests() -> Result<(), Error> {
    heading("format");
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    heading("what protocol depends on");
    purity::check()?;
    heading("programs");
    programs::ensure()?;
    heading("client");
    wasm::build(&wasm::Options::default())?;
    heading("the client's unit tests");
    glue::build()?;
    heading("lints");
    run(&mut clippy(&["--workspace", "--all-targets"]))?;
    run(&mut clippy(&["-p", "longhaul-protocol", "-p", "longhaul-wasm", "--target", WASM_TARGET]))?;
    run(&mut clippy(&["-p", "longhaul-wasm", "--tests", "--target", WASM_TARGET]))?;
    heading("programs");
    run(&mut cargo(["build", "--release", "-p", "longhaul-server", "-p", "longhaul-cli"]))?;
    heading("tests");
    run_counted(
        cargo(["test", "--workspace", "--no-fail-fast"])
            .env(SERVER_VARIABLE, server())
            .env(CLI_VARIABLE, cli())
            .env(DIST_VARIABLE, dist())
            .env(GLUE_VARIABLE, glue::folder()),
    )
}

fn clippy(scope: &[&str]) -> Command {
    let mut command = cargo(["clippy", "--quiet"]);
    command.args(scope).args(["--", "-D", "warnings"]);
    command
}
