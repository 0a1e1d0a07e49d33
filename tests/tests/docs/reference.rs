//! The pages that are made of what they tell of.

use std::fs;

use longhaul_reference::Sources;
use longhaul_tests::artefacts;

#[test]
fn every_page_of_the_reference_is_of_now() {
    let root = artefacts::workspace();
    let sources = Sources {
        root: root.clone(),
        site: artefacts::dist(),
        server: artefacts::server(),
        cli: artefacts::cli(),
    };
    let pages = sources.pages().unwrap();
    assert!(pages.len() > 4, "{} pages are not all of them", pages.len());
    for page in pages {
        let written = fs::read_to_string(page.path(&root)).unwrap_or_default();
        assert!(written == page.text, "{} tells of what was: run `cargo xtask docs`", page.name);
    }
}
