//! ARCHITECTURE.md says what the server does; `protocol/tests/architecture.rs` holds it to the rest.
#![allow(clippy::panic, clippy::expect_used, reason = "tests say so by failing")]

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use longhaul_server::access::GUEST_TOKEN_LASTS;
use longhaul_server::config::Limits;
use longhaul_server::owner::OWNER_BYTES_MAX;
use longhaul_server::route::Target;
use longhaul_server::store::disk::{PROOFS_OPEN_MAX, PROOFS_WRONG_MAX};
use longhaul_server::token::{KEY_BYTES_MIN, LEEWAY, TOKEN_BYTES_MAX};
use longhaul_server::tries::TRIES_MAX;

const ID: &str = "000102030405060708090a0b0c0d0e0f";

/// The rows of the table below a heading, cells trimmed.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let page = std::fs::read_to_string(file).expect("ARCHITECTURE.md lies beside the crates");
    let (_, below) = page.split_once(heading).expect(heading);
    let lines = below.lines().skip(1).skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().into()).collect();
    table.map(cells).collect()
}

#[test]
fn the_table_of_the_wire_has_every_verb_of_every_path_and_no_other() {
    let mut of_page: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for cells in rows("## The wire (checked)") {
        let [verbs, path, ..] = cells.as_slice() else { panic!("{cells:?}") };
        let verbs = verbs.split(", ").map(|verb| verb.trim_matches('`').to_owned());
        of_page.entry(path.trim_matches('`').replace("{id}", ID)).or_default().extend(verbs);
    }
    for (path, verbs) in of_page {
        let target = Target::of(&path);
        assert!(!matches!(target, Target::Nowhere | Target::Site), "{path}");
        // A preflight is of every path, and a HEAD where there is a GET.
        let told = |method: &&Method| **method != Method::OPTIONS && **method != Method::HEAD;
        let of_code: BTreeSet<_> =
            target.methods().iter().filter(told).map(Method::to_string).collect();
        let verbs: BTreeSet<_> = verbs.into_iter().filter(|verb| verb != "HEAD").collect();
        assert_eq!(verbs, of_code, "{path}");
    }
}

#[test]
fn the_table_of_bounds_has_the_bounds_of_the_server() {
    let of_page = rows("## Bounds (checked)");
    for (name, value) in [
        ("an owner's name", format!("{OWNER_BYTES_MAX} bytes")),
        ("open proofs of an upload", PROOFS_OPEN_MAX.to_string()),
        ("wrong proofs of an upload", PROOFS_WRONG_MAX.to_string()),
        ("tries remembered", TRIES_MAX.to_string()),
        ("a token", format!("{} KiB", TOKEN_BYTES_MAX / 1024)),
        ("a token's key", format!("{KEY_BYTES_MIN} bytes at least")),
        ("a clock's error", format!("{} s", LEEWAY.as_secs())),
        (
            "an answer that nobody reads",
            format!("{} s", Limits::default().idle_answer_timeout.as_secs()),
        ),
        ("a guest's token", format!("{} days", GUEST_TOKEN_LASTS.as_secs() / 86_400)),
    ] {
        let row = of_page.iter().find(|cells| cells.first().is_some_and(|first| first == name));
        assert_eq!(row.and_then(|cells| cells.get(1)), Some(&value), "{name}");
    }
}
