//! A page as the tests read it: its fenced blocks, and what comments beside them say about how they are tried.

use std::fs;

use longhaul_tests::artefacts;

use crate::steps::Step;

/// What a comment for these tests begins with.
const COMMENT: &str = "<!-- try";
/// What it ends with.
const COMMENT_END: &str = "-->";
/// What a block stands between.
const FENCE: &str = "```";

/// A page of the manual.
#[derive(Debug)]
pub(crate) struct Page {
    /// Where it lies in the repository.
    pub(crate) path: String,
    /// Its blocks and its comments, in their order.
    pub(crate) items: Vec<Item>,
}

/// Something of a page that the tests do something with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Of a comment.
    Try(Step),
    /// Between fences.
    Block { language: String, text: String },
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(artefacts::workspace().join(path)).unwrap();
        Self::parse(path, &text)
    }

    /// # Panics
    /// When a fence or a comment has no end, or a comment says what nobody knows.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        let mut items = Vec::new();
        while let Some((line, text)) = lines.next() {
            let mut rest = |end: &str| {
                let mut within = Vec::new();
                for (_, text) in lines.by_ref() {
                    if text.trim() == end {
                        return within;
                    }
                    within.push(text);
                }
                panic!("{path}:{line}: there is no `{end}`")
            };
            if let Some(language) = text.strip_prefix(FENCE) {
                let (language, text) = (language.trim().to_owned(), rest(FENCE).join("\n"));
                items.push(Item { line, what: What::Block { language, text } });
            } else if let Some(steps) = text.strip_prefix(COMMENT) {
                let steps = match steps.strip_suffix(COMMENT_END) {
                    Some(step) => vec![step.trim_start_matches(':')],
                    None => rest(COMMENT_END),
                };
                let steps = steps.iter().map(|step| step.trim()).filter(|step| !step.is_empty());
                let what = steps.map(|step| match Step::parse(step) {
                    Some(step) => What::Try(step),
                    None => panic!("{path}:{line}: nobody knows how to try `{step}`"),
                });
                items.extend(what.map(|what| Item { line, what }));
            }
        }
        Self { path: path.to_owned(), items }
    }
}

/// Every page, by where it lies in the repository.
pub(crate) fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "npm/README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(artefacts::workspace().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn blocks_and_comments_are_found_where_they_are() {
    let text = "a\n<!-- try: fails -->\n```sh\nfalse\n<!-- try: no -->\n```\n<!-- a word -->\n<!-- try\nopen /\n\nreload\n-->\n";
    let item = |line, what| Item { line, what };
    let block = What::Block { language: "sh".into(), text: "false\n<!-- try: no -->".into() };
    assert_eq!(
        Page::parse("page.md", text).items,
        [
            item(2, What::Try(Step::Fails)),
            item(3, block),
            item(8, What::Try(Step::Open("/".into()))),
            item(8, What::Try(Step::Reload)),
        ]
    );
}
