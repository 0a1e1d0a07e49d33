//! The file that is sent: read piece by piece while it is hashed, and looked at for changes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use bytes::BytesMut;
use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::upload::SourceError;
use serde::{Deserialize, Serialize};

use crate::disk::{READ_BYTES, said};

/// What tells one version of a file from another, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stamp {
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// The same, of anything about it: nobody puts this one back.
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

impl Stamp {
    pub(super) fn of(found: &Metadata) -> Self {
        let modified = (found.mtime(), found.mtime_nsec());
        let changed = (found.ctime(), found.ctime_nsec());
        Self { size: found.len(), modified, changed, inode: found.ino(), device: found.dev() }
    }

    /// For the key of a request.
    pub(super) fn to_text(self) -> String {
        let Self { size, modified, changed, inode, device } = self;
        format!("{size} {modified:?} {changed:?} {inode} {device}")
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    stamp: Stamp,
}

impl Source {
    /// Opens it, if it is still what was listed.
    pub(super) fn open(path: &Path, listed: Stamp) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        let source = Self { file, stamp: listed };
        source.is_unchanged()?;
        Ok(source)
    }

    /// Fills the buffer from an offset on, and hashes it. A file that was written to meanwhile is found
    /// out by its length or its time; one that hides both, by the server's and the seal's digests, which
    /// are of what was read here.
    pub(super) fn read(&self, at: u64, buffer: &mut BytesMut) -> Result<Digest, SourceError> {
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
        self.is_unchanged()?;
        Ok(hasher.finish())
    }

    fn is_unchanged(&self) -> Result<(), SourceError> {
        let found = self.file.metadata().map_err(|error| unreadable(&error))?;
        if Stamp::of(&found) == self.stamp { Ok(()) } else { Err(SourceError::Changed) }
    }
}

fn unreadable(error: &io::Error) -> SourceError {
    SourceError::Unreadable(said(error))
}
