//! What is told page by page: uploads, files, the digests of a file's chunks.

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{DigestRun, FileInfo};

use super::Inner;
use super::index::{Cursor, json_bytes};
use crate::store::{Owner, Page, Result, StoreError, Upload};

impl Inner {
    /// A row that cannot be read is left out and told in the log.
    pub(super) fn uploads(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Upload>> {
        let now = self.config.clock.now();
        let read = |id| match self.load(owner, UploadId(id)).and_then(|live| live.upload(now)) {
            Ok(upload) => Ok(Some(upload).filter(|upload| upload.file.is_none())),
            Err(StoreError::NotFound | StoreError::Expired) => Ok(None),
            Err(error @ StoreError::Damaged(_)) => {
                let id = UploadId(id);
                tracing::error!(%error, upload = %id, "an upload's row is damaged, and not listed");
                Ok(None)
            }
            Err(error) => Err(error),
        };
        let bytes = |upload: &Upload| json_bytes(&upload.meta) + json_bytes(&upload.holding);
        let (rows, next) = self.index.upload_spots(owner, after, limit)?.rows(read, bytes)?;
        Ok(Page { rows, next: next.map(|cursor| cursor.to_string()) })
    }

    pub(super) fn files(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<FileInfo>> {
        let (rows, next) = self.index.files(owner, after, limit)?;
        Ok(Page { rows, next: next.map(|cursor| cursor.to_string()) })
    }

    pub(super) fn manifest(
        &self,
        owner: &Owner,
        id: FileId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<(FileInfo, DigestRun)> {
        let row = self.index.file(owner, id)?;
        let info = row.info(id)?;
        let count = count.min(info.chunk_count.saturating_sub(start.0));
        let rows = self.index.digests(row.blob, start, count)?;
        let damaged = || StoreError::Damaged(format!("file {id} lacks rows of chunks"));
        let digests = rows.into_iter().collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        Ok((info, DigestRun { start, digests }))
    }
}

/// A cursor that this store did not give out names nothing.
pub(super) fn parse_cursor(after: Option<String>) -> Result<Option<Cursor>> {
    after.map(|text| Cursor::parse(&text).ok_or(StoreError::NotFound)).transpose()
}
