//! Where pages lead.

use std::fs;

use longhaul_tests::artefacts;

use crate::markdown::pages;

/// What leads out of the repository.
const ELSEWHERE: [&str; 3] = ["http://", "https://", "mailto:"];

/// The targets of `[a](b)` in what is not code.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        if !is_code {
            let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(ends.map(|(target, _)| target));
        }
    }
    found
}

/// How GitHub calls a heading in an address.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

fn anchors(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        if let (false, Some((_, heading))) = (is_code, line.split_once("# "))
            && line.starts_with('#')
        {
            let anchor = anchor(heading);
            // The second of a name is told apart by a number.
            let earlier = found.iter().filter(|it| **it == anchor).count();
            found.push(if earlier == 0 { anchor } else { format!("{anchor}-{earlier}") });
        }
    }
    found
}

/// What is wrong with a target in a page.
fn fault(page: &str, target: &str) -> Option<String> {
    if ELSEWHERE.iter().any(|start| target.starts_with(start)) {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let own = artefacts::workspace().join(page);
    let there = if path.is_empty() { own } else { own.parent().unwrap().join(path) };
    if !there.exists() {
        return Some(format!("{page}: {target} is not there"));
    }
    let is_found = anchor.is_empty()
        || anchors(&fs::read_to_string(there).unwrap()).iter().any(|it| it == anchor);
    (!is_found).then(|| format!("{page}: {target} has no such heading"))
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages: Vec<_> = pages();
    let mut count = 0;
    let mut faults = Vec::new();
    for page in pages.iter().map(String::as_str).chain(["ARCHITECTURE.md", "CHANGELOG.md"]) {
        let text = fs::read_to_string(artefacts::workspace().join(page)).unwrap();
        let targets = targets(&text);
        count += targets.len();
        faults.extend(targets.iter().filter_map(|target| fault(page, target)));
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(count > 40, "{count} links are not all of them");
    assert!(fault("README.md", "docs/none.md").is_some());
    assert!(fault("README.md", "#none").is_some());
}

#[test]
fn every_page_is_in_the_index_and_no_page_is_lost() {
    let index = fs::read_to_string(artefacts::workspace().join("docs/README.md")).unwrap();
    let listed = targets(&index);
    let pages = pages();
    let within = pages.iter().filter_map(|page| page.strip_prefix("docs/"));
    let missing: Vec<_> =
        within.filter(|page| *page != "README.md" && !listed.contains(page)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "docs/README.md does not list them");
    let front = fs::read_to_string(artefacts::workspace().join("README.md")).unwrap();
    assert!(targets(&front).contains(&"docs/README.md"));
}
