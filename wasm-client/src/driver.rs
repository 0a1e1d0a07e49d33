//! One file: its state machine, and the hands that do what it asks for.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use longhaul_protocol::Millis;
use longhaul_protocol::progress::Progress;
use longhaul_protocol::upload::{
    Action, BufferId, Config, Failure, Input, ONE_REQUEST_MAX, Phase, Ticket, Upload,
};
use longhaul_protocol::wire::header::{
    AUTHORIZATION, CHUNK_TRY, ChunkHeaders, StoreHeaders, write_rate_max,
};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::path;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;

use crate::clock;
use crate::event::Standing;
use crate::lock::{self, Asked, Lock};
use crate::log::Journal;
use crate::number::whole;
use crate::order::{Headers, Order, Slot, Stored};
use crate::page::Page;
use crate::persist::{self, Fingerprint};
use crate::queue::Size;
use crate::tab_lock::{Admitted, Answered, TabLock};
use crate::transport::Transport;

/// Called after anything happened to an upload, by its number.
pub(crate) type Happened = Rc<dyn Fn(u32)>;

/// What drives one upload.
pub(crate) struct Driver {
    upload: u32,
    name: String,
    /// Random, for this file and session: what names of tries are made of.
    key: String,
    /// What is noted of the file for after a reload, if it is of this upload.
    noted: Cell<Option<UploadId>>,
    /// The whole file that is to go as soon as it is known whose it is.
    storing: Cell<Option<Ticket>>,
    /// As it was picked last.
    file: RefCell<File>,
    fingerprint: Fingerprint,
    machine: RefCell<Upload>,
    transport: Transport,
    page: Rc<Page>,
    /// When the machine is to be asked next, and what asks it then.
    timer: RefCell<Option<(Millis, Timeout)>>,
    lock: RefCell<TabLock<Lock>>,
    has_begun: Cell<bool>,
    happened: Happened,
    /// Called when the file is no longer sent elsewhere: it may have its turn.
    freed: Happened,
    shown: RefCell<Shown>,
    journal: RefCell<Journal>,
    this: Weak<Self>,
}

/// What listeners were told last.
#[derive(Default)]
struct Shown {
    standing: Option<Standing>,
    progress: Option<Progress>,
}

/// What a driver works with.
pub(crate) struct Parts {
    /// The upload's number on this page.
    pub(crate) upload: u32,
    pub(crate) file: File,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) config: Config,
    pub(crate) transport: Transport,
    pub(crate) page: Rc<Page>,
    pub(crate) happened: Happened,
    pub(crate) freed: Happened,
}

impl Driver {
    /// A driver that does nothing until its first input.
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let lock = match size(&parts.file) {
            // It is sent before two tabs could agree on who sends it.
            Size::Small => TabLock::Needless,
            Size::Large => TabLock::Open,
        };
        Rc::new_cyclic(|this| Self {
            upload: parts.upload,
            name: parts.config.meta.name.clone(),
            key: parts.config.key.clone(),
            noted: Cell::new(parts.config.resume),
            storing: Cell::default(),
            file: RefCell::new(parts.file),
            fingerprint: parts.fingerprint,
            machine: RefCell::new(Upload::new(parts.config)),
            transport: parts.transport,
            page: parts.page,
            timer: RefCell::default(),
            lock: RefCell::new(lock),
            has_begun: Cell::new(false),
            happened: parts.happened,
            freed: parts.freed,
            shown: RefCell::default(),
            journal: RefCell::default(),
            this: this.clone(),
        })
    }

    /// Tells the machine, unless another tab is to be asked first, does what it asks for, and tells the
    /// uploader that something happened.
    pub(crate) fn input(&self, input: Input) {
        self.journal.borrow_mut().input(self.upload, &input);
        // Who gives up what is being given up needs no lock again for it.
        if input == Input::Cancel && self.phase() == Phase::Cancelling {
            return self.handle(input);
        }
        let admitted = self.lock.borrow_mut().admit(input);
        match admitted {
            Admitted::Input(input) => self.handle(input),
            Admitted::Ask { waits } => {
                self.ask_for_lock(waits);
                // Until the lock is had nothing is begun; asking the server and reading the first chunk need not wait.
                match waits {
                    true => self.handle(Input::Look),
                    false => (self.happened)(self.upload),
                }
            }
            Admitted::Nothing => (self.happened)(self.upload),
        }
    }

    /// Takes the file as it was picked again, while the upload rests: the one before may be dead, or of
    /// other bytes.
    pub(crate) fn pick(&self, file: File) {
        self.file.replace(file);
        self.input(Input::Picked);
    }

    fn handle(&self, input: Input) {
        // What is told to all does not begin a file whose turn it is not.
        let is_of_all =
            matches!(input, Input::RateMax { .. } | Input::Sharing { .. } | Input::Online);
        self.has_begun.set(self.has_begun.get() || !is_of_all);
        self.machine.borrow_mut().handle(clock::now(), input);
        if self.has_begun.get() {
            self.go_on();
        }
    }

    // Tabs of one browser do not send the same file at once.

    /// Whether another tab sends the file. When that has ended, the uploader is told by `freed`.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.lock.borrow().is_elsewhere()
    }

    /// Whether it is not known yet, or not the case, that this tab may send the file.
    pub(crate) fn is_claiming(&self) -> bool {
        self.lock.borrow().is_claiming()
    }

    /// Lets another tab send it.
    pub(crate) fn release(&self) {
        self.lock.borrow_mut().release();
    }

    fn ask_for_lock(&self, waits: bool) {
        let (this, name) = (self.this.clone(), self.fingerprint.key().to_owned());
        spawn_local(async move {
            let asked = lock::ask(&name).await;
            let is_taken = matches!(asked, Asked::Taken);
            told_of_lock(&this, asked);
            if is_taken && waits {
                told_of_lock(&this, lock::wait(&name).await);
            }
        });
    }

    fn on_lock(&self, asked: Asked) {
        let answered = self.lock.borrow_mut().answer(asked);
        match answered {
            Answered::Input(input) => self.input(input),
            Answered::Taken => self.handle(Input::Pause),
            Answered::Freed => (self.freed)(self.upload),
            Answered::Nothing => {}
        }
    }

    /// What its turn goes by.
    pub(crate) fn size(&self) -> Size {
        size(&self.file.borrow())
    }

    /// What makes it the same file.
    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Where it stands.
    pub(crate) fn phase(&self) -> Phase {
        self.machine.borrow().phase()
    }

    /// Where each of its chunks is.
    pub(crate) fn chunks(&self) -> Vec<u8> {
        self.machine.borrow().chunks()
    }

    /// How far it is, if that is news.
    pub(crate) fn new_progress(&self) -> Option<Progress> {
        let progress = self.machine.borrow().progress(clock::now());
        let shown = self.shown.borrow_mut().progress.replace(progress);
        (shown != Some(progress)).then_some(progress)
    }

    /// Whether listeners have not been told this yet; they are now.
    pub(crate) fn is_news(&self, standing: &Standing) -> bool {
        let shown = self.shown.borrow_mut().standing.replace(standing.clone());
        shown.as_ref() != Some(standing)
    }

    /// The file's name as the server will have it: without what turns or hides text.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    fn go_on(&self) {
        while let Some(action) = self.next() {
            self.act(action);
        }
        self.set_timer();
        (self.happened)(self.upload);
    }

    fn next(&self) -> Option<Action> {
        self.machine.borrow_mut().poll(clock::now())
    }

    /// Begins an action. None of them reports before this has returned.
    fn act(&self, action: Action) {
        self.journal.borrow_mut().action(self.upload, &action);
        match action {
            Action::Call { ticket, call } => {
                let this = self.this.clone();
                self.transport.call(ticket, call, move |result| {
                    tell(&this, Input::Answer { ticket, result });
                });
            }
            Action::HangUp { ticket } => self.transport.hang_up(ticket),
            Action::Read { ticket, buffer, range } => self.page.order(Order::Read {
                slot: self.slot(buffer),
                ticket,
                start: range.start,
                end: range.end,
                file: self.file.borrow().clone(),
            }),
            Action::Send { ticket, buffer, upload, headers, rate_max } => {
                self.page.order(Order::Send {
                    slot: self.slot(buffer),
                    ticket,
                    url: self.transport.address(&path::chunks(upload)),
                    headers: self.written(ticket, &headers, rate_max),
                    offset: headers.offset,
                })
            }
            Action::Store { ticket, buffer, headers } => self.store(ticket, buffer, headers),
            Action::Prove { ticket, buffer, nonce } => {
                self.page.order(Order::Prove { slot: self.slot(buffer), ticket, nonce });
            }
            Action::Stop { buffer } => {
                self.storing.set(None);
                self.page.order(Order::Stop { slot: self.slot(buffer) });
            }
            Action::Free { buffer } => {
                self.storing.set(None);
                self.page.order(Order::Free { slot: self.slot(buffer) });
            }
            Action::Renew { ticket, refused } => {
                let this = self.this.clone();
                self.transport.renew(refused, move |is_fresh| {
                    tell(&this, Input::Renewed { ticket, is_fresh });
                });
            }
            Action::Save(record) => {
                self.noted.set(Some(record.id));
                persist::save(&self.fingerprint, &record);
            }
            Action::Forget => {
                if let Some(upload) = self.noted.take() {
                    persist::forget(&self.fingerprint, upload);
                }
            }
        }
    }

    fn store(&self, ticket: Ticket, buffer: BufferId, headers: StoreHeaders) {
        let (this, slot) = (self.this.clone(), self.slot(buffer));
        self.storing.set(Some(ticket));
        self.transport.meet(ticket, move |authorization| {
            let this = this.upgrade().filter(|this| this.storing.get() == Some(ticket));
            let Some(this) = this else { return };
            match authorization {
                Ok(authorization) => {
                    let headers = authorized(headers.write(), authorization);
                    let url = this.transport.address(path::FILES);
                    this.page.order(Order::Store { slot, ticket, url, headers });
                }
                Err(failure) => this.input(Input::Stored { ticket, result: Err(failure) }),
            }
        });
    }

    /// A small file was answered, or not.
    pub(crate) fn stored(&self, ticket: Ticket, result: Result<Stored, Failure>) {
        let result = result.map(|Stored { file, given }| {
            self.transport.given(given);
            file
        });
        self.input(Input::Stored { ticket, result });
    }

    fn slot(&self, buffer: BufferId) -> Slot {
        Slot { upload: self.upload, buffer }
    }

    fn written(&self, ticket: Ticket, headers: &ChunkHeaders, rate_max: Option<u64>) -> Headers {
        let mut headers = headers.write();
        headers.push((CHUNK_TRY, format!("{}-{}", self.key, ticket.0)));
        if let Some(rate_max) = rate_max {
            headers.push(write_rate_max(rate_max));
        }
        authorized(headers, self.transport.authorization(ticket))
    }

    /// One that comes sooner is left: it sets the next. With every byte that moves the machine has more time,
    /// and to set a timer each time would cost more than what is told.
    fn set_timer(&self) {
        let due = self.machine.borrow().next_timeout();
        let mut timer = self.timer.borrow_mut();
        if timer.as_ref().is_some_and(|(set, _)| due.is_some_and(|due| *set <= due)) {
            return;
        }
        *timer = due.map(|due| {
            let this = self.this.clone();
            let ask = move || {
                if let Some(this) = this.upgrade() {
                    drop(this.timer.take());
                    this.go_on();
                }
            };
            (due, Timeout::new(clock::delay(due.since(clock::now())), ask))
        });
    }
}

fn size(file: &File) -> Size {
    if whole(file.size()) <= ONE_REQUEST_MAX { Size::Small } else { Size::Large }
}

fn told_of_lock(driver: &Weak<Driver>, asked: Asked) {
    if let Some(driver) = driver.upgrade() {
        driver.on_lock(asked);
    }
}

fn authorized(headers: Vec<(&'static str, String)>, authorization: Option<String>) -> Headers {
    let mut all = Headers::new();
    for (name, value) in headers {
        all.insert(name.to_owned(), value);
    }
    if let Some(value) = authorization {
        all.insert(AUTHORIZATION.to_owned(), value);
    }
    all
}

fn tell(driver: &Weak<Driver>, input: Input) {
    if let Some(driver) = driver.upgrade() {
        driver.input(input);
    }
}
