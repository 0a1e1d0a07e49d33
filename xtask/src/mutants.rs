//! `cargo xtask mutants`: makes the store, what it serves and what a sender asks wrong in one named way after the
//! other, and fails if the tests do not notice.
//!
//! All mutants go into one copy of the workspace, each behind a question that an environment
//! variable answers, so that it is compiled once, into a folder of its own: nobody takes it for the
//! real thing.

mod table;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;
use crate::run::{heading, output, run};
use crate::workspace::{root, target};
use table::Mutant;

/// Which mutant is to be alive, for the copy.
const VARIABLE: &str = "LONGHAUL_MUTANT";
/// How many crash histories of each kind it gets, if it is not said.
const HISTORIES_DEFAULT: u64 = 400;
/// After how long the tests are taken to hang, seconds: many times what they need.
const PATIENCE_SECONDS: u64 = 600;

/// What the copy asks, by this name in `protocol` too.
const QUESTION: &str = "

extern crate self as longhaul_protocol;

/// Whether this mutant is to be alive.
pub fn mutated(number: usize) -> bool {
    static WANTED: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    let wanted = || std::env::var(\"LONGHAUL_MUTANT\").ok()?.parse().ok();
    *WANTED.get_or_init(wanted) == Some(number)
}
";

/// Which to run, and how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Parts of names; none: every mutant.
    names: Vec<String>,
    histories: u64,
}

impl Options {
    /// `[NAME…] [--histories N]`
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut options = Self { names: Vec::new(), histories: HISTORIES_DEFAULT };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--histories" {
                let number = arguments.next().and_then(|number| number.parse().ok());
                let usage = || Error::Usage { given: format!("mutants {argument}") };
                options.histories = number.ok_or_else(usage)?;
            } else {
                options.names.push(argument.clone());
            }
        }
        Ok(options)
    }

    fn wants(&self, mutant: &Mutant) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| mutant.name.contains(name.as_str()))
    }
}

/// What noticed a mutant.
#[derive(Debug, PartialEq, Eq)]
enum Noticed {
    /// These tests, and what the first of the histories says.
    By(Vec<String>),
    /// Not by those that its row names, but by these.
    ByOthers(Vec<String>),
    /// The tests came to no end.
    Hung,
    Nobody,
}

/// Tries each mutant; an error if one survives or if the tests fail without any.
pub(crate) fn run_mutants(options: &Options) -> Result<(), Error> {
    let copy = target().join("mutants");
    heading("copying the workspace");
    copy_workspace(&copy)?;
    mutate(&copy)?;
    heading("compiling it with all mutants");
    run(tests(&copy, options).arg("--no-run"))?;
    let mut wanted: Vec<_> = table::all().filter(|it| options.wants(it)).collect();
    wanted.dedup_by_key(|it| it.name);
    heading("without a mutant");
    run(tests_of(&copy, options, &wanted).env_remove(VARIABLE))?;
    heading("with one at a time");
    let started = Instant::now();
    let mut tried = Vec::new();
    for mutant in wanted {
        let noticed = try_one(&copy, mutant, options)?;
        println!("{:<60} {}", mutant.name, tell(&noticed));
        tried.push((mutant, noticed));
    }
    println!("\n{} mutants in {} s", tried.len(), started.elapsed().as_secs());
    judge(&tried)
}

/// An error unless each was noticed, and by the tests that its row names.
fn judge(tried: &[(&Mutant, Noticed)]) -> Result<(), Error> {
    let names = |is_wrong: fn(&Noticed) -> bool| {
        let wrong = tried.iter().filter(|(_, noticed)| is_wrong(noticed));
        wrong.map(|(mutant, _)| mutant.name).collect::<Vec<_>>().join("; ")
    };
    let survivors = names(|noticed| *noticed == Noticed::Nobody);
    if !survivors.is_empty() {
        return Err(Error::Survivors { names: survivors });
    }
    let misnamed = names(|noticed| matches!(noticed, Noticed::ByOthers(_)));
    if !misnamed.is_empty() {
        return Err(Error::NoticedByOthers { names: misnamed });
    }
    Ok(())
}

/// By what the copy asks for it.
fn number_of(mutant: &Mutant) -> usize {
    table::all().take_while(|it| it.name != mutant.name).count()
}

/// The tests that are there for it first; all others if those see nothing.
fn try_one(copy: &Path, mutant: &Mutant, options: &Options) -> Result<Noticed, Error> {
    let number = number_of(mutant).to_string();
    let mut first = tests(copy, options);
    first.args(["--no-fail-fast", "--", mutant.noticed_by]);
    match look(first.env(VARIABLE, &number), &told())? {
        Noticed::Nobody => match look(all_tests(copy, options).env(VARIABLE, &number), &told())? {
            Noticed::By(tests) => Ok(Noticed::ByOthers(tests)),
            noticed => Ok(noticed),
        },
        noticed => Ok(noticed),
    }
}

/// What a run comes to; nothing of it is left afterwards. What it prints goes to a file: a pipe would have no end for
/// as long as a server of its tests has it.
fn look(command: &mut Command, told: &Path) -> Result<Noticed, Error> {
    let file = fs::File::create(told).map_err(at(told))?;
    let errors = file.try_clone().map_err(at(told))?;
    let child = command.process_group(0).stdout(file).stderr(errors).spawn();
    let start = |source| Error::Start { command: crate::run::line(command), source };
    let mut child = child.map_err(start)?;
    let group = Pid::from_child(&child);
    let ended = child.wait();
    // What a test that was cut off had started. There is none after most.
    let _ = kill_process_group(group, Signal::KILL);
    let status = ended.map_err(at(told))?;
    let text = read(told)?;
    let text = String::from_utf8_lossy(&text);
    Ok(match (status.success(), status.code()) {
        (true, _) => Noticed::Nobody,
        (_, Some(124 | 137)) => Noticed::Hung,
        _ => Noticed::By(failures(&text)),
    })
}

/// Where a run prints.
fn told() -> PathBuf {
    target().join("mutants-build").join("told")
}

/// The names of the tests that failed, and the seed of a history.
fn failures(text: &str) -> Vec<String> {
    let failed = text.lines().filter_map(|line| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.trim_start_matches("store::").to_owned())
    });
    let seed = text.lines().find(|line| line.starts_with("LONGHAUL_SEED="));
    failed.chain(seed.map(str::to_owned)).collect()
}

fn tell(noticed: &Noticed) -> String {
    match noticed {
        Noticed::By(tests) => format!("red: {}", tests.join(", ")),
        Noticed::ByOthers(tests) => format!("red, elsewhere: {}", tests.join(", ")),
        Noticed::Hung => format!("red: no end within {PATIENCE_SECONDS} s"),
        Noticed::Nobody => "SURVIVED".to_owned(),
    }
}

fn tests(copy: &Path, options: &Options) -> Command {
    let mut command = Command::new("timeout");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command.args(["--kill-after=5", &PATIENCE_SECONDS.to_string()]).arg(cargo);
    command.args(["test", "-p", "longhaul-server", "-p", "longhaul-protocol", "--lib"]);
    command.args(["--test", "store", "--test", "http", "--test", "upload"]);
    command
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target().join("mutants-build"))
        .env("LONGHAUL_HISTORIES", options.histories.to_string())
        .env("RUST_BACKTRACE", "0");
    command
}

/// But those in which the disk lies: they expect to see something wrong.
fn all_tests(copy: &Path, options: &Options) -> Command {
    let mut command = tests(copy, options);
    command.args(["--no-fail-fast", "--", "--skip", "found_out"]);
    command
}

/// What has to hold before any of these is alive: all tests, or of some mutants only those that their rows name. If
/// another fails anyhow, it is told as noticed elsewhere, which is an error as well.
fn tests_of(copy: &Path, options: &Options, wanted: &[&Mutant]) -> Command {
    let mut command = all_tests(copy, options);
    if !options.names.is_empty() {
        command.args(wanted.iter().map(|mutant| mutant.noticed_by));
    }
    command
}

/// What git knows of; files that did not change stay as they are, for cargo's sake.
fn copy_workspace(copy: &Path) -> Result<(), Error> {
    let listed = output(Command::new("git").args(["ls-files", "-z"]).current_dir(root()))?;
    for name in listed.split_terminator('\0').filter(|name| !name.starts_with("www/")) {
        let from = root().join(name);
        if from.is_file() {
            put(&copy.join(name), &read(&from)?)?;
        }
    }
    Ok(())
}

fn mutate(copy: &Path) -> Result<(), Error> {
    let mut files = mutated()?;
    let library = "protocol/src/lib.rs";
    let text = String::from_utf8_lossy(&read(&root().join(library))?).into_owned();
    files.insert(library, text + QUESTION);
    files.iter().try_for_each(|(name, text)| put(&copy.join(name), text.as_bytes()))
}

/// The files with all mutants in them, one after the other: none may stand in another's place.
fn mutated() -> Result<BTreeMap<&'static str, String>, Error> {
    let mut files = BTreeMap::<&str, String>::new();
    for mutant in table::all() {
        let text = match files.get(mutant.file) {
            Some(text) => text.clone(),
            None => String::from_utf8_lossy(&read(&root().join(mutant.file))?).into_owned(),
        };
        let question = format!("longhaul_protocol::mutated({})", number_of(mutant));
        let mutated =
            mutant.apply(&text, &question).ok_or(Error::StaleMutant { name: mutant.name })?;
        files.insert(mutant.file, mutated);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(at(path))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::write(path, bytes).map_err(at(path))
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::File { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_still_finds_its_place() {
        let is_lost = |mutant: &&Mutant| {
            let text = fs::read_to_string(root().join(mutant.file)).unwrap();
            mutant.apply(&text, "x").is_none()
        };
        let lost: Vec<_> = table::all().filter(is_lost).map(|mutant| mutant.name).collect();
        assert!(lost.is_empty(), "{lost:#?}");
        mutated().unwrap();
    }

    /// A mutant is known by how many come before its name.
    #[test]
    fn the_rows_of_a_mutant_stand_together() {
        let mut names: Vec<_> = table::all().map(|mutant| mutant.name).collect();
        names.dedup();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name that comes again is another mutant's");
    }

    #[test]
    fn a_mutant_that_is_noticed_elsewhere_only_is_an_error_and_a_survivor_before_it() {
        let mutant = table::all().next().unwrap();
        let tests = || vec!["a".to_owned()];
        let judged = |noticed: Vec<Noticed>| {
            judge(&noticed.into_iter().map(|noticed| (mutant, noticed)).collect::<Vec<_>>())
        };
        judged(vec![Noticed::By(tests()), Noticed::Hung]).unwrap();
        let elsewhere = judged(vec![Noticed::By(tests()), Noticed::ByOthers(tests())]);
        assert!(matches!(elsewhere, Err(Error::NoticedByOthers { .. })), "{elsewhere:?}");
        let survived = judged(vec![Noticed::ByOthers(tests()), Noticed::Nobody]);
        assert!(matches!(survived, Err(Error::Survivors { .. })), "{survived:?}");
    }

    #[test]
    fn what_a_run_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (told, left) = (folder.path().join("told"), folder.path().join("left"));
        let mut run = Command::new("sh");
        run.args(["-c", "sleep 1000 & echo $! > \"$0\"; exit 124"]).arg(&left);
        assert_eq!(look(&mut run, &told).unwrap(), Noticed::Hung);
        let command_line = format!("/proc/{}/cmdline", fs::read_to_string(left).unwrap().trim());
        // It may still be known, but runs no more.
        let is_gone = || fs::read(&command_line).unwrap_or_default().is_empty();
        while !is_gone() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    #[test]
    fn what_failed_is_read_from_what_cargo_prints() {
        let text = "test store::rot::a ... FAILED\ntest b ... ok\nLONGHAUL_SEED=3 Kind: gone\n";
        assert_eq!(failures(text), ["rot::a", "LONGHAUL_SEED=3 Kind: gone"]);
    }
}
