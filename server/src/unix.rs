//! A Unix socket to listen on, for a proxy on the same machine. Who may open it is said by its mode and its folder, so
//! nobody else can be on it, and nobody has to be told a port.

use std::ffi::OsString;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::{Sleep, sleep};

use crate::listen::WAITING_MAX;

/// What the name of a socket ends in until it is complete.
const NEW: &str = ".new";

/// Why there is no socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// Another program listens on it.
    #[error("{} is in use: stop the program that listens there, or choose another path with --unix-socket.", .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there, and stays.
    #[error("{} is there and is no socket: move it away, or choose another path with --unix-socket.", .path.display())]
    NoSocket {
        /// What is there.
        path: PathBuf,
    },
    /// No socket has so long a path.
    #[error("--unix-socket {}: the path is too long ({source}). Give a shorter one; while it is made it ends in {NEW}.", .path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// What the system's addresses allow.
        source: io::Error,
    },
    /// The system said no.
    #[error("cannot listen on {}: {source}. Its folder has to be there, and writable for the server.", .path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket that is listened on; its file goes with it.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: another server may have put its own there meanwhile.
    file: (u64, u64),
}

impl Bound {
    /// Listens at this path, for whom its mode lets in. What a server left there that was killed is replaced, in one
    /// step, so that nobody who may not ever finds it open.
    ///
    /// # Errors
    /// [`UnixError`].
    pub fn new(path: &Path, mode: u32) -> Result<Self, UnixError> {
        Self::check(path)?;
        make_way(path)?;
        bind(path, mode).map_err(|source| UnixError::Refused { path: path.to_owned(), source })
    }

    /// Finds out, without touching anything, whether one may be at this path: whoever listens there now, and whether its
    /// folder is there yet, may change until the start.
    ///
    /// # Errors
    /// [`UnixError`].
    pub fn check(path: &Path) -> Result<(), UnixError> {
        let whole = path.to_owned();
        SocketAddr::from_pathname(new(path))
            .map_err(|source| UnixError::TooLong { path: whole, source })?;
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.file_type().is_socket() => {
                Err(UnixError::NoSocket { path: path.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| identity(&meta) == self.file) {
            // If it stays, the next server takes its place.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where it is until it is complete.
fn new(path: &Path) -> PathBuf {
    let mut new = OsString::from(path);
    new.push(NEW);
    PathBuf::from(new)
}

fn bind(path: &Path, mode: u32) -> io::Result<Bound> {
    let new = new(path);
    // Of one that was killed between the next lines.
    let _ = fs::remove_file(&new);
    let socket = UnixSocket::new_stream()?;
    socket.bind(&new)?;
    // Nobody is heard before it is listened on.
    fs::set_permissions(&new, Permissions::from_mode(mode))?;
    let listener = socket.listen(WAITING_MAX)?;
    let file = identity(&fs::symlink_metadata(&new)?);
    fs::rename(&new, path)?;
    Ok(Bound { listener, path: path.to_owned(), file })
}

/// Finds out whether the socket at a path, if one is there, may be replaced: only one that nobody listens on.
fn make_way(path: &Path) -> Result<(), UnixError> {
    let path = || path.to_owned();
    match fs::symlink_metadata(path()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(UnixError::Refused { path: path(), source }),
    }
    match std::os::unix::net::UnixStream::connect(path()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(UnixError::Refused { path: path(), source: error })
        }
        _ => Err(UnixError::InUse { path: path() }),
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// A connection that ends when its other side takes no byte of what is to be sent for so long. Of TCP the system
/// sees to that.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: UnixStream,
    idle: Duration,
    late: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    pub(crate) fn new(stream: UnixStream, idle: Duration) -> Self {
        Self { stream, idle, late: None }
    }

    fn or_late<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.late = None;
            return written;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(self.idle)));
        late.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_late(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.or_late(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn what_a_killed_server_left_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // A dropped listener of the standard library leaves its file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bound = Bound::new(&path, 0o660).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o660);
        let (came, went) = tokio::join!(bound.accept(), UnixStream::connect(&path));
        drop((came.unwrap(), went.unwrap()));
        assert!(matches!(Bound::new(&path, 0o660), Err(UnixError::InUse { .. })));
        assert!(UnixStream::connect(&path).await.is_ok(), "it is still the first one's");
        drop(bound);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(matches!(Bound::new(&path, 0o660), Err(UnixError::NoSocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"a file");
        let nowhere = folder.path().join("no/socket");
        assert!(matches!(Bound::new(&nowhere, 0o660), Err(UnixError::Refused { .. })));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[tokio::test]
    async fn a_socket_that_another_server_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let bound = Bound::new(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let other = Bound::new(&path, 0o600).unwrap();
        drop(bound);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_left_and_who_takes_a_little_is_not() {
        const IDLE: Duration = Duration::from_secs(30);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut patient = Patient::new(ours, IDLE);
        let much = vec![0; 8 << 20];
        let reader = tokio::spawn(async move {
            let mut piece = vec![0; 1 << 20];
            for _ in 0..4 {
                sleep(IDLE / 2).await;
                theirs.read_exact(&mut piece).await.unwrap();
            }
            theirs
        });
        let error = patient.write_all(&much).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(reader.is_finished(), "it was to be read first");
    }
}
