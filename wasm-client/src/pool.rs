//! The page's lanes: workers that share the wasm the page has compiled, started when somebody is
//! about to pick, at the latest when first needed.
//!
//! Where a worker cannot be started (a policy forbids it, its script is gone or does not come) or keeps
//! ending, its lane runs on the page: slower to react, but no upload is lost to it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use js_sys::Function;
use litemap::LiteMap;
use longhaul_protocol::Millis;
use longhaul_protocol::plan::LANES_MAX;
use longhaul_protocol::upload::READ_TIMEOUT;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{ErrorEvent, MessageEvent, Worker};

use crate::clock;
use crate::lane::{Lane, Reporter};
use crate::log::{self, Level};
use crate::order::{Order, Report, Slot};

thread_local! {
    /// What starts a worker with a lane in it. Where its script lies only a script of the page knows: who bundles
    /// it moves both, and finds by its text what is to be moved (`longhaul-client.js`).
    static STARTER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Has all lanes of the page that are started from now on started by this function, which returns a worker.
pub(crate) fn set_starter(start: Function) {
    STARTER.set(Some(start));
}

/// How often a lane's worker may end by itself between two chunks that arrive before the lane runs on
/// the page: once or twice is a browser short of memory, more is a fault that starting it again does
/// not mend.
const WORKER_DEATHS_MAX: u32 = 3;

/// How long a worker may take to start, milliseconds. Its script may still have to be fetched, and a
/// request on a network that went away neither answers nor fails for minutes.
const WORKER_START_MS: u32 = 5_000;

/// Up to [`LANES_MAX`] lanes, shared by all uploads of a page.
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

    /// Starts the lane that has the buffer, if it does not run yet.
    pub(crate) fn prepare(&self, slot: Slot) {
        self.station(slot);
    }

    /// Gives an order to the lane that has the buffer.
    pub(crate) fn order(&self, order: Order) {
        if let Some(station) = self.station(order.slot()) {
            station.order(order);
        }
    }

    fn station(&self, slot: Slot) -> Option<Rc<Station>> {
        let lane = (u64::from(slot.upload) + slot.buffer.0) % LANES_MAX;
        let place = self.lanes.get(usize::try_from(lane).ok()?)?;
        let start = || Station::start(Rc::clone(&self.deliver));
        Some(Rc::clone(place.borrow_mut().get_or_insert_with(start)))
    }
}

/// One lane as the page sees it.
struct Station {
    place: RefCell<Place>,
    /// What was asked for and not yet answered: what ends with a worker is asked for again.
    open: RefCell<LiteMap<Slot, Asked>>,
    deaths: Cell<u32>,
    deliver: Reporter,
    this: Weak<Self>,
}

/// Where a lane runs.
enum Place {
    /// In a worker; `starting` ends the patience with one that has not yet said that it runs.
    Worker { worker: Started, starting: Option<Timeout> },
    /// On the page.
    Page(Lane),
}

/// An order, and when it was given.
struct Asked {
    order: Order,
    at: Millis,
}

/// A worker and what listens to it. Dropping it ends the worker.
struct Started {
    worker: Worker,
    _told: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(ErrorEvent)>,
}

impl Station {
    fn start(deliver: Reporter) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            place: RefCell::new(Place::start(this, &deliver)),
            open: RefCell::default(),
            deaths: Cell::new(0),
            deliver,
            this: this.clone(),
        })
    }

    fn order(&self, order: Order) {
        self.give(order.clone());
        match order {
            Order::Read { .. } | Order::Send { .. } | Order::Store { .. } | Order::Prove { .. } => {
                let asked = Asked { at: clock::now(), order };
                self.open.borrow_mut().insert(asked.order.slot(), asked);
            }
            Order::Stop { slot } | Order::Free { slot } => {
                let asked = self.open.borrow_mut().remove(&slot);
                if asked.is_some_and(|asked| asked.is_silent()) {
                    self.failed();
                }
            }
        }
    }

    fn give(&self, order: Order) {
        match &*self.place.borrow() {
            Place::Page(lane) => lane.handle(order),
            Place::Worker { worker, .. } => worker.post(&order),
        }
    }

    fn told(&self, report: Report) {
        match &report {
            Report::Ready => self.runs(),
            Report::Moved { .. } => {}
            Report::Read { .. }
            | Report::Proved { .. }
            | Report::Sent { .. }
            | Report::Stored { .. } => {
                self.open.borrow_mut().retain(|_, asked| !report.answers(&asked.order));
            }
        }
        if matches!(
            report,
            Report::Sent { result: Ok(_), .. } | Report::Stored { result: Ok(_), .. }
        ) {
            self.deaths.set(0);
        }
        (self.deliver)(report);
    }

    fn runs(&self) {
        if let Place::Worker { starting, .. } = &mut *self.place.borrow_mut() {
            *starting = None;
        }
    }

    /// A worker that never ran is replaced by a lane on the page; one that ran and ended or fell silent,
    /// by another worker.
    fn failed(&self) {
        let next = match &*self.place.borrow() {
            Place::Worker { starting: Some(_), .. } => {
                log::say(Level::Warn, "a worker does not start; the page does its work");
                Place::Page(lane_on_page(&self.deliver))
            }
            Place::Worker { starting: None, .. } => self.after_death(),
            Place::Page(_) => return,
        };
        self.place.replace(next);
        let open = std::mem::take(&mut *self.open.borrow_mut());
        open.into_iter().for_each(|(_, asked)| self.again(asked.order));
    }

    fn after_death(&self) -> Place {
        self.deaths.set(self.deaths.get() + 1);
        log::say(Level::Warn, "a worker has ended; another does its work, or the page itself");
        match self.deaths.get() < WORKER_DEATHS_MAX {
            true => Place::start(&self.this, &self.deliver),
            false => Place::Page(lane_on_page(&self.deliver)),
        }
    }

    /// What was to be sent ended with its worker; what was to be read can be read again.
    fn again(&self, order: Order) {
        if let Some(report) = order.lost() {
            later(&self.deliver, report);
        } else if matches!(order, Order::Read { .. }) {
            self.order(order);
        }
    }
}

impl Asked {
    /// Whether it is a read or a proof that was given up because nothing came of it.
    fn is_silent(&self) -> bool {
        matches!(self.order, Order::Read { .. } | Order::Prove { .. })
            && clock::now() >= self.at + READ_TIMEOUT
    }
}

impl Place {
    fn start(station: &Weak<Station>, deliver: &Reporter) -> Self {
        let (told, failed) = (on_message(station.clone()), on_error(station.clone()));
        match start_worker() {
            Ok(worker) => {
                worker.set_onmessage(Some(told.as_ref().unchecked_ref()));
                worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
                let worker = Started { worker, _told: told, _failed: failed };
                Self::Worker { worker, starting: Some(give_up(station.clone())) }
            }
            Err(why) => {
                log::say_why(Level::Warn, "no worker can be started; the page does its work", &why);
                Self::Page(lane_on_page(deliver))
            }
        }
    }
}

impl Started {
    fn post(&self, order: &Order) {
        if let Err(error) = self.worker.post_message(&order.write()) {
            log::say_why(Level::Error, "could not reach a worker", &error);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn on_message(station: Weak<Station>) -> Closure<dyn FnMut(MessageEvent)> {
    Closure::new(move |event: MessageEvent| {
        let report = Report::read(&event.data());
        if let (Some(station), Ok(report)) = (station.upgrade(), report) {
            station.told(report);
        }
    })
}

fn on_error(station: Weak<Station>) -> Closure<dyn FnMut(ErrorEvent)> {
    Closure::new(move |_| {
        if let Some(station) = station.upgrade() {
            station.failed();
        }
    })
}

fn give_up(station: Weak<Station>) -> Timeout {
    Timeout::new(WORKER_START_MS, move || {
        if let Some(station) = station.upgrade() {
            station.failed();
        }
    })
}

/// A lane here reports in a later turn, as one in a worker does: whoever orders is not interrupted.
fn lane_on_page(deliver: &Reporter) -> Lane {
    let deliver = Rc::clone(deliver);
    Lane::new(Rc::new(move |report| later(&deliver, report)))
}

fn later(deliver: &Reporter, report: Report) {
    let deliver = Rc::clone(deliver);
    spawn_local(async move { deliver(report) });
}

fn start_worker() -> Result<Worker, JsValue> {
    let start = STARTER.with_borrow(Clone::clone);
    let start =
        start.ok_or_else(|| JsValue::from_str("the page has not said how one is started"))?;
    let worker: Worker = start.call0(&JsValue::UNDEFINED)?.dyn_into()?;
    worker.post_message(&wasm_bindgen::module())?;
    Ok(worker)
}
