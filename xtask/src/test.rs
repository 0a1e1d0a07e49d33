//! `cargo xtask test`: everything that has to hold, cheapest first; and `cargo xtask soak`: what
//! takes minutes each or drives a browser's own dialogs, which it leaves out.

use std::process::Command;

use crate::error::Error;
use crate::run::{heading, run};
use crate::tally::run_counted;
use crate::workspace::{WASM_TARGET, cargo, cli, dist, server};
use crate::{glue, npm, programs, purity, room, schemathesis, wasm};

/// Where the end-to-end tests find the server's binary.
const CLI_VARIABLE: &str = "LONGHAUL_CLI";
const SERVER_VARIABLE: &str = "LONGHAUL_SERVER";
/// Where they find the page of the client's unit tests.
const GLUE_VARIABLE: &str = "LONGHAUL_GLUE";
/// Where the end-to-end tests find the built site.
const DIST_VARIABLE: &str = "LONGHAUL_DIST";
/// Where they find the packed npm package.
const PACKAGE_VARIABLE: &str = "LONGHAUL_PACKAGE";
/// Has the test of the pictures replace them.
const SCREENSHOTS_VARIABLE: &str = "LONGHAUL_SCREENSHOTS";
/// Where one of the store's tests finds a file system that shares what is copied.
const SHARING_VARIABLE: &str = "LONGHAUL_SHARING_DIR";

/// Stops at the first thing that does not hold.
pub(crate) fn run_tests() -> Result<(), Error> {
    room::check()?;
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
    npm::pack()?;
    heading("lints");
    run(&mut clippy(&["--workspace", "--all-targets"]))?;
    run(&mut clippy(&["-p", "longhaul-protocol", "-p", "longhaul-wasm", "--target", WASM_TARGET]))?;
    run(&mut clippy(&["-p", "longhaul-wasm", "--tests", "--target", WASM_TARGET]))?;
    build_programs()?;
    schemathesis::ask(schemathesis::Options::BOUNDED)?;
    heading("tests");
    run_counted(&mut finding_all(cargo(["test", "--workspace", "--no-fail-fast"])))
}

/// The tests that are left out there, in every engine that `LONGHAUL_ENGINES` names.
pub(crate) fn run_soak() -> Result<(), Error> {
    heading("programs");
    programs::ensure_with_screen()?;
    heading("client");
    wasm::build(&wasm::Options::default())?;
    build_programs()?;
    heading("long tests");
    let mut browser = cargo(["test", "-p", "longhaul-tests", "--test", "browser"]);
    browser.args(["--", "--ignored", "--nocapture", "--test-threads", "1"]);
    run_counted(&mut finding_all(browser))?;
    run_uploads()?;
    heading("the store where the file system shares what is copied");
    if std::env::var_os(SHARING_VARIABLE).is_none() {
        println!("left out: {SHARING_VARIABLE} names no folder on XFS or Btrfs");
        return Ok(());
    }
    let mut store = cargo(["test", "-p", "longhaul-server", "--test", "store"]);
    store.args(["--", "--ignored"]);
    run_counted(&mut finding_all(store))
}

/// The npm package in the hands of others, by programs that are too many to install for every change.
pub(crate) fn run_npm_consumers() -> Result<(), Error> {
    heading("programs");
    programs::ensure()?;
    npm::build()?;
    build_programs()?;
    heading("those who use the npm package");
    let mut consumers = cargo(["test", "-p", "longhaul-tests", "--test", "npm"]);
    consumers.args(["--", "--include-ignored", "--nocapture", "--test-threads", "1"]);
    run_counted(&mut finding_all(consumers))
}

/// The pictures of the page, to be looked at before they are committed.
pub(crate) fn run_screenshots() -> Result<(), Error> {
    heading("programs");
    programs::ensure()?;
    heading("client");
    wasm::build(&wasm::Options::default())?;
    heading("pictures");
    let mut pictures = cargo(["test", "-p", "longhaul-tests", "--test", "npm", "pictures::"]);
    run_counted(find_all(pictures.env(SCREENSHOTS_VARIABLE, "1")))
}

/// Only that of a thousand uploads at once.
pub(crate) fn run_soak_of_uploads() -> Result<(), Error> {
    build_programs()?;
    run_uploads()
}

fn run_uploads() -> Result<(), Error> {
    heading("a thousand uploads at once");
    let mut operations = cargo(["test", "-p", "longhaul-tests", "--test", "operations"]);
    operations.args(["--", "--ignored", "--nocapture"]);
    run_counted(&mut finding_all(operations))
}

pub(crate) fn build_programs() -> Result<(), Error> {
    heading("server and terminal");
    run(&mut cargo(["build", "--release", "-p", "longhaul-server", "-p", "longhaul-cli"]))
}

/// Tests find there what was built for them.
fn finding_all(mut tests: Command) -> Command {
    find_all(&mut tests);
    tests
}

fn find_all(tests: &mut Command) -> &mut Command {
    tests
        .env(SERVER_VARIABLE, server())
        .env(CLI_VARIABLE, cli())
        .env(DIST_VARIABLE, dist())
        .env(PACKAGE_VARIABLE, npm::tarball())
        .env(GLUE_VARIABLE, glue::folder())
}

fn clippy(scope: &[&str]) -> Command {
    let mut command = cargo(["clippy", "--quiet"]);
    command.args(scope).args(["--", "-D", "warnings"]);
    command
}
