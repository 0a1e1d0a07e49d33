//! The index: every fact about uploads and files, in one redb database.
//!
//! redb and not SQLite, because redb reads and writes through a trait: the index and the blobs can
//! lie on one simulated disk and be crashed at the same instant. It commits with one sync.
//!
//! Two rules hold in every committed state:
//! - a row of [`CHUNKS`] is only ever inserted for bytes that are durable;
//! - a file exists exactly when its row in [`FILES`] does.

mod backend;
mod chunks;
mod events;
mod expired;
mod files;
mod find;
mod garbage;
mod migrate;
mod open;
mod pages;
mod refs;
mod rot;
mod space;
mod uploads;
mod walk;
mod whole;

use std::sync::atomic::{AtomicBool, Ordering};

use longhaul_protocol::Millis;
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase as _, TableDefinition, WriteTransaction,
};

use crate::store::{AHEAD_MAX, Result, StoreError};

pub(super) use backend::FileBackend;
pub(super) use chunks::{DurableChunk, Removed};
pub(super) use events::Queue;
pub(super) use files::Published;
pub(super) use find::Source;
pub(super) use open::Trust;
pub(super) use pages::{Cursor, json_bytes};
pub(super) use refs::{Borrowed, Borrower, Lent};
pub(super) use uploads::Created;
pub use walk::Spot;
pub(super) use walk::{Kept, Promised};
pub(super) use whole::Unhashed;

/// The schema that this server writes. A change of it is a new number and a step in [`MIGRATIONS`].
pub const SCHEMA_VERSION: u64 = 7;

/// The step at position `n` makes schema `n + 2` of schema `n + 1`; all run in one transaction.
const MIGRATIONS: &[fn(&WriteTransaction) -> Result<()>] = &[
    make_tables,
    migrate::share_blobs,
    whole::begin_all,
    migrate::nothing,
    migrate::join_sources,
    make_tables,
];

/// How many rows of chunks or references go in one commit: those of a million chunks, dropped at
/// once, would hold up everybody's commits for seconds.
const ROWS_PER_COMMIT: usize = 10_000;

type Id = [u8; 16];
type RefRow = ([u8; 32], Id, u64, u64);

/// `schema` → [`SCHEMA_VERSION`]; `compared` → when every page was last compared with its checksum; `tells` →
/// which events are queued.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Upload → [`UploadRow`](super::row::UploadRow).
const UPLOADS: TableDefinition<'_, Id, &[u8]> = TableDefinition::new("uploads");
/// Owner, [newest first](newest_first), upload: the order of the listing.
const UPLOADS_BY_OWNER: TableDefinition<'_, (&str, u64, Id), ()> =
    TableDefinition::new("uploads_by_owner");
/// Blob, chunk → digest. A row is a promise: those bytes are durable and have that digest.
const CHUNKS: TableDefinition<'_, (Id, u64), [u8; 32]> = TableDefinition::new("chunks");
/// File → [`FileRow`](super::row::FileRow).
const FILES: TableDefinition<'_, Id, &[u8]> = TableDefinition::new("files");
/// Owner, [newest first](newest_first), file: the order of the listing.
const FILES_BY_OWNER: TableDefinition<'_, (&str, u64, Id), ()> =
    TableDefinition::new("files_by_owner");
/// Blob of sealed files → [`BlobRow`](super::row::BlobRow); kept until it is unlinked.
const BLOBS: TableDefinition<'_, Id, &[u8]> = TableDefinition::new("blobs");
/// Digest, owner, blob → one chunk there with that digest: where an offered digest is taken from.
/// One row per blob, so that a file of a million equal chunks has one; the digest first, so that
/// what is anybody's is found too.
const SOURCES: TableDefinition<'_, ([u8; 32], &str, Id), u64> = TableDefinition::new("digests");
/// Upload, chunk → digest, and where its bytes lie: blob, chunk there, offset there in bytes. See
/// `refs`.
const REFS: TableDefinition<'_, (Id, u64), RefRow> = TableDefinition::new("refs");
/// Blob, chunk, upload, chunk: the first pair is what a row of [`REFS`] under the second is to.
const LENT: TableDefinition<'_, (Id, u64, Id, u64), ()> = TableDefinition::new("lent");
/// Owner, root, blob of a sealed file that has it.
const ROOTS: TableDefinition<'_, (&str, [u8; 32], Id), ()> = TableDefinition::new("roots");
/// Owner, idempotency key → digest of the request, upload.
const IDEMPOTENCY: TableDefinition<'_, (&str, &str), ([u8; 32], Id)> =
    TableDefinition::new("idempotency");
/// Upload that expired and is gone → owner, when it went.
const EXPIRED: TableDefinition<'_, Id, (&str, u64)> = TableDefinition::new("expired");
/// When something happened, to which upload → [`Event`](crate::store::event::Event) that is to be told.
const EVENTS: TableDefinition<'_, (u64, Id), &[u8]> = TableDefinition::new("events");
/// Blob of a sealed file that is to be hashed as a whole → how much of it is, bytes, and what the
/// hasher made of that.
const HASHING: TableDefinition<'_, Id, (u64, &[u8])> = TableDefinition::new("hashing");
/// Blob → the SHA-256 of all its bytes.
const WHOLES: TableDefinition<'_, Id, [u8; 32]> = TableDefinition::new("wholes");
/// Blob to be unlinked, with its chunk rows → owner.
const GARBAGE: TableDefinition<'_, Id, &str> = TableDefinition::new("garbage");

/// Why an index cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum IndexOpenError {
    /// A newer server wrote it.
    #[error("the index has schema version {found}, this server knows up to {SCHEMA_VERSION}")]
    Newer {
        /// Its schema version.
        found: u64,
    },
    /// It cannot be read, or is no index.
    #[error(transparent)]
    Index(#[from] StoreError),
}

/// The database, and whether it still takes writes.
#[derive(Debug)]
pub(super) struct Index {
    db: Database,
    queue: Queue,
    failed: AtomicBool,
}

impl Index {
    /// Whether a commit has failed, so that nothing is taken any more.
    pub(super) fn is_read_only(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Says early, before bytes are taken, what a commit would say.
    pub(super) fn check_writable(&self) -> Result<()> {
        if self.is_read_only() { Err(StoreError::ReadOnly) } else { Ok(()) }
    }

    fn read<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T>) -> Result<T> {
        work(&self.db.begin_read()?)
    }

    /// All of `work` is committed, durably, or nothing of it. After a failure of the index itself
    /// nobody knows what is durable, so it is the last write that was tried.
    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        self.check_writable()?;
        let result = self.try_write(work);
        if let Err(StoreError::Index(error)) = &result {
            self.give_up(error);
            return Err(StoreError::ReadOnly);
        }
        result
    }

    /// Takes nothing any more.
    pub(super) fn give_up(&self, error: &str) {
        self.failed.store(true, Ordering::Release);
        tracing::error!(error, "the index cannot be written: the store is READ-ONLY from now on");
    }

    fn try_write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::Immediate)
            .map_err(|error| StoreError::Index(error.to_string()))?;
        let value = work(&txn)?;
        txn.commit()?;
        Ok(value)
    }
}

/// `None` is a new index.
fn bring_up_to_date(txn: &WriteTransaction, found: Option<u64>) -> Result<()> {
    match found {
        None => make_tables(txn)?,
        Some(found) => {
            let done = usize::try_from(found.saturating_sub(1)).unwrap_or(usize::MAX);
            MIGRATIONS.iter().skip(done).try_for_each(|step| step(txn))?;
        }
    }
    Ok(())
}

/// Makes those that are not there, so that no reader finds one missing.
fn make_tables(txn: &WriteTransaction) -> Result<()> {
    txn.open_table(UPLOADS)?;
    txn.open_table(UPLOADS_BY_OWNER)?;
    txn.open_table(CHUNKS)?;
    txn.open_table(FILES)?;
    txn.open_table(FILES_BY_OWNER)?;
    txn.open_table(BLOBS)?;
    txn.open_table(SOURCES)?;
    txn.open_table(REFS)?;
    txn.open_table(LENT)?;
    txn.open_table(ROOTS)?;
    txn.open_table(IDEMPOTENCY)?;
    txn.open_table(EXPIRED)?;
    txn.open_table(EVENTS)?;
    txn.open_table(HASHING)?;
    txn.open_table(WHOLES)?;
    txn.open_table(GARBAGE)?;
    Ok(())
}

/// The time of one more row of an owner's listing: now, or a millisecond after the newest, so that what comes
/// within one is listed in the order in which it came.
fn next_time(
    table: &impl redb::ReadableTable<(&'static str, u64, Id), ()>,
    owner: &str,
    now: Millis,
) -> Result<Millis> {
    let mut rows = table.range((owner, 0, [0; 16])..=(owner, u64::MAX, [u8::MAX; 16]))?;
    let newest = rows.next().transpose()?.map(|row| newest_first(Millis(row.0.value().1)));
    let is_ahead = |newest: &u64| newest.checked_sub(now.0).is_some_and(|by| by < AHEAD_MAX.0);
    Ok(newest.filter(is_ahead).map_or(now, |newest| Millis(newest + 1)))
}

/// A time as a key that sorts the newest first.
fn newest_first(time: Millis) -> u64 {
    u64::MAX - time.0
}

macro_rules! index_errors {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Index(error.to_string())
            }
        }
    )*};
}
index_errors!(CommitError, DatabaseError, StorageError, TableError, TransactionError);
