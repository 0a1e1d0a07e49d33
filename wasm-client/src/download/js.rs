//! What the worker's script calls. It only converts.

use std::rc::Rc;

use js_sys::{Function, Promise, Reflect};
use longhaul_protocol::Digest;
use longhaul_protocol::download::{Config, Input};
use longhaul_protocol::plan::LANES_MAX;
use longhaul_protocol::upload::Ticket;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsError, JsValue};
use wasm_bindgen_futures::{future_to_promise, spawn_local};
use web_sys::{File, FileSystemFileHandle};

use super::driver::{Driver, Teller};
use super::event::Event;
use super::request::Remote;
use super::storage::Storage;
use crate::json;
use crate::log::{self, Level};
use crate::number::whole;

/// One file that is downloaded.
#[wasm_bindgen]
pub struct Download(Rc<Driver>);

#[wasm_bindgen]
impl Download {
    /// Begins with the file at `options.url`, or goes on with it; a promise of what drives it. `tell(kind,
    /// detail, file)` is called with what happens.
    ///
    /// # Errors
    /// By the promise: the address is no file's, or this browser keeps nothing for this page.
    #[wasm_bindgen(unchecked_return_type = "Promise<Download>")]
    pub fn begin(options: JsValue, tell: Function) -> Promise {
        future_to_promise(async move { Ok(Self(begun(&options, tell).await?).into()) })
    }

    /// Lets it rest until `resume`.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Goes on after a pause or a failure; tries at once what waits for its next try.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// Gives it up, and removes what there is of it.
    pub fn cancel(&self) {
        self.0.input(Input::Cancel);
    }

    /// The network is back.
    pub fn online(&self) {
        self.0.input(Input::Online);
    }

    /// It is to take no more than so many bytes a second; as much as comes if that is `undefined`.
    #[wasm_bindgen(js_name = setRateMax)]
    pub fn set_rate_max(&self, bytes_per_second: Option<f64>) {
        let bytes_per_second = bytes_per_second.filter(|rate| *rate > 0.0).map(whole);
        self.0.input(Input::RateMax { bytes_per_second });
    }

    /// What requests say from now on of who asks, after it was asked for by `renew`.
    pub fn renewed(&self, ticket: f64, authorization: Option<String>) {
        self.0.renewed(Ticket(whole(ticket)), authorization);
    }
}

async fn begun(options: &JsValue, tell: Function) -> Result<Rc<Driver>, JsValue> {
    let option = |name: &str| Reflect::get(options, &name.into());
    let text = |name: &str| Ok::<_, JsValue>(option(name)?.as_string());
    let url = text("url")?.unwrap_or_default();
    let remote = Remote::parse(&url, &text("page")?.unwrap_or_default(), text("authorization")?);
    let wrong = || JsError::new(&format!("`{url}` is no file's address: .../v1/files/ and its id"));
    let remote = remote.ok_or_else(wrong)?;
    let root = text("root")?.map(|root| Digest::from_base64(&root));
    let root = root.transpose().map_err(|_| JsError::new("the option `root` is no root"))?;
    let picked: Option<FileSystemFileHandle> = option("handle")?.dyn_into().ok();
    let lanes = option("lanes")?.as_f64().map_or(LANES_MAX, whole);
    let storage = Storage::open(remote.file()).await?;
    let sweeper = Rc::clone(&storage);
    // What cannot be swept now is swept another time.
    spawn_local(async move { drop(sweeper.sweep().await) });
    let (file, resume) = (remote.file(), storage.record().await);
    let config = Config { file, root, resume, lanes, seed: seed() };
    let driver = Driver::new(config, remote, storage, picked, teller(tell));
    if let Some(rate) = option("rateMax")?.as_f64() {
        driver.input(Input::RateMax { bytes_per_second: Some(whole(rate)) });
    } else {
        driver.go_on();
    }
    Ok(driver)
}

/// For jitter, which keeps no secret.
fn seed() -> u64 {
    const RANGE: f64 = 9_007_199_254_740_992.0;
    whole(js_sys::Math::random() * RANGE)
}

fn teller(tell: Function) -> Teller {
    Rc::new(move |event: Event, file: Option<File>| {
        let told = json::plain(&event).and_then(|detail| {
            let file = file.map_or(JsValue::UNDEFINED, JsValue::from);
            tell.call3(&JsValue::UNDEFINED, &event.kind().into(), &detail, &file)
        });
        if let Err(error) = told {
            log::say_why(Level::Error, "could not tell its page", &error);
        }
    })
}
