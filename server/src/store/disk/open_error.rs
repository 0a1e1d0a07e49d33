//! Why a data directory cannot be opened, and what its operator can do about it.

use std::io;
use std::path::PathBuf;

use super::ending::Ending;
use super::index::SCHEMA_VERSION;
use super::layout::Layout;
use crate::store::StoreError;

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process owns it.
    #[error(
        "{} is in use by process {holder}: if that is a server, stop that one, or give this one another \
         directory; if it is `longhaul-server verify` or the like, wait for it", .dir.display()
    )]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The other's process id, or `unknown`.
        holder: String,
    },
    /// A newer server wrote it.
    #[error(
        "{} was written by a newer server (schema version {found}, this server knows up to \
         {SCHEMA_VERSION}): start that version, or restore a backup", .dir.display()
    )]
    Newer {
        /// The data directory.
        dir: PathBuf,
        /// Its schema version.
        found: u64,
    },
    /// Its index cannot be read, or is no index.
    #[error(
        "{}: {source}. If this is a data directory of Longhaul's, restore the whole of it from a \
         backup; else give --data another one", .path.display()
    )]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// Its index is gone, its blobs are there: a new index would make garbage of them.
    #[error(
        "{}: there are blobs in {}, but no index that knows them. Restore both from the same \
         backup; to begin with an empty store, give --data another directory",
        .index.display(), .blobs.display()
    )]
    IndexGone {
        /// Where the index should be.
        index: PathBuf,
        /// The folder of blobs.
        blobs: PathBuf,
    },
    /// Its blobs are gone, all of them, and its index knows some.
    #[error(
        "{} knows chunks of uploads and files, but in {} there is not one blob. If they lie on \
         another disk, mount it; else restore both from the same backup. To begin with an empty \
         store, give --data another directory", .index.display(), .blobs.display()
    )]
    BlobsGone {
        /// The index.
        index: PathBuf,
        /// Where the blobs should be.
        blobs: PathBuf,
    },
    /// The disk.
    #[error("{}: {source}{}", .path.display(), advice(source))]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        AlreadyExists, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    match error.kind() {
        PermissionDenied => {
            ". Start the server as the user whom the directory belongs to, or give --data another one"
        }
        AlreadyExists | NotADirectory => ". It has to be a folder: give --data another name",
        ReadOnlyFilesystem => {
            ". The server has to write there: mount it so, or give --data another"
        }
        StorageFull | QuotaExceeded => {
            ". The disk is full: free space on this file system, then start the server again"
        }
        _ => "",
    }
}

/// Refuses a directory with blobs and without an index, or with an empty one. Whether there are
/// blobs.
pub(super) fn lost_index(layout: &Layout) -> Result<bool, OpenError> {
    let index = layout.index();
    let has_any = |dir: PathBuf| std::fs::read_dir(dir).is_ok_and(|mut dir| dir.next().is_some());
    let has_blobs = layout.blob_dirs().any(has_any);
    if has_blobs && !std::fs::metadata(&index).is_ok_and(|found| found.len() > 0) {
        return Err(OpenError::IndexGone { index, blobs: layout.blobs() });
    }
    Ok(has_blobs)
}

/// There is no blob, and the index needs one.
pub(super) fn lost_blobs(layout: &Layout) -> OpenError {
    OpenError::BlobsGone { index: layout.index(), blobs: layout.blobs() }
}

/// What is wrong with the index: nothing, if its disk is full.
pub(super) fn index_error(layout: &Layout, ending: &Ending, source: StoreError) -> OpenError {
    let path = layout.index();
    if ending.is_full() {
        return OpenError::Disk { path, source: io::ErrorKind::StorageFull.into() };
    }
    OpenError::Index { path, source }
}
