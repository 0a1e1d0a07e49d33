//! What stands in a journal.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use longhaul_protocol::upload::Record;
use longhaul_protocol::wire::FileInfo;
use serde::{Deserialize, Serialize};

use crate::disk::Birthmark;
use crate::source::Stamp;

/// What its first line says it is.
const JOURNAL_VERSION: u32 = 1;
/// How its first line begins, with the version after it.
const BEGINS: &str = "{\"longhaul\":";
/// The longest first line, bytes: a server's address and two numbers.
const HEAD_BYTES_MAX: u64 = 16 * 1024;
/// The longest line that is read, bytes: a file's path and all that the server says of it.
const LINE_BYTES_MAX: u64 = 256 * 1024;

/// The first line, and one wherever another server's lines begin.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    longhaul: u32,
    /// The server.
    to: String,
    /// The journal's own: a copy, and one that came out of somebody's archive, is no journal of this run's.
    #[serde(flatten)]
    mark: Birthmark,
    /// Random: what the keys of requests are made of, so that a request of the next run is known as the
    /// same.
    key: String,
}

/// Any other line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    Upload {
        path: String,
        stamp: Stamp,
        record: Record,
    },
    File {
        path: String,
        stamp: Stamp,
        file: Box<FileInfo>,
    },
    /// Of the guest whose uploads these are.
    Token(String),
    /// Something was asked for: from here on the server may have what the next run has to know as the same. With a
    /// token of the user's, which is not noted, or without one.
    Begun {
        users: bool,
    },
    /// All of it is at that server.
    Through,
}

/// What is known of one server.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) key: String,
    pub(super) uploads: BTreeMap<String, (Stamp, Record)>,
    pub(super) files: BTreeMap<String, (Stamp, Box<FileInfo>)>,
    pub(super) token: Option<String>,
    pub(super) is_users: bool,
    /// Whether there is anything in it.
    pub(super) is_used: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Journaled {
    /// By server.
    pub(super) sections: BTreeMap<String, Section>,
    /// The one whose lines are the last.
    pub(super) last: Option<String>,
    /// Whether it has a head of another file: it was copied or moved then, and none of it counts.
    pub(super) is_copy: bool,
}

impl Section {
    pub(super) fn is_empty(&self) -> bool {
        !self.is_used
    }

    fn take_in(&mut self, line: Line) {
        self.is_used = true;
        match line {
            Line::Upload { path, stamp, record } => {
                self.uploads.insert(path, (stamp, record));
            }
            Line::File { path, stamp, file } => {
                self.files.insert(path, (stamp, file));
            }
            Line::Token(token) => self.token = Some(token),
            Line::Begun { users } => self.is_users = users,
            Line::Through => {}
        }
    }
}

impl Journaled {
    /// All of it that is of that journal.
    pub(super) fn of(file: &File, found: &Metadata) -> Self {
        let (mark, mut read) = (Birthmark::of(found), Self::default());
        let mut from = BufReader::new(file);
        let mut text = Vec::new();
        while let Ok(true) = next_line(&mut from, &mut text) {
            if let Ok(line) = serde_json::from_slice(&text) {
                read.take_in(line);
            } else if let Ok(head) = serde_json::from_slice::<Head>(&text) {
                let is_ours = head.longhaul == JOURNAL_VERSION && head.mark.is_like(&mark);
                read.is_copy |= !is_ours;
                read.last = is_ours.then_some(head.to);
                if let Some(to) = &read.last {
                    read.sections.entry(to.clone()).or_default().key = head.key;
                }
            }
            // Else it is the last of a run that was killed.
        }
        read
    }

    fn take_in(&mut self, line: Line) {
        let Some(to) = &self.last else { return };
        if matches!(line, Line::Through) {
            self.sections.remove(to);
        } else if let Some(section) = self.sections.get_mut(to) {
            section.take_in(line);
        }
    }
}

/// Reads the next line, without its end, and whether there was one. Of one that is too long nothing is kept.
fn next_line(from: &mut BufReader<&File>, text: &mut Vec<u8>) -> io::Result<bool> {
    text.clear();
    let read = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', text)?;
    match text.pop_if(|last| *last == b'\n') {
        None if read as u64 == LINE_BYTES_MAX => {
            text.clear();
            from.skip_until(b'\n')?;
        }
        _ => {}
    }
    Ok(read > 0)
}

/// Whether it begins as one does, as far as it goes: a kill may have torn its first line.
pub(in super::super) fn is_journal(file: &File) -> io::Result<bool> {
    let whole = format!("{BEGINS}{JOURNAL_VERSION},\"to\":\"");
    let mut begins = vec![0; whole.len()];
    let read = file.read_at(&mut begins, 0)?;
    if !whole.as_bytes().starts_with(begins.get(..read).unwrap_or_default()) {
        return Ok(false);
    }
    if file.metadata()?.len() <= HEAD_BYTES_MAX {
        return Ok(true);
    }
    let mut head = vec![0; usize::try_from(HEAD_BYTES_MAX).unwrap_or_default()];
    let read = file.read_at(&mut head, 0)?;
    Ok(head.get(..read).is_some_and(|head| head.contains(&b'\n')))
}

/// Has a server's lines begin, after others' or, where what there is `is_of_use` to nobody, instead of it.
pub(super) fn begin(
    mut file: &File,
    found: &Metadata,
    to: &str,
    key: &str,
    is_of_use: bool,
) -> io::Result<()> {
    if !is_of_use {
        file.set_len(0)?;
    }
    let (to, mark, key) = (to.to_owned(), Birthmark::of(found), key.to_owned());
    let head = Head { longhaul: JOURNAL_VERSION, to, mark, key };
    let mut text = serde_json::to_string(&head)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}

/// Ends a line that a kill has torn: what is added would be lost with it.
pub(super) fn mend(mut file: &File, len: u64) -> io::Result<()> {
    let mut last = [b'\n'];
    if let Some(at) = len.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    if last == [b'\n'] { Ok(()) } else { file.write_all(b"\n") }
}

/// A line as it is written.
pub(super) fn written(line: &Line) -> String {
    serde_json::to_string(line).map(|text| text + "\n").unwrap_or_default()
}
