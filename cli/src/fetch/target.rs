//! What is fetched, on this machine's disk: `NAME.part` with all the room it needs, beside it what is
//! known of it (`part.rs`), and in the end one rename to `NAME`, which is the whole file, verified and synced.

use std::fs::{File, FileTimes};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use indicatif::HumanBytes;
use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::download::{Record, TargetError};
use longhaul_protocol::wire::FileInfo;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::disk::{NAME_BYTES_MAX, READ_BYTES, folder_of, said};
use crate::part::{Noted, Part, Places, Refused, Unnamed};
use crate::source::{Source, Stamp};

/// Given to the system at once, bytes: Linux keeps it in one piece of memory, and a virtual machine waits for large ones.
const PWRITE_BYTES: usize = 16 * 1024;

/// Where it is to be.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its name once it is whole.
    pub(super) whole: PathBuf,
    /// The address that it comes from.
    from: String,
    force: bool,
}

/// An open `NAME.part`.
#[derive(Debug)]
pub(super) struct Target {
    place: Place,
    part: Part,
    /// Whose turn it is to write: the system lets one at a time write to a file, and the others would burn a
    /// processor waiting.
    turn: Mutex<()>,
    /// Whether it has its name: what was still to be noted while it got it is of no use.
    is_named: Mutex<bool>,
}

impl Place {
    /// The places of a file of that name.
    pub(super) fn new(whole: PathBuf, from: String, force: bool) -> Self {
        Self { whole, from, force }
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
        None
    }

    /// Whether something has its name already, and may keep it.
    pub(super) fn is_taken(&self) -> bool {
        !self.force && self.whole.symlink_metadata().is_ok()
    }

    /// Whether what has its name is that file, to the last byte.
    pub(super) fn has(&self, file: &FileInfo) -> bool {
        let root = || {
            let found = self.whole.symlink_metadata().ok()?;
            let is_like = found.is_file() && found.len() == file.size;
            // Whatever else has the name may wait for ever for somebody at its other end.
            let stamp = is_like.then(|| Stamp::of(&found))?;
            Source::open(&self.whole, stamp).ok()?.root(file.chunk_size).ok()
        };
        let has = root() == Some(file.root);
        if has {
            Part::forget_of(&self.whole);
        }
        has
    }

    /// What an earlier session left; `None` for whatever cannot be read.
    pub(super) fn record(&self) -> Option<Record> {
        Places::beside(&self.whole).noted()?.record
    }

    /// Makes the target of a file of that root, with room for so many bytes.
    pub(super) fn prepare(
        &self,
        root: Digest,
        len: u64,
        keep: bool,
    ) -> Result<Target, TargetError> {
        let (part, note) =
            Part::open(&self.whole, Some(&self.from)).map_err(|refused| self.refused(refused))?;
        let record = note.as_ref().and_then(|note| note.record.as_ref());
        let other = record.filter(|record| record.root != root && !record.held.is_empty());
        if let Some(other) = other.filter(|_| !self.force) {
            let from = note.as_ref().and_then(|note| note.from.as_deref()).unwrap_or_default();
            return Err(unfinished(part.path(), other, from));
        }
        let target = Target {
            place: self.clone(),
            part,
            turn: Mutex::default(),
            is_named: Mutex::default(),
        };
        let reserved = target.reserve(len, keep);
        reserved.map(|()| target)
    }

    /// Where somebody else has something under a name that is needed.
    fn refused(&self, refused: Refused) -> TargetError {
        match refused {
            Refused::Busy => TargetError::Busy(self.whole.display().to_string()),
            Refused::Foreign(path) => TargetError::Failed(format!(
                "{} is there already, and not from an unfinished fetch of yours; move it away, or name another file with -o",
                path.display()
            )),
            Refused::OfAnother => TargetError::Failed(format!(
                "{} is what a `longhaul send -` that was stopped has left; remove it, or name another file with -o",
                Places::beside(&self.whole).part.display()
            )),
            Refused::Failed(path, error) if is_full(&error) => no_room(&path),
            Refused::Failed(path, error) => trouble(&path, &error),
        }
    }
}

fn trouble(path: &Path, error: &io::Error) -> TargetError {
    let shown = path.display();
    match error.kind() {
        _ if is_full(error) => TargetError::Full(shown.to_string()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            TargetError::Denied(format!("{shown} may not be written here"))
        }
        _ => TargetError::Failed(format!("{shown}: {}", said(error))),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Where nothing is here that could be kept.
fn no_room(path: &Path) -> TargetError {
    let path = path.display();
    TargetError::Failed(format!("there is no room for {path}; make some and begin again"))
}

/// To give up what took hours is for a person to say.
fn unfinished(part: &Path, record: &Record, from: &str) -> TargetError {
    let has = longhaul_protocol::Plan::new(record.size, record.chunk_size)
        .map(|plan| record.held.bytes(plan));
    TargetError::Failed(format!(
        "{} has {} of {} of another file, {from}, whose fetch is not finished; finish that, name another file with -o, or give it up with --force",
        part.display(),
        HumanBytes(has.unwrap_or_default()),
        HumanBytes(record.size)
    ))
}

fn reserve(file: &File, len: u64) -> io::Result<()> {
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
    /// Room is had before the first byte comes, so that a disk that is too small says so at once.
    fn reserve(&self, len: u64, keep: bool) -> Result<(), TargetError> {
        if keep {
            return reserve(self.part.file(), len).map_err(|error| self.trouble(&error));
        }
        // What was noted is of bytes that go now.
        let emptied = self.part.note(&Noted::Nothing).and_then(|()| self.part.file().set_len(0));
        emptied.and_then(|()| reserve(self.part.file(), len)).map_err(|error| {
            // Nothing of use is in it.
            self.part.discard();
            if is_full(&error) { no_room(self.part.path()) } else { self.trouble(&error) }
        })
    }

    /// Notes which of its bytes are there. On a full disk the next session finds out by itself what is here, or
    /// fetches it again.
    pub(super) fn save(&self, record: &Record) -> Result<(), TargetError> {
        let is_named = self.is_named.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_named {
            return Ok(());
        }
        if !self.part.is_still_there() {
            return Err(self.gone());
        }
        drop(self.part.note(&Noted::Some(record)));
        Ok(())
    }

    /// What is noted is of no use any more.
    pub(super) fn forget(&self) {
        self.part.forget();
    }

    /// Nor are the bytes.
    pub(super) fn discard(&self) {
        self.part.discard();
    }

    fn trouble(&self, error: &io::Error) -> TargetError {
        trouble(self.part.path(), error)
    }

    fn gone(&self) -> TargetError {
        TargetError::Failed(format!(
            "{} was removed while it was written, or replaced by what is none of this run's; nothing of that is touched, and nothing is kept: begin again",
            self.part.path().display()
        ))
    }

    /// The digest of some of its bytes.
    pub(super) fn check(&self, range: &std::ops::Range<u64>) -> Result<Digest, TargetError> {
        let (mut hasher, mut at) = (Hasher::default(), range.start);
        let mut buffer = vec![0; READ_BYTES];
        while at < range.end {
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let piece = buffer.get_mut(..left.min(READ_BYTES)).unwrap_or_default();
            let read = self.part.file().read_exact_at(piece, at);
            read.map_err(|error| self.trouble(&error))?;
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
            self.part.file().write_all_at(piece, at).map_err(|error| self.trouble(&error))?;
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Everything in it lasts, then it gets its name, then the name lasts.
    pub(super) fn finish(&self, file: &FileInfo) -> Result<(), TargetError> {
        self.date(file);
        self.part.file().sync_all().map_err(|error| self.trouble(&error))?;
        let Place { whole, force, .. } = &self.place;
        let mut is_named = self.is_named.lock().unwrap_or_else(PoisonError::into_inner);
        let named = self.part.becomes(whole, *force);
        *is_named = named.is_ok();
        named.map_err(|unnamed| match unnamed {
            Unnamed::Gone => self.gone(),
            Unnamed::Taken => TargetError::Failed(taken(whole)),
            Unnamed::Failed(error) => trouble(whole, &error),
        })
    }

    /// The date that it has at its source. A file system that keeps none loses it.
    fn date(&self, file: &FileInfo) {
        let modified = file.meta.last_modified.map(|at| UNIX_EPOCH + Duration::from_millis(at.0));
        drop(modified.map(|at| self.part.file().set_times(FileTimes::new().set_modified(at))));
    }
}

/// What is said of a name that something has already.
pub(super) fn taken(whole: &Path) -> String {
    format!(
        "{} is there already; name another with -o, or replace it with --force",
        whole.display()
    )
}
