//! Running other programs so that a reader of the output knows which one is speaking.

use std::process::{Command, Stdio};

use crate::error::Error;

/// A heading over what comes next.
pub(crate) fn heading(text: &str) {
    println!("\n== {text}");
}

/// Runs to the end; its output is ours.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status =
        command.status().map_err(|source| Error::Start { command: line(command), source })?;
    status.success().then_some(()).ok_or_else(|| Error::Failed { command: line(command), status })
}

/// Runs to the end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start { command: line(command), source })?;
    if !output.status.success() {
        return Err(Error::Failed { command: line(command), status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
