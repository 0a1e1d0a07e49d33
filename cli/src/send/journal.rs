//! What a run leaves for the next one, beside what is sent: `NAME.longhaul`; where nothing can be made there, in the
//! user's folder for such things.
//!
//! One JSON object a line: which server it is about, then what became of each file there. Lines are
//! added, so that ten thousand files cost ten thousand lines; one that a kill has torn is passed over.
//! What is not finished at one server stays while the same is sent to another: it may be all that gets at it.
//! What it says of a file counts only while that file is what it was. It can never make two versions of a
//! file one: what the server holds is compared with the file by digests all the same.

mod find;
mod lines;
mod place;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use longhaul_protocol::Digest;
use longhaul_protocol::upload::Record;
use longhaul_protocol::wire::FileInfo;

use super::list::Item;
use crate::disk::{folder_of, is_same, said};
use crate::endpoint::Endpoint;
use crate::source::Stamp;

pub(super) use lines::is_journal;
use lines::{Journaled, Line, Section};
use place::{Made, Unopened, is_to_be_believed, made, take};

/// What its name ends with.
pub(super) const SUFFIX: &str = "longhaul";

#[derive(Debug, Default)]
struct State {
    /// `None` where it cannot be written.
    file: Option<File>,
    /// What it says of the server at hand.
    section: Section,
    /// Other servers at which something is not finished.
    others: Vec<String>,
    /// Whether an earlier run has noted something of this server in it.
    is_known: bool,
    /// Whether this run has noted that it has begun.
    has_begun: bool,
    /// Why nothing can be added to it, if nothing can.
    fixed: Option<String>,
}

/// What an earlier run knew of a file.
#[derive(Debug)]
pub(super) struct Known<T> {
    pub(super) of: T,
    /// Nothing about the file shows a change but that something was done to it: it may have got another name or
    /// mode, or other bytes and its date back.
    pub(super) is_touched: bool,
}

/// The journal of one argument.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    key: String,
    state: Mutex<State>,
}

impl Journal {
    fn open(path: &Path, endpoint: &Endpoint) -> Result<Self, Unopened> {
        let Made { file, is_new, mut fixed } = made(path)?;
        let believed = take(&file, path).and_then(|()| is_to_be_believed(&file));
        let found = believed.inspect_err(|unopened| {
            // Whoever was as quick has it by now.
            if is_new && !matches!(unopened, Unopened::Busy) {
                drop(std::fs::remove_file(path));
            }
        })?;
        let mut read = Journaled::of(&file, &found);
        let to = endpoint.as_str();
        let ours = read.sections.remove(to);
        if read.is_copy {
            return Err(Unopened::Moved);
        }
        let (has_head, is_last) = (ours.is_some(), read.last.as_deref() == Some(to));
        let section = ours.unwrap_or_else(|| Section { key: random_key(), ..Section::default() });
        let is_known = !section.is_empty();
        if fixed.is_none() {
            let is_of_use = has_head || !read.sections.is_empty();
            let written =
                lines::mend(&file, found.len()).and_then(|()| match has_head && is_last {
                    true => Ok(()),
                    false => lines::begin(&file, &found, to, &section.key, is_of_use),
                });
            fixed = written.err().map(|error| said(&error));
        }
        // What it says counts all the same; where it says nothing of this server there is nothing lost.
        if let Some(why) = fixed.as_ref().filter(|_| !is_known) {
            if is_new {
                drop(std::fs::remove_file(path));
            }
            return Err(Unopened::Failed(why.clone()));
        }
        let others = read.sections.into_iter().filter(|(_, section)| !section.is_empty());
        let state = State {
            file: Some(file),
            others: others.map(|(to, _)| to).collect(),
            is_known,
            section,
            has_begun: false,
            fixed,
        };
        let key = state.section.key.clone();
        Ok(Self { path: path.to_owned(), key, state: Mutex::new(state) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier run made of the file.
    pub(super) fn file(&self, item: &Item) -> Option<Known<Box<FileInfo>>> {
        let state = self.state();
        let (stamp, file) = state.section.files.get(&item.noted)?;
        stamp.is_like(&item.stamp).then(|| known(file, stamp, item))
    }

    /// The upload that an earlier run began for the file.
    pub(super) fn upload(&self, item: &Item) -> Option<Known<Record>> {
        let state = self.state();
        let (stamp, record) = state.section.uploads.get(&item.noted)?;
        stamp.is_like(&item.stamp).then(|| known(record, stamp, item))
    }

    /// The upload that an earlier run began for the file when it was another.
    pub(super) fn stale(&self, item: &Item) -> Option<Record> {
        let state = self.state();
        let (stamp, record) = state.section.uploads.get(&item.noted)?;
        let is_file = state.section.files.get(&item.noted).is_some_and(|(of, _)| of == stamp);
        (!stamp.is_like(&item.stamp) && !is_file).then(|| record.clone())
    }

    /// The token of the guest who began.
    pub(super) fn token(&self) -> Option<String> {
        self.state().section.token.clone()
    }

    /// Whether what is in it was begun with a token of the user's.
    pub(super) fn is_users(&self) -> bool {
        self.state().section.is_users
    }

    /// The first request that leaves something on the server is about to go, with a token of the user's own or not:
    /// from now on the next run has to find this.
    pub(super) fn begins(&self, users: bool) {
        if std::mem::replace(&mut self.state().has_begun, true) {
            return;
        }
        let users = users && self.token().is_none();
        self.add(&Line::Begun { users });
        self.sync();
    }

    /// What the keys of the file's requests are made of: the same in each run, and another for another
    /// version of it.
    pub(super) fn key(&self, item: &Item) -> String {
        let of = format!("{}\n{}\n{}", self.key, item.noted, item.stamp.to_text());
        Digest::of(of.as_bytes()).to_string().chars().take(32).collect()
    }

    /// An upload of it goes on.
    pub(super) fn goes_on(&self, item: &Item, record: Record) {
        let path = item.noted.clone();
        self.add(&Line::Upload { path, stamp: item.stamp, record });
    }

    /// It is a file there.
    pub(super) fn is_through(&self, item: &Item, file: &FileInfo) {
        let (path, stamp) = (item.noted.clone(), item.stamp);
        self.add(&Line::File { path, stamp, file: Box::new(file.clone()) });
    }

    /// The server has made a guest of who has no token.
    pub(super) fn knows(&self, token: &str) {
        let known = self.token();
        if known.as_deref() != Some(token) {
            self.add(&Line::Token(token.to_owned()));
            self.state().section.token = Some(token.to_owned());
        }
        if known.is_none() {
            self.sync();
        }
    }

    /// Everything is through.
    pub(super) fn remove(&self) {
        let is_others = !self.state().others.is_empty();
        if is_others && !self.is_empty() {
            self.add(&Line::Through);
        }
        // Locked until it is gone, so that nobody begins to write to what has no name any more.
        let file = self.state().file.take();
        if file.as_ref().is_some_and(|file| !is_others && is_same(file, &self.path)) {
            // What stays behind does no harm.
            drop(std::fs::remove_file(&self.path));
        }
    }

    /// It is of no use after all, unless an earlier run has noted something: that may be all that gets at what is there.
    pub(super) fn remove_if_empty(&self) {
        if self.is_empty() {
            self.remove();
        }
    }

    /// Whether the next run would find nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.state().section.is_empty()
    }

    fn add(&self, line: &Line) {
        let mut state = self.state();
        state.section.is_used = true;
        let is_fixed = state.fixed.is_some();
        if let Some(file) = state.file.as_mut().filter(|_| !is_fixed) {
            // A disk that is full costs the next run some questions, and no bytes.
            drop(file.write_all(lines::written(line).as_bytes()));
        }
    }

    /// So that it is there after a loss of power too, as what the server has is.
    fn sync(&self) {
        if let Some(file) = self.state().file.as_ref() {
            let folder = File::open(folder_of(&self.path));
            // As above.
            drop(file.sync_data().and(folder.and_then(|folder| folder.sync_all())));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn known<T: Clone>(of: &T, stamp: &Stamp, item: &Item) -> Known<T> {
    Known { of: of.clone(), is_touched: *stamp != item.stamp }
}

fn random_key() -> String {
    format!("{:032x}", fastrand::u128(..))
}
