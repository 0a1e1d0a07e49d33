//! ARCHITECTURE.md says what the code says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests say so by failing"
)]

use longhaul_protocol::problem::Retry;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{header, path};
use longhaul_protocol::{Plan, ProblemCode, plan};

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
        path::seal(upload),
        path::FILES.to_owned(),
        path::file(file),
        path::manifest(file),
        path::PROBLEMS.to_owned(),
        path::HEALTHZ.to_owned(),
        path::READYZ.to_owned(),
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
    ] {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_table_of_bounds_has_the_bounds_of_the_code() {
    let of_page = rows(&page(), "## Bounds (checked)");
    let buffers = Plan::new(u64::from(u32::MAX), plan::CHUNK_LEN_DEFAULT).unwrap().buffers();
    for (name, value) in [
        ("chunk size", format!("{} MiB", plan::CHUNK_LEN_DEFAULT >> 20)),
        ("chunks in a file", format!("{}", plan::CHUNK_COUNT_MAX)),
        ("a sender's buffers", format!("{} MiB", plan::BUFFERS_BYTES_MAX >> 20)),
        ("buffers at 8 MiB", buffers.to_string()),
        ("lanes", plan::LANES_MAX.to_string()),
        ("a rate that is set", format!("{} KiB/s at least", plan::RATE_MIN / 1024)),
        (
            "a file in one request",
            format!("{} KiB at most", longhaul_protocol::upload::ONE_REQUEST_MAX / 1024),
        ),
        ("a stalled body", format!("{} s", longhaul_protocol::upload::STALL_TIMEOUT.0 / 1000)),
        (
            "a list of open uploads",
            format!("{} s", longhaul_protocol::upload::LIST_TIMEOUT.0 / 1000),
        ),
        ("a silent read", format!("{} s", longhaul_protocol::upload::READ_TIMEOUT.0 / 1000)),
        ("a fresh token", format!("{} s", longhaul_protocol::upload::RENEW_TIMEOUT.0 / 1000)),
        ("digests in a request", longhaul_protocol::wire::DIGESTS_PER_PAGE_MAX.to_string()),
        ("proofs in a request", longhaul_protocol::wire::proof::PROOFS_PER_REQUEST_MAX.to_string()),
        ("a JSON body", format!("{} KiB", longhaul_protocol::wire::JSON_BYTES_MAX >> 10)),
        ("a name", format!("{} characters", longhaul_protocol::name::NAME_CHARS_MAX)),
        ("ranges in a request", longhaul_protocol::range::RANGES_MAX.to_string()),
    ] {
        let row = of_page.iter().find(|cells| cells[0] == name);
        assert_eq!(row.map(|cells| cells[1].as_str()), Some(value.as_str()), "{name}");
    }
}
