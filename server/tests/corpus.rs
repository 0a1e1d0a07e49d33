//! Everything a fuzzer has found worth keeping, once more: on stable, and in a moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "checks say so by panicking"
)]

#[path = "../../fuzz/src/lib.rs"]
mod oracle;

/// Checks every file of a target's corpus.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(corpus).expect("the corpus is kept in the repository");
    let count = files.map(|file| check(&read(&file.expect("readable").path()))).count();
    assert!(count > 0, "the corpus of {target} is empty");
}

fn read(path: &std::path::Path) -> Vec<u8> {
    println!("{}", path.display());
    std::fs::read(path).expect("readable")
}

#[test]
fn answers_of_the_corpus_are_read_as_serde_reads_them() {
    replay("answer", oracle::answer::check);
}

#[test]
fn chunk_sets_of_the_corpus_are_what_a_walk_finds() {
    replay("chunk_set", oracle::chunk_set::check);
}

#[test]
fn what_proxies_write_in_the_corpus_names_whom_the_proxy_names() {
    replay("forwarded", oracle::forwarded::check);
}

#[test]
fn hosts_origins_and_queries_of_the_corpus_are_what_slow_readers_find() {
    replay("gate", oracle::gate::check);
}

#[test]
fn headers_of_the_corpus_are_what_slow_readers_find() {
    replay("headers", oracle::headers::check);
}

#[test]
fn json_of_the_corpus_is_read_as_it_is_written() {
    replay("json", oracle::json::check);
}

#[test]
fn links_of_the_corpus_are_followed_only_for_what_was_signed() {
    replay("link", oracle::link::check);
}

#[test]
fn paths_and_names_of_the_corpus_are_what_slow_readers_find() {
    replay("paths", oracle::paths::check);
}

#[test]
fn tokens_of_the_corpus_are_believed_only_for_what_they_say() {
    replay("token", oracle::token::check);
}
