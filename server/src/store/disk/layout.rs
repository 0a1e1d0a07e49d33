//! Every path on the disk.
//!
//! ```text
//! DIR/
//!   lock              one process owns DIR: it holds a lock on this file, and its id is in it
//!   admin.sock        where a server at work is asked by who looks after it (see `crate::admin`)
//!   token.key         signs the tokens of guests; only where guests are let in and no key that signs was given
//!   link.key          signs links to files
//!   index.redb        every fact: uploads, chunks held, files, garbage (see `index.rs`)
//!   index.redb.new    the index while it is made, before the first start is over
//!   index.redb.spare  nothing: room that the index takes when the disk is full (see `spare.rs`)
//!   index.redb.unclean  the index failed while the server ran or stopped (see `ending.rs`)
//!   blobs/
//!     00/ .. ff/      the first two digits of the blob's id
//!       <id>          the bytes of one upload, at their final offsets from its creation on;
//!                     none for a file of length 0
//! ```
//!
//! A blob is named by the id of the upload that made it. Nothing a client sends is part of a path.

use std::path::{Path, PathBuf};

use longhaul_protocol::wire::ids::UploadId;
use serde::{Deserialize, Serialize};

/// The name of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobId(pub UploadId);

impl BlobId {
    /// The id as the index has it.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0.0
    }
}

/// Where everything lies below the data directory.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout of a data directory.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file whose lock says that a process owns the directory.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Where who looks after the server asks it.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.dir.join("admin.sock")
    }

    /// The key of the guests' tokens.
    #[must_use]
    pub fn token_key(&self) -> PathBuf {
        self.dir.join("token.key")
    }

    /// The key of the links to files.
    #[must_use]
    pub fn link_key(&self) -> PathBuf {
        self.dir.join("link.key")
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.dir.join("index.redb")
    }

    /// The index while it is made.
    #[must_use]
    pub fn new_index(&self) -> PathBuf {
        self.dir.join("index.redb.new")
    }

    /// The room that is kept for the index.
    #[must_use]
    pub fn spare(&self) -> PathBuf {
        self.dir.join("index.redb.spare")
    }

    /// Says that the index failed before it was closed.
    #[must_use]
    pub fn unclean(&self) -> PathBuf {
        self.dir.join("index.redb.unclean")
    }

    /// The folder of the folders of blobs.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// The 256 folders of blobs.
    pub fn blob_dirs(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..=u8::MAX).map(|first| self.blob_dir(first))
    }

    /// The folder of one blob.
    #[must_use]
    pub fn dir_of(&self, blob: BlobId) -> PathBuf {
        let [first, ..] = blob.bytes();
        self.blob_dir(first)
    }

    /// One blob.
    #[must_use]
    pub fn blob(&self, blob: BlobId) -> PathBuf {
        self.dir_of(blob).join(blob.0.to_string())
    }

    fn blob_dir(&self, first: u8) -> PathBuf {
        self.blobs().join(format!("{first:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_are_those_of_the_picture() {
        let layout = Layout::new(Path::new("/data"));
        let blob = BlobId(UploadId([0xab; 16]));
        assert_eq!(layout.lock(), Path::new("/data/lock"));
        assert_eq!(layout.admin_socket(), Path::new("/data/admin.sock"));
        assert_eq!(layout.token_key(), Path::new("/data/token.key"));
        assert_eq!(layout.link_key(), Path::new("/data/link.key"));
        assert_eq!(layout.index(), Path::new("/data/index.redb"));
        assert_eq!(layout.blob(blob), Path::new("/data/blobs/ab/abababababababababababababababab"));
        assert_eq!(layout.blob_dirs().count(), 256);
        assert!(layout.blob_dirs().any(|dir| dir == layout.dir_of(blob)));
    }
}
