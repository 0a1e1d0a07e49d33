//! Begins uploads: the row first, which counts the room as taken, then the file at its full length, then the
//! answer. The file's name is synced meanwhile, at the latest before its first chunk is held, and a long file
//! is made meanwhile too. After a crash in between there is a row without chunks and without a blob, which is
//! what an upload looks like to which nothing was sent; its blob is made when it is needed.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use longhaul_protocol::Plan;
use longhaul_protocol::plan::PlanError;
use longhaul_protocol::wire::ids::UploadId;

use super::index::Created;
use super::layout::BlobId;
use super::live::Live;
use super::medium::{Disk, DiskFile, OpenHow};
use super::row::UploadRow;
use super::space::Bounds;
use super::work;
use super::{Inner, disk_error};
use crate::store::{Lack, NewUpload, Owner, Result, StoreError, Upload};

/// The longest file that is made before the answer, bytes: a file system reserves it in a millisecond, and 100 GiB
/// in thirty. A longer one is counted against what is free all the same; but if a quota that the file system
/// tells nobody of is smaller, its first chunk is told so, and not its creation.
const MADE_AT_ONCE_MAX: u64 = 4 << 30;

/// Told once, not with every upload.
static CANNOT_RESERVE: Once = Once::new();

impl Inner {
    /// The new upload, or the one that the idempotency key began before.
    pub(super) fn create(&self, owner: &Owner, new: NewUpload) -> Result<Upload> {
        let upload = self.begin(owner, new)?.upload(self.config.clock.now())?;
        Ok(Upload { reusable: Some(self.may_reuse(owner, upload.plan.len())), ..upload })
    }

    fn begin(&self, owner: &Owner, new: NewUpload) -> Result<Arc<Live>> {
        let now = self.config.clock.now();
        let plan = choose_plan(new.size, new.chunk_size, self.config.chunk_len)?;
        let id = new.id.map_or_else(|| self.new_id().map(UploadId), Ok)?;
        let (key, request) = new.idempotency.unzip();
        let mut row = UploadRow {
            owner: owner.0.clone(),
            meta: new.meta,
            len: plan.len(),
            chunk_len: plan.chunk_len(),
            created_at: now,
            last_activity: now,
            expires_at: self.config.expires_at(now, false),
            idempotency_key: key,
            file: None,
        };
        let (need, free) = (row.need()?, || self.free_bytes());
        let reserve = || self.space.reserve(need, self.bounds(), free);
        match self.index.create_upload(id, &mut row, request, now, reserve)? {
            Created::Before(before) => self.load(owner, before),
            Created::New(room) => {
                let live = self.load(owner, id)?;
                let place = self.place(live.blob_id());
                if row.len <= MADE_AT_ONCE_MAX {
                    place.reserve(row.len).inspect_err(|_| self.take_back(&live))?;
                }
                room.keep();
                tracing::info!(upload = %id, bytes = row.len, "upload begun");
                self.make_blob_soon(&live, place);
                Ok(live)
            }
        }
    }

    /// Does what is left while the answer is on its way. What fails is told to who sends the first chunk, for which
    /// it is tried again. An only chunk comes as soon as this could begin.
    fn make_blob_soon(&self, live: &Arc<Live>, place: Place) {
        if live.plan.chunk_count() <= 1 {
            return;
        }
        let live = Arc::clone(live);
        let rest = move || match live.plan.len() {
            len if len > MADE_AT_ONCE_MAX => live.name_blob(|| place.make(len).map(drop)),
            _ => live.name_blob(|| place.sync_name()),
        };
        drop(work::start(&*self.config.work, rest));
    }

    fn place(&self, blob: BlobId) -> Place {
        let (path, dir) = (self.layout.blob(blob), self.layout.dir_of(blob));
        Place { disk: Arc::clone(&self.disk), path, dir }
    }

    /// Room for the index is kept out of what is free for uploads.
    pub(super) fn fit_spare(&self) {
        self.space.fit_spare(self.config.disk_free_min, || self.free_bytes());
    }

    pub(super) fn free_bytes(&self) -> Result<u64> {
        let asking = disk_error("asking how much room there is");
        self.disk.free_bytes(self.layout.dir()).map_err(asking)
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            owner_max: self.config.bytes_per_owner_max,
            owner_uploads_max: self.config.uploads_per_owner_max,
            guests_max: self.config.bytes_guests_max,
            total_max: self.config.bytes_total_max,
            free_min: self.config.disk_free_min,
        }
    }

    /// Somebody may have found the upload in a list and be sending to it already: he is told that it is
    /// gone. Its room comes back with `Room`.
    fn take_back(&self, live: &Live) {
        live.change(|state| state.chunks.end());
        self.syncer.forget(live.id);
        live.close_blob();
        let removed = self.index.remove_upload(live.id, None);
        self.forget_live(live.id);
        let dropped = removed.and_then(|blob| blob.map_or(Ok(()), |blob| self.drop_blob(blob)));
        if let Err(error) = dropped {
            tracing::warn!(%error, upload = %live.id, "left for the next start to clean up");
        }
    }

    /// The blob of an upload, open for writing.
    pub(super) fn blob(&self, live: &Live) -> Result<Arc<dyn DiskFile>> {
        live.blob(|is_named| self.open_blob(live, is_named))
    }

    /// As long as nothing is held in it nobody knows how far the upload's creation came before a crash,
    /// so it is done once more, which changes nothing that was done. Later a blob is never made
    /// anew: what is held would be zeroes.
    fn open_blob(&self, live: &Live, is_named: bool) -> Result<Arc<dyn DiskFile>> {
        let damaged = || StoreError::Damaged(format!("the blob {} is missing or short", live.id));
        let nothing_held = !live.state().chunks.has_own();
        if nothing_held && !is_named {
            return self.place(live.blob_id()).make(live.plan.len())?.ok_or_else(damaged);
        }
        match self.disk.open(&self.layout.blob(live.blob_id()), OpenHow::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged()),
            Ok(file) if file.size().map_err(disk_error("opening a blob"))? < live.plan.len() => {
                Err(damaged())
            }
            other => other.map_err(disk_error("opening a blob")),
        }
    }
}

/// Where a blob is made; it can be while the store is being closed.
struct Place {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    dir: PathBuf,
}

impl Place {
    /// Makes the blob at its full length, with its room reserved and its name durable.
    fn make(&self, len: u64) -> Result<Option<Arc<dyn DiskFile>>> {
        let made = self.reserve(len)?;
        if made.is_some() {
            self.sync_name()?;
        }
        Ok(made)
    }

    fn sync_name(&self) -> Result<()> {
        self.disk.sync_dir(&self.dir).map_err(disk_error("making a blob"))
    }

    /// Makes the blob at its full length, with its room reserved. Where the file system cannot reserve, a full disk
    /// shows while chunks are written.
    fn reserve(&self, len: u64) -> Result<Option<Arc<dyn DiskFile>>> {
        if len == 0 {
            return Ok(None);
        }
        let opened = self.disk.open(&self.path, OpenHow::Create);
        let file = opened.map_err(disk_error("making a blob"))?;
        match file.preallocate(len) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                CANNOT_RESERVE.call_once(|| {
                    let why = "the file system of the data directory cannot reserve room: \
                               a full disk shows while chunks are written, and not before";
                    tracing::warn!("{why}");
                });
                file.set_len(len).map_err(|error| no_space(len, error))?;
            }
            Err(error) => return Err(no_space(len, error)),
        }
        Ok(Some(file))
    }
}

/// The client's chunk size if it makes a plan, so that a file that grew keeps its chunks; else the
/// server's, doubled until the file fits.
fn choose_plan(len: u64, wish: Option<u64>, chunk_len: u64) -> Result<Plan, PlanError> {
    if let Some(plan) = wish.and_then(|wish| Plan::new(len, wish).ok()) {
        return Ok(plan);
    }
    Plan::fitting(len, chunk_len)
}

fn no_space(needed: u64, error: io::Error) -> StoreError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            StoreError::NoSpace { needed, of: Lack::Disk }
        }
        _ => disk_error("reserving room for a blob")(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::plan::{
        CHUNK_COUNT_MAX, CHUNK_LEN_DEFAULT, CHUNK_LEN_MAX, CHUNK_LEN_MIN,
    };

    #[test]
    fn a_wish_that_makes_a_plan_is_granted() {
        let chunk_len = |len, wish| choose_plan(len, wish, CHUNK_LEN_DEFAULT).unwrap().chunk_len();
        assert_eq!(chunk_len(5, Some(CHUNK_LEN_MIN)), CHUNK_LEN_MIN);
        assert_eq!(chunk_len(5, Some(1)), CHUNK_LEN_DEFAULT);
        assert_eq!(chunk_len(5, None), CHUNK_LEN_DEFAULT);
    }

    #[test]
    fn chunks_grow_until_the_file_fits_and_no_further() {
        let fits = CHUNK_COUNT_MAX * CHUNK_LEN_DEFAULT;
        let chunk_len = |len| choose_plan(len, None, CHUNK_LEN_DEFAULT).map(Plan::chunk_len);
        assert_eq!(chunk_len(fits), Ok(CHUNK_LEN_DEFAULT));
        assert_eq!(chunk_len(fits + 1), Ok(2 * CHUNK_LEN_DEFAULT));
        assert_eq!(chunk_len(CHUNK_COUNT_MAX * CHUNK_LEN_MAX), Ok(CHUNK_LEN_MAX));
        assert!(chunk_len(u64::MAX).is_err());
    }
}
