use longhaul_protocol::wire::json::FromJson as _;
use longhaul_protocol::wire::{FileInfo, FileMeta};
use longhaul_protocol::{Digest, wire::ids::FileId};
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

#[wasm_bindgen_test]
fn what_was_written_is_read_by_way_of_the_browsers_parser() {
    let meta = FileMeta {
        name: "a \"name\"\n\u{1f600}".to_owned(),
        last_modified: Some(Millis(1 << 52)),
        metadata: [("a".to_owned(), "b".to_owned())].into_iter().collect(),
        ..FileMeta::default()
    };
    let (id, root) = (FileId([7; 16]), Digest::of(b""));
    let (chunk_size, sealed_at) = (1 << 23, Millis(5));
    let file = FileInfo {
        id,
        meta,
        size: 1 << 43,
        root,
        chunk_size,
        chunk_count: 0,
        sealed_at,
        sha256: None,
    };
    let came = parse(&file.to_json()).map(|tree| FileInfo::from_json(&tree));
    assert_eq!(came, Some(Ok(file)));
}

#[wasm_bindgen_test]
fn only_whole_numbers_that_are_not_negative_are_numbers() {
    let number = |text: &str| parse(text).and_then(|tree| tree.number());
    assert_eq!(number("0"), Some(0));
    assert_eq!(number("9007199254740991"), Some((1 << 53) - 1));
    for other in ["-1", "0.5", "\"1\"", "null", "[1]", "true"] {
        assert_eq!(number(other), None, "{other}");
    }
    assert!(parse("{").is_none());
}

#[wasm_bindgen_test]
fn only_dates_of_http_are_dates() {
    assert_eq!(read_date("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Millis(1_445_412_480_000)));
    for other in ["soon", "in 7", "2015", "GMT"] {
        assert_eq!(read_date(other), None, "{other}");
    }
}
