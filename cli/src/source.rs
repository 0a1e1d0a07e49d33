//! A file of the user's: read piece by piece while it is hashed, and looked at for changes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::BytesMut;
use longhaul_protocol::Digest;
use longhaul_protocol::digest::{Hasher, root};
use longhaul_protocol::upload::SourceError;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::disk::{READ_BYTES, is_same, said};

/// How often a piece is read at most until nothing was done to the file meanwhile.
const STILL_TRIES: u32 = 8;

/// What tells one version of a file from another, without reading it. Not the number of its device: that is another
/// after the machine or its disk was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stamp {
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// The same, of anything about it, also of its names and modes: nobody puts this one back.
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(found: &Metadata) -> Self {
        let modified = (found.mtime(), found.mtime_nsec());
        let changed = (found.ctime(), found.ctime_nsec());
        Self { size: found.len(), modified, changed, inode: found.ino() }
    }

    /// Whether the bytes may still be the same: whether they are, only reading them tells. The inode is no sign: FAT
    /// gives its files other numbers whenever it is mounted.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }

    /// For the key of a request: of what is like it, so that a new mode or name does not make another file of it.
    pub(crate) fn to_text(self) -> String {
        let Self { size, modified, .. } = self;
        format!("{size} {modified:?}")
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    listed: Stamp,
}

impl Source {
    /// Opens it, if it is still what was listed.
    pub(crate) fn open(path: &Path, listed: Stamp) -> Result<Self, SourceError> {
        let file = open(path).map_err(|error| unreadable(&error))?;
        let source = Self { file, listed };
        source.stamp()?;
        Ok(source)
    }

    /// Whether it has that name still, and nobody has written to it.
    pub(crate) fn is_still(&self, path: &Path) -> bool {
        is_same(&self.file, path) && self.stamp().is_ok()
    }

    /// Fills the buffer from an offset on, and hashes it; and what the file's stamp was all the while. A file that
    /// was written to meanwhile is found out by its length or its time, and one that hides both by the stamp: what
    /// was read under another one has to be read again before it counts.
    pub(crate) fn read(
        &self,
        at: u64,
        buffer: &mut BytesMut,
    ) -> Result<(Digest, Stamp), SourceError> {
        let mut before = self.stamp()?;
        for _ in 0..STILL_TRIES {
            let digest = self.read_once(at, buffer)?;
            let after = self.stamp()?;
            if after == before {
                return Ok((digest, after));
            }
            before = after;
        }
        Err(SourceError::Changed)
    }

    fn read_once(&self, at: u64, buffer: &mut BytesMut) -> Result<Digest, SourceError> {
        let (mut hasher, mut at) = (Hasher::default(), at);
        for piece in buffer.chunks_mut(READ_BYTES) {
            match self.file.read_exact_at(piece, at) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(SourceError::Changed);
                }
                Err(error) => return Err(unreadable(&error)),
            }
            hasher.update(piece);
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(hasher.finish())
    }

    /// The root of all of it in chunks of that length, if nothing is done to it meanwhile.
    pub(crate) fn root(&self, chunk_len: u64) -> Result<Digest, SourceError> {
        let before = self.stamp()?;
        let (mut digests, mut at, mut buffer) = (Vec::new(), 0, BytesMut::new());
        while at < before.size {
            let len = chunk_len.clamp(1, before.size - at);
            buffer.resize(usize::try_from(len).unwrap_or_default(), 0);
            digests.push(self.read_once(at, &mut buffer)?);
            at = at.saturating_add(len);
        }
        if self.stamp()? == before { Ok(root(digests)) } else { Err(SourceError::Changed) }
    }

    /// What it is now, if its bytes may still be what was listed.
    pub(crate) fn stamp(&self) -> Result<Stamp, SourceError> {
        let found = self.file.metadata().map_err(|error| unreadable(&error))?;
        let now = Stamp::of(&found);
        if now.is_like(&self.listed) { Ok(now) } else { Err(SourceError::Changed) }
    }
}

/// A pipe that has the name of a file by now is not waited for, and is another file by its stamp. A file that another program
/// has leased is: the system asks it back meanwhile.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && path.is_file() => {
            File::open(path)
        }
        opened => opened,
    }
}

fn unreadable(error: &io::Error) -> SourceError {
    SourceError::Unreadable(said(error))
}
