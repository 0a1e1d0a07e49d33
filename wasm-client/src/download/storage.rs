//! The browser's own storage for this page's site: what is downloaded, and what is known of it.
//!
//! ```text
//! longhaul-downloads/
//!   <id>        a file's bytes at their final offsets; whoever writes it has its only access handle
//!   <id>.json   which chunks of which file lie there, or in the file that the user has picked: a hint of
//!               where to look, and no more
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{AsyncIterator, Object, Reflect};
use longhaul_protocol::download::Record;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::json::{FromJson as _, ToJson as _};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemWritableFileStream, StorageManager,
};

use crate::clock;
use crate::json;
use crate::number::whole;

const FOLDER: &str = "longhaul-downloads";

/// How long a whole file stays there after it was last written, milliseconds: who has it saved from there
/// needs it for as long as that takes, and nobody tells when it is over.
const SAVED_MS_MAX: u64 = 3_600_000;
/// And how long one that was begun: nobody comes back to it after two weeks.
const BEGUN_MS_MAX: u64 = 14 * 24 * SAVED_MS_MAX;

/// What is to be done with the record, in order.
enum Step {
    Save(Record),
    Forget,
    Discard,
}

/// One file's place in it.
pub(super) struct Storage {
    folder: FileSystemDirectoryHandle,
    id: FileId,
    steps: RefCell<VecDeque<Step>>,
    is_busy: Cell<bool>,
}

impl Storage {
    /// Opens it; an error where this browser has none, or gives none to this page.
    pub(super) async fn open(id: FileId) -> Result<Rc<Self>, JsValue> {
        let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
        let manager: StorageManager = Reflect::get(&navigator, &"storage".into())?.dyn_into()?;
        // A method that is not there is an error that can be caught only so.
        Reflect::get(&manager, &"getDirectory".into())?.dyn_into::<js_sys::Function>()?;
        let root: FileSystemDirectoryHandle =
            JsFuture::from(manager.get_directory()).await?.unchecked_into();
        let create = FileSystemGetDirectoryOptions::new();
        create.set_create(true);
        let folder = root.get_directory_handle_with_options(FOLDER, &create);
        let folder = JsFuture::from(folder).await?.unchecked_into();
        let (steps, is_busy) = (RefCell::default(), Cell::new(false));
        Ok(Rc::new(Self { folder, id, steps, is_busy }))
    }

    /// The file for the bytes.
    pub(super) async fn file(&self) -> Result<FileSystemFileHandle, JsValue> {
        self.handle(&self.id.to_string(), true).await
    }

    async fn handle(&self, name: &str, create: bool) -> Result<FileSystemFileHandle, JsValue> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(create);
        let handle = self.folder.get_file_handle_with_options(name, &options);
        Ok(JsFuture::from(handle).await?.unchecked_into())
    }

    // The record.

    fn record_name(&self) -> String {
        format!("{}.json", self.id)
    }

    /// What an earlier session left; `None` for whatever cannot be read.
    pub(super) async fn record(&self) -> Option<Record> {
        let handle = self.handle(&self.record_name(), false).await.ok()?;
        let file: File = JsFuture::from(handle.get_file()).await.ok()?.unchecked_into();
        let text = JsFuture::from(file.text()).await.ok()?.as_string()?;
        Record::from_json(&json::parse(&text)?).ok()
    }

    /// Remembers it; `idle` is called when all is done that was asked for.
    pub(super) fn save(self: &Rc<Self>, record: Record, idle: impl Fn() + 'static) {
        self.then(Step::Save(record), idle);
    }

    /// Forgets what was remembered.
    pub(super) fn forget(self: &Rc<Self>, idle: impl Fn() + 'static) {
        self.then(Step::Forget, idle);
    }

    /// Forgets the bytes too.
    pub(super) fn discard(self: &Rc<Self>, idle: impl Fn() + 'static) {
        self.then(Step::Discard, idle);
    }

    /// Whether nothing is to be done any more.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_busy.get()
    }

    fn then(self: &Rc<Self>, step: Step, idle: impl Fn() + 'static) {
        self.steps.borrow_mut().push_back(step);
        if self.is_busy.replace(true) {
            return;
        }
        let this = Rc::clone(self);
        spawn_local(async move {
            while let Some(step) = this.next() {
                // Without a record the next session fetches anew; a full storage costs no more than that.
                drop(this.step(step).await);
            }
            this.is_busy.set(false);
            idle();
        });
    }

    fn next(&self) -> Option<Step> {
        self.steps.borrow_mut().pop_front()
    }

    async fn step(&self, step: Step) -> Result<(), JsValue> {
        match step {
            Step::Save(record) => {
                // All of it or nothing: what is written is the file's once it is closed.
                let handle = self.handle(&self.record_name(), true).await?;
                let writable: FileSystemWritableFileStream =
                    JsFuture::from(handle.create_writable()).await?.unchecked_into();
                JsFuture::from(writable.write_with_str(&record.to_json())?).await?;
                JsFuture::from(writable.close()).await?;
            }
            Step::Forget => self.remove(&self.record_name()).await?,
            Step::Discard => {
                self.remove(&self.id.to_string()).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), JsValue> {
        JsFuture::from(self.folder.remove_entry(name)).await.map(drop)
    }

    // What others have left.

    /// Removes what nobody comes back for, but for this file's.
    pub(super) async fn sweep(&self) -> Result<(), JsValue> {
        let names = self.names().await?;
        let own = self.id.to_string();
        for name in names.iter().filter(|name| !name.starts_with(&own)) {
            let is_begun = name.ends_with(".json") || names.contains(&format!("{name}.json"));
            let kept = if is_begun { BEGUN_MS_MAX } else { SAVED_MS_MAX };
            let handle = self.handle(name, false).await?;
            let file: File = JsFuture::from(handle.get_file()).await?.unchecked_into();
            if whole(file.last_modified()).saturating_add(kept) < clock::since_1970().0 {
                // One that is in use stays.
                drop(self.remove(name).await);
            }
        }
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>, JsValue> {
        let (keys, mut names): (AsyncIterator, _) = (self.folder.keys(), Vec::new());
        loop {
            let step: Object = JsFuture::from(keys.next()?).await?.unchecked_into();
            if Reflect::get(&step, &"done".into())?.is_truthy() {
                return Ok(names);
            }
            names.extend(Reflect::get(&step, &"value".into())?.as_string());
        }
    }
}
