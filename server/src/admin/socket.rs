//! The socket in the data folder, where a server at work is asked: a line of JSON comes, lines go back.
//!
//! The index is one process's own. Another that read its file while pages of it are written anew would read
//! nonsense, and to copy it first a copy has to be made of one instant. So whoever has the index answers.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answer::answer;
use super::said::{Ask, Said};
use crate::store::disk::DiskStore;
use crate::store::disk::layout::Layout;

/// How many may ask at once: people, and what they have started.
const ASKERS_MAX: usize = 8;
/// The longest question, bytes: an owner's name and its frame.
const ASK_BYTES_MAX: u64 = 4096;
/// How long a question may take: who asks has it ready.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How many lines wait for who asked: with more a listing would be kept in memory for who does not read it.
pub const LINES_WAITING_MAX: usize = 64;
/// The longest path of a socket that systems take, bytes (`sun_path`, without its end).
const SOCKET_PATH_MAX: usize = 103;
/// Only the server's own user may ask.
const SOCKET_MODE: u32 = 0o600;

/// Where a server at work is asked. It goes when this is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Listens in a data folder, for who has its lock: what lies there is of a server that was killed.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn listen(data: &Path) -> io::Result<Self> {
        let path = Layout::new(data).admin_socket();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = by_short_path(&path, |path| UnixListener::bind(path))?;
        std::fs::set_permissions(&path, Permissions::from_mode(SOCKET_MODE))?;
        Ok(Self { listener, path })
    }

    /// Answers, until it is dropped.
    pub async fn serve(self, store: DiskStore) {
        let mut askers = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = askers.join_next() => {}
                accepted = self.listener.accept(), if askers.len() < ASKERS_MAX => match accepted {
                    Ok((stream, _)) if is_ours(&stream) => {
                        askers.spawn(converse(stream, store.clone()));
                    }
                    Ok(_) => tracing::warn!("somebody else's program asked for what only an admin may see"),
                    Err(error) => {
                        tracing::warn!(%error, "an admin's connection was not accepted");
                        tokio::time::sleep(ASK_TIMEOUT).await;
                    }
                },
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket of the admin stays");
        }
    }
}

/// Before its mode is set somebody else may have connected.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| [0, own].contains(&peer.uid()))
}

/// Asks a server at work.
///
/// # Errors
/// Whatever the system says: there is no socket, or nobody listens any more.
pub async fn connect(data: &Path) -> io::Result<UnixStream> {
    let path = Layout::new(data).admin_socket();
    let stream = by_short_path(&path, |path| std::os::unix::net::UnixStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Systems take short paths only for sockets; a longer one is gone to by its open folder.
fn by_short_path<T>(path: &Path, go: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return go(path) };
    if path.as_os_str().len() <= SOCKET_PATH_MAX {
        return go(path);
    }
    let folder = File::open(folder)?;
    go(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

/// Answers one question.
async fn converse(stream: UnixStream, store: DiskStore) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(ASK_BYTES_MAX));
    match tokio::time::timeout(ASK_TIMEOUT, reader.read_line(&mut line)).await {
        Ok(Ok(1..)) => {}
        _ => return,
    }
    let (out, mut lines) = mpsc::channel(LINES_WAITING_MAX);
    let answering = async move {
        match serde_json::from_str::<Ask>(&line) {
            Ok(ask) => {
                tracing::info!(?ask, "an admin asks");
                answer(&store, ask, &out).await;
            }
            Err(error) => {
                let detail = format!(
                    "the server that runs does not know what it is asked ({error}): it is of another \
                     version. Restart it, or use the `longhaul-server` that it was started with"
                );
                let _ = out.send(Said::Failed { detail }).await;
            }
        }
    };
    // When the one who asked is gone, `lines` is dropped, and the answering ends.
    let telling = async move {
        while let Some(said) = lines.recv().await {
            let Ok(mut line) = serde_json::to_vec(&said) else { continue };
            line.push(b'\n');
            if write.write_all(&line).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(answering, telling);
}
