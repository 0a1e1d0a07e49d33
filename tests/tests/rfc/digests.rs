//! RFC 9530, Repr-Digest, and RFC 3230, the Digest that it replaced.

use crate::table::Answer::{Bytes, NotModified, Parts, Whole};
use crate::table::File::{Empty, Many, Ten};
use crate::table::{Row, get};

pub(crate) const ROWS: &[Row] = &[
    get("9530 3 of the whole", Ten, &[], Whole)
        .showing(&["repr-digest: sha-256=:{sha256}:", "-digest"]),
    get("9530 3 of an empty file", Empty, &[], Whole).showing(&["repr-digest: sha-256=:{sha256}:"]),
    get("9530 3 with HEAD", Many, &[], Whole)
        .by("HEAD")
        .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get("9530 3 of the whole with a part", Many, &["Range: bytes=1-2"], Bytes(1, 2))
        .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get(
        "9530 3 with several parts",
        Many,
        &["Range: bytes=0-0,-1"],
        Parts(&[(0, 0), (196_707, 196_707)]),
    )
    .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get("9530 3 not with a 304", Ten, &["If-None-Match: {etag}"], NotModified)
        .showing(&["-repr-digest"]),
    get("9530 4 wanted", Ten, &["Want-Repr-Digest: sha-256=10"], Whole)
        .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get("9530 4 not acceptable", Ten, &["Want-Repr-Digest: sha-256=0"], Whole)
        .showing(&["-repr-digest"]),
    get("9530 4 another is preferred", Ten, &["Want-Repr-Digest: sha-512=10, sha-256=1"], Whole)
        .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get("9530 4 only others are known", Ten, &["Want-Repr-Digest: sha-512=10"], Whole)
        .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get(
        "9530 4 the last counts",
        Ten,
        &["Want-Repr-Digest: sha-256=10", "Want-Repr-Digest: sha-256=0"],
        Whole,
    )
    .showing(&["-repr-digest"]),
    get("9530 4 nonsense is ignored", Ten, &["Want-Repr-Digest: ?!="], Whole)
        .showing(&["repr-digest: sha-256=:{sha256}:"]),
    get("3230 4.3.2 wanted", Ten, &["Want-Digest: SHA-256"], Whole)
        .showing(&["digest: SHA-256={sha256}"]),
    get("3230 4.3.1 any case", Ten, &["Want-Digest: sha-256"], Whole)
        .showing(&["digest: SHA-256={sha256}"]),
    get(
        "3230 4.3.1 as aria2 asks",
        Ten,
        &["Want-Digest: SHA-512;q=1, SHA-256;q=1, SHA;q=0.1"],
        Whole,
    )
    .showing(&["digest: SHA-256={sha256}"]),
    get("3230 4.3.1 not acceptable", Ten, &["Want-Digest: SHA-256;q=0"], Whole)
        .showing(&["-digest"]),
    get("3230 4.3.1 another", Ten, &["Want-Digest: MD5"], Whole).showing(&["-digest"]),
    get(
        "3230 4.3.2 of the instance, with a part",
        Many,
        &["Want-Digest: SHA-256", "Range: bytes=1-2"],
        Bytes(1, 2),
    )
    .showing(&["digest: SHA-256={sha256}"]),
];
