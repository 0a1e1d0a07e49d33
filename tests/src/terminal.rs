//! `longhaul` as a person starts it: what it is told, what it says, how it ends.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::artefacts;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// A run that goes on, killed when it is dropped.
#[derive(Debug)]
pub struct Running(Child);

/// The program with these arguments and no token, and nothing of the caller's terminal.
pub fn longhaul(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(artefacts::cli());
    command.args(args).env_remove("LONGHAUL_TOKEN").env("NO_COLOR", "1").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
///
/// # Panics
/// When it cannot be started.
pub async fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
    start(args).ends().await
}

/// Starts it.
///
/// # Panics
/// When it cannot be started.
pub fn start(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
    start_as(&mut longhaul(args))
}

/// Starts what [`longhaul`] made, with whatever was added.
///
/// # Panics
/// When it cannot be started.
pub fn start_as(command: &mut Command) -> Running {
    Running(command.spawn().expect("longhaul starts"))
}

impl Running {
    /// SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.0.kill().await.expect("a child can be killed");
    }

    /// Ctrl-C, and how it ends.
    ///
    /// # Panics
    /// When it has ended already.
    pub async fn interrupt(self) -> Said {
        let id = self.0.id().and_then(|id| id.try_into().ok()).and_then(Pid::from_raw);
        kill_process(id.expect("a running program"), Signal::INT).expect("a signal");
        self.ends().await
    }

    /// Whether it has ended, and how.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it says what is no text.
    pub async fn ends(self) -> Said {
        let output = self.0.wait_with_output().await.expect("its end");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// What it printed, when all went well.
    ///
    /// # Panics
    /// When it did not.
    pub fn good(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out.trim_end()
    }

    /// The events of `--json` by their name.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    pub fn events(&self, name: &str) -> Vec<Value> {
        let lines = self.out.lines().map(|line| serde_json::from_str(line).expect("a JSON line"));
        lines.filter(|line: &Value| line["event"] == name).collect()
    }
}
