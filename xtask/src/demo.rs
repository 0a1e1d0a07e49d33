//! `cargo xtask demo`: one command from a fresh clone to a page that uploads.

use std::process::Command;

use crate::error::Error;
use crate::run::{heading, run};
use crate::wasm;
use crate::workspace::{cargo, dist, server, target};

/// Loopback only: the demo lets anybody upload who can reach it.
const LISTEN: &str = "127.0.0.1:8080";

/// Builds everything and serves until interrupted. Ctrl-c reaches the server too, which is in our
/// process group.
pub(crate) fn run_demo() -> Result<(), Error> {
    heading("client");
    wasm::build(&wasm::Options::default())?;
    heading("server");
    run(&mut cargo(["build", "--release", "-p", "longhaul-server"]))?;
    heading(&format!("open http://{LISTEN}/ and pick a file; ctrl-c stops the server"));
    run(Command::new(server())
        .arg("--data")
        .arg(target().join("demo-data"))
        .arg("--www")
        .arg(dist())
        .args(["--listen", LISTEN]))
}
