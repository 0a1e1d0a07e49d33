//! The state machine of a file that is fetched, and the hands that do what it asks for.

use std::path::PathBuf;
use std::sync::Arc;

use longhaul_protocol::download::{
    Action, Config, Download, End, Fault, Input, Phase, TargetError,
};
use longhaul_protocol::name::clean;
use longhaul_protocol::patience::Patience;
use longhaul_protocol::upload::{BufferId, Ticket};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::{Millis, Plan};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Order;
use super::buffers::{Buffers, with};
use super::coming::Fetch;
use super::target::{Place, Target, taken};
use crate::clock;
use crate::disk::fitting;
use crate::driving::{sleep_until_due, stopped};
use crate::ending::{self, Ending, Trouble};
use crate::http::Client;
use crate::report::{Event, Report};

/// What drives one file.
pub(super) struct Driver {
    order: Order,
    client: Client,
    report: Arc<Report>,
    stop: watch::Receiver<Option<Ending>>,
    machine: Download,
    place: Option<Place>,
    target: Option<Arc<Target>>,
    buffers: Buffers,
    asking: Option<AbortHandle>,
    patience: Patience,
    /// The wait that was told last.
    told: Option<Millis>,
    is_begun: bool,
    /// The file, where all of it was here before this run.
    was_here: Option<Box<FileInfo>>,
    happens: UnboundedSender<Happened>,
    happened: UnboundedReceiver<Happened>,
}

/// What happened.
#[derive(Debug)]
enum Happened {
    Input(Input),
    Prepared(Ticket, Result<Target, TargetError>),
}

impl Driver {
    /// One that does nothing until it runs.
    pub(super) fn new(
        order: Order,
        client: Client,
        report: Arc<Report>,
        stop: watch::Receiver<Option<Ending>>,
    ) -> Self {
        let place = order.output.clone().filter(|path| !path.is_dir()).map(|path| {
            Place::new(path, order.remote.endpoint.file(order.remote.file), order.force)
        });
        let machine = machine(&order, place.as_ref());
        let patience = Patience::new(order.patience);
        let (happens, happened) = unbounded_channel();
        Self {
            order,
            client,
            report,
            stop,
            machine,
            place,
            target: None,
            buffers: Buffers::default(),
            asking: None,
            patience,
            told: None,
            is_begun: false,
            was_here: None,
            happens,
            happened,
        }
    }

    /// Fetches it: what it is, and where; `None` when it was stopped.
    pub(super) async fn run(mut self) -> Result<Option<(Box<FileInfo>, PathBuf)>, Trouble> {
        self.is_free()?;
        let (mut stop, mut tick) =
            (self.stop.clone(), tokio::time::interval(self.report.interval()));
        loop {
            while let Some(action) = self.machine.poll(clock::now()) {
                self.act(action).await?;
            }
            if let Some(file) = self.was_here.take() {
                return self.ended(End::Done(file));
            }
            if let Phase::Ended(end) = self.machine.phase() {
                return self.ended(end);
            }
            self.tell_waiting()?;
            let due = self.machine.next_timeout();
            tokio::select! {
                happened = self.happened.recv() => self.take_in(happened),
                () = sleep_until_due(due) => {}
                _ = tick.tick() => self.tell_progress()?,
                () = stopped(&mut stop) => self.leave().await?,
            }
        }
    }

    fn is_free(&self) -> Result<(), Trouble> {
        match &self.place {
            Some(place) => {
                place.fault().map_or(Ok(()), |fault| Err(Trouble::new(Ending::Local, fault)))
            }
            None => Ok(()),
        }
    }

    /// While the target gets its name that is waited for: it is over in a moment.
    async fn leave(&mut self) -> Result<(), Trouble> {
        self.machine.handle(clock::now(), Input::Leave);
        if matches!(self.machine.phase(), Phase::Finishing) {
            let happened = self.happened.recv().await;
            self.take_in(happened);
        }
        Ok(())
    }

    fn take_in(&mut self, happened: Option<Happened>) {
        let mut next = happened;
        while let Some(happened) = next {
            let input = match happened {
                Happened::Input(input) => input,
                Happened::Prepared(ticket, result) => {
                    let result = result.map(|target| self.target = Some(Arc::new(target)));
                    Input::Prepared { ticket, result }
                }
            };
            self.machine.handle(clock::now(), input);
            next = self.happened.try_recv().ok();
        }
    }

    fn ended(&mut self, end: End) -> Result<Option<(Box<FileInfo>, PathBuf)>, Trouble> {
        self.tell_begun();
        self.report.tell(Event::Progress(&self.machine.progress(clock::now())));
        let whole = self.place.as_ref().map(|place| place.whole.clone()).unwrap_or_default();
        let is_empty = self.machine.progress(clock::now()).acknowledged == 0;
        match end {
            End::Done(file) => return Ok(Some((file, whole))),
            // Nothing of use came of it.
            _ if is_empty && self.place.as_ref().is_some_and(|place| place.record().is_none()) => {
                self.target.take().iter().for_each(|target| target.discard());
            }
            _ => {}
        }
        match end {
            End::Failed(fault) => Err(Trouble::of_fetch(&self.url(), &fault)),
            End::Done(_) | End::Cancelled => Ok(None),
        }
    }

    // Telling.

    fn tell_begun(&mut self) {
        if let Some(file) = self.machine.file().filter(|_| !self.is_begun) {
            self.report.tell(Event::Begins { files: 1, bytes: file.size });
            self.is_begun = true;
        }
    }

    fn tell_progress(&mut self) -> Result<(), Trouble> {
        let progress = self.machine.progress(clock::now());
        self.tell_begun();
        if self.is_begun {
            self.report.tell(Event::Progress(&progress));
        }
        self.is_patient()
    }

    fn tell_waiting(&mut self) -> Result<(), Trouble> {
        let Phase::Waiting { until, why } = self.machine.phase() else { return Ok(()) };
        if self.told == Some(until) {
            return Ok(());
        }
        self.is_patient()?;
        let (next_ms, why) = (until.since(clock::now()).0, ending::words(&why));
        self.report.tell(Event::Waits { path: &self.url(), why: &why, next_ms });
        self.told = Some(until);
        Ok(())
    }

    fn is_patient(&mut self) -> Result<(), Trouble> {
        let progress = self.machine.progress(clock::now());
        let done = progress.acknowledged.saturating_add(progress.in_flight);
        let (heard, phase) = (self.client.was_heard(), self.machine.phase());
        let waits = matches!(phase, Phase::Waiting { .. });
        match (self.patience.is_over(clock::now(), done, waits, heard), phase) {
            (true, Phase::Waiting { why, .. }) => {
                Err(Trouble::gave_up(self.client.endpoint().as_str(), &why, heard))
            }
            _ => Ok(()),
        }
    }

    // Doing.

    /// Begins an action. None of them but the record's reports or waits before this has returned.
    async fn act(&mut self, action: Action) -> Result<(), Trouble> {
        match action {
            Action::Page { ticket, start } => {
                let (client, happens) = (self.client.clone(), self.happens.clone());
                let file = self.order.remote.file;
                let task = tokio::spawn(async move {
                    let result = client.page(file, start).await;
                    tell(&happens, Input::Page { ticket, result });
                });
                self.asking = Some(task.abort_handle());
            }
            Action::HangUp { .. } => self.asking.take().iter().for_each(AbortHandle::abort),
            Action::Prepare { ticket, plan, keep } => self.prepare(ticket, plan, keep).await?,
            Action::Check { ticket, range, .. } => self.blocks(move |target| {
                let result = target.check(&range);
                Input::Checked { ticket, result }
            }),
            Action::Fetch { ticket, buffer, chunk, kept, rate_max } => {
                let len = chunk.end.saturating_sub(chunk.start);
                let arriving = self.buffers.begin(buffer, ticket, kept, len);
                let range = chunk.start.saturating_add(kept)..chunk.end;
                let size = self.machine.file().map_or(0, |file| file.size);
                self.fetch(buffer, Fetch { ticket, range, len: size, rate_max, arriving });
            }
            Action::Write { ticket, buffer, range } => {
                let arrived = self.buffers.arrived(buffer);
                self.blocks(move |target| {
                    let result = with(&arrived, |bytes| target.write(bytes, range.start));
                    drop(arrived);
                    Input::Written { ticket, result }
                });
            }
            Action::Stop { buffer } => self.buffers.stop(buffer),
            Action::Free { buffer } => self.buffers.free(buffer),
            Action::Finish { ticket } => {
                let Some(file) = self.machine.file().cloned() else { return Ok(()) };
                self.blocks(move |target| {
                    let result = target.finish(&file);
                    Input::Finished { ticket, result }
                });
            }
            Action::Discard => self.target.iter().for_each(|target| target.discard()),
            // The environment has one token, and no other.
            Action::Renew { ticket, .. } => {
                tell(&self.happens, Input::Renewed { ticket, is_fresh: false });
            }
            Action::Save(record) => {
                let Some(target) = self.target.clone() else { return Ok(()) };
                let saved = tokio::task::spawn_blocking(move || target.save(&record)).await;
                if let Ok(Err(error)) = saved {
                    return Err(Trouble::of_fetch(&self.url(), &Fault::Target(error)));
                }
            }
            Action::Forget => self.target.iter().for_each(|target| target.forget()),
        }
        Ok(())
    }

    fn url(&self) -> String {
        self.order.remote.endpoint.file(self.order.remote.file)
    }

    /// Where no name was given it gets the one that it has there.
    async fn prepare(&mut self, ticket: Ticket, plan: Plan, keep: bool) -> Result<(), Trouble> {
        let named = match self.place.take() {
            Some(place) => place,
            None => {
                let name = self.machine.file().map(|file| self.named(&file.meta.name));
                let folder = self.order.output.clone().unwrap_or_default();
                let whole = folder.join(name.unwrap_or_default());
                let place = Place::new(whole, self.url(), self.order.force);
                if place.record().is_some() {
                    // Only now it is known where an earlier run has left what it had: begun with that it goes on.
                    self.machine = machine(&self.order, Some(&place));
                    self.place = Some(place);
                    return Ok(());
                }
                place
            }
        };
        self.place = Some(named.clone());
        self.is_free()?;
        let Some(file) = self.machine.file().cloned() else { return Ok(()) };
        if named.is_taken() {
            return self.compare(named, file).await;
        }
        let (root, happens) = (file.root, self.happens.clone());
        tokio::task::spawn_blocking(move || {
            let result = named.prepare(root, plan.len(), keep);
            // Fails when nobody waits any more.
            drop(happens.send(Happened::Prepared(ticket, result)));
        });
        Ok(())
    }

    /// What has its name is not touched. Where it is the file, a run that was killed as its last act has left it, or
    /// somebody makes sure of it.
    async fn compare(&mut self, place: Place, file: FileInfo) -> Result<(), Trouble> {
        let whole = place.whole.clone();
        let compared = file.clone();
        let mut stop = self.stop.clone();
        let has = tokio::task::spawn_blocking(move || place.has(&compared));
        let has = tokio::select! {
            has = has => has.unwrap_or_default(),
            () = stopped(&mut stop) => {
                self.machine.handle(clock::now(), Input::Leave);
                return Ok(());
            }
        };
        if !has {
            return Err(Trouble::new(Ending::Local, taken(&whole)));
        }
        let note = format!("{} is here already, every byte as it is there", whole.display());
        self.report.tell(Event::Note(&note));
        self.was_here = Some(Box::new(file));
        Ok(())
    }

    /// The name that it has there, or that its link gives it. It is somebody else's choice: it begins with nothing
    /// that hides it, or that a program takes for an option.
    fn named(&self, name: &str) -> String {
        let given = self.order.remote.link_name();
        let name = fitting(&clean(given.as_deref().unwrap_or(name)));
        match name.strip_prefix(['.', '-']) {
            Some(rest) => format!("_{rest}"),
            None => name,
        }
    }

    fn blocks(&self, does: impl FnOnce(&Target) -> Input + Send + 'static) {
        let Some(target) = self.target.clone() else { return };
        let happens = self.happens.clone();
        tokio::task::spawn_blocking(move || tell(&happens, does(&target)));
    }

    fn fetch(&mut self, buffer: BufferId, fetch: Fetch) {
        let (client, happens) = (self.client.clone(), self.happens.clone());
        let file = self.order.remote.file;
        let task = tokio::spawn(async move {
            let ticket = fetch.ticket;
            let told = |bytes| tell(&happens, Input::Moved { ticket, bytes });
            let body = client.range(file, fetch.range.clone(), fetch.len).await;
            let result = match body {
                Ok(body) => fetch.read(body, told).await,
                Err(error) => Err(error),
            };
            drop(fetch);
            tell(&happens, Input::Fetched { ticket, result });
        });
        self.buffers.works(buffer, task.abort_handle());
    }
}

fn machine(order: &Order, place: Option<&Place>) -> Download {
    let mut machine = Download::new(Config {
        file: order.remote.file,
        root: order.root,
        resume: place.and_then(Place::record),
        lanes: u64::from(order.jobs),
        seed: fastrand::u64(..),
    });
    let bytes_per_second = order.rate_max;
    machine.handle(clock::now(), Input::RateMax { bytes_per_second });
    machine
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.asking.iter().for_each(AbortHandle::abort);
    }
}

fn tell(happens: &UnboundedSender<Happened>, input: Input) {
    // Fails when nobody waits any more.
    drop(happens.send(Happened::Input(input)));
}
