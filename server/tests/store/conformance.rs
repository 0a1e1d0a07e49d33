//! What any store has to do, asked of one after the other. A store says what it can
//! ([`Store::capabilities`]), and is held to that.
//!
//! Each case runs on a [`Ground`]: a store, and something that happens to it now and then. After
//! that only what was told before counts.

mod cases;
mod grounds;

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, ChunkSet};
use longhaul_server::store::{
    ChunkBegin, ChunkWriter as _, FileReader as _, Result, Store, StoreError,
};

use super::fixture::{Sent, alice, named};

/// How often a sender tries again what the disk failed at.
const TRIES: u32 = 200;

/// Where a store stands.
pub(super) trait Ground {
    type Store: Store;

    fn store(&self) -> &Self::Store;

    /// Whatever can happen to it between two requests happens: nothing, a restart, a crash.
    fn interrupt(&mut self);

    /// Whether it is the disk's fault, which passes.
    fn excuses(&self, _error: &StoreError) -> bool {
        false
    }

    /// Lets background work go on.
    async fn wait(&self);

    /// Does something until the disk does it.
    async fn insist<T>(&self, mut ask: impl AsyncFnMut(&Self::Store) -> Result<T>) -> Result<T> {
        let mut tries = 0;
        loop {
            match ask(self.store()).await {
                Err(error) if self.excuses(&error) && tries < TRIES => tries += 1,
                other => return other,
            }
            self.wait().await;
        }
    }

    async fn create(&self, sent: &Sent) -> UploadId {
        let size = sent.plan.len();
        let begun = self.insist(async |store| store.create(&alice(), named("a file", size)).await);
        begun.await.unwrap().id
    }

    async fn put(&self, id: UploadId, headers: ChunkHeaders, body: &[u8]) -> Result<()> {
        self.insist(async |store| put_once(store, id, headers, body).await).await
    }

    async fn held(&self, id: UploadId) -> ChunkSet {
        loop {
            let holding = self.store().upload(&alice(), id).await.unwrap().holding;
            if holding.pending.is_empty() && holding.filling.is_empty() {
                return holding.held;
            }
            self.wait().await;
        }
    }

    /// Sends what is not held, until all is.
    async fn fill(&self, id: UploadId, sent: &Sent) {
        let all = ChunkSet::all(sent.plan);
        loop {
            let missing = all.without(&self.held(id).await);
            if missing.is_empty() {
                return;
            }
            for index in missing.iter().map(|index| index.0) {
                self.put(id, sent.headers(index), sent.chunk(index)).await.unwrap();
            }
        }
    }

    /// Sends what is missing and seals, as a sender does who is told to come again.
    async fn finish(&self, id: UploadId, sent: &Sent) -> FileInfo {
        loop {
            self.fill(id, sent).await;
            let sealed = self.insist(async |store| store.seal(&alice(), id, sent.root()).await);
            match sealed.await {
                Err(StoreError::StillFilling { .. } | StoreError::ChunksMissing { .. }) => {
                    self.wait().await;
                }
                other => return other.unwrap(),
            }
        }
    }

    async fn upload(&self, sent: &Sent) -> FileInfo {
        let id = self.create(sent).await;
        self.finish(id, sent).await
    }

    async fn read(&self, file: FileId) -> Vec<u8> {
        let read = self.insist(async |store| {
            let (info, reader) = store.open(&alice(), file).await?;
            reader.read_at(0, info.size as usize).await
        });
        read.await.unwrap().to_vec()
    }
}

async fn put_once<S: Store>(
    store: &S,
    id: UploadId,
    headers: ChunkHeaders,
    body: &[u8],
) -> Result<()> {
    match store.begin_chunk(&alice(), id, headers).await? {
        ChunkBegin::Already => Ok(()),
        ChunkBegin::Write(mut writer) => {
            let offset = headers.offset as usize;
            for piece in body.get(offset..).unwrap_or_default().chunks(10_007) {
                writer.write(bytes::Bytes::copy_from_slice(piece)).await?;
            }
            writer.finish().await
        }
    }
}

fn chunk(index: u64) -> ChunkIndex {
    ChunkIndex(index)
}
