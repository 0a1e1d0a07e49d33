//! Who sees what, in which order, and which key names what.

use longhaul_protocol::Digest;
use longhaul_server::store::{NewUpload, Store as _, StoreError};

use super::fixture::*;

#[tokio::test]
async fn uploads_are_listed_newest_first_and_a_page_goes_on_where_the_last_ended() {
    let place = Place::new();
    let store = place.open();
    let mut ids = Vec::new();
    for at in 0..5 {
        ids.push(store.create(&alice(), named(&format!("{at}"), 1)).await.unwrap().id);
        place.pass(at % 2);
    }
    let first = store.uploads(&alice(), None, 2).await.unwrap();
    store.create(&alice(), named("newer than the first page", 1)).await.unwrap();
    let second = store.uploads(&alice(), first.next.clone(), 2).await.unwrap();
    let third = store.uploads(&alice(), second.next.clone(), 2).await.unwrap();
    assert_eq!(third.next, None);
    let rows: Vec<_> = [first.rows, second.rows, third.rows].concat();
    assert!(rows.is_sorted_by(|a, b| a.created_at >= b.created_at));
    let mut listed: Vec<_> = rows.iter().map(|upload| upload.id).collect();
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    let bad = store.uploads(&alice(), Some("../../etc/passwd".to_owned()), 2).await;
    assert!(matches!(bad, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn files_are_listed_newest_first_by_the_page() {
    let place = Place::new();
    let store = place.open();
    let mut files = Vec::new();
    for seed in 0..3 {
        files.push(Sent::new(10, seed).upload(&store).await.1);
        place.pass(1);
    }
    files.reverse();
    let first = store.files(&alice(), None, 2).await.unwrap();
    let second = store.files(&alice(), first.next.clone(), 2).await.unwrap();
    assert_eq!([first.rows, second.rows].concat(), files);
    assert_eq!(second.next, None);
}

/// One that takes half of a page of any listing, and one that takes next to nothing.
fn much_and_little(at: usize) -> NewUpload {
    let mut new = named(&format!("{at}"), 1);
    if at.is_multiple_of(2) {
        new.meta.metadata = (0..8).map(|at| (format!("{at}"), "\u{1}".repeat(1 << 11))).collect();
    }
    new
}

#[tokio::test]
async fn a_page_ends_where_its_rows_have_become_many_bytes() {
    let place = Place::new();
    let store = place.open();
    for at in 0..16 {
        store.create(&alice(), much_and_little(at)).await.unwrap();
    }
    let (mut after, mut pages, mut names) = (None, Vec::new(), Vec::new());
    loop {
        let page = store.uploads(&alice(), after, 1000).await.unwrap();
        pages.push(page.rows.len());
        names.extend(page.rows.into_iter().map(|upload| upload.meta.name));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    // 96 KiB of JSON each, because each of these characters is written as six.
    assert_eq!(pages, [6, 6, 4]);
    let newest_first: Vec<_> = (0..16).rev().map(|at: usize| at.to_string()).collect();
    assert_eq!(names, newest_first);
}

fn with_key(request: &[u8]) -> NewUpload {
    let idempotency = Some(("key".to_owned(), Digest::of(request)));
    NewUpload { idempotency, ..named("keyed", CHUNK) }
}

#[tokio::test]
async fn the_same_key_with_the_same_request_is_the_same_upload() {
    let place = Place::new();
    let store = place.open();
    let id = store.create(&alice(), with_key(b"request")).await.unwrap().id;
    assert_eq!(store.create(&alice(), with_key(b"request")).await.unwrap().id, id);
    let other = store.create(&alice(), with_key(b"other")).await;
    assert!(matches!(other, Err(StoreError::KeyReused)));
    assert_ne!(store.create(&bob(), with_key(b"other")).await.unwrap().id, id);
    assert_eq!(place.blob_count(), 2, "nothing was reserved twice");
    store.cancel(&alice(), id).await.unwrap();
    assert_ne!(store.create(&alice(), with_key(b"other")).await.unwrap().id, id);
}

#[tokio::test]
async fn a_key_is_free_again_once_its_upload_has_expired() {
    let place = Place::new();
    let store = place.open();
    let first = store.create(&alice(), with_key(b"request")).await.unwrap().id;
    place.pass(HOUR);
    let second = store.create(&alice(), with_key(b"other")).await.unwrap().id;
    assert_ne!(first, second);
    assert_eq!(store.sweep(place.now()).await.unwrap().uploads, 1);
    assert_eq!(store.create(&alice(), with_key(b"other")).await.unwrap().id, second);
}
