use longhaul_protocol::Millis;
use longhaul_protocol::upload::Record;
use longhaul_protocol::wire::ids::UploadId;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::in_browser::{endpoint, file};

const HOUR: Millis = Millis(3_600_000);

fn record(expires_at: Millis) -> Record {
    Record { id: UploadId([7; 16]), expires_at }
}

fn fingerprint(name: &str) -> Fingerprint {
    Fingerprint::of(&endpoint("persist"), &file(name, b"12345", 1000.0), "")
}

#[wasm_bindgen_test]
fn a_record_is_read_back_until_it_is_forgotten() {
    let (fingerprint, kept) = (fingerprint("kept"), record(clock::since_1970() + HOUR));
    save(&fingerprint, &kept);
    assert_eq!(load(&fingerprint).as_ref(), Some(&kept));
    forget(&fingerprint, UploadId([8; 16]));
    assert_eq!(load(&fingerprint).as_ref(), Some(&kept), "it is of another upload of that file");
    forget(&fingerprint, kept.id);
    assert_eq!(load(&fingerprint), None);
}

#[wasm_bindgen_test]
fn a_file_is_the_same_by_all_that_the_browser_tells_of_it() {
    let server = endpoint("persist");
    let of = |name, bytes: &[u8], date| Fingerprint::of(&server, &file(name, bytes, date), "a/b");
    let same = of("one", b"12345", 1000.0);
    assert_eq!(same, of("one", b"54321", 1000.0), "bytes are not read for it");
    assert_ne!(same, of("other", b"12345", 1000.0));
    assert_ne!(same, of("one", b"1234", 1000.0));
    assert_ne!(same, of("one", b"12345", 1001.0));
    let elsewhere = Fingerprint::of(&server, &file("one", b"12345", 1000.0), "a/c");
    assert_ne!(same, elsewhere);
    let at_another = Fingerprint::of(&endpoint("other"), &file("one", b"12345", 1000.0), "a/b");
    assert_ne!(same, at_another);
    assert!(!same.0.contains("one"), "the name can be read in it");
}

#[wasm_bindgen_test]
fn what_is_over_is_swept_and_what_is_not_ours_is_not() {
    let storage = storage().expect("a storage");
    let (over, alive) = (fingerprint("over"), fingerprint("alive"));
    let guest = Guest::of(&endpoint("persist"));
    save(&over, &record(Millis(1)));
    save(&alive, &record(clock::since_1970() + HOUR));
    save_guest(&guest, "token");
    storage.set_item("longhaul:no-record", "{").unwrap();
    storage.set_item("somebody", "else").unwrap();
    assert_eq!(load(&over), None, "its upload is over");
    sweep();
    let is_there = |key: &str| storage.get_item(key).unwrap().is_some();
    assert!(!is_there(&over.0) && !is_there("longhaul:no-record"));
    assert!(is_there(&alive.0) && is_there("somebody"));
    assert_eq!(load_guest(&guest).as_deref(), Some("token"));
    forget(&alive, UploadId([7; 16]));
    storage.clear().unwrap();
}

#[wasm_bindgen_test]
fn a_full_storage_costs_nothing_but_the_record() {
    let storage = storage().expect("a storage");
    let mut size = 1 << 20;
    while size > 0 {
        let key = format!("fill-{size}-{}", storage.length().unwrap());
        if storage.set_item(&key, &"x".repeat(size)).is_err() {
            size /= 2;
        }
    }
    let full = fingerprint("full");
    save(&full, &record(clock::since_1970() + HOUR));
    save_guest(&Guest::of(&endpoint("full")), "token");
    assert_eq!(load(&full), None);
    assert_eq!(load_guest(&Guest::of(&endpoint("full"))), None);
    storage.clear().unwrap();
}
