//! A browser to test in, and its WebDriver.

use std::process::{Command, Stdio};

use crate::error::Error;
use crate::run::{heading, run};

/// The programs, as Debian names them.
const PROGRAMS: [&str; 2] = ["chromium", "chromedriver"];
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Makes sure that there is one: by installing it where this user may, else by saying how.
pub(crate) fn ensure() -> Result<(), Error> {
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|program| !answers(program)).collect();
    match missing.as_slice() {
        [] => Ok(()),
        _ if may_install() => install(),
        _ => Err(Error::NoBrowser { missing: missing.join(" and ") }),
    }
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn may_install() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") && answers("apt-get")
}

fn install() -> Result<(), Error> {
    heading("installing Debian's chromium and chromium-driver");
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(PACKAGES)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
