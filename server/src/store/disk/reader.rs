//! Reads sealed files.

use std::sync::Arc;

use bytes::Bytes;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::FileId;

use super::medium::{DiskFile, OpenHow};
use super::whole::Bodies;
use super::work::{self, Work};
use super::{Inner, disk_error};
use crate::store::{FileReader, Owner, Result};

/// A sealed file, open. It can be read to its end even after it was deleted.
#[derive(Clone, Debug)]
pub struct DiskReader {
    /// None for a file of length 0.
    blob: Option<Arc<dyn DiskFile>>,
    work: Arc<dyn Work>,
    _body: Bodies,
}

impl Inner {
    pub(super) fn open_file(&self, owner: &Owner, id: FileId) -> Result<(FileInfo, DiskReader)> {
        let row = self.index.file(owner, id)?;
        let info = row.info(id)?;
        let opened =
            (row.len > 0).then(|| self.disk.open(&self.layout.blob(row.blob), OpenHow::Read));
        let blob = opened.transpose().map_err(disk_error("opening a file"))?;
        let work = Arc::clone(&self.config.work);
        Ok((info, DiskReader { blob, work, _body: self.wholes.body() }))
    }
}

impl FileReader for DiskReader {
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let Some(blob) = self.blob.clone().filter(|_| len > 0) else { return Ok(Bytes::new()) };
        let read = move || {
            let mut bytes = vec![0; len];
            blob.read_exact_at(offset, &mut bytes).map_err(disk_error("reading a file"))?;
            Ok(bytes.into())
        };
        work::start(&*self.work, read).outcome().await
    }
}
