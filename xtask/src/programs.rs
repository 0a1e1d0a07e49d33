//! What the tests drive and cargo does not build: a browser with its WebDriver, and programs that
//! fetch files; what stands before a server.

use std::process::{Command, Stdio};

use crate::error::Error;
use crate::run::{heading, run};

/// The programs, and the packages that Debian has them in.
const PROGRAMS: [(&str, &str); 14] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("curl", "curl"),
    ("wget", "wget"),
    ("aria2c", "aria2"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
    ("nginx", "nginx"),
    ("caddy", "caddy"),
    ("systemd-analyze", "systemd"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("strace", "strace"),
];

/// Parts of Python that Debian has in packages of their own.
const MODULES: [(&str, &str); 1] = [("ensurepip", "python3-venv")];

/// What the tests of a browser's own dialogs need beside them.
const SCREEN: [(&str, &str); 2] = [("Xvfb", "xvfb"), ("xdotool", "xdotool")];

/// Makes sure that they are there: by installing them where this user may, else by saying how.
pub(crate) fn ensure() -> Result<(), Error> {
    ensure_all(&PROGRAMS)
}

/// The same, with a screen.
pub(crate) fn ensure_with_screen() -> Result<(), Error> {
    ensure_all(&[PROGRAMS.as_slice(), &SCREEN].concat())
}

fn ensure_all(programs: &[(&'static str, &'static str)]) -> Result<(), Error> {
    let missing = programs.iter().copied().filter(|(program, _)| !answers(program));
    let modules = MODULES.into_iter().filter(|(module, _)| !imports(module));
    let missing: Vec<_> = missing.chain(modules).collect();
    let names = |name: fn(&(&'static str, &'static str)) -> &'static str| {
        missing.iter().map(name).collect::<Vec<_>>()
    };
    let packages = names(|(_, package)| package);
    match missing.as_slice() {
        [] => Ok(()),
        _ if may_install() => install(&packages),
        _ => Err(Error::NoProgram {
            missing: names(|(program, _)| program).join(" and "),
            packages: packages.join(" "),
        }),
    }
}

/// Whether there is such a program, and it starts. Xvfb and nginx tell no version so, but how they are called; Caddy is
/// asked by a word.
fn answers(program: &str) -> bool {
    ["--version", "-help", "version"].iter().any(|question| {
        let mut command = Command::new(program);
        command.arg(question).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// Whether Python has a module.
fn imports(module: &str) -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn may_install() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") && answers("apt-get")
}

fn install(packages: &[&str]) -> Result<(), Error> {
    heading(&format!("installing Debian's {}", packages.join(", ")));
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Those that are services are not to be started as one.
        .env("RUNLEVEL", "1"))
}
