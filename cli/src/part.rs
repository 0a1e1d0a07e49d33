//! What comes, until all of it is here, and who may touch it.
//!
//! ```text
//! NAME.part           its bytes; whoever writes it has it locked
//! NAME.part.json      which file that is, by inode and birth, and what is known of it; empty until that file is made
//! NAME.part.json.new  the same while it is written
//! ```
//!
//! Any of these names may be somebody else's, or become so while a run goes on. So what lies there is believed,
//! written to, given a name or removed only if it is the very file that a run of this user's has made. A device has no
//! part in that: after a restart the same disk may have another number.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use longhaul_protocol::download::Record;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::disk::{PART, beside, folder_of, is_own, is_same, lock, own};

/// The longest note that is read, bytes: every second chunk of the largest file.
pub(crate) const NOTE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What a note says it is.
const NOTE_VERSION: u32 = 1;
/// How one begins.
const BEGINS: &[u8] = b"{\"longhaul\":1,\"inode\":";
/// Others may not write to it: it says what may be written over.
const OTHERS_WRITE: u32 = 0o022;
/// Anybody but its owner.
const NOTE_MODE: u32 = 0o600;

/// What is noted of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    longhaul: u32,
    /// The part's.
    inode: u64,
    /// When it was made, nanoseconds since 1970, where a file system keeps that: an inode's number is used again.
    born: Option<u64>,
    /// The address of the file that is fetched; `None` for what comes through a pipe.
    pub(crate) from: Option<String>,
    /// What of it is here.
    pub(crate) record: Option<Record>,
}

impl Note {
    fn of(part: &Metadata, from: Option<&str>) -> Self {
        let (inode, born) = identity(part);
        Self { longhaul: NOTE_VERSION, inode, born, from: from.map(str::to_owned), record: None }
    }

    /// FAT gives its inodes other numbers whenever it is mounted: there the birth and the length have to do.
    fn is_about(&self, part: &Metadata) -> bool {
        let (inode, born) = identity(part);
        let is_long = |record: &Record| record.size == part.len();
        let is_like = born.is_some() && self.record.as_ref().is_some_and(is_long);
        self.born == born && (self.inode == inode || is_like)
    }
}

fn identity(found: &Metadata) -> (u64, Option<u64>) {
    let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    (found.ino(), born.and_then(|born| born.as_nanos().try_into().ok()))
}

/// What lies where a note would.
#[derive(Debug)]
enum Found {
    Nothing,
    /// A part was about to be made.
    Mark,
    Note(Box<Note>),
    /// Somebody else's.
    Foreign,
}

/// Why there is no part to write to.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another program has it.
    Busy,
    /// No run of this user's has left this.
    Foreign(PathBuf),
    /// It is unfinished, of a fetch if a pipe was to be taken down, and the other way round.
    OfAnother,
    /// The system says no.
    Failed(PathBuf, io::Error),
}

/// Why a part did not get its name.
#[derive(Debug)]
pub(crate) enum Unnamed {
    /// Somebody has removed it, or put another in its place.
    Gone,
    /// Something has that name.
    Taken,
    /// The system says no.
    Failed(io::Error),
}

/// An open part, which this run has locked.
#[derive(Debug)]
pub(crate) struct Part {
    places: Places,
    file: File,
    from: Option<String>,
}

/// Where a part and its note lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) part: PathBuf,
    note: PathBuf,
}

impl Places {
    pub(crate) fn beside(whole: &Path) -> Self {
        Self { part: beside(whole, PART), note: beside(whole, ".part.json") }
    }

    /// What an earlier run noted of the part that lies there.
    pub(crate) fn noted(&self) -> Option<Note> {
        let part = self.part.symlink_metadata().ok()?;
        match self.found() {
            Found::Note(note) if note.is_about(&part) && is_own(&part, 0) => Some(*note),
            _ => None,
        }
    }

    /// What an earlier run can have left.
    fn found(&self) -> Found {
        if self.note.symlink_metadata().is_err() {
            return Found::Nothing;
        }
        self.read(|note| is_own(note, OTHERS_WRITE)).unwrap_or(Found::Foreign)
    }

    fn read(&self, is_believed: impl Fn(&Metadata) -> bool) -> io::Result<Found> {
        // Nobody writes to a pipe that has this name.
        if !self.note.symlink_metadata()?.is_file() {
            return Ok(Found::Foreign);
        }
        let mut file = own().read(true).open(&self.note)?;
        let found = file.metadata()?;
        if found.len() > NOTE_BYTES_MAX || !is_believed(&found) {
            return Ok(Found::Foreign);
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        if text.is_empty() {
            return Ok(Found::Mark);
        }
        let note: Note = serde_json::from_slice(&text)?;
        Ok(if note.longhaul == NOTE_VERSION { Found::Note(Box::new(note)) } else { Found::Foreign })
    }

    fn new_note(&self) -> PathBuf {
        self.note.with_extension("json.new")
    }

    fn failed(&self, error: io::Error) -> Refused {
        match error.kind() {
            io::ErrorKind::WouldBlock => Refused::Busy,
            _ => Refused::Failed(self.part.clone(), error),
        }
    }
}

impl Part {
    /// Opens the part that an earlier run has left, or makes one; and what is noted of its bytes.
    pub(crate) fn open(whole: &Path, from: Option<&str>) -> Result<(Self, Option<Note>), Refused> {
        let places = Places::beside(whole);
        let is_there = places.part.symlink_metadata().is_ok();
        match (places.found(), is_there) {
            (Found::Foreign, _) => Err(Refused::Foreign(places.note)),
            (Found::Nothing, true) => Err(Refused::Foreign(places.part)),
            (_, true) => Self::take(places, from),
            (found, false) => Self::begin(places, &found, from).map(|part| (part, None)),
        }
    }

    fn take(places: Places, from: Option<&str>) -> Result<(Self, Option<Note>), Refused> {
        let file = own().read(true).write(true).open(&places.part);
        let file = file.map_err(|error| places.failed(error))?;
        lock(&file, &places.part).map_err(|error| places.failed(error))?;
        let there = file.metadata().map_err(|error| places.failed(error))?;
        // Whoever had it locked before may have noted something else meanwhile.
        let note = match places.found() {
            Found::Note(note) if note.is_about(&there) && is_own(&there, 0) => Some(*note),
            // A kill came between the two: nothing is lost with what has nothing in it.
            Found::Mark if there.len() == 0 && is_own(&there, 0) => None,
            _ => return Err(Refused::Foreign(places.part)),
        };
        if note.as_ref().is_some_and(|note| note.from.is_some() != from.is_some()) {
            return Err(Refused::OfAnother);
        }
        let part = Self { places, file, from: from.map(str::to_owned) };
        if note.is_none() {
            part.note(None, false).map_err(|error| part.places.failed(error))?;
        }
        Ok((part, note))
    }

    /// First the mark, so that no kill leaves a part of which nobody knows whose it is.
    fn begin(places: Places, found: &Found, from: Option<&str>) -> Result<Self, Refused> {
        let new = places.new_note();
        if matches!(found, Found::Nothing) && new.symlink_metadata().is_ok() {
            return Err(Refused::Foreign(new));
        }
        // It is about a part that is gone.
        if matches!(found, Found::Note(_)) {
            drop(fs::remove_file(&places.note));
        }
        if !matches!(found, Found::Mark) {
            let mark = own().write(true).create_new(true).mode(NOTE_MODE).open(&places.note);
            mark.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Refused::Busy,
                _ => Refused::Failed(places.note.clone(), error),
            })?;
        }
        let file = own().read(true).write(true).create_new(true).open(&places.part);
        let file = file.map_err(|error| match error.kind() {
            // Somebody has begun in the same moment.
            io::ErrorKind::AlreadyExists => Refused::Busy,
            _ => {
                drop(fs::remove_file(&places.note));
                places.failed(error)
            }
        })?;
        lock(&file, &places.part).map_err(|error| places.failed(error))?;
        let part = Self { places, file, from: from.map(str::to_owned) };
        part.note(None, false).map_err(|error| {
            part.discard();
            part.places.failed(error)
        })?;
        Ok(part)
    }

    /// The file itself, whatever its name is by now.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// What it was called when it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.places.part
    }

    /// Whether that is still its name.
    pub(crate) fn is_still_there(&self) -> bool {
        is_same(&self.file, &self.places.part)
    }

    /// Notes what of it is here, so that there is always a whole note. The caller looks whether it is still there.
    pub(crate) fn note(&self, record: Option<&Record>, lasts: bool) -> io::Result<()> {
        let note = Note::of(&self.file.metadata()?, self.from.as_deref());
        let text = serde_json::to_vec(&Note { record: record.cloned(), ..note })?;
        let new = self.places.new_note();
        if is_torn_note(&new) {
            fs::remove_file(&new)?;
        }
        let mut file = own().write(true).create_new(true).mode(NOTE_MODE).open(&new)?;
        file.write_all(&text)?;
        if lasts {
            file.sync_all()?;
        }
        fs::rename(&new, &self.places.note)
    }

    /// The note is of no use any more.
    pub(crate) fn forget(&self) {
        // Not every disk keeps whose a file is: what is noted of this part is this run's.
        let is_ours = match (self.places.read(|_| true), self.file.metadata()) {
            (Ok(Found::Note(note)), Ok(part)) => note.is_about(&part),
            _ => false,
        };
        if is_ours {
            drop(fs::remove_file(&self.places.note));
        }
    }

    /// Nor are the bytes.
    pub(crate) fn discard(&self) {
        let is_mark = matches!(self.places.found(), Found::Mark);
        if self.is_still_there() {
            // The note goes last: without it nobody knows whose the part is.
            drop(fs::remove_file(&self.places.part));
            drop(is_mark.then(|| fs::remove_file(&self.places.note)));
        }
        self.forget();
    }

    /// Gives it its name, for good, and forgets what is noted of it. A name that somebody else has taken is taken from
    /// them only where it is to be replaced.
    pub(crate) fn becomes(&self, whole: &Path, replaces: bool) -> Result<(), Unnamed> {
        if !self.is_still_there() {
            return Err(Unnamed::Gone);
        }
        let flags = if replaces { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        match renameat_with(CWD, self.path(), CWD, whole, flags) {
            Err(Errno::EXIST) => return Err(Unnamed::Taken),
            Err(Errno::NOENT) => return Err(Unnamed::Gone),
            // Some file systems cannot promise it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !replaces => {
                if whole.symlink_metadata().is_ok() {
                    return Err(Unnamed::Taken);
                }
                fs::rename(self.path(), whole).map_err(Unnamed::Failed)?;
            }
            other => other.map_err(|error| Unnamed::Failed(error.into()))?,
        }
        if !is_same(&self.file, whole) {
            // Between the look and the rename somebody put another there: it is theirs, and goes back.
            let _ = renameat_with(CWD, whole, CWD, self.path(), RenameFlags::NOREPLACE);
            return Err(Unnamed::Gone);
        }
        self.forget();
        let synced = File::open(folder_of(whole)).and_then(|folder| folder.sync_all());
        synced.map_err(Unnamed::Failed)
    }
}

/// Whether a kill has left this while a note was written.
fn is_torn_note(path: &Path) -> bool {
    let is_torn = |path: &Path| {
        if !path.symlink_metadata()?.is_file() {
            return Ok(false);
        }
        let file = own().read(true).open(path)?;
        let is_ours = is_own(&file.metadata()?, OTHERS_WRITE);
        let mut begins = Vec::new();
        file.take(BEGINS.len() as u64).read_to_end(&mut begins)?;
        Ok::<_, io::Error>(is_ours && BEGINS.starts_with(&begins))
    };
    is_torn(path).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::{ChunkSet, Digest};

    #[test]
    fn a_note_is_about_one_file_whatever_number_a_disk_gives_it() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("film.mp4");
        let (part, _) = Part::open(&whole, Some("http://a")).unwrap();
        part.file().set_len(9).unwrap();
        let found = part.file().metadata().unwrap();
        let root = Digest::of(b"root");
        let record = Record { root, size: 9, chunk_size: 9, held: ChunkSet::new() };
        let note = Note { record: Some(record), ..Note::of(&found, None) };
        assert!(note.is_about(&found));
        let other_number = |size| {
            let record = note.record.clone().map(|record| Record { size, ..record });
            Note { inode: note.inode + 1, record, ..note.clone() }
        };
        assert!(other_number(9).is_about(&found) && !other_number(8).is_about(&found));
        let other_birth = Note { born: note.born.map(|born| born + 1), ..note.clone() };
        assert!(!other_birth.is_about(&found));
    }

    #[test]
    fn what_is_none_of_this_runs_is_neither_named_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("film.mp4");
        let (part, _) = Part::open(&whole, None).unwrap();
        assert!(matches!(Part::open(&whole, None), Err(Refused::Busy)));
        fs::remove_file(part.path()).unwrap();
        fs::write(part.path(), "own").unwrap();
        assert!(matches!(part.becomes(&whole, true), Err(Unnamed::Gone)));
        part.discard();
        assert_eq!(fs::read_to_string(part.path()).unwrap(), "own");
        assert!(!part.places.note.exists(), "that was the run's");
        assert!(matches!(Part::open(&whole, None), Err(Refused::Foreign(_))));
    }
}
