//! What a start reads of the rows: who keeps how much, and whether there have to be blobs.

use std::ops::Bound;

use longhaul_protocol::wire::ids::UploadId;
use redb::ReadableTable as _;

use super::{CHUNKS, FILES, GARBAGE, Id, Index, LENT, UPLOADS, refs};
use crate::store::disk::layout::BlobId;
use crate::store::disk::row::{FileRow, Row as _, UploadRow};
use crate::store::disk::space::Need;
use crate::store::{Result, StoreError};

impl Index {
    /// What every open upload and every file is promised. A row that cannot be read is
    /// an error of whoever asks for it, and must not keep everything else from being served.
    pub(in crate::store::disk) fn promised(&self) -> Result<Vec<Need>> {
        self.read(|txn| {
            let mut promised = Vec::new();
            for row in txn.open_table(UPLOADS)?.iter()? {
                let (id, row) = row?;
                let row = UploadRow::decode(row.value());
                let told = row.inspect_err(|error| tell("upload", id.value(), error));
                let open = told.ok().filter(|row| row.file.is_none());
                promised.extend(open.and_then(|row| row.need().ok()));
            }
            for row in txn.open_table(FILES)?.iter()? {
                let (id, row) = row?;
                let row = FileRow::decode(row.value());
                let told = row.inspect_err(|error| tell("file", id.value(), error));
                promised.extend(told.ok().and_then(|row| row.need().ok()));
            }
            Ok(promised)
        })
    }
}

impl Index {
    /// Whether any chunk is held: garbage needs no bytes, unless others have references to them.
    pub(in crate::store::disk) fn needs_a_blob(&self) -> Result<bool> {
        self.read(|txn| {
            let (chunks, garbage) = (txn.open_table(CHUNKS)?, txn.open_table(GARBAGE)?);
            let lent = txn.open_table(LENT)?;
            let mut from = Bound::Unbounded;
            while let Some(row) = chunks.range((from, Bound::Unbounded))?.next() {
                let (id, _) = row?.0.value();
                let mut pins = lent.range(refs::lent_of(BlobId(UploadId(id))))?;
                if garbage.get(id)?.is_none() || pins.next().is_some() {
                    return Ok(true);
                }
                from = Bound::Excluded((id, u64::MAX));
            }
            Ok(false)
        })
    }
}

fn tell(what: &'static str, id: Id, error: &StoreError) {
    let id = longhaul_protocol::wire::ids::FileId(id);
    tracing::error!(%error, what, %id, "a row cannot be read, and is not counted");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;
    use std::sync::Arc;

    use longhaul_protocol::plan::CHUNK_LEN_MIN;
    use longhaul_protocol::wire::FileMeta;
    use longhaul_protocol::wire::ids::FileId;
    use longhaul_protocol::{ChunkIndex, Digest, Millis};

    use super::super::{Borrower, Created, DurableChunk, FileBackend, Queue, Trust};
    use super::*;
    use crate::store::disk::layout::Layout;
    use crate::store::disk::medium::{Disk as _, OpenHow};
    use crate::store::disk::{Ending, RealDisk};
    use crate::store::event::Tells;

    const CHUNKS_EACH: u64 = 20_000;
    const TIME: Millis = Millis(1);

    struct Measured {
        _dir: tempfile::TempDir,
        path: std::path::PathBuf,
        index: Index,
    }

    impl Measured {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("index");
            let file = RealDisk.open(&path, OpenHow::Create).unwrap();
            let tells = Tells { sealed: true, expired: true };
            let queue = Queue { tells, max: u64::MAX, ..Queue::default() };
            let trust = Trust { now: TIME, for_ms: 0, has_failed: false };
            let ending = Arc::new(Ending::new(Arc::new(RealDisk), Layout::new(dir.path())));
            let backend = FileBackend { file, spare: Arc::default(), ending };
            let index = Index::open(backend, 64 << 20, trust, queue).unwrap();
            Self { _dir: dir, path, index }
        }

        fn bytes(&self) -> u64 {
            Path::new(&self.path).metadata().unwrap().blocks() * 512
        }

        /// What it has grown by, of what it was promised.
        fn assert_kept(&self, before: u64, promised: u64, what: &str) {
            let grown = self.bytes() - before;
            let each = grown / CHUNKS_EACH;
            assert!(
                grown <= promised,
                "{what}: {each} bytes a chunk of {}",
                promised / CHUNKS_EACH
            );
            println!("{what}: {each} bytes a chunk of {}", promised / CHUNKS_EACH);
        }

        fn begin(&self, id: u8, owner: &str) -> (UploadId, UploadRow) {
            let mut row = UploadRow {
                owner: owner.to_owned(),
                meta: FileMeta { name: "a".repeat(255), ..FileMeta::default() },
                len: CHUNKS_EACH * CHUNK_LEN_MIN,
                chunk_len: CHUNK_LEN_MIN,
                created_at: TIME,
                last_activity: TIME,
                expires_at: TIME,
                idempotency_key: None,
                file: None,
            };
            let id = UploadId([id; 16]);
            let made = self.index.create_upload(id, &mut row, None, TIME, || Ok(())).unwrap();
            assert!(matches!(made, Created::New(())));
            (id, row)
        }

        /// Rows come in any order, some at a time.
        fn insert(&self, upload: UploadId, rng: &mut fastrand::Rng) {
            let mut order: Vec<_> = (0..CHUNKS_EACH).map(ChunkIndex).collect();
            rng.shuffle(&mut order);
            let mut left = order.as_slice();
            while !left.is_empty() {
                let (some, rest) = left.split_at(rng.usize(1..200).min(left.len()));
                let row = |&index: &ChunkIndex| {
                    let digest = digest(index);
                    DurableChunk { upload, index, digest, at: TIME, expires_at: TIME }
                };
                self.index.insert_chunks(&some.iter().map(row).collect::<Vec<_>>()).unwrap();
                left = rest;
            }
        }

        fn borrow(&self, upload: UploadId, row: &UploadRow, rng: &mut fastrand::Rng) {
            let to = Borrower {
                owner: &row.owner,
                upload,
                plan: row.plan().unwrap(),
                may_be_known: false,
                twin: None,
                at: (TIME, TIME),
            };
            let mut order: Vec<_> = (0..CHUNKS_EACH).map(ChunkIndex).collect();
            rng.shuffle(&mut order);
            for some in order.chunks(500) {
                let wanted: Vec<_> = some.iter().map(|&index| (index, digest(index))).collect();
                assert_eq!(self.index.lend(&to, &wanted).unwrap().chunks.len(), some.len());
            }
        }
    }

    fn digest(index: ChunkIndex) -> Digest {
        Digest::of(&index.0.to_le_bytes())
    }

    #[test]
    fn the_rows_of_an_upload_take_no_more_of_the_index_than_it_was_promised() {
        for owner in ["local", "o".repeat(255).as_str()] {
            let mut rng = fastrand::Rng::with_seed(1);
            let measured = Measured::new();
            let before = measured.bytes();
            let (first, row) = measured.begin(1, owner);
            let promised = row.need().unwrap().index_bytes;
            measured.insert(first, &mut rng);
            let publish = |upload: UploadId| {
                let (file, root) = (FileId(upload.0), digest(ChunkIndex(0)));
                measured.index.publish(upload, file, root, TIME, TIME, &[]).unwrap();
            };
            publish(first);
            measured.assert_kept(before, promised, "sent");

            let before = measured.bytes();
            let (second, row) = measured.begin(2, owner);
            measured.borrow(second, &row, &mut rng);
            measured.assert_kept(before, promised, "borrowed");
            measured.insert(second, &mut rng);
            publish(second);
            measured.assert_kept(before, promised, "borrowed and copied");
        }
    }
}
