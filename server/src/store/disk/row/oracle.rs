//! What a fuzzer holds rows to: whatever a disk made of one, it is read or refused, and what is read
//! is written so that the same is read again. Here and not with the other checks in `fuzz/`, because
//! rows are nobody's business but the store's.

use std::fmt::Debug;

use super::{BlobRow, FileRow, Row, UploadRow};
use crate::store::StoreError;
use crate::store::disk::index::Cursor;
use crate::store::event::Event;

/// The bytes as each kind of row, and as the cursor of a listing.
#[expect(clippy::panic, reason = "a check says so by panicking")]
pub fn hold_rows_to_their_word(bytes: &[u8]) {
    if let Some(row) = round_trip::<UploadRow>(bytes)
        && let Ok(plan) = row.plan()
    {
        assert_eq!((plan.len(), plan.chunk_len()), (row.len, row.chunk_len));
    }
    if let Some(row) = round_trip::<FileRow>(bytes)
        && let Ok(info) = row.info(longhaul_protocol::wire::ids::FileId([7; 16]))
    {
        assert_eq!(info.size.div_ceil(info.chunk_size), info.chunk_count);
    }
    if let Some(row) = round_trip::<BlobRow>(bytes) {
        let _ = row.plan();
    }
    round_trip::<Event>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(cursor) = Cursor::parse(text)
        && cursor.to_string() != text.to_ascii_lowercase()
    {
        panic!("the cursor {text} is written {cursor}");
    }
}

#[expect(clippy::panic, reason = "a check says so by panicking")]
fn round_trip<R: Row + PartialEq + Debug>(bytes: &[u8]) -> Option<R> {
    let row = match R::decode(bytes) {
        Ok(row) => row,
        Err(StoreError::Damaged(told)) if told.contains(R::WHAT) => return None,
        Err(other) => panic!("a row that cannot be read is not damaged but {other}"),
    };
    let again = row.encode().and_then(|written| R::decode(&written));
    match again {
        Ok(again) if again == row => Some(row),
        other => panic!("{row:?} is written and read as {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_corpus_keep_their_word() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/rows");
        let files = std::fs::read_dir(corpus).expect("the corpus is kept in the repository");
        let count = files
            .map(|file| hold_rows_to_their_word(&std::fs::read(file.unwrap().path()).unwrap()))
            .count();
        assert!(count > 0, "the corpus is empty");
    }
}
