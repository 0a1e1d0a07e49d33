//! What all uploaders of a page share: the lanes, and whose turn it is.
//!
//! A browser gives a page six connections to a server however many uploaders it has; uploaders that
//! did not know of each other took them from each other, and bodies that waited for one stalled.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use litemap::LiteMap;
use longhaul_protocol::plan::LANES_MAX;
use longhaul_protocol::upload::{BufferId, Input, Phase};

use crate::driver::Driver;
use crate::order::{Order, Report, Slot};
use crate::pool::Pool;
use crate::queue::{Queue, Size};

thread_local! {
    static PAGE: RefCell<Weak<Page>> = const { RefCell::new(Weak::new()) };
    /// How many uploads there were: an element may show some of uploaders that are gone.
    static UPLOADS: Cell<u32> = const { Cell::new(0) };
}

/// The page, for as long as it has an uploader.
pub(crate) struct Page {
    pool: Pool,
    queue: RefCell<Queue>,
    drivers: RefCell<LiteMap<u32, Weak<Driver>>>,
    lines: Cell<u32>,
    /// How many files the lanes were shared by when that was last told.
    sharing: Cell<usize>,
}

impl Page {
    /// The one there is.
    pub(crate) fn shared() -> Rc<Self> {
        PAGE.with_borrow_mut(|page| {
            let there = page.upgrade();
            there.unwrap_or_else(|| {
                let fresh = Self::new();
                *page = Rc::downgrade(&fresh);
                fresh
            })
        })
    }

    fn new() -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| {
            let this = this.clone();
            let deliver = move |report| {
                if let Some(page) = this.upgrade() {
                    page.told(report);
                }
            };
            Self {
                pool: Pool::new(Rc::new(deliver)),
                queue: RefCell::default(),
                drivers: RefCell::default(),
                lines: Cell::new(0),
                sharing: Cell::new(0),
            }
        })
    }

    /// Starts what the next file's first chunks go through, so that a pick need not wait for it.
    pub(crate) fn prepare(&self, lanes: u64) {
        let upload = UPLOADS.get() + 1;
        (0..lanes.min(LANES_MAX)).for_each(|buffer| {
            self.pool.prepare(Slot { upload, buffer: BufferId(buffer) });
        });
    }

    /// Gives an order to a lane.
    pub(crate) fn order(&self, order: Order) {
        self.pool.order(order);
    }

    // Uploads.

    /// An upload of that number is driven by this from now on.
    pub(crate) fn join(&self, upload: u32, driver: &Rc<Driver>) {
        self.drivers.borrow_mut().insert(upload, Rc::downgrade(driver));
    }

    /// It is driven no longer.
    pub(crate) fn part(&self, upload: u32) {
        self.drivers.borrow_mut().remove(&upload);
    }

    /// Sets what all uploads of the page together may send, bytes a second. Those that wait hear of it
    /// when it is their turn: they may be ten thousand.
    pub(crate) fn set_rate_max(&self, bytes_per_second: Option<u64>) {
        self.queue.borrow_mut().set_rate_max(bytes_per_second);
        let moving = self.queue.borrow().moving();
        moving
            .into_iter()
            .for_each(|upload| self.tell(upload, Input::RateMax { bytes_per_second }));
    }

    /// Tells an upload, if there still is one of that number.
    pub(crate) fn tell(&self, upload: u32, input: Input) {
        if let Some(driver) = self.driver(upload) {
            driver.input(input);
        }
    }

    fn driver(&self, upload: u32) -> Option<Rc<Driver>> {
        self.drivers.borrow().get(&upload).and_then(Weak::upgrade)
    }

    fn told(&self, report: Report) {
        match report {
            Report::Ready => {}
            Report::Read { upload, ticket, result } => {
                self.tell(upload, Input::Read { ticket, result });
            }
            Report::Proved { upload, ticket, result } => {
                self.tell(upload, Input::Proved { ticket, result });
            }
            Report::Moved { upload, ticket, bytes } => {
                self.tell(upload, Input::Moved { ticket, bytes });
            }
            Report::Sent { upload, ticket, result } => {
                self.tell(upload, Input::Sent { ticket, result });
            }
            Report::Stored { upload, ticket, result } => {
                if let Some(driver) = self.driver(upload) {
                    driver.stored(ticket, result);
                }
            }
        }
    }

    // Turns.

    /// Opens a line for an uploader, of whose files so many move at once.
    pub(crate) fn open_line(&self, at_once: u64) -> u32 {
        let line = self.lines.get();
        self.lines.set(line + 1);
        self.queue.borrow_mut().open(line, at_once);
        line
    }

    /// Closes it; its turns are the others'.
    pub(crate) fn close_line(&self, line: u32) {
        self.queue.borrow_mut().close(line);
        self.admit();
    }

    /// Joins a line.
    pub(crate) fn enter(&self, line: u32, upload: u32, size: Size) {
        self.queue.borrow_mut().enter(line, upload, size);
        self.admit();
    }

    /// Joins a line before those who wait in it, and moves though the line is held.
    pub(crate) fn call(&self, line: u32, upload: u32, size: Size) {
        self.queue.borrow_mut().call(line, upload, size);
        self.admit();
    }

    /// Lets nobody of a line move but who is called; returns who moved, and is to be told to pause.
    pub(crate) fn hold(&self, line: u32) -> Vec<u32> {
        self.queue.borrow_mut().hold(line)
    }

    /// Lets everybody of it move again.
    pub(crate) fn let_go(&self, line: u32) {
        self.queue.borrow_mut().let_go(line);
        self.admit();
    }

    /// Whether that line is held.
    pub(crate) fn holds(&self, line: u32) -> bool {
        self.queue.borrow().holds(line)
    }

    /// Whether it waits until its line is let go.
    pub(crate) fn is_held(&self, upload: u32) -> bool {
        self.queue.borrow().is_held(upload)
    }

    /// Leaves the line it is in. Call [`Page::admit`] once that is shown.
    pub(crate) fn leave(&self, upload: u32) {
        self.queue.borrow_mut().leave(upload);
    }

    /// Whether it has its turn.
    pub(crate) fn moves(&self, upload: u32) -> bool {
        self.queue.borrow().moves(upload)
    }

    /// Whether it waits for its turn.
    pub(crate) fn waits(&self, upload: u32) -> bool {
        self.queue.borrow().waits(upload)
    }

    /// What of this line moves.
    pub(crate) fn moving_of(&self, line: u32) -> Vec<u32> {
        self.queue.borrow().moving_of(line)
    }

    /// Starts whoever's turn it is, and has all who move share the lanes.
    pub(crate) fn admit(&self) {
        let next = || self.queue.borrow_mut().next();
        let started: Vec<u32> = std::iter::from_fn(next).collect();
        let bytes_per_second = self.queue.borrow().rate_max();
        for upload in &started {
            self.tell(*upload, Input::Resume);
            self.tell(*upload, Input::RateMax { bytes_per_second });
        }
        let moving = self.queue.borrow().moving();
        let sending = moving.iter().filter(|upload| self.needs_lanes(**upload)).count().max(1);
        let files = sending as u64;
        let is_news = self.sharing.replace(sending) != sending;
        // Who moves on has heard it already: with small files one comes for each that goes.
        let to = if is_news { moving } else { started };
        to.into_iter().for_each(|upload| self.tell(upload, Input::Sharing { files }));
    }

    /// One that waits for its server or its token takes nobody's lanes.
    fn needs_lanes(&self, upload: u32) -> bool {
        let driver = self.driver(upload);
        let waits = |phase| matches!(phase, Phase::Waiting { .. } | Phase::Renewing);
        driver.is_some_and(|driver| !waits(driver.phase()))
    }
}

/// The number of a new upload: never one that was given before.
pub(crate) fn new_number() -> u32 {
    UPLOADS.set(UPLOADS.get() + 1);
    UPLOADS.get()
}
