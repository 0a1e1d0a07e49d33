//! What whoever looks after a server may ask: uploads and files of all owners, and an end to one of them. No
//! request comes here: it takes who can reach the data folder itself (`crate::admin`).

use std::sync::Arc;

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};

use super::index::{Kept, Spot};
use super::live::lock;
use super::row::UploadRow;
use super::{DiskStore, Inner};
use crate::store::{Owner, Result, Store as _, StoreError, Upload};

/// An upload of anybody's.
#[derive(Clone, Debug)]
pub struct AnyUpload {
    /// Whose.
    pub owner: Owner,
    /// The upload, whether or not its time is over.
    pub upload: Upload,
    /// Whether something of it is under way.
    pub is_busy: bool,
    /// Whether the next sweep removes it.
    pub is_over: bool,
}

/// A file of anybody's.
#[derive(Clone, Debug)]
pub struct AnyFile {
    /// Whose.
    pub owner: Owner,
    /// The file.
    pub info: FileInfo,
    /// Whether some of it is known to have rotten.
    pub is_rotten: bool,
}

/// A row that cannot be read, and what is wrong with it.
#[derive(Debug)]
pub struct Unread<I> {
    /// Whose row.
    pub id: I,
    /// What is wrong.
    pub error: StoreError,
}

/// A page of all owners', by owner and the newest first, and where the next begins.
pub type PageOfAll<T, I> = (Vec<Result<T, Unread<I>>>, Option<Spot>);

impl DiskStore {
    /// Open uploads of all owners, or of one. None is taken into memory for it.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn uploads_of_all(
        &self,
        owner: Option<Owner>,
        after: Option<Spot>,
        limit: usize,
    ) -> Result<PageOfAll<AnyUpload, UploadId>> {
        self.off(move |store| {
            let owner = owner.as_ref().map(|owner| owner.0.as_str());
            let (rows, next) = store.index.uploads_of_all(owner, after.as_ref(), limit)?;
            let uploads = rows.into_iter().filter_map(|(id, row)| store.any_upload(id, row));
            Ok((uploads.collect(), next))
        })
        .await
    }

    /// Files of all owners, or of one.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn files_of_all(
        &self,
        owner: Option<Owner>,
        after: Option<Spot>,
        limit: usize,
    ) -> Result<PageOfAll<AnyFile, FileId>> {
        self.off(move |store| {
            let owner = owner.as_ref().map(|owner| owner.0.as_str());
            let (rows, next) = store.index.files_of_all(owner, after.as_ref(), limit)?;
            let file = |(id, kept)| any_file(id, kept).map_err(|error| Unread { id, error });
            Ok((rows.into_iter().map(file).collect(), next))
        })
        .await
    }

    /// Ends anybody's upload as [`Store::cancel`](crate::store::Store::cancel) does; what it was.
    ///
    /// # Errors
    /// [`StoreError`]: `NotFound`; `Sealed` once it is a file.
    pub async fn cancel_any(&self, id: UploadId) -> Result<AnyUpload> {
        let upload = self.off(move |store| store.any_upload_of(id)).await?;
        self.cancel(&upload.owner, id).await?;
        Ok(upload)
    }

    /// Deletes anybody's file as [`Store::delete`](crate::store::Store::delete) does; what it was.
    ///
    /// # Errors
    /// [`StoreError`]: `NotFound`.
    pub async fn delete_any(&self, id: FileId) -> Result<AnyFile> {
        let file = self.any_file_of(id).await?;
        self.delete(&file.owner, id).await?;
        Ok(file)
    }

    /// Anybody's upload.
    ///
    /// # Errors
    /// [`StoreError`]: `NotFound`; `Sealed` once it is a file.
    pub async fn upload_of_any(&self, id: UploadId) -> Result<AnyUpload> {
        self.off(move |store| store.any_upload_of(id)).await
    }

    /// Anybody's file.
    ///
    /// # Errors
    /// [`StoreError`]: `NotFound`.
    pub async fn any_file_of(&self, id: FileId) -> Result<AnyFile> {
        self.off(move |store| {
            let owner = store.index.owner_of_file(id)?;
            let info = store.index.file(&owner, id)?.info(id)?;
            Ok(AnyFile { owner, info, is_rotten: false })
        })
        .await
    }
}

impl Inner {
    fn any_upload_of(self: &Arc<Self>, id: UploadId) -> Result<AnyUpload> {
        let owner = self.index.owner_of(id)?.ok_or(StoreError::NotFound)?;
        let row = self.index.upload(&owner, id)?;
        if let Some(file) = row.file {
            return Err(StoreError::Sealed { file });
        }
        self.seen(id, row)
    }

    /// None is a file by now, or gone.
    fn any_upload(
        &self,
        id: UploadId,
        row: Result<UploadRow>,
    ) -> Option<Result<AnyUpload, Unread<UploadId>>> {
        let seen = match row {
            Ok(row) if row.file.is_some() => return None,
            Ok(row) => self.seen(id, row),
            Err(error) => Err(error),
        };
        match seen {
            Err(StoreError::NotFound) => None,
            Ok(it) if it.upload.file.is_some() => None,
            other => Some(other.map_err(|error| Unread { id, error })),
        }
    }

    /// Memory may know more of it than its row does; who is only looked at is not taken there.
    pub(super) fn seen(&self, id: UploadId, row: UploadRow) -> Result<AnyUpload> {
        let known = lock(&self.live).get(&id).cloned();
        let live = match known {
            Some(live) => live,
            None => Arc::new(self.loaded(id, row)?),
        };
        let (now, upload) = (self.config.clock.now(), live.seen()?);
        let state = live.state();
        let (is_busy, is_over) = (state.chunks.is_busy(), state.has_expired(now));
        drop(state);
        Ok(AnyUpload { owner: live.owner.clone(), upload, is_busy, is_over })
    }
}

fn any_file(id: FileId, kept: Result<Kept>) -> Result<AnyFile> {
    let Kept { row, is_rotten } = kept?;
    Ok(AnyFile { info: row.info(id)?, owner: Owner(row.owner), is_rotten })
}
