//! Reads every blob again, from the disk and not from the system's memory, and compares every chunk with its digest.
//!
//! Beside a server at work chunks are replaced and blobs go. What does not compare is looked at again in the
//! index: it is damaged only if the row stands there as before, and no row was taken out meanwhile. Then what
//! whoever else finds it does is done too: a sealed chunk is lent to nobody any more (`rot`), one of an open
//! upload is asked for again (`scrub`). What is borrowed is looked at where it lies. Not looked at is what an
//! upload that was given up still lends; whoever borrows it compares what he copies.

use std::io;
use std::sync::Arc;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest};

use super::index::Promised;
use super::layout::BlobId;
use super::live::lock;
use super::medium::{DiskFile, OpenHow};
use super::reader::digest_on_disk;
use super::rot;
use super::{DiskStore, Inner};
use crate::store::{Owner, Result, StoreError};

mod damage;
mod missing;

pub use damage::{Damage, Holder, Wrong};

/// How many rows are read of the index at once: 64 KiB of digests, looked at for seconds.
const DIGESTS_AT_ONCE: usize = 1024;

/// A blob that is being looked through.
#[derive(Clone, Debug)]
pub struct Looking {
    blob: BlobId,
    promised: Promised,
    file: Option<Arc<dyn DiskFile>>,
    /// The next chunk.
    next: ChunkIndex,
    rows: Vec<(ChunkIndex, Digest)>,
}

/// What a step of looking comes to.
#[derive(Debug, Default)]
pub struct Looked {
    /// How many chunks were looked at.
    pub chunks: u64,
    /// How many bytes they should be.
    pub bytes: u64,
    /// What is wrong with them.
    pub damage: Option<Damage>,
    /// The blob, if there is more of it.
    pub rest: Option<Looking>,
}

/// What one chunk turned out to be.
enum Judged {
    Sound,
    /// It is not held any more.
    Gone,
    Damaged(Wrong, Option<String>),
}

impl DiskStore {
    /// How many bytes there are to be looked at.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn bytes_to_verify(&self) -> Result<u64> {
        self.off(|store| store.index.bytes_of_all()).await
    }

    /// The blob after this one, as the index knows them; the first after none.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn blob_after(&self, after: Option<UploadId>) -> Result<Option<UploadId>> {
        self.off(move |store| Ok(store.index.blob_after(after.map(BlobId))?.map(|blob| blob.0)))
            .await
    }

    /// Begins to look through a blob.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn look_into(&self, blob: UploadId) -> Result<Looked> {
        self.off(move |store| store.look_into(BlobId(blob))).await
    }

    /// Looks at the next chunk.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn look_on(&self, looking: Looking) -> Result<Looked> {
        let (blob, is_sealed) = (looking.blob, looking.promised.is_sealed);
        let removals = self.0.removals(blob);
        let looked = self.off(move |store| store.look_on(looking, removals)).await?;
        if let Some(damage) = looked.damage.as_ref().filter(|it| it.what == Wrong::Rotten)
            && !is_sealed
        {
            self.0.ask_again(blob, ChunkIndex(damage.chunk), removals).await;
        }
        Ok(looked)
    }
}

impl Inner {
    fn look_into(&self, blob: BlobId) -> Result<Looked> {
        let promised = match self.index.promised_of(blob) {
            Ok(Some(promised)) => promised,
            Ok(None) => return Ok(Looked::default()),
            Err(error @ StoreError::Damaged(_)) => {
                let none = Damage { detail: Some(error.to_string()), ..Damage::none_of(blob) };
                let damage = Damage { holders: self.holders(blob)?, ..none };
                return Ok(Looked { damage: Some(damage), ..Looked::default() });
            }
            Err(error) => return Err(error),
        };
        let mut looking =
            Looking { blob, promised, file: None, next: ChunkIndex(0), rows: Vec::new() };
        let wrong = match self.disk.open(&self.layout.blob(blob), OpenHow::Read) {
            Ok(file) => {
                looking.file = Some(file);
                return Ok(Looked { rest: Some(looking), ..Looked::default() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Wrong::Missing, None),
            Err(error) => (Wrong::Unreadable, Some(error.to_string())),
        };
        self.all_from(&looking, ChunkIndex(0), wrong)
    }

    fn look_on(&self, mut looking: Looking, removals: Option<u64>) -> Result<Looked> {
        let (blob, promised, expected) = (looking.blob, looking.promised, looking.next);
        if looking.rows.is_empty() {
            let mut rows = self.index.own_chunks(blob, expected, DIGESTS_AT_ONCE)?;
            rows.reverse();
            looking.rows = rows;
        }
        let next = looking.rows.pop();
        let end = next.map_or(ChunkIndex(promised.plan.chunk_count()), |(index, _)| index);
        if promised.is_sealed && end > expected {
            looking.rows.extend(next);
            looking.next = end;
            return self.without_rows(looking, expected, end);
        }
        let Some((index, digest)) = next else { return Ok(Looked::default()) };
        looking.next = ChunkIndex(index.0 + 1);
        let mut looked =
            Looked { chunks: 1, bytes: promised.plan.chunk_bytes(index), ..Looked::default() };
        match self.judge(&looking, index, digest, removals)? {
            Judged::Sound | Judged::Gone => {}
            Judged::Damaged(Wrong::CutOff, _) => {
                return self.all_from(&looking, index, (Wrong::CutOff, None));
            }
            Judged::Damaged(what, detail) => {
                looked.damage = Some(Damage {
                    what,
                    chunk: index.0,
                    chunks: 1,
                    offset: promised.plan.range(index).start,
                    bytes: looked.bytes,
                    detail,
                    holders: self.holders(blob)?,
                    ..Damage::none_of(blob)
                });
                if what == Wrong::Rotten && promised.is_sealed {
                    self.verified.doubt(blob, index);
                    rot::found(&self.index, blob, index, promised.plan.range(index));
                }
            }
        }
        looked.rest = Some(looking);
        Ok(looked)
    }

    /// Reads a chunk, again if it may have been replaced meanwhile.
    fn judge(
        &self,
        looking: &Looking,
        index: ChunkIndex,
        mut digest: Digest,
        mut removals: Option<u64>,
    ) -> Result<Judged> {
        let Looking { blob, promised, file: Some(file), .. } = looking else {
            return Ok(Judged::Gone);
        };
        let range = promised.plan.range(index);
        loop {
            let wrong = match digest_on_disk(&**file, range.clone()) {
                Ok(found) if found == digest => return Ok(Judged::Sound),
                Ok(_) => Judged::Damaged(Wrong::Rotten, None),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Judged::Damaged(Wrong::CutOff, None)
                }
                Err(error) => Judged::Damaged(Wrong::Unreadable, Some(error.to_string())),
            };
            let row = self.index.own_chunks(*blob, index, 1)?.pop();
            let row = row.filter(|&(at, _)| at == index).map(|(_, digest)| digest);
            let (Some(row), Some(_)) = (row, self.index.promised_of(*blob)?) else {
                return Ok(Judged::Gone);
            };
            let now = self.removals(*blob);
            if row == digest && now == removals {
                return Ok(wrong);
            }
            (digest, removals) = (row, now);
        }
    }

    /// How often the row of a held chunk was taken out of an upload that somebody works on.
    fn removals(&self, blob: BlobId) -> Option<u64> {
        lock(&self.live).get(&blob.0).map(|live| live.state().chunks.removals())
    }

    /// A chunk of an open upload has rotten: its sender is asked for it.
    async fn ask_again(self: &Arc<Self>, blob: BlobId, index: ChunkIndex, removals: Option<u64>) {
        if let Err(error) = self.take_out(blob.0, index, removals).await {
            tracing::warn!(%error, upload = %blob.0, chunk = index.0, "a rotten chunk stays held");
        }
    }

    async fn take_out(
        self: &Arc<Self>,
        id: UploadId,
        index: ChunkIndex,
        removals: Option<u64>,
    ) -> Result<()> {
        let owner = self.index.owner_of(id)?.ok_or(StoreError::NotFound)?;
        let live = self.live(&Owner(owner.0), id).await?;
        let Some(digest) = self.index.chunk_digest(BlobId(id), index)? else { return Ok(()) };
        let removals = removals.unwrap_or_else(|| live.state().chunks.removals());
        self.take_out_rotten(&live, index, digest, removals).await.map(drop)
    }
}
