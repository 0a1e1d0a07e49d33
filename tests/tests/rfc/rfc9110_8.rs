//! Section 8, representation data, and 12.5.3: what a file is told to be.

use crate::table::Answer::{Bytes, Whole};
use crate::table::File::{Empty, Many, One, Ten};
use crate::table::{Row, get};

pub(crate) const ROWS: &[Row] = &[
    get("8.3 Content-Type is what came with it", Ten, &[], Whole)
        .showing(&["content-type: text/html"]),
    get("8.4 no coding, whatever is taken", Many, &["Accept-Encoding: gzip, br, zstd"], Whole)
        .showing(&["-content-encoding"]),
    get("12.5.3 no coding where none suits", Ten, &["Accept-Encoding: identity;q=0"], Whole)
        .showing(&["-content-encoding"]),
    get(
        "8.4 a range is of the bytes themselves",
        Many,
        &["Accept-Encoding: gzip", "Range: bytes=5-9"],
        Bytes(5, 9),
    ),
    get("8.6 the length of what is empty", Empty, &[], Whole).showing(&["content-length: 0"]),
    get("8.6 the length of one byte", One, &[], Whole).showing(&["content-length: 1"]),
    get("8.6 the length of several chunks", Many, &[], Whole).showing(&["content-length: 196708"]),
    get("8.8.2 Last-Modified is when it was sealed", Ten, &[], Whole)
        .showing(&["last-modified: {date}"]),
    get("8.8.3 the entity tag is strong", Ten, &[], Whole).showing(&["etag: {etag}"]),
    get("8.8.3 that of an empty file too", Empty, &[], Whole).showing(&["etag: {etag}"]),
    get("12.5.1 what is taken changes nothing", Ten, &["Accept: image/png"], Whole),
    get("12.5.4 nor does the language", Ten, &["Accept-Language: tlh"], Whole),
];
