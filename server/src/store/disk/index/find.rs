//! Finds where the bytes of a digest lie: in an owner's blobs, or in anybody's, which is asked only
//! where reuse is for everyone and told only to those who prove that they have them.
//!
//! It reads, and so holds up nobody's commits, however much an upload has. What is found may be
//! gone by the time somebody counts on it: see [`is_lendable`].

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::{BLOBS, CHUNKS, GARBAGE, Id, Index, REFS, RefRow, SOURCES, UPLOADS, refs};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, Row as _, UploadRow};

/// How many blobs that have a digest, or a root, are looked at for one to take it from. A chunk of
/// zeroes may be in every one; of the others few have so many, and what is not found is sent.
pub(super) const CANDIDATES_MAX: usize = 16;

/// Where bytes of a digest lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) struct Source {
    pub(in crate::store::disk) blob: BlobId,
    pub(in crate::store::disk) index: ChunkIndex,
    /// In the blob, bytes.
    pub(in crate::store::disk) offset: u64,
    /// Bytes.
    pub(in crate::store::disk) len: u64,
}

impl Source {
    /// The same chunk of a blob that has the same plan.
    pub(super) fn of_the_same(blob: BlobId, plan: Plan, index: ChunkIndex) -> Self {
        let range = plan.range(index);
        Self { blob, index, offset: range.start, len: range.end - range.start }
    }
}

/// An upload that wants chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) upload: UploadId,
    pub(super) plan: Plan,
}

/// The tables that are asked, of one snapshot.
pub(super) struct Finder<'a> {
    /// Whose blobs; `None` is anybody's.
    owner: Option<&'a str>,
    sources: ReadOnlyTable<([u8; 32], &'static str, Id), u64>,
    garbage: ReadOnlyTable<Id, &'static str>,
    chunks: ReadOnlyTable<(Id, u64), [u8; 32]>,
    blobs: ReadOnlyTable<Id, &'static [u8]>,
    uploads: ReadOnlyTable<Id, &'static [u8]>,
    refs: ReadOnlyTable<(Id, u64), RefRow>,
}

impl Index {
    /// Which of the chunks wanted are in somebody's blob, other than the asker's own.
    pub(in crate::store::disk) fn known_to_anybody(
        &self,
        upload: UploadId,
        plan: Plan,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<Vec<(ChunkIndex, Digest)>> {
        self.read(|txn| {
            let finder = Finder::open(txn, None)?;
            let mut known = Vec::new();
            for &(index, digest) in wanted {
                if finder.source(Asker { upload, plan }, index, digest)?.is_some() {
                    known.push((index, digest));
                }
            }
            Ok(known)
        })
    }

    /// Where the bytes of a chunk can be copied from.
    pub(in crate::store::disk) fn source_of_anybody(
        &self,
        upload: UploadId,
        plan: Plan,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<Option<Source>> {
        self.read(|txn| Finder::open(txn, None)?.source(Asker { upload, plan }, index, digest))
    }
}

impl<'a> Finder<'a> {
    pub(super) fn open(txn: &ReadTransaction, owner: Option<&'a str>) -> Result<Self> {
        Ok(Self {
            owner,
            sources: txn.open_table(SOURCES)?,
            garbage: txn.open_table(GARBAGE)?,
            chunks: txn.open_table(CHUNKS)?,
            blobs: txn.open_table(BLOBS)?,
            uploads: txn.open_table(UPLOADS)?,
            refs: txn.open_table(REFS)?,
        })
    }

    /// A chunk with that digest, in a blob that is not the asker's.
    pub(super) fn source(
        &self,
        asker: Asker,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<Option<Source>> {
        let len = asker.plan.chunk_bytes(index);
        for (blob, at) in self.candidates(digest)? {
            if blob == BlobId(asker.upload) {
                continue;
            }
            let Some(plan) = self.plan(blob)? else { continue };
            if plan.chunk_bytes(at) == len {
                let offset = plan.range(at).start;
                return Ok(Some(Source { blob, index: at, offset, len }));
            }
        }
        Ok(None)
    }

    /// A sealed file of the same plan that has all that is wanted and all that the upload borrows.
    pub(super) fn twin(
        &self,
        asker: Asker,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<Option<BlobId>> {
        let Some(&(_, first)) = wanted.first() else { return Ok(None) };
        for (blob, _) in self.candidates(first)? {
            if self.may_be(blob, asker.plan, wanted)? && self.has_borrowed(blob, asker.upload)? {
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }

    /// Whether a blob is that of a sealed file of this plan, none of which is known to have rotten,
    /// and has all these chunks.
    pub(super) fn may_be(
        &self,
        blob: BlobId,
        plan: Plan,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<bool> {
        let row = self.blob(blob)?.filter(|row| row.files > 0 && row.root.is_some());
        let Some(row) = row else { return Ok(false) };
        if row.plan()? != plan {
            return Ok(false);
        }
        for &(index, digest) in wanted {
            if !has(&self.chunks, blob, index, digest)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_borrowed(&self, blob: BlobId, upload: UploadId) -> Result<bool> {
        for row in self.refs.range(refs::refs_of(upload))? {
            let (key, row) = row?;
            let (index, digest) = (ChunkIndex(key.value().1), Digest(row.value().0));
            if !has(&self.chunks, blob, index, digest)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Blobs that have a digest, and where. None that is garbage.
    fn candidates(&self, digest: Digest) -> Result<Vec<(BlobId, ChunkIndex)>> {
        let mut found = Vec::new();
        let first = (digest.0, self.owner.unwrap_or(""), [0; 16]);
        for row in self.sources.range(first..)?.take(CANDIDATES_MAX) {
            let (key, index) = row?;
            let (of, owner, blob) = key.value();
            if of != digest.0 || self.owner.is_some_and(|asked| asked != owner) {
                break;
            }
            let (blob, index) = (BlobId(UploadId(blob)), ChunkIndex(index.value()));
            if is_lendable(&self.garbage, &self.chunks, blob, index, digest)? {
                found.push((blob, index));
            }
        }
        Ok(found)
    }

    /// The plan of a blob: that of the upload it belongs to, open or sealed.
    fn plan(&self, blob: BlobId) -> Result<Option<Plan>> {
        if let Some(row) = self.blob(blob)? {
            return row.plan().map(Some);
        }
        let row = self.uploads.get(blob.bytes())?;
        row.map(|row| UploadRow::decode(row.value())?.plan()).transpose()
    }

    fn blob(&self, blob: BlobId) -> Result<Option<BlobRow>> {
        let row = self.blobs.get(blob.bytes())?;
        row.map(|row| BlobRow::decode(row.value())).transpose()
    }
}

/// Whether a blob has these bytes and goes on having them for who pins them now: garbage lends
/// nothing. It is asked again in the transaction that pins.
pub(super) fn is_lendable(
    garbage: &impl ReadableTable<Id, &'static str>,
    chunks: &impl ReadableTable<(Id, u64), [u8; 32]>,
    blob: BlobId,
    index: ChunkIndex,
    digest: Digest,
) -> Result<bool> {
    let is_garbage = garbage.get(blob.bytes())?.is_some();
    Ok(!is_garbage && has(chunks, blob, index, digest)?)
}

fn has(
    chunks: &impl ReadableTable<(Id, u64), [u8; 32]>,
    blob: BlobId,
    index: ChunkIndex,
    digest: Digest,
) -> Result<bool> {
    let row = chunks.get((blob.bytes(), index.0))?;
    Ok(row.is_some_and(|row| row.value() == digest.0))
}
