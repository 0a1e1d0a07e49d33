//! Transactions about uploads that have expired and are gone: a client that comes back late is told
//! so, and not that there never was one.

use longhaul_protocol::Millis;
use longhaul_protocol::wire::ids::UploadId;
use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};

use super::{EXPIRED, Id, Index};
use crate::store::Result;

/// How long it is remembered that an upload expired, milliseconds: a page left open over a holiday.
const REMEMBERED_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// How many of them are remembered, the latest, rows: some 10 MB of index.
const REMEMBERED_MAX: usize = 100_000;

impl Index {
    /// Forgets those that expired too long ago, or are too many.
    pub(in crate::store::disk) fn forget_expired(&self, now: Millis) -> Result<()> {
        let forgotten = forgotten(self.read(all)?, now);
        if forgotten.is_empty() {
            return Ok(());
        }
        self.write(|txn| {
            let mut table = txn.open_table(EXPIRED)?;
            for id in &forgotten {
                table.remove(id)?;
            }
            Ok(())
        })
    }
}

/// Of rows of when and what expired, those that are too old and, beyond what is remembered, the
/// oldest.
fn forgotten(mut rows: Vec<(u64, Id)>, now: Millis) -> Vec<Id> {
    rows.sort_unstable();
    let too_many = rows.len().saturating_sub(REMEMBERED_MAX);
    let is_old = |&(at, _): &(u64, Id)| at.saturating_add(REMEMBERED_MS) <= now.0;
    let count = rows.iter().take_while(|row| is_old(row)).count().max(too_many);
    rows.into_iter().take(count).map(|(_, id)| id).collect()
}

fn all(txn: &ReadTransaction) -> Result<Vec<(u64, Id)>> {
    let mut rows = Vec::new();
    for row in txn.open_table(EXPIRED)?.iter()? {
        let (id, row) = row?;
        rows.push((row.value().1, id.value()));
    }
    Ok(rows)
}

pub(super) fn remember(
    txn: &WriteTransaction,
    id: UploadId,
    owner: &str,
    now: Millis,
) -> Result<()> {
    txn.open_table(EXPIRED)?.insert(id.0, (owner, now.0))?;
    Ok(())
}

/// Whether that upload was the owner's and expired.
pub(super) fn has_expired(txn: &ReadTransaction, id: UploadId, owner: &str) -> Result<bool> {
    let row = txn.open_table(EXPIRED)?.get(id.0)?;
    Ok(row.is_some_and(|row| row.value().0 == owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let newest_first = (0..REMEMBERED_MAX as u64 + 2).rev();
        let rows = |at: u64| (at, u128::from(u64::MAX - at).to_be_bytes());
        let all: Vec<_> = newest_first.map(rows).collect();
        assert_eq!(forgotten(all.clone(), Millis(0)), [rows(0).1, rows(1).1]);
        assert_eq!(forgotten(all, Millis(REMEMBERED_MS + 2)).len(), 3);
    }
}
