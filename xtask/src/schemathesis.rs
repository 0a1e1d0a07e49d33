//! `cargo xtask schemathesis`: a server is asked what its own OpenAPI document allows and what it does not, by a program
//! that thinks up requests from it and holds each answer to it. Every check is on; what it is told beyond the document
//! stands in `tests/schemathesis`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::run::{heading, line, output, run};
use crate::workspace::{cargo, root, server, target};

const MINUTES_DEFAULT: u64 = 15;
/// How long a run within `cargo xtask test` may take, seconds, over all who ask.
const BOUNDED_SECONDS: u64 = 54;
/// The seed of that run, so that it finds the same each time.
const BOUNDED_SEED: u64 = 1;
/// How much the uploads of a run may have, bytes: some are refused for it, and no disk is filled.
const TOTAL_BYTES: &str = "1073741824";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// Somebody whose token allows everything.
    Owner,
    /// Somebody without a token, where guests are let in.
    Guest,
    /// Somebody without a token, where none are.
    Nobody,
}

/// How long to go on, and whether it is to be the same each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    seconds: u64,
    seed: Option<u64>,
}

impl Options {
    /// The run within `cargo xtask test`.
    pub(crate) const BOUNDED: Self = Self { seconds: BOUNDED_SECONDS, seed: Some(BOUNDED_SEED) };

    /// `[--minutes N]`
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let minutes = match arguments {
            [] => MINUTES_DEFAULT,
            [option, minutes] if option == "--minutes" => {
                let usage = || Error::Usage { given: format!("schemathesis --minutes {minutes}") };
                minutes.parse().ok().filter(|minutes| *minutes > 0).ok_or_else(usage)?
            }
            other => {
                return Err(Error::Usage { given: format!("schemathesis {}", other.join(" ")) });
            }
        };
        Ok(Self { seconds: minutes * 60, seed: None })
    }
}

/// Builds the server and asks it.
pub(crate) fn run_schemathesis(options: Options) -> Result<(), Error> {
    heading("server");
    run(&mut cargo(["build", "--release", "-p", "longhaul-server"]))?;
    ask(options)
}

/// Asks the server that was built: for half of the time as an owner, nearly as long as a guest, and for a while as
/// nobody, who is only ever refused.
pub(crate) fn ask(options: Options) -> Result<(), Error> {
    let program = installed()?;
    for (asker, share) in [(Asker::Owner, 50), (Asker::Guest, 40), (Asker::Nobody, 10)] {
        let seconds = (options.seconds * share / 100).max(1);
        heading(&format!("schemathesis as {asker:?}, {seconds} s"));
        ask_as(&program, asker, seconds, options.seed)?;
    }
    Ok(())
}

/// The program, in an environment of its own that has exactly what is listed.
fn installed() -> Result<PathBuf, Error> {
    let listed = files().join("requirements.txt");
    let venv = target().join("schemathesis");
    let (program, stamp) = (venv.join("bin/schemathesis"), venv.join("requirements.txt"));
    let read = |path: &Path| {
        fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
    };
    if program.exists() && read(&stamp).ok() == Some(read(&listed)?) {
        return Ok(program);
    }
    heading("installing schemathesis");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&listed))?;
    fs::copy(&listed, &stamp).map_err(|source| Error::File { path: stamp, source })?;
    Ok(program)
}

/// What it is told.
fn files() -> PathBuf {
    root().join("tests/schemathesis")
}

fn ask_as(program: &Path, asker: Asker, seconds: u64, seed: Option<u64>) -> Result<(), Error> {
    let folder = Folder::new()?;
    let key = folder.0.join("key");
    output(Command::new(server()).args(["key", "--algorithm", "hs256", "--out"]).arg(&key))?;
    let asked = Running::start(&folder.0, &key, asker)?;
    let mut command = Command::new(program);
    command.arg("--config-file").arg(files().join("schemathesis.toml"));
    command.arg("run").arg(format!("{}/openapi.json", asked.origin));
    command.arg("--continue-on-failure");
    command.args(["--max-time", &seconds.to_string(), "--generation-database", "none"]);
    if let Some(seed) = seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if asker == Asker::Owner {
        command.arg("--header").arg(format!("Authorization: Bearer {}", token(&key)?));
    }
    // Whatever it leaves behind goes with the folder.
    command.env("SCHEMATHESIS_HOOKS", files().join("hooks.py")).current_dir(&folder.0);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut command)?;
    asked.still_runs()
}

fn token(key: &Path) -> Result<String, Error> {
    let mut command = Command::new(server());
    command.args(["token", "--owner", "anna", "--expires", "1d"]);
    for scope in ["upload", "read", "delete", "admin"] {
        command.args(["--scope", scope]);
    }
    Ok(output(command.arg("--key").arg(key))?.trim().to_owned())
}

/// A folder for one run, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Error> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("schemathesis-{}-{}", std::process::id(), since.as_nanos());
        let path = target().join(name);
        fs::create_dir_all(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the build's folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that is asked, ended with it.
struct Running {
    child: Child,
    origin: String,
}

impl Running {
    fn start(folder: &Path, key: &Path, asker: Asker) -> Result<Self, Error> {
        let mut command = Command::new(server());
        command.args(["--listen", "127.0.0.1:0", "--log", "error", "--content-wait", "100ms"]);
        command.args(["--total-bytes-max", TOTAL_BYTES, "--address-requests-max", "0"]);
        command.arg("--data").arg(folder.join("data")).arg("--token-key").arg(key);
        if asker == Asker::Guest {
            command.arg("--allow-anonymous");
        }
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child =
            started.map_err(|source| Error::Start { command: line(&command), source })?;
        let mut said = String::new();
        if let Some(output) = child.stdout.take() {
            let read = BufReader::new(output).read_line(&mut said);
            read.map_err(|source| Error::Start { command: line(&command), source })?;
        }
        let origin = said.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self { child, origin })
    }

    /// It still runs.
    fn still_runs(mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                Err(Error::Failed { command: "longhaul-server".to_owned(), status })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is told elsewhere.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, Error> {
        Options::parse(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn how_long_it_goes_on_is_told_in_minutes() {
        assert_eq!(parse(&[]).unwrap(), Options { seconds: 900, seed: None });
        assert_eq!(parse(&["--minutes", "2"]).unwrap(), Options { seconds: 120, seed: None });
        for wrong in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "x"], &["2"]] {
            assert!(matches!(parse(wrong), Err(Error::Usage { .. })), "{wrong:?}");
        }
    }
}
