//! The queue of events: a row goes in with the commit of what it tells of, and out once that was told.

use longhaul_protocol::Millis;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use prometheus_client::metrics::counter::Counter;
use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};

use super::open::{meta, set_meta};
use super::{EVENTS, Id, Index};
use crate::store::Result;
use crate::store::disk::row::{FileRow, Row, UploadRow};
use crate::store::event::{Event, EventKey, Sealed, Tells, Waiting, What};

/// In `META`: which events are queued, that of a seal in the first bit and that of an expiry in the second.
const TELLS: &str = "tells";

/// What goes into the queue.
#[derive(Clone, Debug, Default)]
pub(in crate::store::disk) struct Queue {
    pub(in crate::store::disk) tells: Tells,
    /// Whether what was queued before is queued, and not what `tells` says.
    pub(in crate::store::disk) is_as_before: bool,
    /// How many wait at most; of more the oldest are dropped.
    pub(in crate::store::disk) max: u64,
    /// Counts those that are dropped.
    pub(in crate::store::disk) dropped: Counter,
}

impl Row for Event {
    const WHAT: &'static str = "an event";
}

impl Index {
    /// How many events wait.
    pub(in crate::store::disk) fn events_waiting(&self) -> Result<u64> {
        self.read(|txn| Ok(txn.open_table(EVENTS)?.len()?))
    }

    /// The oldest events that are wanted, at most `limit`. A row that cannot be read hides no other.
    pub(in crate::store::disk) fn events(
        &self,
        limit: usize,
        is_wanted: impl Fn(EventKey) -> bool,
    ) -> Result<Waiting> {
        self.read(|txn| {
            let mut waiting = Waiting::default();
            for row in txn.open_table(EVENTS)?.iter()? {
                if waiting.events.len() == limit {
                    break;
                }
                let (key, row) = row?;
                let key = read_key(key.value());
                if !is_wanted(key) {
                    continue;
                }
                match Event::decode(row.value()) {
                    Ok(event) => waiting.events.push(event),
                    Err(error) => {
                        tracing::error!(%error, upload = %key.upload, "an event will not be told");
                        waiting.damaged.push(key);
                    }
                }
            }
            Ok(waiting)
        })
    }

    /// Takes events out, all or none of them. One that is not there any more is passed over.
    pub(in crate::store::disk) fn forget_events(&self, keys: &[EventKey]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.write(|txn| {
            let mut table = txn.open_table(EVENTS)?;
            for key in keys {
                table.remove((key.at.0, key.upload.0))?;
            }
            Ok(())
        })
    }
}

impl Queue {
    /// Goes by what was told before, or has it kept what is told now.
    pub(super) fn agree(&mut self, index: &Index) -> Result<()> {
        let before = index.read(|txn| meta(txn, TELLS))?.unwrap_or(0);
        if self.is_as_before {
            self.tells = Tells { sealed: before & 1 != 0, expired: before & 2 != 0 };
            return Ok(());
        }
        let now = u64::from(self.tells.sealed) | u64::from(self.tells.expired) << 1;
        if now == before { Ok(()) } else { index.write(|txn| set_meta(txn, TELLS, now)) }
    }

    /// The upload has just become this file.
    pub(super) fn sealed(&self, txn: &WriteTransaction, file: FileId, row: &FileRow) -> Result<()> {
        if !self.tells.sealed {
            return Ok(());
        }
        let sealed = Sealed { file, root: row.root, chunk_size: row.chunk_len, sha256: row.sha256 };
        self.add(
            txn,
            &Event {
                at: row.sealed_at,
                upload: row.upload,
                owner: row.owner.clone(),
                meta: row.meta.clone(),
                size: row.len,
                what: What::Sealed(sealed),
            },
        )
    }

    /// The upload has just expired. One that is sealed is a file, which does not.
    pub(super) fn expired(
        &self,
        txn: &WriteTransaction,
        upload: UploadId,
        row: &UploadRow,
        at: Millis,
    ) -> Result<()> {
        if !self.tells.expired || row.file.is_some() {
            return Ok(());
        }
        let (owner, meta) = (row.owner.clone(), row.meta.clone());
        self.add(txn, &Event { at, upload, owner, meta, size: row.len, what: What::Expired })
    }

    fn add(&self, txn: &WriteTransaction, event: &Event) -> Result<()> {
        let mut table = txn.open_table(EVENTS)?;
        table.insert((event.at.0, event.upload.0), event.encode()?.as_slice())?;
        while table.len()? > self.max {
            let Some((key, _)) = table.pop_first()? else { break };
            let upload = read_key(key.value()).upload;
            tracing::error!(%upload, "too many events wait: the oldest will not be told");
            self.dropped.inc();
        }
        Ok(())
    }
}

fn read_key((at, upload): (u64, Id)) -> EventKey {
    EventKey { at: Millis(at), upload: UploadId(upload) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{FileBackend, META, SCHEMA_VERSION, Trust};
    use super::*;
    use crate::store::disk::layout::Layout;
    use crate::store::disk::medium::{Disk as _, OpenHow};
    use crate::store::disk::{Ending, RealDisk};

    fn open(dir: &std::path::Path) -> Index {
        let file = RealDisk.open(&dir.join("index"), OpenHow::Create).unwrap();
        let trust = Trust { now: Millis(1), for_ms: 0, has_failed: false };
        let ending = Arc::new(Ending::new(Arc::new(RealDisk), Layout::new(dir)));
        let backend = FileBackend { file, spare: Arc::default(), ending };
        Index::open(backend, 1 << 20, trust, Queue::default()).unwrap()
    }

    #[test]
    fn an_index_from_before_there_were_events_gets_a_queue() {
        let dir = tempfile::tempdir().unwrap();
        let index = open(dir.path());
        index
            .write(|txn| {
                assert!(txn.delete_table(EVENTS)?);
                txn.open_table(META)?.insert("schema", SCHEMA_VERSION - 1)?;
                Ok(())
            })
            .unwrap();
        assert!(index.events_waiting().is_err());
        drop(index);
        assert_eq!(open(dir.path()).events_waiting().unwrap(), 0);
    }
}
