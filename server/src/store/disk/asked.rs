//! What a store is asked, and who does it: in most cases what blocks, off the async threads.

use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::Proof;
use longhaul_protocol::wire::{DigestRun, FileInfo};
use longhaul_protocol::{ChunkIndex, Digest};

use super::list::parse_cursor;
use super::{DiskGrowing, DiskReader, DiskStore, DiskWriter, Reuse};
use crate::store::{
    Capabilities, ChunkBegin, Figures, Growing, Meters, NewUpload, Offered, Owner, Page, Result,
    Store, StoreError, Upload,
};
use crate::told::Told;

impl Store for DiskStore {
    type Writer = DiskWriter;
    type Reader = DiskReader;
    type Growing = DiskGrowing;

    fn takes_writes(&self) -> bool {
        !self.is_read_only()
    }

    async fn check_ready(&self) -> Result<()> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        self.off(|store| store.check_room()).await
    }

    fn meters(&self) -> &Meters {
        &self.0.meters
    }

    async fn figures(&self) -> Result<Figures> {
        self.off(|store| store.figures()).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { partial_chunks: true, shared_blobs: self.0.config.reuse != Reuse::Off }
    }

    async fn create(&self, owner: &Owner, new: NewUpload) -> Result<Upload> {
        let owner = owner.clone();
        self.off(move |store| store.create(&owner, new)).await
    }

    async fn has_begun(&self, owner: &Owner, key: &str, request: Digest) -> Result<bool> {
        let (owner, key, now) = (owner.clone(), key.to_owned(), self.0.config.clock.now());
        self.off(move |store| store.index.has_begun(&owner, &key, request, now)).await
    }

    async fn upload(&self, owner: &Owner, id: UploadId) -> Result<Upload> {
        let mut upload = self.0.live(owner, id).await?.upload(self.0.config.clock.now())?;
        // Memory has what was known at the seal.
        if let Some(file) = upload.file.as_mut().filter(|file| file.sha256.is_none()) {
            let (owner, id) = (owner.clone(), file.id);
            file.sha256 = self.off(move |store| Ok(store.index.file(&owner, id)?.sha256)).await?;
        }
        Ok(upload)
    }

    async fn fill(&self, owner: &Owner, id: UploadId) -> Result<()> {
        self.0.fill(owner, id).await
    }

    async fn held_digests(
        &self,
        owner: &Owner,
        id: UploadId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<Vec<Option<Digest>>> {
        let live = self.0.live(owner, id).await?;
        live.state().check_alive(self.0.config.clock.now())?;
        let count = count.min(live.plan.chunk_count().saturating_sub(start.0));
        self.off(move |store| store.index.digests(store.bytes_of(&live)?, start, count)).await
    }

    async fn uploads(
        &self,
        owner: &Owner,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Upload>> {
        let (owner, after) = (owner.clone(), parse_cursor(after)?);
        self.off(move |store| store.uploads(&owner, after, limit)).await
    }

    async fn offer(&self, owner: &Owner, id: UploadId, run: DigestRun) -> Result<Offered> {
        self.0.offer(owner, id, run).await
    }

    async fn prove(&self, owner: &Owner, id: UploadId, proofs: Vec<Proof>) -> Result<Offered> {
        self.0.prove(owner, id, proofs).await
    }

    async fn begin_chunk(
        &self,
        owner: &Owner,
        id: UploadId,
        chunk: ChunkHeaders,
    ) -> Result<ChunkBegin<DiskWriter>> {
        self.0.begin_chunk(owner, id, chunk).await
    }

    async fn seal(&self, owner: &Owner, id: UploadId, root: Digest) -> Result<FileInfo> {
        self.0.seal(owner, id, root).await
    }

    async fn cancel(&self, owner: &Owner, id: UploadId) -> Result<()> {
        self.0.cancel(owner, id).await
    }

    async fn owner_of(&self, id: FileId) -> Result<Owner> {
        if let Some(owner) = self.0.opened.owner_of(id) {
            return Ok(owner);
        }
        self.off(move |store| store.index.owner_of_file(id)).await
    }

    async fn open(&self, owner: &Owner, id: FileId) -> Result<(Arc<Told>, DiskReader)> {
        if let Some(opened) = self.0.open_again(owner, id) {
            return Ok(opened);
        }
        let owner = owner.clone();
        self.off(move |store| store.open_file(&owner, id)).await
    }

    async fn growing(
        &self,
        owner: &Owner,
        id: UploadId,
        wait: Duration,
    ) -> Result<Growing<DiskGrowing>> {
        self.0.growing(owner, id, wait).await
    }

    async fn manifest(
        &self,
        owner: &Owner,
        id: FileId,
        start: ChunkIndex,
        count: u64,
    ) -> Result<(FileInfo, DigestRun)> {
        let owner = owner.clone();
        self.off(move |store| store.manifest(&owner, id, start, count)).await
    }

    async fn files(
        &self,
        owner: &Owner,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<FileInfo>> {
        let (owner, after) = (owner.clone(), parse_cursor(after)?);
        self.off(move |store| store.files(&owner, after, limit)).await
    }

    async fn delete(&self, owner: &Owner, id: FileId) -> Result<()> {
        let owner = owner.clone();
        self.off(move |store| store.delete(&owner, id)).await
    }
}
