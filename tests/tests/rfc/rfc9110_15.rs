//! Section 15: what goes with which status.

use crate::table::Answer::{Bytes, Failed, NotModified, Parts, Status, Unsatisfiable, Whole};
use crate::table::File::{Empty, Many, Missing, Page, Ten};
use crate::table::{Row, get};

/// Every three thousandth byte.
const APART: [(u64, u64); 64] = {
    let (mut apart, mut at) = ([(0, 0); 64], 0);
    while at < apart.len() {
        apart[at] = (at as u64 * 3000, at as u64 * 3000);
        at += 1;
    }
    apart
};

pub(crate) const ROWS: &[Row] = &[
    get("15.3.1 all of it is 200", Many, &[], Whole),
    get("15.3.7 what goes with some", Ten, &["Range: bytes=1-2"], Bytes(1, 2)).showing(&[
        "date",
        "etag: {etag}",
        "cache-control",
        "last-modified: {date}",
        "content-disposition",
    ]),
    get(
        "15.3.7 who goes on has been told the rest",
        Ten,
        &["Range: bytes=1-2", "If-Range: {etag}"],
        Bytes(1, 2),
    )
    .showing(&["etag: {etag}", "-last-modified", "-content-disposition"]),
    get("15.3.7 by a date too", Ten, &["Range: bytes=1-2", "If-Range: {date}"], Bytes(1, 2))
        .showing(&["etag: {etag}", "-last-modified"]),
    get(
        "15.3.7 but who gets all of it is told all",
        Ten,
        &["Range: bytes=1-2", "If-Range: \"x\""],
        Whole,
    )
    .showing(&["last-modified: {date}", "content-disposition"]),
    get("15.3.7.1 one range is sent as it is", Ten, &["Range: bytes=1-2"], Bytes(1, 2))
        .showing(&["content-range: bytes 1-2/10", "content-type: text/html"]),
    get(
        "15.3.7.2 several have no range of their own",
        Many,
        &["Range: bytes=0-0,-1"],
        Parts(&[(0, 0), (196_707, 196_707)]),
    )
    .showing(&["-content-range", "content-type: multipart/byteranges; boundary={root}"]),
    get("15.3.7.2 what comes to one is no multipart", Many, &["Range: bytes=0-0,1-1"], Bytes(0, 1))
        .showing(&["content-type: text/html"]),
    get("15.3.7.2 64 parts", Many, &["Range: bytes={64 apart}"], Parts(&APART)),
    get(
        "14.2 parts that cost more than the file",
        Page,
        &["Range: bytes=0-99,230-330,460-559,690-789,919-999"],
        Whole,
    ),
    get("15.4.5 what goes with a 304", Ten, &["If-None-Match: {etag}"], NotModified).showing(&[
        "date",
        "etag: {etag}",
        "cache-control",
        "-accept-ranges",
    ]),
    get("15.4.5 by its date too", Ten, &["If-Modified-Since: {date}"], NotModified)
        .showing(&["etag: {etag}", "-last-modified"]),
    get("15.5.5 what is not there", Missing, &[], Status(404))
        .showing(&["-etag", "-accept-ranges"]),
    get("15.5.13 a condition that does not hold", Ten, &["If-Match: \"x\""], Failed)
        .showing(&["-etag"]),
    get("15.5.17 the length is told", Ten, &["Range: bytes=10-"], Unsatisfiable)
        .showing(&["content-range: bytes */10"]),
    get("15.5.17 that of an empty file", Empty, &["Range: bytes=0-"], Unsatisfiable)
        .showing(&["content-range: bytes */0"]),
    get("15.5.17 that of many chunks", Many, &["Range: bytes=196708-"], Unsatisfiable)
        .showing(&["content-range: bytes */196708", "cache-control: no-store"]),
];
