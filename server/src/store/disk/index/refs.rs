//! References: chunks of an upload whose bytes lie in another blob.
//!
//! A row of [`REFS`] is a promise like one of [`CHUNKS`]: those bytes are durable and have that
//! digest. It is kept by the row of [`LENT`] beside it, which pins the source: a blob with such a
//! row is never unlinked, a chunk with one never written over. Garbage lends nothing, so its pins
//! only become fewer, and once there is none there is none for ever.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Millis, Plan};
use redb::{ReadableTable, WriteTransaction};

use super::{
    BLOBS, CHUNKS, GARBAGE, Id, Index, LENT, REFS, ROOTS, RefRow, SOURCES, UPLOADS, uploads,
};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, Row as _, UploadRow};

/// How many of an owner's blobs that have a digest are looked at for one to take it from.
const SOURCES_LOOKED_AT_MAX: usize = 16;

/// How many references go in one commit, see `garbage`.
const ROWS_PER_COMMIT: usize = 10_000;

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

/// What an upload borrows.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::disk) struct Borrowed {
    pub(in crate::store::disk) digest: Digest,
    pub(in crate::store::disk) source: Source,
}

/// An upload that wants chunks.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::disk) struct Borrower {
    pub(in crate::store::disk) upload: UploadId,
    pub(in crate::store::disk) plan: Plan,
    /// Whether it may still turn out to be a file that is here already.
    pub(in crate::store::disk) may_be_known: bool,
    /// The blob of the file that it has been so far.
    pub(in crate::store::disk) twin: Option<BlobId>,
    /// Now, and the upload's expiry, now that something comes.
    pub(in crate::store::disk) at: (Millis, Millis),
}

/// What was lent.
#[derive(Debug, Default)]
pub(in crate::store::disk) struct Lent {
    pub(in crate::store::disk) chunks: Vec<ChunkIndex>,
    /// The blob of a file that has every chunk the upload has, and may be the same.
    pub(in crate::store::disk) twin: Option<BlobId>,
}

impl Index {
    /// Gives an upload references to those of the wanted chunks that its owner's sealed files and
    /// open uploads have, and pins them, in one commit.
    pub(in crate::store::disk) fn lend(
        &self,
        to: &Borrower,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<Lent> {
        self.write(|txn| {
            let Some(mut row) = uploads::get_upload(txn, to.upload)? else {
                return Ok(Lent::default());
            };
            let lent = Lender { txn, owner: row.owner.clone() }.lend(to, wanted)?;
            if !lent.chunks.is_empty() {
                row.last_activity = row.last_activity.max(to.at.0);
                row.expires_at = row.expires_at.max(to.at.1);
                uploads::put_upload(txn, to.upload, &row)?;
            }
            Ok(lent)
        })
    }

    /// Whether another blob of the owner's has any of the chunks wanted. Asked first, because of
    /// most files nothing is here and a commit costs a sync.
    pub(in crate::store::disk) fn has_source(
        &self,
        owner: &str,
        own: BlobId,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<bool> {
        self.read(|txn| {
            let sources = txn.open_table(SOURCES)?;
            for (_, digest) in wanted {
                for row in sources.range(sources_of(owner, *digest))?.take(2) {
                    if row?.0.value().2 != own.bytes() {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        })
    }

    /// What an upload borrows as this chunk.
    pub(in crate::store::disk) fn borrowed(
        &self,
        upload: UploadId,
        index: ChunkIndex,
        len: u64,
    ) -> Result<Option<Borrowed>> {
        self.read(|txn| {
            let row = txn.open_table(REFS)?.get((upload.0, index.0))?;
            Ok(row.map(|row| borrowed(row.value(), len)))
        })
    }

    /// Takes a reference back: its source no longer has the bytes.
    pub(in crate::store::disk) fn drop_reference(
        &self,
        upload: UploadId,
        index: ChunkIndex,
    ) -> Result<()> {
        self.write(|txn| release(txn, upload, index).map(drop))
    }

    /// Who has references to a chunk of a blob.
    pub(in crate::store::disk) fn borrowers(
        &self,
        blob: BlobId,
        index: ChunkIndex,
    ) -> Result<Vec<(UploadId, ChunkIndex)>> {
        self.read(|txn| {
            let mut borrowers = Vec::new();
            for row in txn.open_table(LENT)?.range(lent_of_chunk(blob, index))? {
                let (_, _, upload, at) = row?.0.value();
                borrowers.push((UploadId(upload), ChunkIndex(at)));
            }
            Ok(borrowers)
        })
    }

    /// Whether a blob may be unlinked: it is garbage, and nobody has references to it.
    pub(in crate::store::disk) fn may_unlink(&self, blob: BlobId) -> Result<bool> {
        self.read(|txn| {
            let is_garbage = txn.open_table(GARBAGE)?.get(blob.bytes())?.is_some();
            let mut pins = txn.open_table(LENT)?.range(lent_of(blob))?;
            Ok(is_garbage && pins.next().transpose()?.is_none())
        })
    }

    /// Drops what an upload that is gone, or became a row on another's blob, borrows; returns the
    /// blobs that it borrowed from.
    pub(in crate::store::disk) fn drop_references(&self, blob: BlobId) -> Result<Vec<BlobId>> {
        let (mut sources, mut all) = (Vec::new(), false);
        while !all {
            let nothing = self.read(|txn| {
                let mut rows = txn.open_table(REFS)?.range(refs_of(blob.0))?;
                Ok(rows.next().transpose()?.is_none())
            })?;
            all = nothing || self.write(|txn| release_some(txn, blob, &mut sources))?;
        }
        Ok(sources)
    }
}

/// Finds sources, within the transaction that pins them.
struct Lender<'a> {
    txn: &'a WriteTransaction,
    owner: String,
}

impl Lender<'_> {
    fn lend(&self, to: &Borrower, wanted: &[(ChunkIndex, Digest)]) -> Result<Lent> {
        let twin = if to.may_be_known { self.twin(to, wanted)? } else { None };
        let mut chunks = Vec::new();
        for &(index, digest) in wanted {
            if let Some(source) = self.source(to, twin, index, digest)? {
                self.pin(to.upload, index, digest, source)?;
                chunks.push(index);
            }
        }
        Ok(Lent { chunks, twin })
    }

    /// A sealed file of the same plan that has all that is wanted and all that the upload has.
    fn twin(&self, to: &Borrower, wanted: &[(ChunkIndex, Digest)]) -> Result<Option<BlobId>> {
        if let Some(twin) = to.twin
            && self.is_whole(twin, to.plan)?
            && self.has_all(twin, wanted)?
        {
            return Ok(Some(twin));
        }
        let Some(&(_, first)) = wanted.first() else { return Ok(None) };
        let had = references(self.txn, to.upload)?;
        for (blob, _) in self.candidates(first)? {
            let fits = self.is_whole(blob, to.plan)?;
            if fits && self.has_all(blob, wanted)? && self.has_all(blob, &had)? {
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }

    fn has_all(&self, blob: BlobId, wanted: &[(ChunkIndex, Digest)]) -> Result<bool> {
        for (index, digest) in wanted {
            if !self.has(blob, *index, *digest)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has(&self, blob: BlobId, index: ChunkIndex, digest: Digest) -> Result<bool> {
        let chunks = self.txn.open_table(CHUNKS)?;
        let row = chunks.get((blob.bytes(), index.0))?;
        Ok(row.is_some_and(|row| row.value() == digest.0))
    }

    fn source(
        &self,
        to: &Borrower,
        twin: Option<BlobId>,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<Option<Source>> {
        let len = to.plan.chunk_bytes(index);
        if let Some(blob) = twin {
            let offset = to.plan.range(index).start;
            return Ok(Some(Source { blob, index, offset, len }));
        }
        for (blob, at) in self.candidates(digest)? {
            let Some(plan) = self.plan(blob)?.filter(|_| blob != BlobId(to.upload)) else {
                continue;
            };
            if plan.chunk_bytes(at) == len && self.has(blob, at, digest)? {
                let offset = plan.range(at).start;
                return Ok(Some(Source { blob, index: at, offset, len }));
            }
        }
        Ok(None)
    }

    /// Blobs of the owner's that have a digest, and where. None that is garbage.
    fn candidates(&self, digest: Digest) -> Result<Vec<(BlobId, ChunkIndex)>> {
        let sources = self.txn.open_table(SOURCES)?;
        let garbage = self.txn.open_table(GARBAGE)?;
        let mut found = Vec::new();
        for row in sources.range(sources_of(&self.owner, digest))?.take(SOURCES_LOOKED_AT_MAX) {
            let (key, index) = row?;
            let (_, _, blob) = key.value();
            if garbage.get(blob)?.is_none() {
                found.push((BlobId(UploadId(blob)), ChunkIndex(index.value())));
            }
        }
        Ok(found)
    }

    /// The plan of a blob: that of the upload it belongs to, open or sealed.
    fn plan(&self, blob: BlobId) -> Result<Option<Plan>> {
        if let Some(plan) = self.sealed_plan(blob)? {
            return Ok(Some(plan));
        }
        let uploads = self.txn.open_table(UPLOADS)?;
        let row = uploads.get(blob.bytes())?;
        row.map(|row| UploadRow::decode(row.value())?.plan()).transpose()
    }

    fn sealed_plan(&self, blob: BlobId) -> Result<Option<Plan>> {
        match get_blob(self.txn, blob)? {
            Some(row) if row.files > 0 => row.plan().map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a blob is that of a sealed file of this plan, and as far as is known none of it has
    /// rotten.
    fn is_whole(&self, blob: BlobId, plan: Plan) -> Result<bool> {
        let row = get_blob(self.txn, blob)?.filter(|row| row.files > 0 && row.root.is_some());
        row.map_or(Ok(false), |row| Ok(row.plan()? == plan))
    }

    fn pin(&self, to: UploadId, at: ChunkIndex, digest: Digest, source: Source) -> Result<()> {
        let Source { blob, index, offset, .. } = source;
        let row: RefRow = (digest.0, blob.bytes(), index.0, offset);
        self.txn.open_table(REFS)?.insert((to.0, at.0), row)?;
        self.txn.open_table(LENT)?.insert((blob.bytes(), index.0, to.0, at.0), ())?;
        Ok(())
    }
}

/// Takes one reference and its pin out; the blob it was to.
pub(super) fn release(
    txn: &WriteTransaction,
    upload: UploadId,
    index: ChunkIndex,
) -> Result<Option<BlobId>> {
    let row = txn.open_table(REFS)?.remove((upload.0, index.0))?.map(|row| row.value());
    let Some((_, blob, at, _)) = row else { return Ok(None) };
    txn.open_table(LENT)?.remove((blob, at, upload.0, index.0))?;
    Ok(Some(BlobId(UploadId(blob))))
}

/// Whether that was all.
fn release_some(txn: &WriteTransaction, blob: BlobId, sources: &mut Vec<BlobId>) -> Result<bool> {
    let mut some = Vec::new();
    for row in txn.open_table(REFS)?.range(refs_of(blob.0))?.take(ROWS_PER_COMMIT) {
        some.push(ChunkIndex(row?.0.value().1));
    }
    for index in &some {
        sources.extend(release(txn, blob.0, *index)?);
    }
    sources.sort_unstable();
    sources.dedup();
    Ok(some.len() < ROWS_PER_COMMIT)
}

/// The blob of a sealed file that an upload which only borrows turns out to be: same owner, plan
/// and root. One that is garbage and still pinned will do.
pub(super) fn same_file(
    txn: &WriteTransaction,
    row: &UploadRow,
    root: Digest,
) -> Result<Option<(BlobId, BlobRow)>> {
    let lent = txn.open_table(LENT)?;
    for found in
        txn.open_table(ROOTS)?.range(sources_of(&row.owner, root))?.take(SOURCES_LOOKED_AT_MAX)
    {
        let blob = BlobId(UploadId(found?.0.value().2));
        let Some(other) = get_blob(txn, blob)? else { continue };
        let lives = other.files > 0 || lent.range(lent_of(blob))?.next().is_some();
        if lives && other.plan()? == row.plan()? {
            return Ok(Some((blob, other)));
        }
    }
    Ok(None)
}

pub(super) fn get_blob(txn: &WriteTransaction, blob: BlobId) -> Result<Option<BlobRow>> {
    let blobs = txn.open_table(BLOBS)?;
    let row = blobs.get(blob.bytes())?;
    row.map(|row| BlobRow::decode(row.value())).transpose()
}

/// Whether an upload borrows anything.
pub(super) fn borrows(txn: &WriteTransaction, upload: UploadId) -> Result<bool> {
    let refs = txn.open_table(REFS)?;
    let mut rows = refs.range(refs_of(upload))?;
    Ok(rows.next().transpose()?.is_some())
}

/// Whether somebody has a reference to a chunk.
pub(super) fn is_lent(txn: &WriteTransaction, blob: BlobId, index: ChunkIndex) -> Result<bool> {
    let lent = txn.open_table(LENT)?;
    let mut rows = lent.range(lent_of_chunk(blob, index))?;
    Ok(rows.next().transpose()?.is_some())
}

fn references(txn: &WriteTransaction, upload: UploadId) -> Result<Vec<(ChunkIndex, Digest)>> {
    let mut all = Vec::new();
    for row in txn.open_table(REFS)?.range(refs_of(upload))? {
        let (key, row) = row?;
        all.push((ChunkIndex(key.value().1), Digest(row.value().0)));
    }
    Ok(all)
}

fn borrowed((digest, blob, index, offset): RefRow, len: u64) -> Borrowed {
    let (blob, index) = (BlobId(UploadId(blob)), ChunkIndex(index));
    Borrowed { digest: Digest(digest), source: Source { blob, index, offset, len } }
}

type SourceKey<'a> = (&'a str, [u8; 32], Id);

fn sources_of(owner: &str, digest: Digest) -> std::ops::RangeInclusive<SourceKey<'_>> {
    (owner, digest.0, [0; 16])..=(owner, digest.0, [u8::MAX; 16])
}

pub(super) fn refs_of(upload: UploadId) -> std::ops::RangeInclusive<(Id, u64)> {
    (upload.0, 0)..=(upload.0, u64::MAX)
}

pub(super) type LentKey = (Id, u64, Id, u64);

pub(super) fn lent_of(blob: BlobId) -> std::ops::RangeInclusive<LentKey> {
    (blob.bytes(), 0, [0; 16], 0)..=(blob.bytes(), u64::MAX, [u8::MAX; 16], u64::MAX)
}

fn lent_of_chunk(blob: BlobId, index: ChunkIndex) -> std::ops::RangeInclusive<LentKey> {
    let (blob, index) = (blob.bytes(), index.0);
    (blob, index, [0; 16], 0)..=(blob, index, [u8::MAX; 16], u64::MAX)
}
