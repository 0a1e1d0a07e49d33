//! References: chunks of an upload whose bytes lie in another blob.
//!
//! A row of [`REFS`] is a promise like one of [`CHUNKS`]: those bytes are durable and have that
//! digest. It is kept by the row of [`LENT`] beside it, which pins the source: a blob with such a
//! row is never unlinked, a chunk with one never written over. Garbage lends nothing, so its pins
//! only become fewer, and once there is none there is none for ever.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Millis, Plan};
use redb::{ReadTransaction, ReadableTable as _, Table, WriteTransaction};

use super::find::{Asker, CANDIDATES_MAX, Finder, Source, is_lendable};
use super::{
    BLOBS, CHUNKS, GARBAGE, Id, Index, LENT, REFS, ROOTS, ROWS_PER_COMMIT, RefRow, uploads,
};
use crate::store::Result;
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{BlobRow, Row as _, UploadRow};

/// What an upload borrows.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::disk) struct Borrowed {
    pub(in crate::store::disk) digest: Digest,
    pub(in crate::store::disk) source: Source,
}

/// An upload that wants chunks.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::disk) struct Borrower<'a> {
    pub(in crate::store::disk) owner: &'a str,
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
    /// open uploads have, and pins them, in one commit; without any there is none, because of most
    /// files nothing is here and a commit costs a sync.
    pub(in crate::store::disk) fn lend(
        &self,
        to: &Borrower<'_>,
        wanted: &[(ChunkIndex, Digest)],
    ) -> Result<Lent> {
        let found = self.read(|txn| find(txn, to, wanted))?;
        if found.chunks.is_empty() {
            Ok(Lent::default())
        } else {
            self.write(|txn| lend(txn, to, found))
        }
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
        self.write(|txn| Pins::open(txn)?.release(upload, index).map(drop))
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

    /// The blobs with that root and plan that a seal may make another row on.
    pub(in crate::store::disk) fn same_files(
        &self,
        owner: &str,
        plan: Plan,
        root: Digest,
    ) -> Result<Vec<BlobId>> {
        self.read(|txn| {
            let (roots, blobs) = (txn.open_table(ROOTS)?, txn.open_table(BLOBS)?);
            let mut same = Vec::new();
            for found in roots.range(roots_of(owner, root))?.take(CANDIDATES_MAX) {
                let id = found?.0.value().2;
                let Some(row) = blobs.get(id)? else { continue };
                if BlobRow::decode(row.value())?.plan()? == plan {
                    same.push(BlobId(UploadId(id)));
                }
            }
            Ok(same)
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
            all =
                nothing || self.write(|txn| Pins::open(txn)?.release_some(blob.0, &mut sources))?;
        }
        Ok(sources)
    }
}

/// What can be lent, as far as was seen.
struct Found {
    chunks: Vec<(ChunkIndex, Digest, Source)>,
    twin: Option<BlobId>,
}

/// Of two offers at once neither sees what the other borrows, and their twins may differ. A twin is
/// a hint: what the upload is, its root says.
fn find(
    txn: &ReadTransaction,
    to: &Borrower<'_>,
    wanted: &[(ChunkIndex, Digest)],
) -> Result<Found> {
    let finder = Finder::open(txn, Some(to.owner))?;
    let asker = Asker { upload: to.upload, plan: to.plan };
    let twin = match to.twin {
        _ if !to.may_be_known => None,
        Some(twin) if finder.may_be(twin, to.plan, wanted)? => Some(twin),
        _ => finder.twin(asker, wanted)?,
    };
    let mut chunks = Vec::new();
    for &(index, digest) in wanted {
        let source = match twin {
            Some(blob) => Some(Source::of_the_same(blob, to.plan, index)),
            None => finder.source(asker, index, digest)?,
        };
        chunks.extend(source.map(|source| (index, digest, source)));
    }
    Ok(Found { chunks, twin })
}

/// Pins what is still there.
fn lend(txn: &WriteTransaction, to: &Borrower<'_>, found: Found) -> Result<Lent> {
    let Some(mut row) = uploads::get_upload(txn, to.upload)? else { return Ok(Lent::default()) };
    let mut lent = Lent { twin: found.twin, ..Lent::default() };
    let (garbage, chunks) = (txn.open_table(GARBAGE)?, txn.open_table(CHUNKS)?);
    let mut pins = Pins::open(txn)?;
    for (index, digest, source) in found.chunks {
        if is_lendable(&garbage, &chunks, source.blob, source.index, digest)? {
            pins.pin(to.upload, index, digest, source)?;
            lent.chunks.push(index);
        }
    }
    if !lent.chunks.is_empty() {
        row.last_activity = row.last_activity.max(to.at.0);
        row.expires_at = row.expires_at.max(to.at.1);
        uploads::put_upload(txn, to.upload, &row)?;
    }
    Ok(lent)
}

/// References and their pins: there is never one without the other.
pub(super) struct Pins<'txn> {
    refs: Table<'txn, (Id, u64), RefRow>,
    lent: Table<'txn, LentKey, ()>,
}

impl<'txn> Pins<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self> {
        Ok(Self { refs: txn.open_table(REFS)?, lent: txn.open_table(LENT)? })
    }

    fn pin(&mut self, to: UploadId, at: ChunkIndex, digest: Digest, source: Source) -> Result<()> {
        let Source { blob, index, offset, .. } = source;
        self.refs.insert((to.0, at.0), (digest.0, blob.bytes(), index.0, offset))?;
        self.lent.insert((blob.bytes(), index.0, to.0, at.0), ())?;
        Ok(())
    }

    /// Takes one reference and its pin out; the blob it was to.
    pub(super) fn release(
        &mut self,
        upload: UploadId,
        index: ChunkIndex,
    ) -> Result<Option<BlobId>> {
        let row = self.refs.remove((upload.0, index.0))?.map(|row| row.value());
        let Some((_, blob, at, _)) = row else { return Ok(None) };
        self.lent.remove((blob, at, upload.0, index.0))?;
        Ok(Some(BlobId(UploadId(blob))))
    }

    /// Releases as much of an upload's as goes in one commit; whether that was all.
    fn release_some(&mut self, upload: UploadId, sources: &mut Vec<BlobId>) -> Result<bool> {
        let mut some = Vec::new();
        for row in self.refs.range(refs_of(upload))?.take(ROWS_PER_COMMIT) {
            some.push(ChunkIndex(row?.0.value().1));
        }
        for index in &some {
            sources.extend(self.release(upload, *index)?);
        }
        sources.sort_unstable();
        sources.dedup();
        Ok(some.len() < ROWS_PER_COMMIT)
    }
}

/// The blob of a sealed file that an upload which only borrows turns out to be: same owner, plan
/// and root. One that is garbage and still pinned will do, one that is `gone` will not.
pub(super) fn same_file(
    txn: &WriteTransaction,
    row: &UploadRow,
    root: Digest,
    gone: &[BlobId],
) -> Result<Option<(BlobId, BlobRow)>> {
    let lent = txn.open_table(LENT)?;
    for found in txn.open_table(ROOTS)?.range(roots_of(&row.owner, root))?.take(CANDIDATES_MAX) {
        let blob = BlobId(UploadId(found?.0.value().2));
        let Some(other) = get_blob(txn, blob)? else { continue };
        let lives = other.files > 0 || lent.range(lent_of(blob))?.next().is_some();
        if lives && other.plan()? == row.plan()? && !gone.contains(&blob) {
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

fn borrowed((digest, blob, index, offset): RefRow, len: u64) -> Borrowed {
    let (blob, index) = (BlobId(UploadId(blob)), ChunkIndex(index));
    Borrowed { digest: Digest(digest), source: Source { blob, index, offset, len } }
}

type RootKey<'a> = (&'a str, [u8; 32], Id);

fn roots_of(owner: &str, root: Digest) -> std::ops::RangeInclusive<RootKey<'_>> {
    (owner, root.0, [0; 16])..=(owner, root.0, [u8::MAX; 16])
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
