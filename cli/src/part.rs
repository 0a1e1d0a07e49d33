//! What comes, until all of it is here, and who may touch it.
//!
//! ```text
//! NAME.part           its bytes; whoever writes it has it locked
//! NAME.part.json      which file that is, by inode and birth, and what is known of it; empty until that file is made
//! NAME.part.json.new  the same while it is written
//! ```
//!
//! Any of these names may be somebody else's, or become so while a run goes on. So what lies there is believed,
//! written to, given a name or removed only if it is the very file that a run of this user's has made.

mod access;
mod note;

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::disk::{OWN_MODE, folder_of, is_own, is_same, lock, own};

use access::Access;
use note::{Found, is_torn_note};
pub(crate) use note::{NOTE_BYTES_MAX, Note, Noted, Places};

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

impl Places {
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
            // A kill came between the two, or what is noted is about one that is gone: nothing is lost with what has
            // nothing in it.
            Found::Mark | Found::Note(_) if there.len() == 0 && is_own(&there, 0) => None,
            _ => return Err(Refused::Foreign(places.part)),
        };
        if note.as_ref().is_some_and(|note| note.from.is_some() != from.is_some()) {
            return Err(Refused::OfAnother);
        }
        let part = Self { places, file, from: from.map(str::to_owned) };
        // FAT knows no modes.
        drop(part.file.set_permissions(Permissions::from_mode(OWN_MODE)));
        if note.is_none() {
            part.note(&Noted::Nothing).map_err(|error| part.places.failed(error))?;
        }
        Ok((part, note))
    }

    /// First the mark, so that no kill leaves a part of which nobody knows whose it is.
    fn begin(places: Places, found: &Found, from: Option<&str>) -> Result<Self, Refused> {
        let is_first = matches!(found, Found::Nothing);
        if is_first {
            let new = places.new_note();
            if new.symlink_metadata().is_ok() && !is_torn_note(&new) {
                return Err(Refused::Foreign(new));
            }
            let mark = own().write(true).create_new(true).mode(OWN_MODE).open(&places.note);
            mark.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Refused::Busy,
                _ => Refused::Failed(places.note.clone(), error),
            })?;
        }
        // Whom it is for is known when it gets its name.
        let file = own().read(true).write(true).create_new(true).mode(OWN_MODE).open(&places.part);
        let file = file.map_err(|error| match error.kind() {
            // Somebody has begun in the same moment.
            io::ErrorKind::AlreadyExists => Refused::Busy,
            _ => {
                drop(is_first.then(|| fs::remove_file(&places.note)));
                places.failed(error)
            }
        })?;
        lock(&file, &places.part).map_err(|error| places.failed(error))?;
        let part = Self { places, file, from: from.map(str::to_owned) };
        part.note(&Noted::Nothing).map_err(|error| {
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
    pub(crate) fn note(&self, noted: &Noted<'_>) -> io::Result<()> {
        let note = Note::of(&self.file.metadata()?, self.from.as_deref(), noted);
        let text = serde_json::to_vec(&note)?;
        let new = self.places.new_note();
        if is_torn_note(&new) {
            fs::remove_file(&new)?;
        }
        let mut file = own().write(true).create_new(true).mode(OWN_MODE).open(&new)?;
        let written = file.write_all(&text);
        let lasts = written.and_then(|()| match noted {
            Noted::Nothing => Ok(()),
            Noted::Some(_) | Noted::All => file.sync_all(),
        });
        let noted = lasts.and_then(|()| self.places.replace_note(&new));
        if noted.is_err() && is_same(&file, &new) {
            // As on a full disk: a piece of one is of no use.
            drop(fs::remove_file(&new));
        }
        noted
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

    /// What a run noted that was killed when its part had just got this name: it is of no use either.
    pub(crate) fn forget_of(whole: &Path) {
        let places = Places::beside(whole);
        let is_about = |note: &Note| whole.metadata().is_ok_and(|whole| note.is_about(&whole));
        if matches!(places.found(), Found::Note(note) if is_about(&note)) {
            drop(fs::remove_file(&places.note));
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
        let there = whole.symlink_metadata().ok().filter(|there| replaces && there.is_file());
        let access = Access::of(whole, there.as_ref());
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
        // FAT knows no modes.
        drop(access.give(&self.file));
        self.forget();
        let synced = File::open(folder_of(whole)).and_then(|folder| folder.sync_all());
        synced.map_err(Unnamed::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

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

    #[test]
    fn what_replaces_a_program_does_not_run_as_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("tool");
        for (there, instead) in [(0o4755, 0o755), (0o600, 0o600), (0o6444, 0o444)] {
            fs::write(&whole, "old").unwrap();
            fs::set_permissions(&whole, Permissions::from_mode(there)).unwrap();
            let (part, _) = Part::open(&whole, None).unwrap();
            part.becomes(&whole, true).unwrap();
            assert_eq!(whole.metadata().unwrap().mode() & 0o7777, instead);
            fs::remove_file(&whole).unwrap();
        }
    }

    #[test]
    fn who_may_read_it_is_decided_when_it_gets_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("film.mp4");
        let (part, _) = Part::open(&whole, None).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode(part.path()), OWN_MODE);
        part.becomes(&whole, false).unwrap();
        fs::write(folder.path().join("new"), "").unwrap();
        assert_eq!(mode(&whole), mode(&folder.path().join("new")));
    }

    #[test]
    fn what_replaces_somebody_elses_file_allows_no_more_than_a_new_one() {
        if !rustix::process::geteuid().is_root() {
            // Nobody else can give a file to somebody.
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("tool");
        for (there, instead) in [(0o6777, 0o666), (0o400, OWN_MODE)] {
            fs::write(&whole, "theirs").unwrap();
            std::os::unix::fs::chown(&whole, Some(65_534), None).unwrap();
            fs::set_permissions(&whole, Permissions::from_mode(there)).unwrap();
            let (part, _) = Part::open(&whole, None).unwrap();
            part.becomes(&whole, true).unwrap();
            assert_eq!(whole.metadata().unwrap().mode() & 0o7000, 0);
            assert_eq!(whole.metadata().unwrap().mode() & !instead & 0o777, 0);
            fs::remove_file(&whole).unwrap();
        }
    }

    #[test]
    fn a_note_that_cannot_be_put_there_leaves_nothing_and_takes_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("film.mp4");
        let (part, _) = Part::open(&whole, None).unwrap();
        fs::write(&part.places.note, "own").unwrap();
        part.note(&Noted::All).unwrap_err();
        assert!(!part.places.new_note().exists());
        assert_eq!(fs::read_to_string(&part.places.note).unwrap(), "own");
    }

    #[test]
    fn what_a_kill_or_a_full_disk_has_torn_while_it_was_noted_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("film.mp4");
        let new = Places::beside(&whole).new_note();
        for torn in ["", "{\"longhaul\":1,\"ino"] {
            fs::write(&new, torn).unwrap();
            let (part, _) = Part::open(&whole, None).unwrap();
            part.discard();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        fs::write(&new, "own").unwrap();
        assert!(matches!(Part::open(&whole, None), Err(Refused::Foreign(_))));
    }
}
