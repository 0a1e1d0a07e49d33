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
/// How many requests a run within `cargo xtask test` thinks up for an operation in each of its parts, as an owner.
/// They are counted and not timed, because a clock would end them at another request on each machine: a run that
/// is green here could be red there, and nobody could repeat it.
const BOUNDED_CASES: u64 = 50;
/// The seed of that run, so that it asks the same each time.
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

/// When it is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// After so many, over all who ask; what is thought up is thought up anew until then.
    Seconds(u64),
    /// When an owner has tried so many requests for each operation, in each part of a run, and others their share.
    Cases(u64),
}

impl Until {
    /// What somebody has of it, who has so many hundredths.
    fn share(self, share: u64) -> Self {
        match self {
            Self::Seconds(seconds) => Self::Seconds((seconds * share / 100).max(1)),
            Self::Cases(cases) => Self::Cases((cases * share / OWNERS_SHARE).max(1)),
        }
    }

    fn arguments(self) -> [String; 2] {
        match self {
            Self::Seconds(seconds) => ["--max-time".to_owned(), seconds.to_string()],
            Self::Cases(cases) => ["--max-examples".to_owned(), cases.to_string()],
        }
    }
}

/// How long to go on, and what is thought up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    until: Until,
    /// None: something else each time.
    seed: Option<u64>,
}

impl Options {
    /// The run within `cargo xtask test`.
    pub(crate) const BOUNDED: Self =
        Self { until: Until::Cases(BOUNDED_CASES), seed: Some(BOUNDED_SEED) };

    /// `[--minutes N | --cases N] [--seed N]`
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut options = Self { until: Until::Seconds(MINUTES_DEFAULT * 60), seed: None };
        for pair in arguments.chunks(2) {
            let usage = || Error::Usage { given: format!("schemathesis {}", pair.join(" ")) };
            let [option, number] = pair else { return Err(usage()) };
            let number: u64 = number.parse().map_err(|_| usage())?;
            match option.as_str() {
                "--seed" => options.seed = Some(number),
                "--minutes" if number > 0 => options.until = Until::Seconds(number * 60),
                "--cases" if number > 0 => options.until = Until::Cases(number),
                _ => return Err(usage()),
            }
        }
        Ok(options)
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
    for (asker, share) in [(Asker::Owner, OWNERS_SHARE), (Asker::Guest, 40), (Asker::Nobody, 10)] {
        let until = options.until.share(share);
        heading(&format!("schemathesis as {asker:?}, {}", until.arguments().join(" ")));
        ask_as(&program, asker, until, options.seed)?;
    }
    Ok(())
}

/// What an owner has of a run, hundredths.
const OWNERS_SHARE: u64 = 50;

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

fn ask_as(program: &Path, asker: Asker, until: Until, seed: Option<u64>) -> Result<(), Error> {
    let folder = Folder::new()?;
    let key = folder.0.join("key");
    output(Command::new(server()).args(["key", "--algorithm", "hs256", "--out"]).arg(&key))?;
    let asked = Running::start(&folder.0, &key, asker)?;
    let mut command = Command::new(program);
    command.arg("--config-file").arg(files().join("schemathesis.toml"));
    command.arg("run").arg(format!("{}/openapi.json", asked.origin));
    command.arg("--continue-on-failure");
    command.args(until.arguments()).args(["--generation-database", "none"]);
    // It would fail where a machine has something else to do.
    command.args(["--suppress-health-check", "too_slow"]);
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
    fn how_long_it_goes_on_and_from_where_is_told_in_any_order() {
        let options = |until, seed| Options { until, seed };
        assert_eq!(parse(&[]).unwrap(), options(Until::Seconds(900), None));
        let two = parse(&["--minutes", "2", "--seed", "7"]).unwrap();
        assert_eq!(two, options(Until::Seconds(120), Some(7)));
        let counted = parse(&["--seed", "0", "--cases", "20"]).unwrap();
        assert_eq!(counted, options(Until::Cases(20), Some(0)));
        for wrong in
            [&["--minutes"][..], &["--minutes", "0"], &["--cases", "x"], &["2"], &["--seed"]]
        {
            assert!(matches!(parse(wrong), Err(Error::Usage { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn an_owner_has_half_of_the_time_and_all_cases() {
        assert_eq!(Until::Seconds(60).share(OWNERS_SHARE), Until::Seconds(30));
        assert_eq!(Until::Cases(20).share(OWNERS_SHARE), Until::Cases(20));
        assert_eq!(Until::Cases(20).share(10), Until::Cases(4));
    }
}
