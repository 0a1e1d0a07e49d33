//! ARCHITECTURE.md says what the server does; `protocol/tests/architecture.rs` holds it to the rest. And two pages of
//! the manual are made of what it says itself.
#![allow(clippy::panic, clippy::expect_used, reason = "tests say so by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http::Method;
use longhaul_reference::{http_page, server_page};
use longhaul_server::route::Target;

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
fn the_pages_of_its_options_and_of_its_api_are_of_now() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = Path::new(env!("CARGO_BIN_EXE_longhaul-server"));
    let pages = [server_page(program), http_page(include_str!("../openapi.json"))];
    for page in pages.map(|page| page.expect("it says what it can do")) {
        let written = std::fs::read_to_string(page.path(&root)).unwrap_or_default();
        assert!(written == page.text, "{} tells of what was: run `cargo xtask docs`", page.name);
    }
}
