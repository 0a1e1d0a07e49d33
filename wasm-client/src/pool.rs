//! The page's lanes: workers that share the wasm the page has compiled, started when first needed.
//!
//! Where a worker cannot be started (a policy forbids it, its script is gone) its lane runs on the
//! page: slower to react, but no upload is lost to it.

use std::cell::RefCell;
use std::rc::Rc;

use longhaul_protocol::plan::LANES_MAX;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    Blob, BlobPropertyBag, ErrorEvent, MessageEvent, Url, Worker, WorkerOptions, WorkerType,
};

use crate::lane::{Lane, Reporter};
use crate::order::{Order, Report};

/// The worker's script, beside ours.
const SCRIPT: &str = "longhaul-lane.js";

#[wasm_bindgen]
extern "C" {
    /// Where our own script came from.
    #[wasm_bindgen(thread_local_v2, js_namespace = ["import", "meta"], js_name = url)]
    static OWN_URL: String;
}

/// Up to [`LANES_MAX`] lanes, shared by all uploads of an uploader.
pub(crate) struct Pool {
    lanes: Vec<RefCell<Option<Rc<Station>>>>,
    deliver: Reporter,
}

impl Pool {
    /// Lanes that report there. No report comes before the call that caused it has returned.
    pub(crate) fn new(deliver: Reporter) -> Self {
        let lanes = (0..LANES_MAX).map(|_| RefCell::default()).collect();
        Self { lanes, deliver }
    }

    /// Gives an order to the lane that has the buffer.
    pub(crate) fn order(&self, order: &Order) {
        let slot = order.slot();
        let lane = (u64::from(slot.upload) + slot.buffer.0) % LANES_MAX;
        let place = usize::try_from(lane).ok().and_then(|lane| self.lanes.get(lane));
        if let Some(place) = place {
            let start = || Station::start(Rc::clone(&self.deliver));
            let station = Rc::clone(place.borrow_mut().get_or_insert_with(start));
            station.order(order);
        }
    }
}

/// One lane as the page sees it.
struct Station {
    place: RefCell<Place>,
    deliver: Reporter,
}

/// Where a lane runs.
enum Place {
    /// In a worker. Until it has said that it runs, its orders are kept for another place.
    Worker { worker: Started, unconfirmed: Option<Vec<Order>> },
    /// On the page.
    Page(Lane),
}

/// A worker and what listens to it. Dropping it ends the worker.
struct Started {
    worker: Worker,
    _told: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(ErrorEvent)>,
}

impl Station {
    fn start(deliver: Reporter) -> Rc<Self> {
        Rc::new_cyclic(|station| {
            let told = on_message(station.clone());
            let failed = on_error(station.clone());
            let place = match start_worker() {
                Ok(worker) => {
                    worker.set_onmessage(Some(told.as_ref().unchecked_ref()));
                    worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
                    let worker = Started { worker, _told: told, _failed: failed };
                    Place::Worker { worker, unconfirmed: Some(Vec::new()) }
                }
                Err(_) => Place::Page(lane_on_page(&deliver)),
            };
            Self { place: RefCell::new(place), deliver }
        })
    }

    fn order(&self, order: &Order) {
        match &mut *self.place.borrow_mut() {
            Place::Page(lane) => lane.handle(order.clone()),
            Place::Worker { worker, unconfirmed } => {
                worker.post(order);
                if let Some(unconfirmed) = unconfirmed {
                    unconfirmed.push(order.clone());
                }
            }
        }
    }

    fn told(&self, report: Report) {
        if report == Report::Ready {
            self.confirm();
        }
        (self.deliver)(report);
    }

    fn confirm(&self) {
        if let Place::Worker { unconfirmed, .. } = &mut *self.place.borrow_mut() {
            *unconfirmed = None;
        }
    }

    /// A worker that never ran is replaced; one that ran and threw has a bug, which its own console
    /// message describes.
    fn failed(&self) {
        let mut place = self.place.borrow_mut();
        if let Place::Worker { unconfirmed: Some(orders), .. } = &mut *place {
            let lane = lane_on_page(&self.deliver);
            std::mem::take(orders).into_iter().for_each(|order| lane.handle(order));
            *place = Place::Page(lane);
        }
    }
}

impl Started {
    fn post(&self, order: &Order) {
        let posted = serde_wasm_bindgen::to_value(order)
            .map_err(JsValue::from)
            .and_then(|order| self.worker.post_message(&order));
        if let Err(error) = posted {
            web_sys::console::error_2(&"Longhaul could not reach its worker:".into(), &error);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn on_message(station: std::rc::Weak<Station>) -> Closure<dyn FnMut(MessageEvent)> {
    Closure::new(move |event: MessageEvent| {
        let report = serde_wasm_bindgen::from_value(event.data());
        if let (Some(station), Ok(report)) = (station.upgrade(), report) {
            station.told(report);
        }
    })
}

fn on_error(station: std::rc::Weak<Station>) -> Closure<dyn FnMut(ErrorEvent)> {
    Closure::new(move |_| {
        if let Some(station) = station.upgrade() {
            station.failed();
        }
    })
}

/// A lane here reports in a later turn, as one in a worker does: whoever orders is not interrupted.
fn lane_on_page(deliver: &Reporter) -> Lane {
    let deliver = Rc::clone(deliver);
    Lane::new(Rc::new(move |report| {
        let deliver = Rc::clone(&deliver);
        spawn_local(async move { deliver(report) });
    }))
}

fn start_worker() -> Result<Worker, JsValue> {
    let script = Url::new_with_base(SCRIPT, &OWN_URL.with(String::clone))?;
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name("longhaul lane");
    let worker = Worker::new_with_options(&startable(&script)?, &options)?;
    worker.post_message(&wasm_bindgen::module())?;
    Ok(worker)
}

/// A worker's script has to be of the page's own origin; one that is not is imported by one that is.
fn startable(script: &Url) -> Result<String, JsValue> {
    let page = web_sys::window().and_then(|window| window.location().origin().ok());
    if page.is_some_and(|page| page == script.origin()) {
        return Ok(script.href());
    }
    let import = format!("import {};", js_sys::JSON::stringify(&script.href().into())?);
    let options = BlobPropertyBag::new();
    options.set_type("text/javascript");
    let blob =
        Blob::new_with_str_sequence_and_options(&js_sys::Array::of1(&import.into()), &options)?;
    Url::create_object_url_with_blob(&blob)
}
