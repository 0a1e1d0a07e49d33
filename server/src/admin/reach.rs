//! Finds who can answer: the server that runs on a data folder, or this process, if none does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::answer::answer;
use super::said::{Ask, Said};
use super::socket::{LINES_WAITING_MAX, connect};
use crate::store::disk::layout::Layout;
use crate::store::disk::{DiskStore, Ending, OpenError};

/// How long a server that has the folder is waited for: one that starts or stops is through by then, mostly.
const REACHED_WITHIN: Duration = Duration::from_secs(5);
/// How long between two tries.
const TRIED_EVERY: Duration = Duration::from_millis(100);

/// Why nobody answers.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// There is no store.
    #[error(
        "{}: there are no uploads and files of a server here, because there is no index.redb. Give --data the \
         folder that the server was started with", .dir.display()
    )]
    NoStore {
        /// The folder.
        dir: PathBuf,
    },
    /// Somebody may not look.
    #[error(
        "{}: {source}. Run this as the user whom the folder belongs to, such as `sudo -u USER longhaul-server …`",
        .path.display()
    )]
    Denied {
        /// What cannot be looked at.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder is taken, and who has it does not answer.
    #[error(
        "{} is in use by process {holder}, which does not answer ({source}). If that is a server that is \
         starting or stopping, or another command like this one, try again when it is through; one of an older \
         version has to be stopped first", .dir.display()
    )]
    Silent {
        /// The folder.
        dir: PathBuf,
        /// The other's process id, or `unknown`.
        holder: String,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The server went while it answered.
    #[error(
        "the server stopped before it had answered everything ({what}): run this again, which also works while \
         no server runs"
    )]
    Broken {
        /// What was seen of that.
        what: String,
    },
    /// The index was changed and could not be closed.
    #[error(
        "the index could not be closed: what was done can be read, but the disk may not have all of it. Look at \
         the disk; the next start checks the index"
    )]
    Unclean,
    /// The system.
    #[error("the system: {0}")]
    System(#[from] io::Error),
}

/// Who answers.
#[derive(Debug)]
pub enum Reached {
    /// This process: no server runs on the folder.
    Here(Box<DiskStore>),
    /// The server that does.
    Server(UnixStream),
}

/// Finds who can answer that.
///
/// # Errors
/// [`ReachError`].
pub async fn reach(data: &Path, ask: &Ask) -> Result<Reached, ReachError> {
    check(data)?;
    let until = Instant::now() + REACHED_WITHIN;
    loop {
        let opened = if ask.changes() {
            DiskStore::open_to_change(data)
        } else {
            DiskStore::open_to_look(data, matches!(ask, Ask::Verify { .. }))
        };
        let holder = match opened {
            Ok(store) => return Ok(Reached::Here(Box::new(store))),
            Err(OpenError::InUse { holder, .. }) => holder,
            Err(error) => return Err(error.into()),
        };
        match connect(data).await {
            Ok(stream) => return Ok(Reached::Server(stream)),
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                let path = Layout::new(data).admin_socket();
                return Err(ReachError::Denied { path, source });
            }
            Err(source) if Instant::now() >= until => {
                return Err(ReachError::Silent { dir: data.to_owned(), holder, source });
            }
            Err(_) => tokio::time::sleep(TRIED_EVERY).await,
        }
    }
}

/// Nothing is made where there is nothing.
fn check(data: &Path) -> Result<(), ReachError> {
    let index = Layout::new(data).index();
    let unread = |path: &Path, source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => ReachError::Denied { path: path.to_owned(), source },
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            ReachError::NoStore { dir: data.to_owned() }
        }
        _ => OpenError::Disk { path: path.to_owned(), source }.into(),
    };
    std::fs::read_dir(data).map_err(|error| unread(data, error))?;
    std::fs::File::open(&index).map_err(|error| unread(&index, error))?;
    Ok(())
}

impl Reached {
    /// Asks, and hands on each line that is told. Ends early when `hear` says that nobody listens.
    ///
    /// # Errors
    /// [`ReachError::Broken`], [`ReachError::Unclean`], [`ReachError::System`].
    pub async fn ask(
        self,
        ask: Ask,
        hear: impl FnMut(Said) -> io::Result<()>,
    ) -> Result<(), ReachError> {
        match self {
            Self::Here(store) => here(*store, ask, hear).await,
            Self::Server(stream) => server(stream, ask, hear).await,
        }
    }
}

async fn here(
    store: DiskStore,
    ask: Ask,
    mut hear: impl FnMut(Said) -> io::Result<()>,
) -> Result<(), ReachError> {
    let (out, mut lines) = mpsc::channel(LINES_WAITING_MAX);
    let ending = ask.changes().then(|| store.ending());
    let answering = async move { answer(&store, ask, &out).await };
    let hearing = async move {
        while let Some(said) = lines.recv().await {
            hear(said)?;
        }
        Ok(())
    };
    let ((), heard) = tokio::join!(answering, hearing);
    let is_clean = |ending: Arc<Ending>| ending.is_clean();
    if ending.is_none_or(is_clean) { heard } else { Err(ReachError::Unclean) }
}

async fn server(
    stream: UnixStream,
    ask: Ask,
    mut hear: impl FnMut(Said) -> io::Result<()>,
) -> Result<(), ReachError> {
    let broken = |what: &dyn std::fmt::Display| ReachError::Broken { what: what.to_string() };
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(&ask).map_err(|error| broken(&error))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(|error| broken(&error))?;
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| broken(&error))? {
        let said: Said = serde_json::from_str(&line).map_err(|error| broken(&error))?;
        let is_last = matches!(said, Said::End | Said::Failed { .. });
        hear(said)?;
        if is_last {
            return Ok(());
        }
    }
    Err(broken(&"it closed the connection"))
}
