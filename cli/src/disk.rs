//! What sending and fetching have in common where they touch a disk.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use longhaul_protocol::Digest;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Read and hashed at once, bytes: it stays in the processor's cache between the two.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// Of what is noted beside a file only its owner may read or write it.
pub(crate) const OWN_MODE: u32 = 0o600;

/// What others could have written to is not believed: it says what may be written over, and where files go.
pub(crate) const OTHERS_WRITE: u32 = 0o022;

/// What follows the name of a file until all of it is here.
pub(crate) const PART: &str = ".part";

/// The longest name that a folder of Linux takes, bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// The longest end of a name that is kept when the name is cut, with its dot, bytes: longer ones tell no kind.
const EXTENSION_BYTES_MAX: usize = 16;

/// As much of a long name as is kept for what lies beside it, bytes: room stays for a digest and any suffix.
const NAME_BYTES_KEPT: usize = 200;

/// Hexadecimal digits of it: two names that begin alike are still told apart.
const DIGEST_DIGITS: usize = 16;

/// The longest suffix of all, bytes: that of the note of a part while it is written.
const SUFFIX_BYTES_MAX: usize = ".part.json.new".len();

/// What lies beside a file under its name and that suffix. For a name that is too long to be followed by one, a
/// digest of it stands for its end.
pub(crate) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().as_bytes();
    let mut beside = name.to_vec();
    if name.len() > NAME_BYTES_MAX - SUFFIX_BYTES_MAX {
        let is_inside = |at: &usize| name.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let kept = (0..=NAME_BYTES_KEPT).rev().find(|at| !is_inside(at));
        beside.truncate(kept.unwrap_or_default());
        beside.push(b'~');
        beside.extend(Digest::of(name).to_string().bytes().take(DIGEST_DIGITS));
    }
    beside.extend(suffix.as_bytes());
    file.with_file_name(OsStr::from_bytes(&beside))
}

/// The nearest name to this one that a folder takes: its end stays, which tells what it is.
pub(crate) fn fitting(name: &str) -> String {
    let too_long = name.len().saturating_sub(NAME_BYTES_MAX);
    if too_long == 0 {
        return name.to_owned();
    }
    let end = name.rfind('.').filter(|at| name.len() - at <= EXTENSION_BYTES_MAX);
    let (stem, end) = name.split_at(end.unwrap_or(name.len()));
    let kept = stem.floor_char_boundary(stem.len() - too_long);
    format!("{}{end}", stem.get(..kept).unwrap_or_default())
}

/// Locks a file that was opened by that path, for as long as it is open. Whoever had it locked before may have given
/// it another name meanwhile: then it is not the path's any more, and nobody's to write to.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when somebody else has it.
pub(crate) fn lock(file: &File, path: &Path) -> io::Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => io::ErrorKind::WouldBlock.into(),
        other => io::Error::from(other),
    })?;
    if is_same(file, path) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
}

/// What tells a file from any other of its disk, also from one that had its inode before. Its device is not in it: after a
/// restart the same disk may have another number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Birthmark {
    pub(crate) inode: u64,
    /// When it was made, nanoseconds since 1970, where a file system keeps that. Nobody can set it.
    pub(crate) born: Option<u64>,
}

impl Birthmark {
    pub(crate) fn of(found: &Metadata) -> Self {
        let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self { inode: found.ino(), born: born.and_then(|born| born.as_nanos().try_into().ok()) }
    }

    /// Whether it may be the same file on a disk that gives its inodes other numbers whenever it is mounted, as FAT does:
    /// there the birth has to do.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.born == other.born && (self.inode == other.inode || self.born.is_some())
    }
}

/// Whether an open file has that name.
pub(crate) fn is_same(file: &File, path: &Path) -> bool {
    let place = |found: Metadata| (found.dev(), found.ino());
    let there = path.symlink_metadata();
    there.is_ok_and(|there| file.metadata().is_ok_and(|open| place(open) == place(there)))
}

/// Whether it is this user's, and others may do none of that with it.
pub(crate) fn is_own(found: &Metadata, others: u32) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & others == 0
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How the system says it, without its number.
pub(crate) fn said(error: &io::Error) -> String {
    if Errno::from_io_error(error) == Some(Errno::LOOP) {
        return "it is a link, and what it leads to may be somebody else's".to_owned();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Opens a file of this program's own, beside what it works at: what has its name and is a link or a pipe was put there
/// by somebody else.
pub(crate) fn own() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Of a pipe nobody waits for the other end.
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_another_name_before_it_was_locked_is_not_the_paths_any_more() {
        let dir = std::env::temp_dir().join(format!("longhaul-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (part, whole) = (dir.join("film.part"), dir.join("film"));
        let open = || own().write(true).create(true).truncate(false).open(&part).unwrap();
        let mine = open();
        lock(&mine, &part).unwrap();
        assert_eq!(lock(&open(), &part).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let late = open();
        std::fs::rename(&part, &whole).unwrap();
        drop(mine);
        assert_eq!(lock(&late, &part).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(open());
        assert_eq!(lock(&late, &part).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn of_a_pipe_that_lies_there_nobody_waits_for_the_other_end() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("film.mp4.longhaul");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        let (opened, is_opened) = std::sync::mpsc::channel();
        std::thread::spawn(move || opened.send(own().read(true).open(pipe).is_ok()));
        assert_eq!(is_opened.recv_timeout(std::time::Duration::from_secs(5)), Ok(true));
    }

    #[test]
    fn a_name_of_too_many_bytes_keeps_its_end() {
        assert_eq!(fitting("film.mp4"), "film.mp4");
        let cut = fitting(&("日".repeat(200) + ".mp4"));
        assert!(cut.len() <= NAME_BYTES_MAX && cut.len() > 250 && cut.ends_with("日.mp4"), "{cut}");
        assert_eq!(fitting(&"x".repeat(300)).len(), NAME_BYTES_MAX);
    }

    #[test]
    fn what_lies_beside_a_file_of_a_long_name_can_be_made_and_is_its_own() {
        assert_eq!(beside(Path::new("a/film.mp4"), ".part"), Path::new("a/film.mp4.part"));
        let (one, other) = ("ü".repeat(127) + "1", "ü".repeat(127) + "2");
        let [one, other] = [&one, &other].map(|name| beside(Path::new(name), ".part.json.new"));
        assert_ne!(one, other);
        assert!(one.as_os_str().len() <= NAME_BYTES_MAX && one.to_str().is_some(), "{one:?}");
        let longest_kept = "x".repeat(NAME_BYTES_MAX - SUFFIX_BYTES_MAX);
        let kept = beside(Path::new(&longest_kept), ".part");
        assert_eq!(kept.to_str(), Some(&*(longest_kept + ".part")));
    }
}
