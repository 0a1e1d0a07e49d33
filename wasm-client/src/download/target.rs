//! Where a download's bytes go: a file in the browser's own storage, or one that the user has picked.
//!
//! The first is written in place: what is written lasts whatever becomes of the page. The second is not:
//! a browser writes beside it and puts that in its place when the stream is closed, which is what
//! [`Target::rest`] does; going on afterwards costs a copy of what is there. A write or a close that fails, for
//! want of room say, takes all with it that was not closed before.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use gloo_timers::callback::Timeout;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use longhaul_protocol::download::TargetError;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemCreateWritableOptions, FileSystemFileHandle, FileSystemReadWriteOptions,
    FileSystemSyncAccessHandle, FileSystemWritableFileStream,
};

use crate::number::{float, whole};
use crate::promise::resolvable;
use crate::thrown;

/// What the browser says of a handle that another page has.
const TAKEN: &str = "NoModificationAllowedError";
/// How often the only access handle is asked for, and how long after each other, milliseconds: a page that
/// was just left may still have it for a moment.
const HANDLE_TRIES: u32 = 6;
const HANDLE_WAIT_MS: u32 = 400;

/// What a browser says of a storage or a disk that is full.
const FULL: &str = "QuotaExceededError";
/// And Firefox when room is taken in place, by an exception of its own, which is no `DOMException`.
const FULL_IN_FIREFOX: &str = "NS_ERROR_FILE_NO_DEVICE_SPACE";

/// An open target.
pub(super) struct Target {
    name: String,
    handle: FileSystemFileHandle,
    /// Of the whole file, bytes.
    len: u64,
    /// What was written to it is not there, or cannot be had any more.
    is_lost: Cell<bool>,
    way: Way,
}

enum Way {
    /// In the browser's own storage.
    InPlace(FileSystemSyncAccessHandle),
    /// Where the user wants it.
    Picked {
        /// `None` while it rests.
        writable: RefCell<Option<FileSystemWritableFileStream>>,
        /// What was opened last is being closed.
        closing: RefCell<Option<Promise>>,
        /// As it was when the stream was opened: what is written to that cannot be read.
        before: RefCell<Option<File>>,
    },
}

impl Target {
    /// A file in the browser's own storage with room for so many bytes, called `name` in words.
    pub(super) async fn in_place(
        name: &str,
        handle: FileSystemFileHandle,
        len: u64,
        keep: bool,
    ) -> Result<Self, TargetError> {
        let access = access(&handle).await.map_err(|error| trouble(name, &error))?;
        let way = Way::InPlace(access.clone());
        let target = Self::new(name, handle, len, way);
        let sized = match keep {
            true => Ok(()),
            false => access.truncate_with_f64(0.0),
        };
        let sized = sized.and_then(|()| access.truncate_with_f64(float(len)));
        sized.map_err(|error| {
            // Nobody else may open it before.
            access.close();
            target.trouble(&error)
        })?;
        Ok(target)
    }

    /// A file that the user has picked. It is as long as what was written to it: a browser hashes all of it
    /// whenever it is closed.
    pub(super) async fn picked(
        name: &str,
        handle: FileSystemFileHandle,
        len: u64,
        keep: bool,
    ) -> Result<Self, TargetError> {
        let way = Way::Picked {
            writable: RefCell::default(),
            closing: RefCell::default(),
            before: RefCell::default(),
        };
        let target = Self::new(name, handle, len, way);
        target.open(keep).await.map_err(|error| target.trouble(&error))?;
        Ok(target)
    }

    fn new(name: &str, handle: FileSystemFileHandle, len: u64, way: Way) -> Self {
        Self { name: name.to_owned(), handle, len, is_lost: Cell::new(false), way }
    }

    async fn open(&self, keep: bool) -> Result<(), JsValue> {
        let Way::Picked { writable, before, .. } = &self.way else { return Ok(()) };
        let file: File = JsFuture::from(self.handle.get_file()).await?.unchecked_into();
        let options = FileSystemCreateWritableOptions::new();
        options.set_keep_existing_data(keep);
        let stream = self.handle.create_writable_with_options(&options);
        let stream: FileSystemWritableFileStream = JsFuture::from(stream).await?.unchecked_into();
        // What somebody has added to it since is not the file's.
        if keep && whole(file.size()) > self.len {
            JsFuture::from(stream.truncate_with_f64(float(self.len))?).await?;
        }
        // Asked for twice, the first is it: it may have been written to.
        if writable.borrow().is_some() {
            return JsFuture::from(stream.abort()).await.map(drop);
        }
        writable.replace(Some(stream));
        before.replace(keep.then_some(file));
        Ok(())
    }

    /// Fills the view with the bytes of that range.
    pub(super) async fn read(
        &self,
        range: &Range<u64>,
        into: &Uint8Array,
    ) -> Result<(), TargetError> {
        match &self.way {
            Way::InPlace(access) => {
                let read = access.read_with_js_u8_array_and_options(into, &at(range.start));
                let read = read.map_err(|error| self.trouble(&error))?;
                is_all(whole(read), into)
                    .then_some(())
                    .ok_or_else(|| self.failed("it ends before its end"))
            }
            Way::Picked { before, .. } => {
                let file = before.borrow().clone();
                let file = file.ok_or_else(|| self.failed("nothing was kept of it"))?;
                let (start, end) = (float(range.start), float(range.end));
                let slice = file
                    .slice_with_f64_and_f64(start, end)
                    .map_err(|error| self.trouble(&error))?;
                let bytes = JsFuture::from(slice.array_buffer()).await;
                let bytes = Uint8Array::new(&bytes.map_err(|error| self.trouble(&error))?);
                if bytes.length() != into.length() {
                    return Err(self.failed("it ends before its end"));
                }
                into.set(&bytes, 0);
                Ok(())
            }
        }
    }

    /// Puts bytes where they belong.
    pub(super) async fn write(&self, bytes: &Uint8Array, start: u64) -> Result<(), TargetError> {
        match &self.way {
            Way::InPlace(access) => {
                let written = access.write_with_js_u8_array_and_options(bytes, &at(start));
                let written = written.map_err(|error| self.trouble(&error))?;
                is_all(whole(written), bytes)
                    .then_some(())
                    .ok_or_else(|| TargetError::Full(self.name.clone()))
            }
            Way::Picked { .. } => {
                let written = self.write_beside(bytes, start).await;
                written.map_err(|error| self.lost(&error))
            }
        }
    }

    async fn write_beside(&self, bytes: &Uint8Array, start: u64) -> Result<(), JsValue> {
        let Way::Picked { writable, .. } = &self.way else { return Ok(()) };
        let stream = writable.borrow().clone().ok_or("nothing is open to be written to")?;
        let order = Object::new();
        for (name, value) in [
            ("type", JsValue::from("write")),
            ("position", float(start).into()),
            ("data", bytes.into()),
        ] {
            Reflect::set(&order, &name.into(), &value)?;
        }
        let write: js_sys::Function = Reflect::get(&stream, &"write".into())?.dyn_into()?;
        let written: js_sys::Promise = write.call1(&stream, &order)?.dyn_into()?;
        JsFuture::from(written).await.map(drop)
    }

    /// What was written to a picked file so far becomes what it has, so that it outlasts the page.
    pub(super) async fn rest(&self) -> Result<(), TargetError> {
        let Way::Picked { writable, closing, .. } = &self.way else { return Ok(()) };
        if let Some(stream) = writable.take() {
            closing.replace(Some(stream.close()));
        }
        let closed = closing.borrow().clone();
        let Some(closed) = closed else { return Ok(()) };
        JsFuture::from(closed).await.map(drop).map_err(|error| self.lost(&error))
    }

    /// Goes on after a rest, which copies what is there; whether all that was written is there.
    pub(super) async fn wake(&self) -> bool {
        if let Way::Picked { writable, .. } = &self.way {
            let rests = writable.borrow().is_none();
            // What is still being closed is not in the file that is copied.
            if rests && (self.rest().await.is_err() || self.open(true).await.is_err()) {
                self.is_lost.set(true);
            }
        }
        !self.is_lost.get()
    }

    /// Everything in it lasts, and others may read it.
    pub(super) async fn finish(&self) -> Result<File, TargetError> {
        match &self.way {
            Way::InPlace(access) => {
                access.flush().map_err(|error| self.trouble(&error))?;
                access.close();
            }
            Way::Picked { .. } => self.rest().await?,
        }
        let file = JsFuture::from(self.handle.get_file()).await;
        let file: File = file.map_err(|error| self.lost(&error))?.unchecked_into();
        if whole(file.size()) != self.len {
            self.is_lost.set(true);
            return Err(self.failed("it is not as long as what was written to it; try again"));
        }
        Ok(file)
    }

    /// It will not be written any more; a picked file is as it was when it was opened last.
    pub(super) async fn abandon(&self) {
        match &self.way {
            Way::InPlace(access) => access.close(),
            Way::Picked { writable, .. } => {
                let stream = writable.take();
                if let Some(stream) = stream {
                    // What cannot be given up ends with the page.
                    drop(JsFuture::from(stream.abort()).await);
                }
            }
        }
    }

    /// After this nothing of it can be relied on that was written since it was opened.
    fn lost(&self, error: &JsValue) -> TargetError {
        self.is_lost.set(true);
        self.trouble(error)
    }

    fn trouble(&self, error: &JsValue) -> TargetError {
        trouble(&self.name, error)
    }

    fn failed(&self, why: &str) -> TargetError {
        TargetError::Failed(format!("{}: {why}", self.name))
    }
}

/// What the browser said of a target of that name.
pub(super) fn trouble(name: &str, error: &JsValue) -> TargetError {
    match kind(error).as_str() {
        FULL | FULL_IN_FIREFOX => TargetError::Full(name.to_owned()),
        TAKEN => TargetError::Denied(format!(
            "another tab of this browser is downloading {name}; let that one go on, or close it and try again"
        )),
        "NotAllowedError" | "SecurityError" => TargetError::Denied(format!(
            "this browser does not let the page write {name}; allow it, or download it by a plain link"
        )),
        "NotFoundError" => TargetError::Failed(format!(
            "what was downloaded of {name} is no longer there; begin again"
        )),
        _ => TargetError::Failed(format!(
            "{name} could not be written ({}); try again",
            thrown::words(error)
        )),
    }
}

fn kind(error: &JsValue) -> String {
    let name = Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
    name.unwrap_or_default()
}

async fn access(handle: &FileSystemFileHandle) -> Result<FileSystemSyncAccessHandle, JsValue> {
    let mut tries = 1;
    loop {
        match JsFuture::from(handle.create_sync_access_handle()).await {
            Ok(access) => return Ok(access.unchecked_into()),
            Err(error) if tries == HANDLE_TRIES || kind(&error) != TAKEN => return Err(error),
            Err(_) => sleep(HANDLE_WAIT_MS).await,
        }
        tries += 1;
    }
}

/// Resolves after so long.
pub(super) async fn sleep(ms: u32) {
    let (promise, resolve) = resolvable();
    let timer = Timeout::new(ms, move || drop(resolve.call0(&JsValue::UNDEFINED)));
    // It is never rejected.
    drop(JsFuture::from(promise).await);
    drop(timer);
}

fn at(start: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at_f64(float(start));
    options
}

fn is_all(count: u64, of: &Uint8Array) -> bool {
    count == u64::from(of.length())
}
