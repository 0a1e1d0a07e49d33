//! ARCHITECTURE.md says what the code says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say so by failing"
)]

#[path = "architecture/bounds.rs"]
mod bounds;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::problem::Retry;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{header, path};

fn page() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    std::fs::read_to_string(file).expect("ARCHITECTURE.md lies beside the crates")
}

/// The rows of the table below a heading, cells trimmed.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, below) = page.split_once(heading).expect(heading);
    let lines = below.lines().skip(1).skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    table.map(cells).collect()
}

#[test]
fn the_table_of_errors_is_the_table_of_the_code() {
    let in_words = |retry| match retry {
        Retry::Never => "tells the user",
        Retry::Later => "tries again later",
        Retry::AfterStatus => "leaves the chunk alone for 10 s, then asks",
        Retry::Reconcile => "asks what is held and goes on",
        Retry::Restart => "begins anew",
        Retry::Renew => "asks the page for a fresh token, once",
    };
    let of_code: Vec<Vec<String>> = ProblemCode::ALL
        .iter()
        .map(|code| code.row())
        .map(|row| {
            vec![format!("`{}`", row.code), row.status.to_string(), in_words(row.retry).to_owned()]
        })
        .collect();
    let lines: Vec<_> = of_code.iter().map(|cells| format!("| {} |", cells.join(" | "))).collect();
    assert_eq!(rows(&page(), "### Errors (checked)"), of_code, "write:\n{}", lines.join("\n"));
}

#[test]
fn every_path_of_the_wire_is_in_the_table_and_no_other() {
    let (upload, file) = (UploadId([0; 16]), FileId([0; 16]));
    let id = upload.to_string();
    let mut of_code: Vec<_> = [
        path::UPLOADS.to_owned(),
        path::upload(upload),
        path::digests(upload),
        path::proofs(upload),
        path::chunks(upload),
        path::content(upload),
        path::seal(upload),
        path::FILES.to_owned(),
        path::file(file),
        path::links(file),
        path::manifest(file),
        path::GUESTS.to_owned(),
        path::PROBLEMS.to_owned(),
        path::HEALTHZ.to_owned(),
        path::READYZ.to_owned(),
        path::METRICS.to_owned(),
        path::OPENAPI.to_owned(),
    ]
    .map(|path| format!("`{}`", path.replace(&id, "{id}")))
    .into();
    let mut of_page: Vec<_> =
        rows(&page(), "## The wire (checked)").into_iter().map(|cells| cells[1].clone()).collect();
    of_page.dedup();
    of_page.sort();
    of_page.dedup();
    of_code.sort();
    assert_eq!(of_page, of_code);
}

#[test]
fn every_header_of_ours_is_named_in_the_table() {
    let page = page().to_lowercase();
    for name in [
        header::CHUNK_INDEX,
        header::CHUNK_OFFSET,
        header::CHUNK_DIGEST,
        header::CHUNK_REPLACE,
        header::CHUNK_TRY,
        header::UPLOAD_CREATE,
        header::IDEMPOTENCY_KEY,
        header::AUTHORIZATION,
        header::UPLOAD_TOKEN,
        header::REQUEST_ID,
    ] {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
