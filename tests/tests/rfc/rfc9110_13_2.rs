//! Section 13.2: which condition comes before which.

use crate::table::Answer::{Bytes, Failed, NotModified, Status, Unsatisfiable, Whole};
use crate::table::File::{Manifest, Missing, Ten};
use crate::table::{Row, get};

pub(crate) const ROWS: &[Row] = &[
    get("13.2.1 nothing is not judged", Missing, &["If-Match: \"x\""], Status(404)),
    get("13.2.1 nor is it unmodified", Missing, &["If-None-Match: *"], Status(404)),
    get("13.2.1 nor has it a range", Missing, &["Range: bytes=0-1"], Status(404)),
    get(
        "13.2.2 (1) hides (2)",
        Ten,
        &["If-Match: {etag}", "If-Unmodified-Since: {earlier}"],
        Whole,
    ),
    get(
        "13.2.2 (1) fails, (2) would hold",
        Ten,
        &["If-Match: \"x\"", "If-Unmodified-Since: {later}"],
        Failed,
    ),
    get("13.2.2 (1) before (3)", Ten, &["If-None-Match: {etag}", "If-Match: \"x\""], Failed),
    get(
        "13.2.2 (1) holds, then (3)",
        Ten,
        &["If-Match: {etag}", "If-None-Match: {etag}"],
        NotModified,
    ),
    get("13.2.2 (1) holds, (3) too", Ten, &["If-Match: {etag}", "If-None-Match: \"x\""], Whole),
    get(
        "13.2.2 (2) before (3)",
        Ten,
        &["If-None-Match: {etag}", "If-Unmodified-Since: {earlier}"],
        Failed,
    ),
    get(
        "13.2.2 (2) holds, then (3)",
        Ten,
        &["If-Unmodified-Since: {date}", "If-None-Match: {etag}"],
        NotModified,
    ),
    get(
        "13.2.2 (2) before (4)",
        Ten,
        &["If-Modified-Since: {date}", "If-Unmodified-Since: {earlier}"],
        Failed,
    ),
    get(
        "13.2.2 (3) hides (4)",
        Ten,
        &["If-None-Match: \"x\"", "If-Modified-Since: {later}"],
        Whole,
    ),
    get(
        "13.2.2 (3) spares, (4) would not",
        Ten,
        &["If-None-Match: {etag}", "If-Modified-Since: {earlier}"],
        NotModified,
    ),
    get(
        "13.1.3 (3) hides (4) though it is no list",
        Ten,
        &["If-None-Match: x", "If-Modified-Since: {later}"],
        Whole,
    ),
    get(
        "13.1.4 (1) hides (2) though it is no list",
        Ten,
        &["If-Match: x", "If-Unmodified-Since: {later}"],
        Failed,
    ),
    get(
        "13.2.2 (1) before (5)",
        Ten,
        &["Range: bytes=0-1", "If-Range: {etag}", "If-Match: \"x\""],
        Failed,
    ),
    get(
        "13.2.2 (3) before (5)",
        Ten,
        &["Range: bytes=0-1", "If-Range: {etag}", "If-None-Match: {etag}"],
        NotModified,
    ),
    get(
        "13.2.2 (4) before (5)",
        Ten,
        &["Range: bytes=0-1", "If-Modified-Since: {date}"],
        NotModified,
    ),
    get(
        "13.2.2 (3) before a bad range",
        Ten,
        &["Range: bytes=10-", "If-None-Match: {etag}"],
        NotModified,
    ),
    get("13.2.2 (1) before a bad range", Ten, &["Range: bytes=10-", "If-Match: \"x\""], Failed),
    get(
        "13.2.2 all hold",
        Ten,
        &["If-Match: {etag}", "If-None-Match: \"x\"", "If-Range: {etag}", "Range: bytes=2-3"],
        Bytes(2, 3),
    ),
    get(
        "13.2.2 all but (5)",
        Ten,
        &["If-Match: {etag}", "If-None-Match: \"x\"", "If-Range: \"x\"", "Range: bytes=2-3"],
        Whole,
    ),
    get(
        "13.2.2 all, and past the end",
        Ten,
        &["If-Match: {etag}", "If-None-Match: \"x\"", "Range: bytes=10-"],
        Unsatisfiable,
    ),
    get("14.2 JSON has no ranges", Manifest, &["Range: bytes=0-1"], Status(200)),
];
