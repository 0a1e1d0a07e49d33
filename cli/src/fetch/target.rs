//! What is fetched, on this machine's disk: `NAME.part` with all the room it needs, beside it what is
//! known of it, and in the end one rename.
//!
//! ```text
//! NAME             the whole file, verified and synced; nothing before that
//! NAME.part        its bytes at their final offsets; whoever writes it has it locked
//! NAME.part.json   which chunks of which file lie there: a hint of where to look
//! ```

use std::fs::{File, FileTimes};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::download::{Record, TargetError};
use longhaul_protocol::wire::FileInfo;
use rustix::fs::{FallocateFlags, RenameFlags, fallocate, renameat_with};
use rustix::io::Errno;

use crate::disk::{NAME_BYTES_MAX, PART, READ_BYTES, beside, folder_of, lock, own, said};

/// The longest record that is read, bytes: every second chunk of the largest file.
const RECORD_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Given to the system at once, bytes: of more, Linux 6.18 takes several times as long for each to put it where
/// room was kept.
const PWRITE_BYTES: usize = 256 * 1024;

/// Where it is to be.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its name once it is whole.
    pub(super) whole: PathBuf,
    part: PathBuf,
    record: PathBuf,
    force: bool,
}

/// What lies where a record would.
enum Noted {
    Nothing,
    /// An unfinished fetch has begun, and come to nothing yet.
    Mark,
    Record(Box<Record>),
    /// Somebody else's.
    Foreign,
}

/// An open `NAME.part`.
#[derive(Debug)]
pub(super) struct Target {
    place: Place,
    file: File,
    /// Whose turn it is to write: the system lets one at a time write to a file, and the others would burn a
    /// processor waiting.
    turn: Mutex<()>,
}

impl Place {
    /// The places of a file of that name.
    pub(super) fn new(whole: PathBuf, force: bool) -> Self {
        let (part, record) = (beside(&whole, PART), beside(&whole, ".part.json"));
        Self { part, record, whole, force }
    }

    /// Why nothing can be put there, as far as it can be seen before there is anything.
    pub(super) fn fault(&self) -> Option<String> {
        let is_folders = self.whole.as_os_str().as_bytes().ends_with(b"/");
        let folder = if is_folders { &self.whole } else { folder_of(&self.whole) };
        if !folder.is_dir() {
            let folder = folder.display();
            return Some(format!("{folder} is no folder; make it first, or name another with -o"));
        }
        let name = self.whole.file_name().unwrap_or_default();
        if name.len() > NAME_BYTES_MAX {
            let len = name.len();
            return Some(format!(
                "a name has at most {NAME_BYTES_MAX} bytes, and that of -o has {len}; name another"
            ));
        }
        let found = self.whole.symlink_metadata().ok()?;
        if self.force && !found.is_file() && !found.is_symlink() {
            let whole = self.whole.display();
            return Some(format!("{whole} is no file, and is not replaced; name another with -o"));
        }
        self.is_taken().then(|| taken(&self.whole))
    }

    /// Whether something has its name already, and may keep it.
    fn is_taken(&self) -> bool {
        !self.force && self.whole.symlink_metadata().is_ok()
    }

    /// What an earlier session left; `None` for whatever cannot be read.
    pub(super) fn record(&self) -> Option<Record> {
        match self.noted() {
            Noted::Record(record) if self.part.is_file() => Some(*record),
            _ => None,
        }
    }

    /// What lies where a record would.
    fn noted(&self) -> Noted {
        let Ok(found) = self.record.symlink_metadata() else { return Noted::Nothing };
        // Nobody writes to a pipe that has this name.
        if !found.is_file() || found.len() > RECORD_BYTES_MAX {
            return Noted::Foreign;
        }
        match std::fs::read(&self.record) {
            Ok(text) if text.is_empty() => Noted::Mark,
            Ok(text) => serde_json::from_slice(&text).map_or(Noted::Foreign, Noted::Record),
            Err(_) => Noted::Foreign,
        }
    }

    /// Makes the target, with room for so many bytes.
    pub(super) fn prepare(&self, len: u64, keep: bool) -> Result<Target, TargetError> {
        let is_known = match self.noted() {
            Noted::Foreign => return Err(foreign(&self.record)),
            Noted::Nothing if self.new_record().symlink_metadata().is_ok() => {
                return Err(foreign(&self.new_record()));
            }
            Noted::Nothing => false,
            Noted::Mark | Noted::Record(_) => true,
        };
        let file =
            own().read(true).write(true).create(is_known).create_new(!is_known).open(&self.part);
        let file = file.map_err(|error| self.trouble(&error))?;
        lock(&file, &self.part).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => TargetError::Busy(self.whole.display().to_string()),
            _ => self.trouble(&error),
        })?;
        let reserved = reserve(&file, len, keep).map_err(|error| self.trouble(&error));
        if reserved.is_err() && !keep {
            // Nothing of use is in it.
            drop(std::fs::remove_file(&self.part));
        }
        reserved
            .map(|()| Target { place: self.clone(), file, turn: Mutex::default() })
            .inspect(|_| self.mark(is_known))
    }

    /// What has nothing noted beside it is none of ours. Where nothing can be noted, nothing goes on either.
    fn mark(&self, is_known: bool) {
        drop((!is_known).then(|| own().write(true).create_new(true).open(&self.record)));
    }

    fn new_record(&self) -> PathBuf {
        self.record.with_extension("json.new")
    }

    /// Writes the record so that there is always a whole one.
    pub(super) fn save(&self, record: &Record) -> io::Result<()> {
        let new = self.new_record();
        // What a kill has left of it, or somebody else has put there.
        drop(std::fs::remove_file(&new));
        let mut file = own().write(true).create_new(true).open(&new)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.record)
    }

    /// The record is of no use any more.
    pub(super) fn forget(&self) {
        // It may never have been there.
        drop(std::fs::remove_file(&self.record));
    }

    /// Nor are the bytes.
    pub(super) fn discard(&self) {
        drop(std::fs::remove_file(&self.part));
        self.forget();
    }

    fn trouble(&self, error: &io::Error) -> TargetError {
        let path = self.part.display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                TargetError::Full(path.to_string())
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                TargetError::Denied(format!("{path} may not be written here"))
            }
            ErrorKind::AlreadyExists => foreign(&self.part),
            _ => TargetError::Failed(format!("{path}: {}", said(error))),
        }
    }
}

fn foreign(path: &Path) -> TargetError {
    TargetError::Failed(format!(
        "{} is there already, and not from an unfinished fetch; move it away, or name another file with -o",
        path.display()
    ))
}

/// Room is had before the first byte comes, so that a disk that is too small says so at once.
fn reserve(file: &File, len: u64, keep: bool) -> io::Result<()> {
    if !keep {
        file.set_len(0)?;
    }
    file.set_len(len)?;
    match len {
        0 => Ok(()),
        _ => match fallocate(file, FallocateFlags::empty(), 0, len) {
            // Some file systems cannot.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        },
    }
}

impl Target {
    /// The digest of some of its bytes.
    pub(super) fn check(&self, range: &std::ops::Range<u64>) -> Result<Digest, TargetError> {
        let (mut hasher, mut at) = (Hasher::default(), range.start);
        let mut buffer = vec![0; READ_BYTES];
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let piece = buffer.get_mut(..left.min(READ_BYTES)).unwrap_or_default();
            let read = self.file.read_exact_at(piece, at);
            read.map_err(|error| self.place.trouble(&error))?;
            hasher.update(piece);
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(hasher.finish())
    }

    /// Puts bytes where they belong.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> Result<(), TargetError> {
        let _turn = self.turn.lock();
        let mut at = at;
        for piece in bytes.chunks(PWRITE_BYTES) {
            self.file.write_all_at(piece, at).map_err(|error| self.place.trouble(&error))?;
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Everything in it lasts, then it gets its name, then the name lasts.
    pub(super) fn finish(&self, file: &FileInfo) -> Result<(), TargetError> {
        self.date(file);
        self.file.sync_all().map_err(|error| self.place.trouble(&error))?;
        self.name()?;
        self.place.forget();
        let synced = File::open(folder_of(&self.place.whole)).and_then(|dir| dir.sync_all());
        synced.map_err(|error| self.place.trouble(&error))
    }

    /// A name that somebody else has taken meanwhile is not taken from them.
    fn name(&self) -> Result<(), TargetError> {
        let Place { part, whole, force, .. } = &self.place;
        let flags = if *force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let here = rustix::fs::CWD;
        match renameat_with(here, part, here, whole, flags) {
            Err(Errno::EXIST) => Err(TargetError::Failed(taken(whole))),
            // Some file systems cannot promise it.
            Err(Errno::INVAL | Errno::NOSYS) if !self.place.is_taken() => {
                std::fs::rename(part, whole).map_err(|error| self.place.trouble(&error))
            }
            other => other.map_err(|error| self.place.trouble(&error.into())),
        }
    }

    /// The date that it has at its source. A file system that keeps none loses it.
    fn date(&self, file: &FileInfo) {
        let modified = file.meta.last_modified.map(|at| UNIX_EPOCH + Duration::from_millis(at.0));
        drop(modified.map(|at| self.file.set_times(FileTimes::new().set_modified(at))));
    }
}

/// What is said of a name that something has already.
fn taken(whole: &Path) -> String {
    format!(
        "{} is there already; name another with -o, or replace it with --force",
        whole.display()
    )
}
