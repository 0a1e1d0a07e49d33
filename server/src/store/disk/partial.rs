//! Goes on with a chunk that broke off: its beginning lies where it belongs and is read once more,
//! because the digest covers the whole chunk and nothing unverified is ever trusted.

use std::ops::Range;
use std::sync::Arc;

use longhaul_protocol::digest::Hasher;

use super::begin::Claim;
use super::block::WRITE_BYTES;
use super::disk_error;
use super::medium::DiskFile;
use super::work;
use crate::store::Result;

/// The beginning of a chunk that an earlier request wrote: where in the blob, as far as it is not
/// hashed yet.
#[derive(Clone, Debug)]
pub(super) struct Beginning(Range<u64>);

impl Beginning {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self(range)
    }

    /// Hashes it, a piece of [`WRITE_BYTES`] at a time, so that a request that ends meanwhile or is
    /// superseded reads no further. What cannot be read is not kept either.
    pub(super) async fn hash(
        &mut self,
        claim: &Claim,
        blob: &Arc<dyn DiskFile>,
        mut hasher: Hasher,
    ) -> Result<Hasher> {
        while let Some(piece) = self.next_piece() {
            claim.check()?;
            let blob = Arc::clone(blob);
            let read = move || read(&*blob, &piece, hasher);
            let read = work::start(&*claim.store.config.work, read).outcome().await;
            hasher = read.inspect_err(|_| claim.distrust())?;
        }
        Ok(hasher)
    }

    fn next_piece(&mut self) -> Option<Range<u64>> {
        let Range { start, end } = self.0;
        self.0.start = end.min(start + WRITE_BYTES as u64);
        (start < end).then_some(start..self.0.start)
    }
}

fn read(blob: &dyn DiskFile, piece: &Range<u64>, mut hasher: Hasher) -> Result<Hasher> {
    let len = usize::try_from(piece.end - piece.start).unwrap_or(WRITE_BYTES);
    let mut bytes = vec![0; len];
    blob.read_exact_at(piece.start, &mut bytes)
        .map_err(disk_error("reading the beginning of a chunk again"))?;
    hasher.update(&bytes);
    Ok(hasher)
}
