//! The program: started for each event, told of it on its standard input, heard by its exit code. It gets nothing of the
//! server's environment but where programs are and how it is to speak, and when its time is over it is ended, with
//! whatever it has started.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

use super::message::Message;
use super::{CallError, Verdict, reason};

/// How much is kept of what a program says, bytes: its first line is a reason, or goes into the log.
const SAID_BYTES_MAX: u64 = 4096;
/// What it is told of the server's environment.
const ENVIRONMENT: [&str; 4] = ["PATH", "TZ", "LANG", "LC_ALL"];

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(PathBuf);

impl Program {
    /// The program of that name or path.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self(program)
    }

    pub(super) async fn call(&self, message: &Message) -> Result<Verdict, CallError> {
        let program = || self.0.display().to_string();
        let ran = self.run(message).await;
        let (status, out, err) =
            ran.map_err(|source| CallError::Program { program: program(), source })?;
        let err = String::from_utf8_lossy(&err);
        if let Some(line) = err.lines().next() {
            tracing::info!(program = program(), "the hook says: {}", line.escape_debug());
        }
        match status.code() {
            Some(0) => Ok(Verdict::Taken),
            Some(_) => Ok(Verdict::Refused(reason(&String::from_utf8_lossy(&out)))),
            None => Err(CallError::Killed { program: program() }),
        }
    }

    async fn run(&self, message: &Message) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let mut child = self.command(message).spawn()?;
        let group = Group::of(&child);
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (_, out, err, status) = tokio::join!(
            // Who does not want to know it all has heard enough.
            tell(stdin, &message.json),
            beginning(stdout),
            beginning(stderr),
            child.wait()
        );
        group.over();
        Ok((status?, out?, err?))
    }

    fn command(&self, message: &Message) -> Command {
        let mut command = Command::new(&self.0);
        command.env_clear().envs(ENVIRONMENT.into_iter().filter_map(|name| {
            let value = std::env::var_os(name)?;
            Some((name, value))
        }));
        command.env("LONGHAUL_EVENT", message.kind.name()).env("LONGHAUL_EVENT_ID", &message.id);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it starts ends with it.
        command.kill_on_drop(true).process_group(0);
        command
    }
}

async fn tell(stdin: Option<ChildStdin>, json: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(json).await;
        let _ = stdin.shutdown().await;
    }
}

/// The beginning of what is said. The rest is read too, or who says it would wait for ever.
async fn beginning(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    (&mut from).take(SAID_BYTES_MAX).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// A program and those that it has started. Dropped before they are over, all of them end.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    /// Nobody has its output any more, and its exit code was heard: its number may be another's soon.
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // They may have ended just now, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
