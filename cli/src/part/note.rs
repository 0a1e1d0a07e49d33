//! What is noted beside a part: which file it is, and what of it is here.

use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use longhaul_protocol::download::Record;
use serde::{Deserialize, Serialize};

use crate::disk::{Birthmark, OTHERS_WRITE, PART, beside, is_own, own};

/// The longest note that is read, bytes: every second chunk of the largest file.
pub(crate) const NOTE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What a note says it is.
const NOTE_VERSION: u32 = 1;
/// How one begins.
const BEGINS: &[u8] = b"{\"longhaul\":1,\"inode\":";

/// What is noted of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    longhaul: u32,
    /// The part's.
    #[serde(flatten)]
    mark: Birthmark,
    /// The address of the file that is fetched; `None` for what comes through a pipe.
    pub(crate) from: Option<String>,
    /// What of it is here.
    pub(crate) record: Option<Record>,
    /// Whether that is all that came through a pipe.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_whole: bool,
}

/// What there is to note.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Noted<'a> {
    /// Of whose file it is, and no more. It may be lost with power.
    Nothing,
    /// Which of its bytes are here.
    Some(&'a Record),
    /// All that came through a pipe.
    All,
}

impl Note {
    pub(super) fn of(part: &Metadata, from: Option<&str>, noted: &Noted<'_>) -> Self {
        let mark = Birthmark::of(part);
        let (record, is_whole) = match *noted {
            Noted::Nothing => (None, false),
            Noted::Some(record) => (Some(record.clone()), false),
            Noted::All => (None, true),
        };
        let from = from.map(str::to_owned);
        Self { longhaul: NOTE_VERSION, mark, from, record, is_whole }
    }

    pub(super) fn is_about(&self, part: &Metadata) -> bool {
        let mark = Birthmark::of(part);
        let is_long = |record: &Record| record.size == part.len();
        let is_like = self.mark.is_like(&mark) && self.record.as_ref().is_some_and(is_long);
        self.mark == mark || is_like
    }
}

/// What lies where a note would.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    /// A part was about to be made.
    Mark,
    Note(Box<Note>),
    /// Somebody else's.
    Foreign,
}

/// Where a part and its note lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) part: PathBuf,
    pub(super) note: PathBuf,
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
    pub(super) fn found(&self) -> Found {
        if self.note.symlink_metadata().is_err() {
            return Found::Nothing;
        }
        self.read(|note| is_own(note, OTHERS_WRITE)).unwrap_or(Found::Foreign)
    }

    pub(super) fn read(&self, is_believed: impl Fn(&Metadata) -> bool) -> io::Result<Found> {
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

    /// Puts a new note in place of the last, and of nothing else.
    pub(super) fn replace_note(&self, new: &Path) -> io::Result<()> {
        match self.read(|_| true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(Found::Mark | Found::Note(_)) => {}
            _ => return Err(io::Error::other("something else has its name by now")),
        }
        fs::rename(new, &self.note)
    }

    pub(super) fn new_note(&self) -> PathBuf {
        self.note.with_extension("json.new")
    }
}

/// Whether a kill has left this while a note was written.
pub(super) fn is_torn_note(path: &Path) -> bool {
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
    use std::fs::File;

    use longhaul_protocol::{ChunkSet, Digest};

    use super::*;

    #[test]
    fn a_note_is_about_one_file_whatever_number_a_disk_gives_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("film.mp4.part")).unwrap();
        file.set_len(9).unwrap();
        let found = file.metadata().unwrap();
        let root = Digest::of(b"root");
        let record = Record { root, size: 9, chunk_size: 9, held: ChunkSet::new() };
        let note = Note::of(&found, None, &Noted::Some(&record));
        assert!(note.is_about(&found));
        let other_number = |size| {
            let record = note.record.clone().map(|record| Record { size, ..record });
            let mark = Birthmark { inode: note.mark.inode + 1, ..note.mark.clone() };
            Note { mark, record, ..note.clone() }
        };
        assert!(other_number(9).is_about(&found) && !other_number(8).is_about(&found));
        let born = note.mark.born.map(|born| born + 1);
        let other_birth = Note { mark: Birthmark { born, ..note.mark.clone() }, ..note.clone() };
        assert!(!other_birth.is_about(&found));
    }
}
