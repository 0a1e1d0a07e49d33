//! What a run leaves for the next one, beside what is sent: `NAME.longhaul`.
//!
//! One JSON object a line: first which server it is about, then what became of each file. Lines are
//! added, so that ten thousand files cost ten thousand lines; one that a kill has torn is passed over.
//! What it says of a file counts only while that file is what it was. It can never make two versions of a
//! file one: what the server holds is compared with the file by digests all the same.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use longhaul_protocol::Digest;
use longhaul_protocol::upload::Record;
use longhaul_protocol::wire::FileInfo;
use serde::{Deserialize, Serialize};

use super::list::Item;
use super::source::Stamp;
use crate::disk::{beside, lock, own, said};
use crate::ending::Trouble;
use crate::endpoint::Endpoint;

/// What its name ends with.
pub(super) const SUFFIX: &str = "longhaul";
/// What its first line says it is.
const JOURNAL_VERSION: u32 = 1;
/// How its first line begins.
const BEGINS: &[u8] = b"{\"longhaul\":1,\"to\":\"";

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    longhaul: u32,
    /// The server.
    to: String,
    /// The journal's own: a copy, and one that came out of somebody's archive, is no journal of this run's.
    inode: u64,
    /// Random: what the keys of requests are made of, so that a request of the next run is known as the
    /// same.
    key: String,
}

/// Any other line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Upload {
        path: String,
        stamp: Stamp,
        record: Record,
    },
    File {
        path: String,
        stamp: Stamp,
        file: Box<FileInfo>,
    },
    /// Of the guest whose uploads these are.
    Token(String),
}

#[derive(Debug, Default)]
struct State {
    /// `None` where it cannot be written.
    file: Option<File>,
    uploads: BTreeMap<String, (Stamp, Record)>,
    files: BTreeMap<String, (Stamp, Box<FileInfo>)>,
    token: Option<String>,
    is_empty: bool,
    /// Whether an earlier run has left it.
    was_there: bool,
}

/// The journal of one argument.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    key: String,
    state: Mutex<State>,
}

impl Journal {
    /// Reads the one beside a path, or begins one; and what there is to tell a person about it.
    pub(super) fn beside(
        source: &Path,
        endpoint: &Endpoint,
    ) -> Result<(Self, Option<String>), Trouble> {
        let path = beside(source, &format!(".{SUFFIX}"));
        match Self::open(&path, endpoint) {
            Ok(journal) => Ok((journal, None)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Trouble::at(source, "another program is sending it; let that end first"))
            }
            Err(error) => {
                let note = format!(
                    "{}: {}; nothing can be noted there, so after a kill the server is asked what it has",
                    path.display(),
                    said(&error)
                );
                let journal = Self { path, key: random_key(), state: Mutex::default() };
                Ok((journal, Some(note)))
            }
        }
    }

    fn open(path: &Path, endpoint: &Endpoint) -> io::Result<Self> {
        // It may hold a guest's token.
        let file = own().read(true).append(true).create(true).mode(0o600).open(path)?;
        lock(&file, path)?;
        let found = file.metadata()?;
        if !is_journal(&file)? || !is_own(&found) {
            return Err(io::Error::other("it is there already and none of longhaul's"));
        }
        let mut lines = BufReader::new(&file).split(b'\n').map_while(Result::ok);
        let head = lines.next().and_then(|line| serde_json::from_slice::<Head>(&line).ok());
        let is_ours = |head: &Head| {
            (head.longhaul, head.to.as_str(), head.inode)
                == (JOURNAL_VERSION, endpoint.as_str(), found.ino())
        };
        let head = head.filter(is_ours);
        let was_there = found.len() > 0;
        let mut state = State { is_empty: true, was_there, ..State::default() };
        if head.is_some() {
            lines.for_each(|line| state.read(&line));
        }
        let key = match head {
            Some(head) => head.key,
            None => begin(&file, found.ino(), endpoint).inspect_err(|_| {
                // Nothing of use is in it.
                drop(std::fs::remove_file(path));
            })?,
        };
        state.file = Some(file);
        Ok(Self { path: path.to_owned(), key, state: Mutex::new(state) })
    }

    /// What an earlier run made of the file as it is now.
    pub(super) fn file(&self, item: &Item) -> Option<Box<FileInfo>> {
        let state = self.state();
        let (stamp, file) = state.files.get(&item.path)?;
        (*stamp == item.stamp).then(|| file.clone())
    }

    /// The upload that an earlier run began for the file as it is now.
    pub(super) fn upload(&self, item: &Item) -> Option<Record> {
        let state = self.state();
        let (stamp, record) = state.uploads.get(&item.path)?;
        (*stamp == item.stamp).then(|| record.clone())
    }

    /// The upload that an earlier run began for the file when it was another.
    pub(super) fn stale(&self, item: &Item) -> Option<Record> {
        let state = self.state();
        let (stamp, record) = state.uploads.get(&item.path)?;
        let is_file = state.files.get(&item.path).is_some_and(|(of, _)| of == stamp);
        (*stamp != item.stamp && !is_file).then(|| record.clone())
    }

    /// Whether an earlier run has left it: so what lies beside it may be that run's too.
    pub(super) fn was_there(&self) -> bool {
        self.state().was_there
    }

    /// The token of the guest who began.
    pub(super) fn token(&self) -> Option<String> {
        self.state().token.clone()
    }

    /// What the keys of the file's requests are made of: the same in each run, and another for another
    /// version of it.
    pub(super) fn key(&self, item: &Item) -> String {
        let of = format!("{}\n{}\n{}", self.key, item.path, item.stamp.to_text());
        Digest::of(of.as_bytes()).to_string().chars().take(32).collect()
    }

    /// An upload of it goes on.
    pub(super) fn goes_on(&self, item: &Item, record: Record) {
        let path = item.path.clone();
        self.add(&Line::Upload { path, stamp: item.stamp, record });
    }

    /// It is a file there.
    pub(super) fn is_through(&self, item: &Item, file: &FileInfo) {
        let (path, stamp) = (item.path.clone(), item.stamp);
        self.add(&Line::File { path, stamp, file: Box::new(file.clone()) });
    }

    /// The server has made a guest of who has no token.
    pub(super) fn knows(&self, token: &str) {
        if self.token().as_deref() != Some(token) {
            self.add(&Line::Token(token.to_owned()));
            self.state().token = Some(token.to_owned());
        }
    }

    /// Everything is through.
    pub(super) fn remove(&self) {
        if self.state().file.take().is_some() {
            // What stays behind does no harm.
            drop(std::fs::remove_file(&self.path));
        }
    }

    /// Whether the next run would find nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.state().is_empty
    }

    fn add(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        let mut state = self.state();
        state.is_empty = false;
        if let Some(file) = state.file.as_mut() {
            // A disk that is full costs the next run some questions, and no bytes.
            drop(file.write_all(text.as_bytes()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, line: &[u8]) {
        self.is_empty = false;
        match serde_json::from_slice(line) {
            Ok(Line::Upload { path, stamp, record }) => {
                self.uploads.insert(path, (stamp, record));
            }
            Ok(Line::File { path, stamp, file }) => {
                self.files.insert(path, (stamp, file));
            }
            Ok(Line::Token(token)) => self.token = Some(token),
            // The last of a run that was killed.
            Err(_) => {}
        }
    }
}

/// Whether it begins as one does, as far as it goes: a kill may have torn its first line.
pub(super) fn is_journal(file: &File) -> io::Result<bool> {
    let mut begins = [0; BEGINS.len()];
    let read = file.read_at(&mut begins, 0)?;
    Ok(BEGINS.starts_with(begins.get(..read).unwrap_or_default()))
}

/// Whether it is this user's, and nobody else may read or write it: it says where files go, and whose they are there.
fn is_own(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0
}

fn begin(mut file: &File, inode: u64, endpoint: &Endpoint) -> io::Result<String> {
    file.set_len(0)?;
    let key = random_key();
    let to = endpoint.as_str().to_owned();
    let head = Head { longhaul: JOURNAL_VERSION, to, inode, key: key.clone() };
    let mut text = serde_json::to_string(&head)?;
    text.push('\n');
    file.write_all(text.as_bytes())?;
    Ok(key)
}

fn random_key() -> String {
    format!("{:032x}", fastrand::u128(..))
}
