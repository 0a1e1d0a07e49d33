//! Section 9.3: what a method does with a file, its ranges and its conditions.

use crate::table::Answer::{Deleted, Failed, NotModified, Status, Whole};
use crate::table::File::{Empty, Many, Missing, Own, Ten};
use crate::table::{Row, get};

pub(crate) const ROWS: &[Row] = &[
    get("9.3.2 HEAD tells what GET would", Ten, &[], Whole).by("HEAD").showing(&[
        "etag: {etag}",
        "last-modified: {date}",
        "content-length: 10",
    ]),
    get("9.3.2 of nothing too", Empty, &[], Whole).by("HEAD"),
    get("9.3.2 of many chunks too", Many, &[], Whole).by("HEAD"),
    get("14.2 HEAD ignores Range", Ten, &["Range: bytes=0-1"], Whole).by("HEAD"),
    get("14.2 HEAD ignores one past the end", Ten, &["Range: bytes=10-"], Whole).by("HEAD"),
    get("14.2 HEAD ignores several", Many, &["Range: bytes=0-1,90000-90001"], Whole).by("HEAD"),
    get("9.3.2 HEAD of what is not there", Missing, &[], Status(404)).by("HEAD"),
    get("13.1.2 HEAD has conditions", Ten, &["If-None-Match: {etag}"], NotModified).by("HEAD"),
    get("13.1.1 HEAD has conditions", Ten, &["If-Match: \"x\""], Failed).by("HEAD"),
    get("13.1.3 HEAD has conditions", Ten, &["If-Modified-Since: {date}"], NotModified).by("HEAD"),
    get("9.3.5 DELETE", Own, &[], Deleted).by("DELETE"),
    get("13.1.1 DELETE of what was meant", Own, &["If-Match: {etag}"], Deleted).by("DELETE"),
    get("13.1.1 DELETE of whatever is there", Own, &["If-Match: *"], Deleted).by("DELETE"),
    get("13.1.1 DELETE of something else", Own, &["If-Match: \"x\""], Failed).by("DELETE"),
    get("13.1.1 DELETE by a weak tag", Own, &["If-Match: W/{etag}"], Failed).by("DELETE"),
    get("13.1.2 DELETE of what is known", Own, &["If-None-Match: {etag}"], Failed).by("DELETE"),
    get("13.1.2 DELETE of what is not there", Own, &["If-None-Match: *"], Failed).by("DELETE"),
    get("13.1.2 DELETE of what is not known", Own, &["If-None-Match: \"x\""], Deleted).by("DELETE"),
    get("13.1.3 DELETE ignores If-Modified-Since", Own, &["If-Modified-Since: {later}"], Deleted)
        .by("DELETE"),
    get("13.1.4 DELETE of what is older", Own, &["If-Unmodified-Since: {date}"], Deleted)
        .by("DELETE"),
    get("13.1.4 DELETE of what is newer", Own, &["If-Unmodified-Since: {earlier}"], Failed)
        .by("DELETE"),
    get("14.2 DELETE ignores Range", Own, &["Range: bytes=99-"], Deleted).by("DELETE"),
    get("13.2.1 DELETE of nothing is not judged", Missing, &["If-Match: \"x\""], Status(404))
        .by("DELETE"),
    get("9.3.7 OPTIONS", Ten, &[], Status(204))
        .by("OPTIONS")
        .showing(&["allow: GET, HEAD, DELETE, OPTIONS"]),
    get("13.2.1 OPTIONS has no conditions", Ten, &["If-Match: \"x\""], Status(204)).by("OPTIONS"),
    get("15.5.6 POST is not allowed", Ten, &["Content-Length: 0"], Status(405))
        .by("POST")
        .showing(&["allow: GET, HEAD, DELETE, OPTIONS"]),
    get(
        "15.5.6 nor PUT of a range (14.5)",
        Ten,
        &["Content-Length: 0", "Content-Range: bytes 0-1/10"],
        Status(405),
    )
    .by("PUT"),
    get("9.1 methods are case-sensitive", Ten, &[], Status(405)).by("get"),
];
