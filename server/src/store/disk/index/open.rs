//! Opening the index: whether its pages are what they were, and which schema it has.
//!
//! After an unclean stop redb compares every page with its checksum, because it has to walk through
//! all of them to find the free ones; after a clean one it has been told those, and opens at once.
//! It takes a stop for a clean one only if the last commit is the one that closing makes, whose pages
//! were synced before it was named: what the power takes with it is never taken for that.
//! A disk that flips a bit does not wait for an unclean stop, so pages that nobody has compared for
//! [`Trust::for_ms`] are compared all the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longhaul_protocol::Millis;
use redb::{Database, ReadTransaction, ReadableDatabase as _, TableError, WriteTransaction};

use super::backend::FileBackend;
use super::{Index, IndexOpenError, META, Queue, SCHEMA_VERSION, bring_up_to_date};
use crate::store::{Result, StoreError};

/// How far an index is trusted that was closed cleanly.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::disk) struct Trust {
    /// What time it is.
    pub(in crate::store::disk) now: Millis,
    /// How long after its pages were compared, milliseconds.
    pub(in crate::store::disk) for_ms: u64,
    /// Whether its file failed before it was closed, so that it is not trusted.
    pub(in crate::store::disk) has_failed: bool,
}

impl Index {
    /// Opens the index in a file, makes it if the file is empty, and brings its schema up to date.
    pub(in crate::store::disk) fn open(
        backend: FileBackend,
        cache_bytes: usize,
        trust: Trust,
        queue: Queue,
    ) -> Result<Self, IndexOpenError> {
        let (db, was_compared) = open_checked(backend, cache_bytes, trust)?;
        let mut index = Self { db, queue, failed: AtomicBool::new(false) };
        index.migrate()?;
        let mut queue = std::mem::take(&mut index.queue);
        queue.agree(&index)?;
        index.queue = queue;
        if was_compared {
            index.write(|txn| set_meta(txn, COMPARED, trust.now.0))?;
        }
        Ok(index)
    }

    fn migrate(&self) -> Result<(), IndexOpenError> {
        let found = self.read(|txn| meta(txn, SCHEMA))?;
        match found {
            Some(SCHEMA_VERSION) => Ok(()),
            Some(found) if found > SCHEMA_VERSION => Err(IndexOpenError::Newer { found }),
            older => Ok(self.write(|txn| {
                bring_up_to_date(txn, older)?;
                set_meta(txn, SCHEMA, SCHEMA_VERSION)
            })?),
        }
    }
}

const SCHEMA: &str = "schema";
const COMPARED: &str = "compared";

pub(super) fn meta(txn: &ReadTransaction, name: &str) -> Result<Option<u64>> {
    match txn.open_table(META) {
        Ok(table) => Ok(table.get(name)?.map(|row| row.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn set_meta(txn: &WriteTransaction, name: &str, value: u64) -> Result<()> {
    txn.open_table(META)?.insert(name, value)?;
    Ok(())
}

/// Whether the pages were compared is told too. Until they are redb may count on what is not so, and
/// panic.
fn open_checked(file: FileBackend, cache_bytes: usize, trust: Trust) -> Result<(Database, bool)> {
    let damaged = |what: &dyn std::fmt::Display| {
        StoreError::Index(format!("{what}; if the disk has damaged it, restore a backup"))
    };
    match catch_unwind(AssertUnwindSafe(|| open_and_check(file, cache_bytes, trust))) {
        Ok(Err(StoreError::Index(error))) => Err(damaged(&error)),
        Ok(opened) => opened,
        Err(_) => Err(damaged(&"its pages make no sense")),
    }
}

fn open_and_check(file: FileBackend, cache_bytes: usize, trust: Trust) -> Result<(Database, bool)> {
    let is_new = file.file.size().is_ok_and(|len| len == 0);
    let was_unclean = Arc::new(AtomicBool::new(false));
    let in_callback = Arc::clone(&was_unclean);
    let mut db = Database::builder()
        .set_cache_size(cache_bytes)
        .set_repair_callback(move |_| {
            if !in_callback.swap(true, Ordering::Relaxed) {
                tracing::info!("checking the index after an unclean stop");
            }
        })
        .create_with_backend(file)?;
    if is_new || was_unclean.load(Ordering::Relaxed) {
        return Ok((db, true));
    }
    if trust.has_failed {
        tracing::info!("checking the index: its file failed before the last stop");
    } else if is_trusted(&db, trust)? {
        return Ok((db, false));
    } else {
        tracing::info!("checking the index: it has not been for a day");
    }
    if !db.check_integrity()? {
        tracing::error!(
            "the index is DAMAGED: pages do not verify although it was closed, and an earlier state is \
             gone back to; what was told since may be missing"
        );
    }
    Ok((db, true))
}

/// A clock that was set back makes nothing trusted.
fn is_trusted(db: &Database, trust: Trust) -> Result<bool> {
    let Some(compared) = meta(&db.begin_read()?, COMPARED)? else { return Ok(false) };
    let passed = trust.now.0.checked_sub(compared);
    Ok(passed.is_some_and(|passed| passed < trust.for_ms))
}
