//! The API for JavaScript. It only converts.

use std::rc::Rc;

use js_sys::{Function, Promise};
use litemap::LiteMap;
use longhaul_protocol::wire::json::FromJson as _;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsError, JsValue};
use wasm_bindgen_futures::future_to_promise;
use web_sys::{CustomEvent, CustomEventInit, EventTarget, File};

use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::json;
use crate::lane;
use crate::log::{self, Level};
use crate::number::whole;
use crate::order::{Order, Report};
use crate::pool;
use crate::thrown::words;
use crate::token::Source;
use crate::uploader;

/// How many files move at once unless the page says otherwise: one file can fill every lane.
const FILES_AT_ONCE: u64 = 1;

/// The types of what listeners are told, which the macro cannot know.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("js/types.d.ts");

/// Runs once when the module is loaded, on the page and in every worker.
#[wasm_bindgen(start)]
fn start() {
    crate::panic::explain();
}

/// What the page asks for.
#[derive(Default)]
struct Options {
    endpoint: String,
    files_at_once: Option<f64>,
    rate_max: Option<f64>,
    verify_source: bool,
    log_level: Option<Level>,
}

/// Uploads files and does not lose them.
#[wasm_bindgen]
pub struct Uploader {
    uploader: Rc<uploader::Uploader>,
    events: EventTarget,
}

#[wasm_bindgen]
impl Uploader {
    /// For one server: by default the page's own.
    ///
    /// # Errors
    /// When an option is not what its type says.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_optional_param_type = "UploaderOptions")] options: JsValue,
    ) -> Result<Self, JsError> {
        let source = source(&options)?;
        starter(&options)?.into_iter().for_each(pool::set_starter);
        let options = Options::read(&options)?;
        options.log_level.into_iter().for_each(log::set_level);
        let events = EventTarget::new().map_err(thrown)?;
        let endpoint = Endpoint::parse(&options.endpoint, &page_address())?;
        let at_once = options.files_at_once.map_or(FILES_AT_ONCE, whole);
        let target = events.clone();
        let uploader =
            uploader::Uploader::new(endpoint, source, at_once, move |event| emit(&target, &event));
        uploader.set_verify_source(options.verify_source);
        if options.rate_max.is_some() {
            uploader.set_rate_max(rate(options.rate_max));
        }
        Ok(Self { uploader, events })
    }

    /// Starts workers ahead of the first file, so that its first chunks leave sooner: one, or as many
    /// as is said, `Infinity` for all. Call it when a pick is likely, and for all when somebody is about
    /// to pick; those that are there are not started again.
    pub fn prepare(&self, lanes: Option<f64>) {
        self.uploader.prepare(lanes.map_or(1, whole));
    }

    /// Sets what all uploads of the page together may send, bytes a second; `undefined` or 0 for as
    /// much as the network takes. What is on its way goes on at the new rate.
    #[wasm_bindgen(js_name = setRateMax)]
    pub fn set_rate_max(&self, bytes_per_second: Option<f64>) {
        self.uploader.set_rate_max(rate(bytes_per_second));
    }

    /// What requests say of who asks, as a value of `Authorization`: for the page's own requests to
    /// the same server. `undefined` where they say nothing.
    ///
    /// The promise is rejected when the page's own function gives no token. It holds nothing of the
    /// uploader: one that is borrowed cannot be freed.
    #[wasm_bindgen(unchecked_return_type = "Promise<string | undefined>")]
    pub fn authorization(&self) -> Promise {
        let tokens = self.uploader.tokens().clone();
        future_to_promise(async move {
            match tokens.authorization().await {
                Ok(known) => Ok(known.into()),
                Err(failure) => Err(JsError::new(&failure.to_string()).into()),
            }
        })
    }

    /// Begins to upload a file, or goes on with it, and returns its number. `metadata` are kept with
    /// the file; so is where it lies in a folder, which a file that was picked with one tells itself
    /// and one that was dropped does not.
    ///
    /// # Errors
    /// When the metadata are not an object of strings.
    pub fn add(
        &self,
        file: File,
        #[wasm_bindgen(unchecked_optional_param_type = "Record<string, string>")] metadata: JsValue,
        #[wasm_bindgen(js_name = relativePath, unchecked_optional_param_type = "string")]
        relative_path: Option<String>,
    ) -> Result<u32, JsError> {
        Ok(self.uploader.add(file, read_metadata(metadata)?, relative_path))
    }

    /// Where each chunk of an upload is, one number for each: 0 to be sent, 1 on its way, 2 on the server, 3 there
    /// without its being sent, 4 there after more than one try. `undefined` once the upload is over.
    pub fn chunks(&self, id: u32) -> Option<Vec<u8>> {
        self.uploader.chunks(id)
    }

    /// Lets an upload rest until `resume`.
    pub fn pause(&self, id: u32) {
        self.uploader.pause(id);
    }

    /// Goes on after a pause or a failure; tries at once what waits for its next try.
    pub fn resume(&self, id: u32) {
        self.uploader.resume(id);
    }

    /// Lets all uploads rest until `resumeAll`, those that are added meanwhile too; one that is resumed
    /// by itself goes on.
    #[wasm_bindgen(js_name = pauseAll)]
    pub fn pause_all(&self) {
        self.uploader.pause_all();
    }

    /// Goes on where `pauseAll` stopped. What was paused by itself, or has failed, rests on.
    #[wasm_bindgen(js_name = resumeAll)]
    pub fn resume_all(&self) {
        self.uploader.resume_all();
    }

    /// Gives an upload up and frees its space on the server.
    pub fn cancel(&self, id: u32) {
        self.uploader.cancel(id);
    }

    /// Calls the listener with a `CustomEvent` whose `detail` is as `UploaderEvents` says.
    ///
    /// # Errors
    /// Never for a function.
    #[wasm_bindgen(js_name = addEventListener, skip_typescript)]
    pub fn add_event_listener(&self, kind: &str, listener: &Function) -> Result<(), JsValue> {
        self.events.add_event_listener_with_callback(kind, listener)
    }

    /// Calls it no longer.
    ///
    /// # Errors
    /// Never for a function.
    #[wasm_bindgen(js_name = removeEventListener, skip_typescript)]
    pub fn remove_event_listener(&self, kind: &str, listener: &Function) -> Result<(), JsValue> {
        self.events.remove_event_listener_with_callback(kind, listener)
    }
}

/// What a worker runs. Of no use to a page.
#[wasm_bindgen]
pub struct Lane(lane::Lane);

#[wasm_bindgen]
impl Lane {
    /// A lane that tells what happens through this function.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(report: Function) -> Self {
        Self(lane::Lane::new(Rc::new(move |what: Report| post(&report, &what))))
    }

    /// Begins what the page asks for.
    ///
    /// # Errors
    /// When the message is none of ours.
    pub fn handle(&self, order: JsValue) -> Result<(), JsError> {
        self.0.handle(Order::read(&order)?);
        Ok(())
    }
}

fn post(report: &Function, what: &Report) {
    if let Err(error) = report.call1(&JsValue::UNDEFINED, &what.write()) {
        log::say_why(Level::Error, "could not reach its page", &error);
    }
}

fn emit(target: &EventTarget, event: &Event) {
    let dispatched = json::plain(event).and_then(|detail| {
        let init = CustomEventInit::new();
        init.set_detail(&detail);
        let event = CustomEvent::new_with_event_init_dict(event.kind(), &init)?;
        target.dispatch_event(&event)
    });
    if let Err(error) = dispatched {
        log::say_why(Level::Error, "could not tell its page", &error);
    }
}

impl Options {
    /// Nothing at all is the default.
    fn read(given: &JsValue) -> Result<Self, JsError> {
        if !is_given(given) {
            return Ok(Self::default());
        }
        let level = |word: &JsValue| Level::of_word(&word.as_string()?);
        Ok(Self {
            endpoint: option(given, "endpoint", JsValue::as_string)?.unwrap_or_default(),
            files_at_once: option(given, "filesAtOnce", JsValue::as_f64)?,
            rate_max: option(given, "rateMax", JsValue::as_f64)?,
            verify_source: option(given, "verifySource", JsValue::as_bool)?.unwrap_or_default(),
            log_level: option(given, "logLevel", level)?,
        })
    }
}

fn is_given(value: &JsValue) -> bool {
    !value.is_undefined() && !value.is_null()
}

fn option<T>(
    options: &JsValue,
    name: &str,
    read: impl Fn(&JsValue) -> Option<T>,
) -> Result<Option<T>, JsError> {
    let value = js_sys::Reflect::get(options, &name.into()).map_err(thrown)?;
    let wrong =
        || JsError::new(&format!("the options are not what longhaul.d.ts says: look at `{name}`"));
    is_given(&value).then(|| read(&value).ok_or_else(wrong)).transpose()
}

fn read_metadata(value: JsValue) -> Result<LiteMap<String, String>, JsError> {
    if !is_given(&value) {
        return Ok(LiteMap::default());
    }
    let wrong = "the metadata are not what longhaul.d.ts says: an object whose values are strings";
    LiteMap::from_json(&json::Js::from(value)).map_err(|_| JsError::new(wrong))
}

/// A function cannot be read like the rest.
fn source(options: &JsValue) -> Result<Source, JsError> {
    let token = match options.is_object() {
        true => js_sys::Reflect::get(options, &"token".into()).map_err(thrown)?,
        false => JsValue::UNDEFINED,
    };
    if let Some(function) = token.dyn_ref::<Function>() {
        return Ok(Source::Page(function.clone()));
    }
    match token.as_string() {
        Some(token) => Ok(Source::Fixed(token)),
        None if token.is_undefined() || token.is_null() => Ok(Source::None),
        None => Err(JsError::new("the option `token` is neither a string nor a function")),
    }
}

/// What starts a worker; without it the page does all the work.
fn starter(options: &JsValue) -> Result<Option<Function>, JsError> {
    if !is_given(options) {
        return Ok(None);
    }
    option(options, "startLane", |value| value.dyn_ref::<Function>().cloned())
}

fn rate(bytes_per_second: Option<f64>) -> Option<u64> {
    bytes_per_second.filter(|rate| *rate > 0.0).map(whole)
}

fn page_address() -> String {
    web_sys::window().and_then(|window| window.location().href().ok()).unwrap_or_default()
}

fn thrown(error: JsValue) -> JsError {
    JsError::new(&words(&error))
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
