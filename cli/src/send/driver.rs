//! One file: its state machine, what is told of it, and how it ends.

mod hands;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use longhaul_protocol::patience::Patience;
use longhaul_protocol::progress::Progress;
use longhaul_protocol::upload::{
    BufferId, Config, End, Fault, Input, Phase, SourceError, Ticket, Upload,
};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{Digest, Millis};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::Shared;
use super::buffers::Buffers;
use super::journal::Journal;
use super::list::Item;
use crate::clock;
use crate::driving::{sleep_until_due, stopped};
use crate::ending::{self, Trouble};
use crate::report::Event;
use crate::source::{Source, Stamp};

/// How often all of a file is read once more at most because something was done to it meanwhile: what goes on doing
/// that would have it read for ever.
const VERIFY_TRIES: u32 = 8;

/// What happened.
#[derive(Debug)]
enum Happened {
    Input(Input),
    /// A read has ended.
    Read(BufferId, Ticket, BytesMut, Result<(Digest, Stamp), SourceError>),
}

/// What drives one file.
pub(super) struct Driver {
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    index: usize,
    item: Item,
    key: String,
    /// The upload of what the file was before, until it is known whether it is of use.
    stale: Option<UploadId>,
    /// Whether something was done to it since it was begun, of which nobody knows yet what.
    is_touched: bool,
    /// What its stamp was when it was read last.
    seen: Stamp,
    /// How often it was read once more for that.
    verified: u32,
    source: Arc<Source>,
    machine: Upload,
    buffers: Buffers,
    calls: BTreeMap<Ticket, AbortHandle>,
    patience: Patience,
    /// This file's share of what all may take, bytes a second.
    rate_max: Option<u64>,
    /// The wait that was told last.
    told: Option<Millis>,
    happens: UnboundedSender<Happened>,
    happened: UnboundedReceiver<Happened>,
}

impl Driver {
    /// One that does nothing until it runs.
    pub(super) fn new(
        shared: Arc<Shared>,
        journal: Arc<Journal>,
        index: usize,
        item: &Item,
        rate_max: Option<u64>,
    ) -> Result<Self, Trouble> {
        let fault = |error| Trouble::of_send(&item.path, &Fault::Source(error));
        let source = Source::open(&item.source, item.stamp).map_err(fault)?;
        let seen = source.stamp().map_err(fault)?;
        let key = journal.key(item);
        let stale = journal.stale(item).map(|record| record.id);
        if stale.is_some() {
            tell_changed(&shared, item);
        }
        let begun = journal.upload(item);
        let is_touched = begun.as_ref().is_some_and(|begun| begun.is_touched);
        let machine = Upload::new(Config {
            meta: item.meta.clone(),
            size: item.size,
            resume: begun.map(|begun| begun.of.id),
            seeks: true,
            verify_source: false,
            lanes: Some(u64::from(shared.order.jobs)),
            key: key.clone(),
            seed: fastrand::u64(..),
        });
        let patience = Patience::new(shared.order.patience);
        let (happens, happened) = unbounded_channel();
        Ok(Self {
            shared,
            journal,
            index,
            item: item.clone(),
            key,
            stale,
            is_touched,
            seen,
            verified: 0,
            source: Arc::new(source),
            machine,
            buffers: Buffers::default(),
            calls: BTreeMap::new(),
            patience,
            rate_max,
            told: None,
            happens,
            happened,
        })
    }

    /// The file that is sent, whatever has its name by then.
    pub(super) fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// Sends it; `None` when it was stopped.
    pub(super) async fn run(mut self) -> Result<Option<Box<FileInfo>>, Trouble> {
        let mut stop = self.shared.stop.clone();
        let mut tick = tokio::time::interval(self.shared.report.interval());
        let bytes_per_second = self.rate_max;
        self.machine.handle(clock::now(), Input::RateMax { bytes_per_second });
        loop {
            while let Some(action) = self.machine.poll(clock::now()) {
                self.act(action);
            }
            if let Phase::Ended(end) = self.machine.phase() {
                self.moves();
                return self.ended(end);
            }
            self.tell_waiting()?;
            let due = self.machine.next_timeout();
            tokio::select! {
                happened = self.happened.recv() => self.take_in(happened),
                () = sleep_until_due(due) => {}
                _ = tick.tick() => self.tell_progress()?,
                () = stopped(&mut stop) => self.machine.handle(clock::now(), Input::Leave),
            }
        }
    }

    fn take_in(&mut self, happened: Option<Happened>) {
        let mut next = happened;
        while let Some(happened) = next {
            match happened {
                Happened::Input(input) => self.machine.handle(clock::now(), input),
                Happened::Read(buffer, ticket, memory, result) => {
                    self.buffers.filled(buffer, ticket, memory);
                    self.was_read(ticket, result);
                }
            }
            next = self.happened.try_recv().ok();
        }
    }

    /// Where something was done to the file since another piece was read, the pieces may be of two versions: all are
    /// read once more before they are made one file.
    fn was_read(&mut self, ticket: Ticket, result: Result<(Digest, Stamp), SourceError>) {
        let stamp = result.as_ref().map_or(self.seen, |(_, stamp)| *stamp);
        let result = match result {
            Ok(_) if stamp != self.seen && self.verified == VERIFY_TRIES => {
                Err(SourceError::Changed)
            }
            result => result.map(|(digest, _)| digest),
        };
        self.machine.handle(clock::now(), Input::Read { ticket, result });
        if std::mem::replace(&mut self.seen, stamp) != stamp {
            self.verified += 1;
            self.machine.handle(clock::now(), Input::Verify);
        }
    }

    fn ended(&self, end: End) -> Result<Option<Box<FileInfo>>, Trouble> {
        match end {
            End::Done(file) => Ok(Some(file)),
            End::Cancelled => Ok(None),
            End::Failed(Fault::Refused(problem))
                if problem.status == 401 && self.shared.client.guests_token().is_some() =>
            {
                Err(Trouble::of_guest(&self.item.path, &problem, self.journal.path()))
            }
            End::Failed(fault) => Err(Trouble::of_send(&self.item.path, &fault)),
        }
    }

    // Telling.

    fn tell_progress(&mut self) -> Result<(), Trouble> {
        let (progress, all) = self.moves();
        self.shared.report.tell(Event::Progress(&all));
        self.is_patient(progress.acknowledged.saturating_add(progress.in_flight))
    }

    /// Puts on the board how far it is; and what that and all of it come to.
    fn moves(&self) -> (Progress, Progress) {
        let progress = self.machine.progress(clock::now());
        let mut board = self.shared.board();
        board.moves(self.index, progress);
        (progress, board.sum())
    }

    fn tell_waiting(&mut self) -> Result<(), Trouble> {
        let Phase::Waiting { until, why } = self.machine.phase() else { return Ok(()) };
        if self.told == Some(until) {
            return Ok(());
        }
        let progress = self.machine.progress(clock::now());
        self.is_patient(progress.acknowledged.saturating_add(progress.in_flight))?;
        let next_ms = until.since(clock::now()).0;
        let (path, why) = (&self.item.path, ending::words(&why));
        self.shared.report.tell(Event::Waits { path, why: &why, next_ms });
        self.told = Some(until);
        Ok(())
    }

    fn is_patient(&mut self, done: u64) -> Result<(), Trouble> {
        let heard = self.shared.client.was_heard();
        let waiting = match self.machine.phase() {
            Phase::Waiting { why, .. } => Some(why),
            _ => None,
        };
        match waiting {
            Some(why) if self.patience.is_over(clock::now(), done, true, heard) => {
                Err(Trouble::gave_up(self.shared.client.endpoint().as_str(), &why, heard))
            }
            Some(_) => Ok(()),
            None => {
                let _ = self.patience.is_over(clock::now(), done, false, heard);
                Ok(())
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.calls.values().for_each(AbortHandle::abort);
    }
}

fn tell_changed(shared: &Shared, item: &Item) {
    shared.report.tell(Event::Note(&format!(
        "{} was changed since it was begun; it is sent as it is now, and none of what it was stays in it",
        item.path
    )));
}
