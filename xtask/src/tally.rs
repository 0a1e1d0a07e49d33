//! How many tests ran, over all test programs: cargo itself only tells of each by itself.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::run::line;

/// Tests, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Tally {
    /// Adds what a test program's closing line tells.
    fn add(&mut self, text: &str) {
        let Some(counts) = text.strip_prefix("test result: ") else { return };
        self.passed += count(counts, " passed");
        self.failed += count(counts, " failed");
    }
}

/// The number before a word.
fn count(counts: &str, word: &str) -> u64 {
    let before = counts.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Runs `cargo test`, shows what it prints as it comes, and counts; the count is the last line.
pub(crate) fn run_counted(command: &mut Command) -> Result<(), Error> {
    let started = command.stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|source| Error::Start { command: line(command), source })?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{text}");
            tally.add(&text);
        }
    }
    let status = child.wait().map_err(|source| Error::Start { command: line(command), source })?;
    println!("\n{tally}");
    status.success().then_some(()).ok_or_else(|| Error::Failed { command: line(command), status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_all_programs_are_added_up() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 46 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.add("test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured");
        tally.add("test something_that_says_passed ... ok");
        assert_eq!(tally.to_string(), "58 passed, 3 failed");
    }
}
