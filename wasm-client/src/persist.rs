//! What is remembered over a reload, in `localStorage`: a small record per file, and a guest's token.
//!
//! The server's status is the truth; a record only says which upload to ask about. So nothing here
//! fails: where there is no storage, or no room in it, a file picked again is only begun anew.

use std::cell::Cell;

use longhaul_protocol::digest::Hasher;
use longhaul_protocol::upload::Record;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::json::{FromJson as _, ToJson as _};
use longhaul_protocol::{Digest, Millis};
use wasm_bindgen::JsValue;
use web_sys::{File, Storage};

use crate::clock;
use crate::endpoint::Endpoint;
use crate::json;
use crate::log::{self, Level};
use crate::number::whole;

/// What our keys begin with: the storage is the whole site's.
const PREFIX: &str = "longhaul:";
/// What a guest's token is kept under; not below [`PREFIX`], which is swept.
const GUEST_PREFIX: &str = "longhaul-guest:";

/// How long a record is kept at most, whatever the server tells of its expiry: the storage is small. A later
/// session finds the upload in the server's list.
const KEPT_MAX: Millis = Millis(90 * 24 * 3_600_000);

thread_local! {
    /// Whether it was said that the storage is full: it is tried again every second.
    static FULL_SAID: Cell<bool> = const { Cell::new(false) };
}

/// What makes a file the same file when it is picked again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    /// By the server it goes to and what the browser tells of it. It is hashed, because other
    /// scripts of the site need not see what was uploaded.
    pub(crate) fn of(endpoint: &Endpoint, file: &File, relative_path: &str) -> Self {
        let facts = [
            endpoint.as_str(),
            &file.name(),
            relative_path,
            &file.type_(),
            &whole(file.size()).to_string(),
            &whole(file.last_modified()).to_string(),
        ];
        Self::of_facts(&facts)
    }

    /// What is kept of the file is kept under this.
    pub(crate) fn key(&self) -> &str {
        &self.0
    }

    fn of_facts(facts: &[&str]) -> Self {
        let mut hasher = Hasher::default();
        for fact in facts {
            hasher.update(fact.as_bytes());
            hasher.update(b"\0");
        }
        Self(format!("{PREFIX}{}", hasher.finish()))
    }
}

/// The record of that file, if there is one whose upload is not over by now.
pub(crate) fn load(fingerprint: &Fingerprint) -> Option<Record> {
    read(&storage()?, &fingerprint.0).filter(is_alive)
}

/// Remembers.
pub(crate) fn save(fingerprint: &Fingerprint, record: &Record) {
    let Some(storage) = storage() else { return };
    let expires_at = record.expires_at.min(clock::since_1970() + KEPT_MAX);
    let written = storage.set_item(&fingerprint.0, &Record { expires_at, ..*record }.to_json());
    let was_said = FULL_SAID.replace(written.is_err());
    if let Err(error) = written
        && !was_said
    {
        let text = "could not note how far the upload is (the site's storage is full); it \
                    goes on, but picking the file again after a reload will begin anew";
        log::say_why(Level::Warn, text, &error);
    }
}

/// Where the token of a server's guest is kept.
#[derive(Clone, Debug)]
pub(crate) struct Guest(String);

impl Guest {
    /// The guest of that server.
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        Self(format!("{GUEST_PREFIX}{}", Digest::of(endpoint.as_str().as_bytes())))
    }
}

/// The token that he was given last, by this tab or another.
pub(crate) fn load_guest(guest: &Guest) -> Option<String> {
    storage()?.get_item(&guest.0).ok()?
}

/// Remembers it, in place of the one before.
pub(crate) fn save_guest(guest: &Guest, token: &str) {
    if let Some(Err(error)) = storage().map(|storage| storage.set_item(&guest.0, token)) {
        let text = "could not keep its guest token (the site's storage is full): what is \
                    uploaded now can neither be gone on with nor seen after a reload";
        log::say_why(Level::Warn, text, &error);
    }
}

/// Forgets that upload; what is noted of another of the same file stays.
pub(crate) fn forget(fingerprint: &Fingerprint, upload: UploadId) {
    let Some(storage) = storage() else { return };
    if read(&storage, &fingerprint.0).is_some_and(|record| record.id == upload) {
        remove(&storage, &fingerprint.0);
    }
}

/// Drops the records whose uploads are over: the storage is small and shared.
pub(crate) fn sweep() {
    let Some(storage) = storage() else { return };
    let keys: Vec<_> = (0..storage.length().unwrap_or(0))
        .filter_map(|at| storage.key(at).ok().flatten())
        .filter(|key| key.starts_with(PREFIX))
        .collect();
    for key in keys.iter().filter(|key| !read(&storage, key).is_some_and(|found| is_alive(&found)))
    {
        remove(&storage, key);
    }
}

/// There may be none: a browser can be set to refuse it.
fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn read(storage: &Storage, key: &str) -> Option<Record> {
    Record::from_json(&json::parse(&storage.get_item(key).ok()??)?).ok()
}

fn remove(storage: &Storage, key: &str) {
    let removed: Result<(), JsValue> = storage.remove_item(key);
    // Fails only where reading fails too; what is left is dropped by its expiry.
    drop(removed);
}

fn is_alive(record: &Record) -> bool {
    record.expires_at > clock::since_1970()
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_fact_that_differs_makes_another_file() {
        let same = Fingerprint::of_facts(&["https://a", "b.mov", "", "video/mp4", "1", "2"]);
        assert_eq!(same, Fingerprint::of_facts(&["https://a", "b.mov", "", "video/mp4", "1", "2"]));
        assert_ne!(same, Fingerprint::of_facts(&["https://a", "b.mov", "", "video/mp4", "1", "3"]));
        assert_ne!(same, Fingerprint::of_facts(&["https://a", "b.mo", "v", "video/mp4", "1", "2"]));
    }
}
