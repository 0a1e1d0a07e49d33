//! The state machine of a file that is downloaded, and the hands that do what it asks for.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::{Rc, Weak};

use gloo_timers::callback::{Interval, Timeout};
use js_sys::Uint8Array;
use longhaul_protocol::download::{
    Action, Config, Download, End, FetchError, Input, Phase, TargetError,
};
use longhaul_protocol::name::clean;
use longhaul_protocol::progress::Progress;
use longhaul_protocol::upload::{BufferId, Failure, Ticket};
use longhaul_protocol::{Digest, Plan};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal, File, FileSystemFileHandle};

use super::body::Body;
use super::buffers::Buffers;
use super::event::{ErrorDetail, Event, StateDetail};
use super::hash::sha256;
use super::request::{Remote, cut};
use super::storage::Storage;
use super::target::{Target, sleep};
use crate::clock;
use crate::thrown;

/// Where what is told goes; with [`Event::Complete`] goes the file.
pub(super) type Teller = Rc<dyn Fn(Event, Option<File>)>;

/// How often the page is told how far it is, milliseconds: as often as a person sees a bar move.
const TOLD_MS: u32 = 200;

/// A body's movement is told after so many bytes, or so many milliseconds: each telling asks the machine.
const MOVED_BYTES: u64 = 256 * 1024;
const MOVED_MS: u64 = 500;

/// What drives one file.
pub(super) struct Driver {
    machine: RefCell<Download>,
    remote: Rc<Remote>,
    storage: Rc<Storage>,
    /// Where the user wants it, if he was asked.
    picked: Option<FileSystemFileHandle>,
    target: RefCell<Option<Rc<Target>>>,
    buffers: RefCell<Buffers>,
    asking: RefCell<Option<AbortController>>,
    timer: RefCell<Option<Timeout>>,
    _ticks: Interval,
    shown: RefCell<Shown>,
    whole: RefCell<Option<File>>,
    is_over: Cell<bool>,
    /// How often it was paused: what was asked for before is not wanted any more.
    pauses: Cell<u64>,
    tell: Teller,
    this: Weak<Self>,
}

/// What the page was told last.
#[derive(Default)]
struct Shown {
    phase: Option<Phase>,
    progress: Option<Progress>,
    has_file: bool,
}

/// One attempt at a chunk, or the rest of one.
struct Fetch {
    ticket: Ticket,
    buffer: BufferId,
    /// What is asked for, of a file of `len` bytes.
    range: Range<u64>,
    len: u64,
    /// Where in the buffer it begins.
    kept: u32,
    rate_max: Option<u64>,
    into: Uint8Array,
    driver: Weak<Driver>,
}

impl Driver {
    /// A driver that does nothing until its first input.
    pub(super) fn new(
        config: Config,
        remote: Remote,
        storage: Rc<Storage>,
        picked: Option<FileSystemFileHandle>,
        tell: Teller,
    ) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| {
            let ticking = this.clone();
            Self {
                machine: RefCell::new(Download::new(config)),
                remote: Rc::new(remote),
                storage,
                picked,
                target: RefCell::default(),
                buffers: RefCell::new(Buffers::new(0)),
                asking: RefCell::default(),
                timer: RefCell::default(),
                _ticks: Interval::new(TOLD_MS, move || {
                    ticking.upgrade().iter().for_each(|this| this.tell_progress());
                }),
                shown: RefCell::default(),
                whole: RefCell::default(),
                is_over: Cell::new(false),
                pauses: Cell::new(0),
                tell,
                this: this.clone(),
            }
        })
    }

    /// Tells the machine, and does what it asks for.
    pub(super) fn input(&self, input: Input) {
        self.machine.borrow_mut().handle(clock::now(), input);
        self.go_on();
    }

    /// Pauses; what is in a picked file so far is kept though the page may go.
    pub(super) fn pause(&self) {
        self.pauses.set(self.pauses.get().wrapping_add(1));
        self.input(Input::Pause);
        self.rest();
    }

    fn rest(&self) {
        let target = self.target.borrow().clone();
        if let Some(target) = target {
            spawn_local(async move {
                // What is lost by that is looked for before it goes on.
                drop(target.rest().await);
            });
        }
    }

    /// Goes on, with a target in which all is that was written, or with one that is made anew and looked through.
    pub(super) fn resume(&self) {
        let target = self.target.borrow().clone();
        let Some(target) = target else { return self.input(Input::Resume) };
        let (this, pauses) = (self.this.clone(), self.pauses.get());
        spawn_local(async move {
            let is_whole = target.wake().await;
            if !is_whole {
                target.abandon().await;
            }
            let Some(this) = this.upgrade().filter(|this| this.pauses.get() == pauses) else {
                return;
            };
            if !is_whole {
                this.target.take();
                this.input(Input::Lost);
            }
            this.input(Input::Resume);
        });
    }

    /// Requests say this of who asks from now on.
    pub(super) fn renewed(&self, ticket: Ticket, authorization: Option<String>) {
        let is_fresh = self.remote.renew(authorization);
        self.input(Input::Renewed { ticket, is_fresh });
    }

    pub(super) fn go_on(&self) {
        while let Some(action) = self.next() {
            self.act(action);
        }
        self.set_timer();
        self.tell_state();
    }

    fn next(&self) -> Option<Action> {
        self.machine.borrow_mut().poll(clock::now())
    }

    // Telling.

    fn tell_state(&self) {
        let phase = self.machine.borrow().phase();
        self.tell_file();
        if self.shown.borrow().phase.as_ref() != Some(&phase) {
            self.shown.borrow_mut().phase = Some(phase.clone());
            self.tell_progress();
            let retry_at = match &phase {
                Phase::Waiting { until, .. } => {
                    Some(clock::since_1970() + until.since(clock::now()))
                }
                _ => None,
            };
            (self.tell)(Event::State(StateDetail::new(&phase, retry_at)), None);
            match phase {
                Phase::Ended(End::Done(file)) => {
                    (self.tell)(Event::Complete(file), self.whole.take());
                }
                Phase::Ended(End::Failed(fault)) => {
                    (self.tell)(Event::Error(ErrorDetail::new(fault)), None);
                    // The person may leave without trying again.
                    self.rest();
                }
                _ => {}
            }
        }
        self.tell_over();
    }

    fn tell_file(&self) {
        let file = self.machine.borrow().file().cloned();
        let is_told = self.shown.borrow().has_file;
        if let Some(file) = file.filter(|_| !is_told) {
            self.shown.borrow_mut().has_file = true;
            (self.tell)(Event::File(Box::new(file)), None);
        }
    }

    fn tell_progress(&self) {
        let progress = self.machine.borrow().progress(clock::now());
        let shown = self.shown.borrow_mut().progress.replace(progress);
        if shown != Some(progress) && progress.total > 0 {
            (self.tell)(Event::Progress(progress), None);
        }
    }

    fn tell_over(&self) {
        let phase = self.machine.borrow().phase();
        let is_over = matches!(phase, Phase::Ended(End::Done(_) | End::Cancelled));
        if is_over && self.storage.is_idle() && !self.is_over.replace(true) {
            (self.tell)(Event::Over, None);
        }
    }

    // Doing.

    /// Begins an action. None of them reports before this has returned.
    fn act(&self, action: Action) {
        match action {
            Action::Page { ticket, start } => {
                let (this, remote) = (self.this.clone(), Rc::clone(&self.remote));
                let controller = AbortController::new().ok();
                let signal = controller.as_ref().map(AbortController::signal);
                self.asking.replace(controller);
                spawn_local(async move {
                    let result = remote.page(start, signal.as_ref()).await;
                    tell(&this, Input::Page { ticket, result });
                });
            }
            Action::HangUp { .. } => {
                self.asking.take().iter().for_each(AbortController::abort);
            }
            Action::Prepare { ticket, plan, keep } => self.prepare(ticket, plan, keep),
            Action::Check { ticket, buffer, range } => self.check(ticket, buffer, range),
            Action::Fetch { ticket, buffer, chunk, kept, rate_max } => {
                let range = chunk.start.saturating_add(kept)..chunk.end;
                let (into, signal) = self.buffers.borrow_mut().begin(buffer, ticket);
                let len = self.machine.borrow().file().map_or(0, |file| file.size);
                let (kept, driver) = (u32::try_from(kept).unwrap_or(u32::MAX), self.this.clone());
                let fetch = Fetch { ticket, buffer, range, len, kept, rate_max, into, driver };
                self.fetch(fetch, signal);
            }
            Action::Write { ticket, buffer, range } => self.write(ticket, buffer, range),
            Action::Stop { buffer } => self.buffers.borrow_mut().stop(buffer),
            Action::Free { buffer } => self.free(buffer),
            Action::Finish { ticket } => self.finish(ticket),
            Action::Discard => self.discard(),
            Action::Renew { ticket, .. } => (self.tell)(Event::renew(ticket), None),
            Action::Save(record) => self.storage.save(record, self.when_idle()),
            Action::Forget => self.storage.forget(self.when_idle()),
        }
    }

    fn when_idle(&self) -> impl Fn() + 'static {
        let this = self.this.clone();
        move || this.upgrade().iter().for_each(|this| this.tell_over())
    }

    fn prepare(&self, ticket: Ticket, plan: Plan, keep: bool) {
        let chunk = plan.chunk_len().min(plan.len());
        self.buffers.replace(Buffers::new(u32::try_from(chunk).unwrap_or(u32::MAX)));
        let name = self.machine.borrow().file().map(|file| clean(&file.meta.name));
        let (name, this) = (name.unwrap_or_default(), self.this.clone());
        let (storage, picked) = (Rc::clone(&self.storage), self.picked.clone());
        let before = self.target.take();
        spawn_local(async move {
            if let Some(before) = before {
                before.abandon().await;
            }
            let made = match picked {
                Some(handle) => Target::picked(&name, handle, plan.len(), keep).await,
                None => match storage.file().await {
                    Ok(handle) => Target::in_place(&name, handle, plan.len(), keep).await,
                    Err(error) => Err(super::target::trouble(&name, &error)),
                },
            };
            let waiting = this.upgrade();
            let Some(this) = waiting.filter(|this| this.machine.borrow().prepares(ticket)) else {
                // Left open, it would be in the way of the next.
                if let Ok(target) = made {
                    target.abandon().await;
                }
                return;
            };
            let result = made.map(|target| drop(this.target.replace(Some(Rc::new(target)))));
            this.input(Input::Prepared { ticket, result });
        });
    }

    fn check(&self, ticket: Ticket, buffer: BufferId, range: Range<u64>) {
        let (bytes, _) = self.buffers.borrow_mut().begin(buffer, ticket);
        let (this, target) = (self.this.clone(), self.target.borrow().clone());
        let Some(target) = target else { return };
        spawn_local(async move {
            let result = checked(&target, &range, &bytes).await;
            tell(&this, Input::Checked { ticket, result });
        });
    }

    fn fetch(&self, fetch: Fetch, signal: Option<AbortSignal>) {
        let (this, remote) = (self.this.clone(), Rc::clone(&self.remote));
        spawn_local(async move {
            let ticket = fetch.ticket;
            let result = match remote.range(&fetch.range, fetch.len, signal.as_ref()).await {
                Ok(mut body) => {
                    let result = fetch.read(&mut body).await;
                    if result.is_err() {
                        body.cancel().await;
                    }
                    result
                }
                Err(error) => Err(error),
            };
            drop(fetch);
            tell(&this, Input::Fetched { ticket, result });
        });
    }

    fn write(&self, ticket: Ticket, buffer: BufferId, range: Range<u64>) {
        let bytes = self.buffers.borrow_mut().lend(buffer);
        let target = self.target.borrow().clone();
        let (Some(bytes), Some(target)) = (bytes, target) else { return };
        let this = self.this.clone();
        spawn_local(async move {
            let view = bytes.subarray(0, length(&range));
            let result = target.write(&view, range.start).await;
            let Some(this) = this.upgrade() else { return };
            this.buffers.borrow_mut().give_back(buffer, &bytes);
            this.input(Input::Written { ticket, result });
        });
    }

    fn free(&self, buffer: BufferId) {
        let mut buffers = self.buffers.borrow_mut();
        buffers.free(buffer);
        let phase = self.machine.borrow().phase();
        if matches!(phase, Phase::Paused | Phase::Ended(_)) {
            buffers.rest();
        }
    }

    fn finish(&self, ticket: Ticket) {
        let (this, target) = (self.this.clone(), self.target.borrow().clone());
        let Some(target) = target else { return };
        spawn_local(async move {
            let finished = target.finish().await;
            let Some(this) = this.upgrade() else { return };
            let result = finished.map(|file| drop(this.whole.replace(Some(file))));
            this.input(Input::Finished { ticket, result });
        });
    }

    /// A file that is open cannot be removed.
    fn discard(&self) {
        let (target, storage) = (self.target.take(), Rc::clone(&self.storage));
        let idle = self.when_idle();
        spawn_local(async move {
            if let Some(target) = target {
                target.abandon().await;
            }
            storage.discard(idle);
        });
    }

    /// Setting it anew drops the one before.
    fn set_timer(&self) {
        let due = self.machine.borrow().next_timeout();
        let timer = due.map(|due| {
            let this = self.this.clone();
            Timeout::new(clock::delay(due.since(clock::now())), move || {
                this.upgrade().iter().for_each(|this| this.go_on());
            })
        });
        self.timer.replace(timer);
    }
}

impl Fetch {
    /// Takes the body in, no faster than it may come, and no further than was asked for.
    async fn read(&self, body: &mut Body) -> Result<Digest, FetchError> {
        let wanted = length(&self.range);
        let begun = clock::now();
        let (mut came, mut told, mut told_at) = (0_u32, 0_u64, begun);
        loop {
            // What came before the connection broke is told, because it is kept.
            let next = body.next().await.inspect_err(|_| self.moved(came))?;
            let Some(piece) = next else { break };
            if piece.length() > wanted.saturating_sub(came) {
                return Err(cut("more bytes came than were asked for").into());
            }
            if !self.is_wanted() {
                return Err(cut("it was stopped").into());
            }
            self.into.set(&piece, self.kept.saturating_add(came));
            came = came.saturating_add(piece.length());
            let (now, bytes) = (clock::now(), u64::from(came));
            if bytes.saturating_sub(told) >= MOVED_BYTES || now.since(told_at).0 >= MOVED_MS {
                (told, told_at) = (bytes, now);
                self.moved(came);
            }
            if let Some(rate) = self.rate_max.filter(|rate| *rate > 0) {
                let due = bytes.saturating_mul(1000) / rate;
                let early = due.saturating_sub(clock::now().since(begun).0);
                sleep(u32::try_from(early).unwrap_or(u32::MAX)).await;
            }
        }
        self.moved(came);
        if came < wanted {
            return Err(cut("the connection broke off").into());
        }
        let bytes = self.into.subarray(0, self.kept.saturating_add(wanted));
        Ok(sha256(&bytes).await.map_err(|error| Failure::Local(thrown::words(&error)))?)
    }

    fn is_wanted(&self) -> bool {
        let driver = self.driver.upgrade();
        driver.is_some_and(|driver| driver.buffers.borrow().is_of(self.buffer, self.ticket))
    }

    fn moved(&self, came: u32) {
        tell(&self.driver, Input::Moved { ticket: self.ticket, bytes: u64::from(came) });
    }
}

async fn checked(
    target: &Target,
    range: &Range<u64>,
    bytes: &Uint8Array,
) -> Result<Digest, TargetError> {
    let view = bytes.subarray(0, length(range));
    target.read(range, &view).await?;
    sha256(&view).await.map_err(|error| TargetError::Failed(thrown::words(&error)))
}

fn length(range: &Range<u64>) -> u32 {
    u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX)
}

fn tell(driver: &Weak<Driver>, input: Input) {
    if let Some(driver) = driver.upgrade() {
        driver.input(input);
    }
}
