//! What is to be sent: a file, or a folder with everything below it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_protocol::Digest;
use longhaul_protocol::name::{clean, clean_path};
use longhaul_protocol::wire::FileMeta;
use walkdir::WalkDir;

use super::journal::{Journal, SUFFIX, is_journal};
use crate::clock;
use crate::disk::{PART, said};
use crate::ending::Trouble;
use crate::endpoint::Endpoint;
use crate::part::{NOTE_BYTES_MAX, Note};
use crate::source::Stamp;

/// What follows the name of a part in the names of what is noted of it.
const NOTE_ENDS: [&[u8]; 2] = [b".json", b".json.new"];

/// What one argument comes to.
#[derive(Debug)]
pub(super) struct List {
    /// The argument, wherever it leads.
    pub(super) whole: PathBuf,
    pub(super) journal: Arc<Journal>,
    pub(super) items: Vec<Item>,
    /// What was passed over, and why.
    pub(super) notes: Vec<String>,
    /// What could not be looked at: where, and why.
    pub(super) troubles: Vec<(String, Trouble)>,
}

/// A file to send.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where it is.
    pub(super) source: PathBuf,
    /// What it is called where it is told of: as it was given, and below a folder with the folder's name.
    pub(super) path: String,
    /// What the journal calls it: names that are no text are told apart too.
    pub(super) noted: String,
    pub(super) size: u64,
    pub(super) stamp: Stamp,
    pub(super) meta: FileMeta,
}

impl List {
    /// What there is at a path.
    pub(super) fn of(path: &Path, endpoint: &Endpoint) -> Result<Self, Trouble> {
        // `.` and `..` have a name too.
        let whole = path.canonicalize().map_err(|error| Trouble::at(path, said(&error)))?;
        let meta = whole.metadata().map_err(|error| Trouble::at(path, said(&error)))?;
        let (mut notes, mut troubles) = (Vec::new(), Vec::new());
        let items = if meta.is_dir() {
            below(&whole, &mut notes, &mut troubles)
        } else if meta.is_file() {
            let item = Item::new(whole.clone(), None);
            let item = item.map_err(|error| Trouble::at(path, said(&error)))?;
            notes.extend(item.is_called());
            // As it was given: two of one name are told apart.
            vec![Item { path: path.to_string_lossy().into_owned(), ..item }]
        } else {
            return Err(Trouble::at(path, "it is neither a file nor a folder"));
        };
        if items.is_empty() && troubles.is_empty() {
            notes.push(format!(
                "{} has no files in it, so there is nothing to send",
                path.display()
            ));
        }
        let (journal, trouble) = Journal::beside(&whole, endpoint)?;
        notes.extend(trouble);
        Ok(Self { whole, journal: Arc::new(journal), items, notes, troubles })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.size).sum()
    }
}

/// All files below a folder, in the order of their names. Links are not followed: they may lead out of
/// the folder, and in circles.
fn below(
    folder: &Path,
    notes: &mut Vec<String>,
    troubles: &mut Vec<(String, Trouble)>,
) -> Vec<Item> {
    let trouble =
        |at: &Path, why: String| (at.to_string_lossy().into_owned(), Trouble::at(at, why));
    let above = folder.parent().unwrap_or(folder);
    let mut items = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let text = error.io_error().map_or_else(|| error.to_string(), said);
                troubles.push(trouble(error.path().unwrap_or(folder), text));
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() {
            notes.push(format!("passed over, because it is no file: {}", entry.path().display()));
            continue;
        }
        if has_suffix(entry.file_name()) && is_ours(entry.path()) {
            notes.push(format!(
                "passed over, because longhaul notes there how far it is: {}",
                entry.path().display()
            ));
            continue;
        }
        if is_of_part(entry.path()) {
            notes.push(format!(
                "passed over, because a run is not through with what comes there: {}",
                entry.path().display()
            ));
            continue;
        }
        let relative = entry.path().strip_prefix(above).unwrap_or(entry.path());
        match Item::new(entry.path().to_owned(), Some(relative)) {
            Ok(item) => {
                notes.extend(item.is_called());
                items.push(item);
            }
            Err(error) => troubles.push(trouble(entry.path(), said(&error))),
        }
    }
    items
}

fn has_suffix(name: &OsStr) -> bool {
    Path::new(name).extension() == Some(OsStr::new(SUFFIX))
}

/// Whether it is what a run has left. What cannot be read is not, and is told when it is to be sent.
fn is_ours(path: &Path) -> bool {
    let is_ours = |file: File| Ok(file.metadata()?.len() > 0 && is_journal(&file)?);
    File::open(path).and_then(is_ours).unwrap_or(false)
}

/// Whether it is what a fetch or a pipe has there that is not finished: part of a file, and what is noted of that.
fn is_of_part(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    let name = NOTE_ENDS.iter().find_map(|end| name.strip_suffix(*end)).unwrap_or(name);
    if !name.ends_with(PART.as_bytes()) {
        return false;
    }
    let part = Path::new(OsStr::from_bytes(name));
    let note = PathBuf::from(OsStr::from_bytes(&[name, b".json"].concat()));
    let is_file = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_file());
    let is_empty = part.metadata().is_ok_and(|found| found.len() == 0);
    let is_note = |text: Vec<u8>| match text.is_empty() {
        true => is_empty,
        false => serde_json::from_slice::<Note>(&text).is_ok(),
    };
    let is_short = |path: &Path| path.metadata().is_ok_and(|found| found.len() <= NOTE_BYTES_MAX);
    is_file(part) && is_file(&note) && is_short(&note) && std::fs::read(&note).is_ok_and(is_note)
}

impl Item {
    /// What is said of a name that is no text.
    fn is_called(&self) -> Option<String> {
        let (source, path) = (&self.source, &self.path);
        (self.noted != *path)
            .then(|| format!("{source:?} is no UTF-8, so on the server it is called {path}"))
    }

    fn new(source: PathBuf, relative: Option<&Path>) -> std::io::Result<Self> {
        let found = source.metadata()?;
        if found.len() == 0 && File::open(&source)?.read(&mut [0])? > 0 {
            return Err(std::io::Error::other(
                "it calls itself empty and is not: send a copy of what it says",
            ));
        }
        let whole = relative.map_or(source.file_name(), |path| Some(path.as_os_str()));
        let whole = whole.unwrap_or(source.as_os_str()).to_owned();
        let name = source.file_name().unwrap_or(source.as_os_str()).to_string_lossy();
        let relative = relative.map(|path| path.to_string_lossy().into_owned());
        let guess = mime_guess::from_path(&source).first_raw().unwrap_or_default();
        let relative_path = relative.as_deref().map(clean_path);
        // The name has to be the path's end, also where cleaning has changed it.
        let last = relative_path.as_deref().and_then(|path| path.rsplit('/').next());
        let meta = FileMeta {
            name: last.map_or_else(|| clean(&name), str::to_owned),
            media_type: guess.to_owned(),
            last_modified: found.modified().ok().map(clock::of),
            relative_path,
            ..FileMeta::default()
        };
        let path = relative.unwrap_or_else(|| name.clone().into_owned());
        let noted = match whole.to_str() {
            Some(_) => path.clone(),
            None => format!("{path}\n{}", Digest::of(whole.as_os_str().as_bytes())),
        };
        Ok(Self { noted, size: found.len(), stamp: Stamp::of(&found), path, meta, source })
    }
}
