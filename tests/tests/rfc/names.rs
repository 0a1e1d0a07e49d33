//! RFC 6266 and 8187: the name to save under, and what else keeps a download from being a page.

use crate::table::Answer::{Bytes, Whole};
use crate::table::File::{Many, Ten};
use crate::table::{Row, get};

pub(crate) const ROWS: &[Row] = &[
    get("6266 4.3 both names, 8187 3.2 the exact one", Ten, &[], Whole).showing(&[
        "content-disposition: attachment; filename=\"n_me _1_.html\"; filename*=UTF-8''n%C3%A4me%20%221%22.html",
    ]),
    get("6266 4.3 with HEAD too", Ten, &[], Whole).by("HEAD").showing(&["content-disposition"]),
    get("6266 4.2 a part is saved as well", Many, &["Range: bytes=0-0"], Bytes(0, 0)).showing(&["content-disposition"]),
    get("CSP 3 an uploaded page is sandboxed", Ten, &[], Whole)
        .showing(&["content-security-policy: sandbox; default-src 'none'; frame-ancestors 'none'", "x-content-type-options: nosniff"]),
    get("8246 2 immutable", Ten, &[], Whole)
        .showing(&["cache-control: private, max-age=3600, immutable, no-transform"]),
];
