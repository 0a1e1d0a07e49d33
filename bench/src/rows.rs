//! Makes an index large: copies the rows of one upload and of one file under new ids, as often as
//! asked. Sending as much would take a day; a start looks at rows and at nothing else.
//!
//! The tables are those of `server/src/store/disk/index.rs`; one that has other columns by now is an
//! error of the database that names it.

use std::path::Path;
use std::time::Instant;

use longhaul_protocol::Digest;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use redb::{Database, Durability, ReadableTable as _, TableDefinition, WriteTransaction};

use crate::disk;
use crate::error::{Error, Result};

type Id = [u8; 16];
type ByOwner = TableDefinition<'static, (&'static str, u64, Id), ()>;
type Rows = TableDefinition<'static, Id, &'static [u8]>;

const UPLOADS: Rows = TableDefinition::new("uploads");
const UPLOADS_BY_OWNER: ByOwner = TableDefinition::new("uploads_by_owner");
const CHUNKS: TableDefinition<'_, (Id, u64), [u8; 32]> = TableDefinition::new("chunks");
const FILES: Rows = TableDefinition::new("files");
const FILES_BY_OWNER: ByOwner = TableDefinition::new("files_by_owner");
const BLOBS: Rows = TableDefinition::new("blobs");
const SOURCES: TableDefinition<'_, ([u8; 32], &str, Id), u64> = TableDefinition::new("digests");
const WHOLES: TableDefinition<'_, Id, [u8; 32]> = TableDefinition::new("wholes");

/// The owner of everything on a server that asks nobody who he is.
const OWNER: &str = "local";
/// The first byte of a row of JSON that has no checksum, which every server reads.
const UNCHECKED: u8 = 1;
/// How many uploads go in one commit.
const PER_COMMIT: usize = 5000;

/// An upload whose rows are copied, and the file that it is, if it is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The upload, and its blob.
    pub upload: UploadId,
    /// The file.
    pub file: Option<FileId>,
    /// How many chunks it has.
    pub chunk_count: u64,
}

/// Copies the rows of the templates in turn, until there are `count` uploads more.
///
/// # Errors
/// [`Error::Index`].
pub fn multiply(index: &Path, templates: &[Template], count: u64) -> Result<()> {
    let db = Database::open(index).map_err(failed)?;
    let copies: Vec<u64> = (0..count).collect();
    for some in copies.chunks(PER_COMMIT) {
        let mut txn = db.begin_write().map_err(failed)?;
        txn.set_durability(Durability::Immediate).map_err(failed)?;
        for (&copy, template) in some.iter().zip(templates.iter().cycle()) {
            Copy { txn: &txn, template: *template, copy }.make()?;
        }
        txn.commit().map_err(failed)?;
    }
    Ok(())
}

/// What redb's quick repair costs and saves: the time of each of `times` commits of one row, and
/// how long the index then takes to open after a crash, milliseconds. `crashed` is where the file
/// is left as the crash finds it.
///
/// # Errors
/// [`Error::Index`].
pub fn crash(index: &Path, crashed: &Path, is_quick: bool, times: u64) -> Result<(Vec<f64>, f64)> {
    let db = Database::open(index).map_err(failed)?;
    let commits: Result<Vec<_>> =
        (0..times).map(|count| commit_one(&db, count, is_quick)).collect();
    std::fs::copy(index, crashed).map_err(failed)?;
    drop(db);
    disk::forget(crashed)?;
    let since = Instant::now();
    drop(Database::open(crashed).map_err(failed)?);
    Ok((commits?, ms(since)))
}

fn commit_one(db: &Database, count: u64, is_quick: bool) -> Result<f64> {
    let since = Instant::now();
    let mut txn = db.begin_write().map_err(failed)?;
    txn.set_durability(Durability::Immediate).map_err(failed)?;
    txn.set_quick_repair(is_quick);
    let row = (id(count, 2), Digest::of(b"").0);
    txn.open_table(WHOLES).map_err(failed)?.insert(row.0, row.1).map_err(failed)?;
    txn.commit().map_err(failed)?;
    Ok(ms(since))
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// A new id: of an upload (0), of a file (1), of something else.
fn id(copy: u64, which: u8) -> Id {
    let mut id = [0; 16];
    let digest = Digest::of(&[&[which][..], &copy.to_le_bytes()].concat()).0;
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}

struct Copy<'a> {
    txn: &'a WriteTransaction,
    template: Template,
    copy: u64,
}

impl Copy<'_> {
    fn make(&self) -> Result<()> {
        let (from, to) = (self.template.upload.0, self.id(0));
        self.row(UPLOADS, from, to)?;
        self.by_owner(UPLOADS_BY_OWNER, to)?;
        self.chunks(to)?;
        if let Some(file) = self.template.file {
            self.row(FILES, file.0, self.id(1))?;
            self.by_owner(FILES_BY_OWNER, self.id(1))?;
            self.row(BLOBS, from, to)?;
            let mut wholes = self.txn.open_table(WHOLES).map_err(failed)?;
            wholes.insert(to, self.digest(u64::MAX)).map_err(failed)?;
        }
        Ok(())
    }

    /// A row of JSON, which names others by their ids.
    fn row(&self, table: Rows, from: Id, to: Id) -> Result<()> {
        let mut table = self.txn.open_table(table).map_err(failed)?;
        let row = table.get(from).map_err(failed)?.map(|row| row.value().to_vec());
        let row = row.as_deref().and_then(json_in);
        let mut row =
            row.ok_or_else(|| failed("a template has no row that can be read"))?.to_owned();
        row = row.replace(&self.template.upload.to_string(), &UploadId(self.id(0)).to_string());
        if let Some(file) = self.template.file {
            row = row.replace(&file.to_string(), &FileId(self.id(1)).to_string());
        }
        table.insert(to, [&[UNCHECKED], row.as_bytes()].concat().as_slice()).map_err(failed)?;
        Ok(())
    }

    fn by_owner(&self, table: ByOwner, id: Id) -> Result<()> {
        let mut table = self.txn.open_table(table).map_err(failed)?;
        table.insert((OWNER, self.copy, id), ()).map_err(failed)?;
        Ok(())
    }

    fn chunks(&self, blob: Id) -> Result<()> {
        let mut chunks = self.txn.open_table(CHUNKS).map_err(failed)?;
        let mut sources = self.txn.open_table(SOURCES).map_err(failed)?;
        for index in 0..self.template.chunk_count {
            let digest = self.digest(index);
            chunks.insert((blob, index), digest).map_err(failed)?;
            sources.insert((digest, OWNER, blob), index).map_err(failed)?;
        }
        Ok(())
    }

    fn id(&self, which: u8) -> Id {
        id(self.copy, which)
    }

    fn digest(&self, index: u64) -> [u8; 32] {
        Digest::of(&[self.copy.to_le_bytes(), index.to_le_bytes()].concat()).0
    }
}

/// The JSON that a row ends with.
fn json_in(row: &[u8]) -> Option<&str> {
    let is_json = |text: &&str| serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok();
    (0..row.len()).find_map(|at| str::from_utf8(row.get(at..)?).ok().filter(is_json))
}

fn failed(error: impl ToString) -> Error {
    Error::Index { reason: error.to_string() }
}
