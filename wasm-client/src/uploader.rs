//! The uploads to one server, and what listeners are told of them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Interval;
use litemap::LiteMap;
use longhaul_protocol::media_type::is_media_type;
use longhaul_protocol::upload::{Config, End, Input, Phase};
use longhaul_protocol::wire::{FileMeta, path};
use longhaul_protocol::{Millis, name};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::File;

use crate::clock;
use crate::driver::{Driver, Parts};
use crate::endpoint::Endpoint;
use crate::event::{About, Event, Standing};
use crate::log;
use crate::number::whole;
use crate::page::{self, Page};
use crate::persist::{self, Fingerprint};
use crate::token::{Source, Tokens};
use crate::total::{Rest, Totals};
use crate::transport::Transport;

/// How often listeners are told of progress: as often as figures can be read, and no more, whatever the
/// number of lanes and files. To show it costs a page some 3 ms each time.
const PROGRESS_INTERVAL_MS: u32 = 250;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill_randomly(bytes: &mut [u8]);
}

/// Uploads to one server.
pub(crate) struct Uploader {
    endpoint: Endpoint,
    tokens: Tokens,
    page: Rc<Page>,
    /// Its line in the page's queue.
    line: u32,
    drivers: RefCell<LiteMap<u32, Rc<Driver>>>,
    verify_source: Cell<bool>,
    /// Which of them look the same.
    alike: RefCell<LiteMap<Fingerprint, Vec<u32>>>,
    totals: RefCell<Totals>,
    /// What [`Uploader::pause_all`] stopped.
    stopped: RefCell<Vec<u32>>,
    progress_timer: RefCell<Option<Interval>>,
    emit: Box<dyn Fn(Event)>,
    online: Closure<dyn FnMut()>,
    this: Weak<Self>,
}

impl Uploader {
    /// Without uploads. `emit` is called with whatever there is to tell, and may call back.
    pub(crate) fn new(
        endpoint: Endpoint,
        source: Source,
        files_at_once: u64,
        emit: impl Fn(Event) + 'static,
    ) -> Rc<Self> {
        persist::sweep();
        let page = Page::shared();
        Rc::new_cyclic(|this: &Weak<Self>| {
            let back = this.clone();
            let uploader = Self {
                tokens: Tokens::new(source, &endpoint),
                endpoint,
                line: page.open_line(files_at_once),
                page,
                drivers: RefCell::default(),
                verify_source: Cell::new(false),
                alike: RefCell::default(),
                totals: RefCell::default(),
                stopped: RefCell::default(),
                progress_timer: RefCell::default(),
                emit: Box::new(emit),
                online: Closure::new(move || with(&back, Self::online)),
                this: this.clone(),
            };
            listen(&uploader.online);
            uploader
        })
    }

    /// Starts what the next file's first chunks go through, so that a pick need not wait for it.
    pub(crate) fn prepare(&self, lanes: u64) {
        self.page.prepare(lanes);
    }

    /// Sets what all uploads of the page together may send, bytes a second.
    pub(crate) fn set_rate_max(&self, bytes_per_second: Option<u64>) {
        self.page.set_rate_max(bytes_per_second);
    }

    /// Whether the files that are added from now on are read once more before they are sealed.
    pub(crate) fn set_verify_source(&self, verify: bool) {
        self.verify_source.set(verify);
    }

    /// What requests carry of who asks.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Takes in a file and returns the number of its upload: that of one that rests, if it is the same
    /// file again. While one moves, a file that looks the same may still be another (two copies from
    /// one archive), so it has an upload of its own; what is the same the server notices by digests.
    /// `path` is where it lies below the folder that was picked, if the file does not tell that itself.
    pub(crate) fn add(
        &self,
        file: File,
        metadata: LiteMap<String, String>,
        path: Option<String>,
    ) -> u32 {
        let relative_path = path.unwrap_or_else(|| relative_path(&file));
        let fingerprint = Fingerprint::of(&self.endpoint, &file, &relative_path);
        let alike = self.alike(&fingerprint);
        if let Some((upload, driver)) = alike.iter().find(|(_, driver)| rests(&driver.phase())) {
            driver.pick(file);
            self.resume(*upload);
            return *upload;
        }
        let resume = persist::load(&fingerprint).map(|record| record.id);
        let resume = resume.filter(|_| alike.is_empty());
        let meta = meta(&file, &relative_path, metadata);
        // One that looks the same has its upload, which is none to go on with.
        let seeks = resume.is_none() && alike.is_empty();
        let config = Config { meta, resume, seeks, ..self.config(whole(file.size())) };
        let upload = self.begin(file, fingerprint, config);
        self.enter_line(upload);
        upload
    }

    /// The open uploads of files that look like this one.
    fn alike(&self, fingerprint: &Fingerprint) -> Vec<(u32, Rc<Driver>)> {
        let alike = self.alike.borrow();
        let uploads = alike.get(fingerprint).into_iter().flatten();
        uploads.filter_map(|upload| Some((*upload, self.driver(*upload)?))).collect()
    }

    /// Where each chunk of an upload is, while it is not over.
    pub(crate) fn chunks(&self, upload: u32) -> Option<Vec<u8>> {
        self.driver(upload).map(|driver| driver.chunks())
    }

    /// Lets an upload rest.
    pub(crate) fn pause(&self, upload: u32) {
        self.leave_line(upload);
        self.tell(upload, Input::Pause);
    }

    /// Goes on when its turn comes, or tries at once what waits for its next try.
    pub(crate) fn resume(&self, upload: u32) {
        self.tokens.ask_again();
        if self.page.moves(upload) {
            return self.tell(upload, Input::Resume);
        }
        if let Some(driver) = self.driver(upload) {
            self.page.call(self.line, upload, driver.size());
            self.happened(upload);
        }
    }

    /// Lets everything rest until [`Uploader::resume_all`], what is added meanwhile included; but not
    /// what is resumed by itself.
    pub(crate) fn pause_all(&self) {
        let stopped = self.page.hold(self.line);
        self.stopped.borrow_mut().extend(&stopped);
        stopped.into_iter().for_each(|upload| self.tell(upload, Input::Pause));
        self.set_progress_timer();
    }

    /// Goes on where it was. What was paused by itself rests on.
    pub(crate) fn resume_all(&self) {
        self.tokens.ask_again();
        self.page.let_go(self.line);
        let stopped = self.stopped.take();
        stopped.into_iter().for_each(|upload| self.happened(upload));
        self.set_progress_timer();
    }

    fn enter_line(&self, upload: u32) {
        if let Some(driver) = self.driver(upload) {
            self.page.enter(self.line, upload, driver.size());
            self.happened(upload);
        }
    }

    /// Gives an upload up, on the server too.
    pub(crate) fn cancel(&self, upload: u32) {
        self.leave_line(upload);
        self.tell(upload, Input::Cancel);
    }

    /// What waits for its turn does so no longer.
    fn leave_line(&self, upload: u32) {
        if self.page.waits(upload) {
            self.page.leave(upload);
        }
    }

    fn begin(&self, file: File, fingerprint: Fingerprint, config: Config) -> u32 {
        let upload = page::new_number();
        let (back, freed) = (self.this.clone(), self.this.clone());
        self.alike.borrow_mut().entry(fingerprint.clone()).or_default().push(upload);
        self.totals.borrow_mut().begin(upload, config.size);
        let driver = Driver::new(Parts {
            upload,
            config,
            file,
            fingerprint,
            transport: Transport::new(self.endpoint.clone(), self.tokens.clone()),
            page: Rc::clone(&self.page),
            freed: Rc::new(move |upload| with(&freed, |uploader| uploader.enter_line(upload))),
            happened: Rc::new(move |upload| with(&back, |uploader| uploader.happened(upload))),
        });
        self.page.join(upload, &driver);
        self.drivers.borrow_mut().insert(upload, driver);
        upload
    }

    fn config(&self, size: u64) -> Config {
        let mut random = [0; 24];
        fill_randomly(&mut random);
        let (key, seed) = random.split_at(16);
        Config {
            size,
            key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
            verify_source: self.verify_source.get(),
            seed: seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte)),
            ..Config::default()
        }
    }

    fn driver(&self, upload: u32) -> Option<Rc<Driver>> {
        self.drivers.borrow().get(&upload).cloned()
    }

    fn tell(&self, upload: u32, input: Input) {
        if let Some(driver) = self.driver(upload) {
            driver.input(input);
        }
    }

    /// After anything happened to an upload: tells what is new, and gives its turn to the next one
    /// once it rests.
    fn happened(&self, upload: u32) {
        let Some(driver) = self.driver(upload) else { return };
        let phase = driver.phase();
        if self.page.waits(upload) {
            let is_stopped = phase == Phase::Paused && self.page.is_held(upload);
            let standing = if is_stopped { Standing::Moves(phase) } else { Standing::Queued };
            self.show(upload, &driver, standing);
            return self.set_progress_timer();
        }
        if driver.is_claiming() {
            return self.claiming(upload, &driver);
        }
        if rests(&phase) || phase == Phase::Cancelling {
            driver.release();
            self.page.leave(upload);
        }
        if matches!(phase, Phase::Ended(End::Done(_) | End::Cancelled)) {
            self.forget(upload, &driver);
        }
        self.show(upload, &driver, Standing::Moves(phase));
        self.page.admit();
        self.set_progress_timer();
    }

    /// Another tab may be sending the file. If it is, others have their turn meanwhile.
    fn claiming(&self, upload: u32, driver: &Driver) {
        if !driver.is_elsewhere() {
            return self.show(upload, driver, Standing::Queued);
        }
        self.page.leave(upload);
        self.show(upload, driver, Standing::Elsewhere);
        self.page.admit();
    }

    fn forget(&self, upload: u32, driver: &Driver) {
        self.drivers.borrow_mut().remove(&upload);
        self.page.part(upload);
        let mut alike = self.alike.borrow_mut();
        if let Some(uploads) = alike.get_mut(driver.fingerprint()) {
            uploads.retain(|other| *other != upload);
            if uploads.is_empty() {
                alike.remove(driver.fingerprint());
            }
        }
    }

    fn show(&self, upload: u32, driver: &Driver, standing: Standing) {
        if !driver.is_news(&standing) {
            return;
        }
        log::standing(upload, &driver.name(), &standing, clock::now());
        let about = || About { id: upload, name: driver.name() };
        if let Some(progress) = driver.new_progress() {
            self.totals.borrow_mut().progress(clock::now(), upload, &progress);
            (self.emit)(Event::progress(about(), progress));
        }
        self.sum_up(upload, &standing);
        (self.emit)(Event::state(about(), &standing, retry_at(&standing)));
        if let Standing::Moves(Phase::Ended(end)) = standing {
            let url =
                |file: &longhaul_protocol::wire::FileInfo| self.endpoint.at(&path::file(file.id));
            Event::end(about(), end, url).into_iter().for_each(|event| (self.emit)(event));
        }
    }

    fn sum_up(&self, upload: u32, standing: &Standing) {
        let mut totals = self.totals.borrow_mut();
        match standing {
            Standing::Moves(Phase::Ended(End::Done(_))) => totals.done(clock::now(), upload),
            Standing::Moves(Phase::Ended(End::Cancelled)) => totals.cancelled(upload),
            Standing::Moves(Phase::Ended(End::Failed(_))) => totals.rest(upload, Rest::Failed),
            Standing::Moves(Phase::Paused) => totals.rest(upload, Rest::Paused),
            Standing::Moves(_) | Standing::Queued | Standing::Elsewhere => {
                totals.rest(upload, Rest::None)
            }
        }
    }

    /// Runs while anything moves, because the rate changes even when no byte does, and once more.
    fn set_progress_timer(&self) {
        let mut timer = self.progress_timer.borrow_mut();
        if timer.is_none() {
            let this = self.this.clone();
            *timer =
                Some(Interval::new(PROGRESS_INTERVAL_MS, move || with(&this, Self::show_progress)));
        }
    }

    fn show_progress(&self) {
        let moving = self.page.moving_of(self.line);
        if moving.is_empty() {
            self.progress_timer.take();
        }
        let held = self.page.holds(self.line);
        let news = self.totals.borrow_mut().news(clock::now(), moving.len() as u64, held);
        if let Some(total) = news {
            (self.emit)(Event::Total(total));
        }
        for (upload, driver) in moving.into_iter().filter_map(|id| Some((id, self.driver(id)?))) {
            if let Some(progress) = driver.new_progress() {
                self.totals.borrow_mut().progress(clock::now(), upload, &progress);
                let about = About { id: upload, name: driver.name() };
                (self.emit)(Event::progress(about, progress));
            }
        }
    }

    fn online(&self) {
        let is_asking = |(upload, driver): &(&u32, &Rc<Driver>)| {
            self.page.moves(**upload) || driver.phase() == Phase::Cancelling
        };
        let asking: Vec<u32> =
            self.drivers.borrow().iter().filter(is_asking).map(|(upload, _)| *upload).collect();
        asking.into_iter().for_each(|upload| self.tell(upload, Input::Online));
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            let online = self.online.as_ref().unchecked_ref();
            // Fails for no listener that was added; and then none is left to remove.
            drop(window.remove_event_listener_with_callback("online", online));
        }
        // What they have in the lanes is freed, and nobody is left to be told.
        self.drivers.borrow().values().for_each(|driver| driver.input(Input::Pause));
        self.drivers.borrow().keys().for_each(|upload| self.page.part(*upload));
        self.page.close_line(self.line);
    }
}

fn with(uploader: &Weak<Uploader>, act: impl FnOnce(&Uploader)) {
    if let Some(uploader) = uploader.upgrade() {
        act(&uploader);
    }
}

fn listen(online: &Closure<dyn FnMut()>) {
    if let Some(window) = web_sys::window() {
        let online = online.as_ref().unchecked_ref();
        // Without it a retry waits as long as the machine says, which does no harm.
        drop(window.add_event_listener_with_callback("online", online));
    }
}

/// Whether an upload needs no turn: nothing happens to it until a person says so.
fn rests(phase: &Phase) -> bool {
    matches!(phase, Phase::Paused | Phase::Ended(_))
}

/// The machine's clock is the page's; a person's is not.
fn retry_at(standing: &Standing) -> Option<Millis> {
    match standing {
        Standing::Moves(Phase::Waiting { until, .. }) => {
            Some(clock::since_1970() + until.since(clock::now()))
        }
        _ => None,
    }
}

fn meta(file: &File, relative_path: &str, metadata: LiteMap<String, String>) -> FileMeta {
    let media_type = Some(file.type_()).filter(|media_type| is_media_type(media_type));
    let path = name::clean_path(relative_path);
    FileMeta {
        name: name::clean(&file.name()),
        media_type: media_type.unwrap_or_default(),
        last_modified: Some(Millis(whole(file.last_modified()))),
        relative_path: name::check_path(&path).is_ok().then_some(path),
        metadata,
    }
}

/// Where the file lies below the folder that was picked; empty if it was picked by itself.
fn relative_path(file: &File) -> String {
    let path = js_sys::Reflect::get(file, &"webkitRelativePath".into());
    path.ok().and_then(|path| path.as_string()).unwrap_or_default()
}
