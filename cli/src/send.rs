//! Sending: files and folders, each file by a machine of its own, with a journal beside what is sent so
//! that the next run goes on where this one ended.

mod board;
mod buffers;
mod driver;
mod given;
mod journal;
mod list;
mod stdin;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longhaul_protocol::Millis;
use longhaul_protocol::plan::RATE_MIN;
use longhaul_protocol::upload::{CALL_TIMEOUT, ONE_REQUEST_MAX};
use longhaul_protocol::wire::FileInfo;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::driving::stopped;
use crate::ending::{Ending, Trouble};
use crate::http::Client;
use crate::report::{Event, Report};
use crate::source::Source;

use board::Board;
use driver::Driver;
use given::Given;
use journal::Journal;
use list::{Item, List};
pub use stdin::STDIN;

/// How long the server may take to say whether it has a file: as long as for any other question.
const ASKED_FOR: Duration = Duration::from_millis(CALL_TIMEOUT.0);

/// What to send, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Files and folders, and [`STDIN`].
    pub paths: Vec<PathBuf>,
    /// What standard input is called, and where it is kept until it is through.
    pub stdin_as: Option<PathBuf>,
    /// Connections that carry bytes at once, at least 1.
    pub jobs: u32,
    /// Bytes a second for all of them.
    pub rate_max: Option<u64>,
    /// How long to wait for a server that is away.
    pub patience: Millis,
}

/// What all files of an order share.
#[derive(Debug)]
struct Shared {
    client: Client,
    report: Arc<Report>,
    order: Order,
    stop: watch::Receiver<Option<Ending>>,
    board: Mutex<Board>,
}

impl Shared {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One file is over, and how far that brings all of them is told before what has become of it.
    fn ends(&self, index: usize, whole: Option<u64>) {
        let all = {
            let mut board = self.board();
            board.ends(index, whole);
            board.sum()
        };
        self.report.tell(Event::Progress(&all));
    }

    fn tell_done(&self, item: &Item, file: &FileInfo) {
        let url = self.client.endpoint().file(file.id);
        self.report.tell(Event::Done { path: &item.path, url: &url, file });
    }

    fn is_stopped(&self) -> Option<Ending> {
        *self.stop.borrow()
    }
}

/// Sends all of it and tells of each file; what failed is told too, and the rest goes on.
///
/// # Errors
/// What the exit code is to be, when not everything is through.
pub async fn send(
    order: Order,
    client: Client,
    report: Arc<Report>,
    stop: watch::Receiver<Option<Ending>>,
) -> Result<(), Ending> {
    let mut worst = None;
    let Given { lists, taken } = Given::of(&order, &client, &report, &stop, &mut worst).await;
    begin(&lists, &client, &report);
    for (path, trouble) in lists.iter().flat_map(|list| &list.troubles) {
        fails(&report, path, trouble, &mut worst);
    }
    let total = lists.iter().map(|list| list.bytes()).sum();
    let board = Mutex::new(Board::of(total));
    let shared = Arc::new(Shared { client, report, order, stop, board });
    send_all(&shared, &lists, &mut worst).await;
    let left = shared.is_stopped();
    let is_through = worst.is_none() && left.is_none();
    let is_told = shared.client.guests_token().is_none_or(|token| shared.report.tell_guest(&token))
        && shared.report.unwritten().is_none();
    match taken {
        // What was not told would be known to nobody any more.
        Some(taken) if is_through && is_told => taken.done(),
        Some(taken) => shared.report.tell(Event::Note(&taken.kept(shared.client.endpoint()))),
        None => {}
    }
    // A pipe cannot be read again.
    if left.is_some() && shared.order.stdin_as.is_none() {
        shared.report.tell(Event::Note("stopped; the same command goes on"));
    }
    lists.iter().filter(|list| is_told && (is_through || list.journal.is_empty())).for_each(
        |list| {
            list.journal.remove();
        },
    );
    match left.or(worst).or((!is_told).then_some(Ending::Local)) {
        Some(ending) => Err(ending),
        None => Ok(()),
    }
}

fn fails(report: &Report, path: &str, trouble: &Trouble, worst: &mut Option<Ending>) {
    report.tell(Event::Failed { path, trouble });
    *worst = Some(worst.map_or(trouble.ending, |worst| worst.max(trouble.ending)));
}

fn begin(lists: &[List], client: &Client, report: &Report) {
    for list in lists {
        list.notes.iter().for_each(|note| report.tell(Event::Note(note)));
        list.journal.token().into_iter().for_each(|token| client.becomes_guest(token));
    }
    let files = lists.iter().map(|list| list.items.len() as u64).sum();
    let bytes = lists.iter().map(|list| list.bytes()).sum();
    report.tell(Event::Begins { files, bytes });
    // Whoever is a guest of the server gets at what is there by this alone.
    let journals: Vec<_> = lists.iter().map(|list| Arc::clone(&list.journal)).collect();
    client.when_guest(move |token| journals.iter().for_each(|journal| journal.knows(token)));
}

/// How many small files go at once, and how many bytes a second each of them may take. All together they
/// keep to what is allowed; one alone may have it all.
fn shares(order: &Order, files: u64) -> (u32, Option<u64>) {
    let most = files.clamp(1, u64::from(order.jobs));
    let Some(rate) = order.rate_max else { return (order.jobs, None) };
    let at_once = (rate / RATE_MIN).clamp(1, most);
    (u32::try_from(at_once).unwrap_or(1), Some(rate / at_once))
}

/// A small file takes one connection, so as many go at once as there are; a larger one can fill all of
/// them, and goes alone.
async fn send_all(shared: &Arc<Shared>, lists: &[List], worst: &mut Option<Ending>) {
    let lanes = Arc::new(Semaphore::new(shared.order.jobs as usize));
    let mut sending = JoinSet::new();
    let files = lists.iter().map(|list| list.items.len() as u64).sum();
    let (at_once, share) = shares(&shared.order, files);
    let small = Arc::new(Semaphore::new(at_once as usize));
    let items = lists.iter().flat_map(|list| list.items.iter().map(move |item| (list, item)));
    let mut is_there = true;
    for (index, (list, item)) in items.enumerate() {
        let is_small = item.size <= ONE_REQUEST_MAX;
        let wanted = if is_small { 1 } else { shared.order.jobs };
        let turn = if is_small { Arc::clone(&small).acquire_owned().await.ok() } else { None };
        let rate_max = if is_small { share } else { shared.order.rate_max };
        let Ok(lane) = Arc::clone(&lanes).acquire_many_owned(wanted).await else { break };
        while let Some(ended) = sending.try_join_next() {
            note(shared, ended, worst, &mut is_there);
        }
        if shared.is_stopped().is_some() || !is_there {
            break;
        }
        let (shared, journal, item) = (Arc::clone(shared), Arc::clone(&list.journal), item.clone());
        sending.spawn(async move {
            let ended = one(&shared, &journal, index, &item, rate_max).await;
            drop((lane, turn));
            ended.map_err(|trouble| (item.path.clone(), trouble))
        });
    }
    while let Some(ended) = sending.join_next().await {
        note(shared, ended, worst, &mut is_there);
        if !is_there {
            sending.abort_all();
        }
    }
}

type Ended = Result<Result<(), (String, Trouble)>, tokio::task::JoinError>;

/// What has never answered at all is no more there for the next file: one waits for it, and one is told of it.
fn note(shared: &Shared, ended: Ended, worst: &mut Option<Ending>, is_there: &mut bool) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err((path, trouble))) => {
            let was_there = *is_there;
            *is_there &= trouble.ending != Ending::Unreachable || shared.client.was_heard();
            if was_there || *is_there {
                fails(&shared.report, &path, &trouble, worst);
            }
        }
        Err(ended) if ended.is_cancelled() => {}
        Err(panicked) => {
            fails(&shared.report, "", &Trouble::new(Ending::Local, panicked.to_string()), worst);
        }
    }
}

/// Sends one file, unless an earlier run did.
async fn one(
    shared: &Arc<Shared>,
    journal: &Arc<Journal>,
    index: usize,
    item: &Item,
    rate_max: Option<u64>,
) -> Result<(), Trouble> {
    let mut stop = shared.stop.clone();
    let before = tokio::select! {
        before = through_before(shared, journal, item) => before,
        () = stopped(&mut stop) => return Ok(()),
    };
    if let Some(file) = before {
        shared.ends(index, Some(item.size));
        shared.tell_done(item, &file);
        return Ok(());
    }
    let driver = Driver::new(Arc::clone(shared), Arc::clone(journal), index, item, rate_max)?;
    let source = driver.source();
    let file = driver.run().await;
    let whole = file.as_ref().ok().and_then(Option::as_ref).map(|_| item.size);
    shared.ends(index, whole);
    let Some(file) = file? else { return Ok(()) };
    if file.size != item.size {
        let told = format!(
            "{}: the server tells of {} bytes and was sent {}; send it again, and tell the server's owner if it goes on",
            item.path, file.size, item.size
        );
        return Err(Trouble::new(Ending::Untrusted, told));
    }
    // What was sent is the file that was opened, whatever has its name by now.
    if !source.is_still(&item.source) {
        let path = &item.path;
        let told = format!(
            "{path} was changed, replaced or removed since it was read; what was sent is what it was"
        );
        shared.report.tell(Event::Note(&told));
    }
    journal.is_through(item, &file);
    shared.tell_done(item, &file);
    Ok(())
}

/// What an earlier run made of the file, if that is there still. It may be gone, or be somebody else's; where nothing
/// answers, sending finds out.
async fn through_before(shared: &Shared, journal: &Journal, item: &Item) -> Option<Box<FileInfo>> {
    let known = journal.file(item)?;
    let file = if known.is_touched { same(item, known.of).await? } else { known.of };
    let asked = tokio::time::timeout(ASKED_FOR, shared.client.has(&file)).await;
    asked.is_ok_and(|there| there.unwrap_or(false)).then_some(file)
}

/// What an earlier run made of a file that something was done to since, if it has the same bytes still.
async fn same(item: &Item, file: Box<FileInfo>) -> Option<Box<FileInfo>> {
    let (path, stamp, chunk_len) = (item.source.clone(), item.stamp, file.chunk_size);
    let root = move || Source::open(&path, stamp)?.root(chunk_len);
    let read = tokio::task::spawn_blocking(root).await.ok()?;
    read.is_ok_and(|root| root == file.root).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_together_keep_to_the_rate_and_one_alone_may_have_all_of_it() {
        let order = |rate_max| Order {
            paths: Vec::new(),
            stdin_as: None,
            jobs: 5,
            rate_max,
            patience: Millis(0),
        };
        assert_eq!(shares(&order(None), 100), (5, None));
        assert_eq!(shares(&order(Some(500 << 10)), 1), (1, Some(500 << 10)));
        for rate in [RATE_MIN, 3 * RATE_MIN, 500 << 10, 1 << 30] {
            let (at_once, share) = shares(&order(Some(rate)), 100);
            let share = share.unwrap();
            assert!(share >= RATE_MIN && share * u64::from(at_once) <= rate, "{rate}");
        }
    }
}
