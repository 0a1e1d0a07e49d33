//! RFC 9110 and its neighbours as a table: what is asked, what has to be answered, and the clause that
//! says so. Every row goes over a socket of its own to the real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test's panic is its report"
)]

mod digests;
mod fixture;
mod large;
mod names;
mod rfc9110_13_1;
mod rfc9110_13_2;
mod rfc9110_14;
mod rfc9110_15;
mod rfc9110_8;
mod rfc9110_9;
mod table;
mod wire;

use table::Row;

/// Every table there is.
const TABLES: [&[Row]; 8] = [
    rfc9110_8::ROWS,
    rfc9110_9::ROWS,
    rfc9110_13_1::ROWS,
    rfc9110_13_2::ROWS,
    rfc9110_14::ROWS,
    rfc9110_15::ROWS,
    digests::ROWS,
    names::ROWS,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_answered_as_its_clause_says() {
    let rows: Vec<_> = TABLES.into_iter().flatten().collect();
    assert!(rows.len() >= 150, "{}", rows.len());
    let fixture = fixture::Fixture::new().await;
    let mut wrong = Vec::new();
    for row in &rows {
        if let Err(error) = fixture.check(row).await {
            wrong.push(format!(
                "{} {:?} {} {:?}: {error}",
                row.clause, row.file, row.method, row.lines
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    fixture.assert_no_fault();
}
