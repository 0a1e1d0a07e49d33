//! What a page shows of a program's output, and what it was.

/// What stands for anything at all.
const ANYTHING: char = '…';

/// Whether an output is what a page shows of it, in which `…` stands for anything.
pub(crate) fn is_shown(shown: &str, output: &str) -> bool {
    let tidy = |text: &str| text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let (shown, output) = (tidy(shown), tidy(output));
    let mut parts = shown.split(ANYTHING);
    let Some(mut rest) = output.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    assert!(is_shown("a\nb", "a\nb\n"));
    assert!(!is_shown("a", "a\nb"));
    assert!(!is_shown("a", "b"));
    assert!(is_shown("files/…", "files/17"));
    assert!(is_shown("…\nb … d\n…", "a\nb c d\ne"));
    assert!(!is_shown("…\nb … d\n…", "a\nb c e\nf"));
    assert!(!is_shown("a … c", "a b"));
}
