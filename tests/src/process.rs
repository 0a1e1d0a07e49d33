//! A child process: what it says, and its end, with every process it has started.

use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::wait;

/// How many of the last lines a failure shows.
const LINES_SHOWN: usize = 40;

/// A running program, killed with all its descendants when it is dropped.
pub struct Process {
    name: &'static str,
    child: Child,
    lines: Lines,
}

/// What a program has written so far to its outputs, line by line.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn follow(&self, output: impl AsyncRead + Send + Unpin + 'static) {
        let (lines, mut output) = (self.clone(), BufReader::new(output).lines());
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.all();
        let skipped = lines.len().saturating_sub(LINES_SHOWN);
        lines.iter().skip(skipped).try_for_each(|line| writeln!(f, "    {line}"))
    }
}

impl Process {
    /// Starts a program and follows both its outputs.
    ///
    /// # Panics
    /// When it cannot be started: the message names it.
    #[must_use]
    pub fn start(name: &'static str, command: &mut Command) -> Self {
        Self::start_into(name, command, Lines::default())
    }

    /// The same, going on with the lines of an earlier run.
    ///
    /// # Panics
    /// When it cannot be started: the message names it.
    #[must_use]
    pub fn start_into(name: &'static str, command: &mut Command, lines: Lines) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        lines.follow(child.stdout.take().expect("its stdout is piped"));
        lines.follow(child.stderr.take().expect("its stderr is piped"));
        Self { name, child, lines }
    }

    /// What it has said.
    #[must_use]
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Waits for a line, from the given one on, that `pick` makes something of.
    ///
    /// # Panics
    /// When none comes in time, or the program ends before.
    pub async fn said<T>(
        &mut self,
        from: usize,
        within: Duration,
        pick: impl Fn(&str) -> Option<T>,
    ) -> T {
        let said = self.said_or_ended(from, within, pick).await;
        said.unwrap_or_else(|status| panic!("{} ended: {status}", self.name))
    }

    /// The same, where a program that ends before it says anything may be started again.
    ///
    /// # Errors
    /// How it ended.
    ///
    /// # Panics
    /// When no such line comes in time.
    pub async fn said_or_ended<T>(
        &mut self,
        from: usize,
        within: Duration,
        pick: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ExitStatus> {
        let said = wait::until("a word from the program", within, async || {
            let picked = self.lines.all().iter().skip(from).find_map(|line| pick(line));
            match self.child.try_wait() {
                Ok(Some(status)) if picked.is_none() => Some(Err(status)),
                _ => picked.map(Ok),
            }
        });
        said.await
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().and_then(|id| id.try_into().ok()).expect("a running program")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn ends(mut self, within: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("{} goes on", self.name))
            .expect("a child can be waited for")
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.kill_descendants();
        self.child.kill().await.expect("a child can be killed");
    }

    fn kill_descendants(&self) {
        let Some(id) = self.child.id().and_then(|id| id.try_into().ok()) else { return };
        for pid in descendants(id).into_iter().filter_map(Pid::from_raw) {
            // It may have ended meanwhile, which is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_descendants();
        // It may have ended before, which is what is wanted.
        let _ = self.child.start_kill();
        if std::thread::panicking() {
            eprintln!("---- the last lines of {}\n{:?}", self.name, self.lines);
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, self.child.id())
    }
}

/// The processes that a process started, and those that they started.
#[must_use]
pub fn descendants(ancestor: i32) -> Vec<i32> {
    let parents: Vec<(i32, i32)> = running().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&of) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn running() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The fourth field of `/proc/<pid>/stat`; the second, the name, may have spaces and brackets.
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
