//! Snippets for React, and those that TypeScript has to take.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use longhaul_tests::projects::Project;

use crate::markdown::{Page, What, pages};

/// What is written there by one test is not built by another.
static TURN: Mutex<()> = Mutex::new(());

/// The folder of a page that shows the component which a snippet exports.
pub(crate) fn built(snippet: &str) -> PathBuf {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let project = Project::new("docs");
    fs::write(project.path().join("src/snippet.tsx"), snippet).unwrap();
    project.run("vite", &["build", "--base", "./", "--logLevel", "warn"]);
    project.path().join("dist")
}

#[test]
fn typescript_takes_every_snippet() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let project = Project::new("docs");
    let folder = project.path().join("snippets");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut count = 0;
    for path in pages() {
        for item in Page::read(&path).items {
            let What::Block { language, text } = item.what else { continue };
            if ["ts", "tsx", "jsx"].contains(&&*language) {
                let name = format!("{}-{}.tsx", path.replace(['/', '.'], "-"), item.line);
                // A script without imports is a module too.
                fs::write(folder.join(name), format!("{text}\nexport {{}};\n")).unwrap();
                count += 1;
            }
        }
    }
    assert!(count > 2, "{count} snippets are not all of them");
    project.run("tsc", &["-p", "."]);
}
