//! The program: started for each event, told of it on its standard input, heard by its exit code. It gets nothing of the
//! server's environment but where programs are and how it is to speak, and when its time is over it is ended, with
//! whatever it has started. What has ended in time is heard, and what it has left behind may go on.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::message::Message;
use super::{CallError, Verdict, reason};

/// How much is kept of what a program says, bytes: its first line is a reason, or goes into the log.
const SAID_BYTES_MAX: u64 = 4096;
/// How long more is read once a program has ended: all that it said is there then, but what it has left behind may have
/// the same outputs, and never end.
const HOOK_OUTPUT_WAIT: Duration = Duration::from_millis(200);
/// What it is told of the server's environment.
const ENVIRONMENT: [&str; 4] = ["PATH", "TZ", "LANG", "LC_ALL"];

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Nothing is there, or nothing that the server sees.
    #[error(
        "{}: {source}. Give the path of a program that the server's user may run.", .path.display()
    )]
    Unseen {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, or a device.
    #[error("{}: that is no file. Give the path of a program.", .path.display())]
    NoFile {
        /// What is there.
        path: PathBuf,
    },
    /// The system does not run it.
    #[error(
        "{}: it may not be run by the server's user: {source}. chmod +x it, on a disk that programs may be run from.",
        .path.display()
    )]
    NotRunnable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name, and no program of that name.
    #[error(
        "{}: a name without a slash is looked for in PATH, and it is in no folder of PATH. Give the program's full path.",
        .name.display()
    )]
    NotInPath {
        /// Its name.
        name: PathBuf,
    },
}

/// A program, by its full path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(PathBuf);

impl Program {
    /// The program at that path, from the folder that the server is started in unless it begins with a slash; or, if it has
    /// no slash at all, the first of that name in the folders of `PATH`, as a shell finds it. It is found once: nothing that is
    /// put into those folders later takes its place.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn find(named: &Path) -> Result<Self, ProgramError> {
        if named.as_os_str().as_encoded_bytes().contains(&b'/') {
            return at(named).map(Self);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        in_path(named, &path).map(Self)
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
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = {
            let mut talk = pin!(async {
                tokio::join!(
                    tell(stdin, &message.json),
                    beginning(stdout, &mut out),
                    beginning(stderr, &mut err)
                )
            });
            tokio::select! {
                _ = &mut talk => child.wait().await,
                status = child.wait() => {
                    // Its exit code decides, so whatever else came by now is enough.
                    let _ = timeout(HOOK_OUTPUT_WAIT, talk).await;
                    status
                }
            }
        };
        group.over();
        Ok((status?, out, err))
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

/// There, a file, and one that may be run.
fn at(path: &Path) -> Result<PathBuf, ProgramError> {
    let unseen = |source| ProgramError::Unseen { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(unseen)?;
    let unseen = |source| ProgramError::Unseen { path: path.clone(), source };
    if !path.metadata().map_err(unseen)?.is_file() {
        return Err(ProgramError::NoFile { path });
    }
    match access(&path, Access::EXEC_OK) {
        Ok(()) => Ok(path),
        Err(source) => Err(ProgramError::NotRunnable { path, source: source.into() }),
    }
}

/// The first in these folders that can be run, else why the first that is there cannot.
fn in_path(name: &Path, folders: &OsStr) -> Result<PathBuf, ProgramError> {
    let mut not_runnable = None;
    for folder in std::env::split_paths(folders) {
        match at(&folder.join(name)) {
            Ok(path) => return Ok(path),
            Err(error @ ProgramError::NotRunnable { .. }) => {
                not_runnable.get_or_insert(error);
            }
            Err(_) => {}
        }
    }
    Err(not_runnable.unwrap_or_else(|| ProgramError::NotInPath { name: name.to_owned() }))
}

/// Who does not want to know it all has heard enough.
async fn tell(stdin: Option<ChildStdin>, json: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(json).await;
        let _ = stdin.shutdown().await;
    }
}

/// The beginning of what is said. The rest is read too, or who says it would wait for ever.
async fn beginning(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    // What cannot be read was not said.
    let _ = (&mut from).take(SAID_BYTES_MAX).read_to_end(kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

/// A program and those that it has started. Dropped before they are over, all of them end.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    /// Its exit code was heard: its number may be another's soon, and what it has left is no part of the answer.
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
