//! `cargo xtask fuzz`: one target after the other, each for some minutes, from the corpus in
//! `fuzz/corpus`; what was found on the way is added to it, the least that reaches as much.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::run::{heading, output, run};
use crate::workspace::{root, target};

const MINUTES_DEFAULT: u64 = 10;
/// The longest input that is tried, bytes: nothing that is parsed here has a decision beyond it, and
/// a corpus of small files is one that a repository can keep.
const INPUT_BYTES_MAX: u64 = 4096;

/// What to run, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// None: every target.
    target: Option<String>,
    minutes: u64,
}

impl Options {
    /// `[TARGET] [--minutes N]`
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut options = Self { target: None, minutes: MINUTES_DEFAULT };
        let mut arguments = arguments.iter();
        let usage = |given: &str| Error::Usage { given: format!("fuzz {given}") };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--minutes" => {
                    let minutes = arguments.next().and_then(|minutes| minutes.parse().ok());
                    options.minutes = minutes.ok_or_else(|| usage("--minutes"))?;
                }
                name if !name.starts_with('-') && options.target.is_none() => {
                    options.target = Some(name.to_owned());
                }
                other => return Err(usage(other)),
            }
        }
        Ok(options)
    }
}

/// Stops at the first input that a target does not survive; cargo-fuzz says where it lies and how to
/// try it again.
pub(crate) fn run_fuzz(options: &Options) -> Result<(), Error> {
    let installed = output(&mut fuzz("--version")).map_err(|_| Error::NoFuzzer)?;
    heading(installed.trim());
    let known = output(&mut fuzz("list"))?;
    let known: Vec<_> = known.lines().collect();
    let chosen = match &options.target {
        None => known,
        Some(name) if known.contains(&name.as_str()) => vec![name.as_str()],
        Some(name) => return Err(Error::Usage { given: format!("fuzz {name}") }),
    };
    chosen.into_iter().try_for_each(|name| run_target(name, options.minutes))
}

/// The finds of a run go to a folder of their own, because few of them are worth keeping: those that
/// reach what nothing in the corpus reaches, by lines and not by how often a line is passed.
fn run_target(name: &str, minutes: u64) -> Result<(), Error> {
    heading(&format!("{name}, {minutes} min"));
    let corpus = root().join("fuzz/corpus").join(name);
    let finds = target().join("fuzz-finds").join(name);
    fs::create_dir_all(&finds).map_err(|source| Error::File { path: finds.clone(), source })?;
    let time = format!("-max_total_time={}", minutes * 60);
    run(target_on(name, &finds, &corpus).args([&time]))?;
    heading(&format!("{name}, what is worth keeping"));
    run(target_on(name, &corpus, &finds).args(["-set_cover_merge=1", "-use_counters=0"]))
}

/// New inputs are written to the first folder. Without a sanitizer: nothing here is unsafe, and so
/// it is several times faster.
fn target_on(name: &str, first: &Path, second: &Path) -> Command {
    let mut command = fuzz("run");
    command.args(["--sanitizer", "none", name]).args([first, second]);
    command.args(["--".to_owned(), format!("-max_len={INPUT_BYTES_MAX}")]);
    command
}

/// By rustup's `cargo`, not the one that runs us: that one is stable.
fn fuzz(verb: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", verb]).env_remove("CARGO").current_dir(root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, Error> {
        Options::parse(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_target_and_minutes_may_be_said_in_any_order() {
        let options =
            |target: Option<&str>, minutes| Options { target: target.map(Into::into), minutes };
        assert_eq!(parse(&[]).unwrap(), options(None, 10));
        assert_eq!(parse(&["rows"]).unwrap(), options(Some("rows"), 10));
        assert_eq!(parse(&["--minutes", "3", "rows"]).unwrap(), options(Some("rows"), 3));
        for wrong in [&["--minutes"][..], &["--minutes", "x"], &["a", "b"], &["--hours"]] {
            assert!(matches!(parse(wrong), Err(Error::Usage { .. })), "{wrong:?}");
        }
    }
}
