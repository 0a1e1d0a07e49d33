//! Opening a directory: its lock, its index, its folders, and what a crash interrupted there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore};

use super::block::Blocks;
use super::config::Config;
use super::ending::Ending;
use super::index::{FileBackend, Index, IndexOpenError, Queue, Trust};
use super::layout::Layout;
use super::lock::{DirLock, LockError};
use super::medium::{Disk, OpenHow};
use super::open_error::{OpenError, index_error, lost_blobs, lost_index};
use super::real::RealDisk;
use super::space::Space;
use super::spare::Spare;
use super::syncer::Syncer;
use super::verified::Verified;
use super::whole::Wholes;
use super::{DiskStore, Inner};
use crate::store::{Meters, Result};

impl DiskStore {
    /// Opens a data directory, makes it if it is not there, and finishes what a crash interrupted.
    /// Blocks; reads nothing but the index.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, config: Config) -> Result<Self, OpenError> {
        let disk = Arc::new(RealDisk);
        let dir = &std::path::absolute(dir)
            .map_err(|source| OpenError::Disk { path: dir.to_owned(), source })?;
        disk.create_dir(dir).map_err(|source| OpenError::Disk { path: dir.to_owned(), source })?;
        let path = Layout::new(dir).lock();
        let lock = DirLock::take(&path).map_err(|error| match error {
            LockError::Taken { holder } => OpenError::InUse { dir: dir.to_owned(), holder },
            LockError::Io(source) => OpenError::Disk { path, source },
        })?;
        let has_blobs = lost_index(&Layout::new(dir))?;
        Self::open_locked(disk, dir, config, Some(lock), has_blobs)
    }

    /// The same on any disk, for tests; nothing keeps a second store off it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, config: Config) -> Result<Self, OpenError> {
        Self::open_locked(disk, dir, config, None, true)
    }

    pub(super) fn open_locked(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: Config,
        lock: Option<DirLock>,
        has_blobs: bool,
    ) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        let spare = Arc::new(Spare::open(&*disk, &layout.spare(), config.index_spare_bytes));
        let ending = Arc::new(Ending::new(Arc::clone(&disk), layout.clone()));
        let meters = Meters::default();
        let queue = Queue {
            tells: config.tells,
            is_as_before: config.tells_as_before,
            max: config.events_max,
            dropped: meters.events_dropped.clone(),
        };
        let index = Arc::new(open_index(&*disk, &layout, &spare, &ending, (&config, queue))?);
        let unreadable = |source| index_error(&layout, &ending, source);
        if !has_blobs && index.needs_a_blob().map_err(unreadable)? {
            return Err(lost_blobs(&layout));
        }
        make_dirs(&*disk, &layout)?;
        let syncer =
            Syncer::start(Arc::clone(&index), &meters, config.unsynced_bytes_max, &*config.work)
                .map_err(|source| OpenError::Disk { path: layout.dir().to_owned(), source })?;
        let verified = Arc::new(Verified::default());
        let opened = Arc::default();
        let wholes = Wholes::start(&index, &disk, &layout, (&verified, &opened), &config)
            .map_err(|source| OpenError::Disk { path: layout.dir().to_owned(), source })?;
        let space = Arc::new(Space::of(index.promised().map_err(unreadable)?, spare));
        let inner = Inner {
            ending: Arc::clone(&ending),
            happened: Notify::new(),
            looked_at: Mutex::default(),
            syncer,
            wholes,
            live: Mutex::default(),
            live_looked_at: AtomicUsize::new(config.live_max),
            fills: Arc::new(Semaphore::new(config.fills_max)),
            blocks: Blocks::default(),
            verified,
            opened,
            space,
            meters,
            opened_at: config.clock.now(),
            garbage_left: AtomicUsize::new(0),
            index,
            disk,
            layout: layout.clone(),
            config,
            _lock: lock,
        };
        inner.fit_spare();
        inner.finish_garbage().map_err(unreadable)?;
        Ok(Self(Arc::new(inner)))
    }
}

/// Makes the folders, and their names durable, up to the root: nobody knows which of those above
/// the data directory were made for it, now or by a start that was cut off.
fn make_dirs(disk: &dyn Disk, layout: &Layout) -> Result<(), OpenError> {
    let at = |path: PathBuf| move |source| OpenError::Disk { path, source };
    disk.create_dir(&layout.blobs()).map_err(at(layout.blobs()))?;
    for dir in layout.blob_dirs() {
        disk.create_dir(&dir).map_err(at(dir))?;
    }
    disk.sync_dir(&layout.blobs()).map_err(at(layout.blobs()))?;
    disk.sync_dir(layout.dir()).map_err(at(layout.dir().to_owned()))?;
    for dir in layout.dir().ancestors().skip(1) {
        match disk.sync_dir(dir) {
            // Whoever may not read a folder did not make it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => other.map_err(at(dir.to_owned()))?,
        }
    }
    Ok(())
}

/// A new index is made under another name, and renamed once it is whole: after a crash half of one
/// could not be told from one that is damaged. Its name is synced with that of `blobs`, before the
/// first row promises anything.
fn open_index(
    disk: &dyn Disk,
    layout: &Layout,
    spare: &Arc<Spare>,
    ending: &Arc<Ending>,
    (config, queue): (&Config, Queue),
) -> Result<Index, OpenError> {
    let path = layout.index();
    let at = |source| OpenError::Disk { path: path.clone(), source };
    disk.create_dir(layout.dir()).map_err(at)?;
    let (now, has_failed) = (config.clock.now(), ending.was_unclean());
    let trust = Trust { now, for_ms: config.index_trusted_ms, has_failed };
    let open = |file| {
        let (spare, ending) = (Arc::clone(spare), Arc::clone(ending));
        let backend = FileBackend { file, spare, ending };
        Index::open(backend, config.index_cache_bytes, trust, queue.clone())
    };
    let told = |opened: Result<Index, IndexOpenError>| {
        opened.map_err(|error| match error {
            IndexOpenError::Newer { found } => {
                OpenError::Newer { dir: layout.dir().to_owned(), found }
            }
            IndexOpenError::Index(source) => index_error(layout, ending, source),
        })
    };
    let index = match disk.open(&path, OpenHow::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = disk.open(&layout.new_index(), OpenHow::Create).map_err(at)?;
            file.set_len(0).map_err(at)?;
            let index = told(open(file))?;
            disk.rename(&layout.new_index(), &path).map_err(at)?;
            index
        }
        other => told(open(other.map_err(at)?))?,
    };
    if has_failed {
        ending.forget();
    }
    Ok(index)
}
