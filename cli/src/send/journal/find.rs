//! Which journal is a path's: the one beside it, or the one in the user's folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::place::{Unopened, elsewhere};
use super::{Journal, SUFFIX, random_key};
use crate::disk::{beside, folder_of};
use crate::ending::Trouble;
use crate::endpoint::Endpoint;

impl Journal {
    /// Reads the one beside a path, or begins one; and what there is to tell a person about it.
    pub(in super::super) fn beside(
        source: &Path,
        endpoint: &Endpoint,
    ) -> Result<(Self, Option<String>), Trouble> {
        let path = beside(source, &format!(".{SUFFIX}"));
        let elsewhere = elsewhere(source);
        let noted = elsewhere.as_ref().filter(|path| path.exists());
        let why = match Self::open(&path, endpoint) {
            Ok(journal) => {
                let (journal, note) = journal.or_known_at(noted, source, endpoint)?;
                return Ok(journal.with_note(note));
            }
            Err(unopened) => {
                format!("{}: {}", path.display(), unopened.only_failed(source, &path)?)
            }
        };
        let mut nor = "in $XDG_STATE_HOME".to_owned();
        if let Some(path) = elsewhere {
            match Self::open_elsewhere(&path, endpoint) {
                Ok(journal) => {
                    let at = journal.path.display();
                    let note = (!journal.state().is_known).then(|| {
                        format!(
                            "{why}; nothing can be noted there, so how far it is is noted in {at}"
                        )
                    });
                    return Ok(journal.with_note(note));
                }
                Err(unopened) => nor = format!("{nor} ({})", unopened.only_failed(source, &path)?),
            }
        }
        let note = format!(
            "{why}; nothing can be noted there, nor {nor}: after a kill the same command goes on with what it finds \
             begun on the server, and sends again what was through"
        );
        let key = random_key();
        Ok((Self { path, key, state: Mutex::default() }, Some(note)))
    }

    /// The one in the user's folder, if that knows the server and this one does not: an earlier run could note nothing
    /// beside the file.
    fn or_known_at(
        self,
        elsewhere: Option<&PathBuf>,
        source: &Path,
        endpoint: &Endpoint,
    ) -> Result<(Self, Option<String>), Trouble> {
        let Some(path) = elsewhere.filter(|_| !self.state().is_known) else {
            return Ok((self, None));
        };
        let other = match Self::open(path, endpoint) {
            Ok(other) => other,
            Err(Unopened::Moved) => {
                let path = path.display();
                let note = format!(
                    "{path} was copied or moved there, so what it says of how far this is does not count; keep it if you \
                     began as a guest: it has the token that gets at what is there"
                );
                return Ok((self, Some(note)));
            }
            Err(unopened) => {
                let failed = unopened.only_failed(source, path);
                if failed.is_err() {
                    self.remove_if_empty();
                }
                return failed.map(|_| (self, None));
            }
        };
        let is_known = other.state().is_known;
        let (kept, left) = if is_known { (other, self) } else { (self, other) };
        left.remove_if_empty();
        Ok((kept, None))
    }

    fn with_note(self, note: Option<String>) -> (Self, Option<String>) {
        let others = self.state().others.join(" and ");
        let left = (!others.is_empty()).then(|| {
            format!(
                "{} notes what is not finished at {others}; the same command with that `--to` goes on there",
                self.path.display()
            )
        });
        let fixed = self.state().fixed.as_ref().map(|why| {
            let path = self.path.display();
            format!("{path}: {why}; what is noted there counts, and nothing can be added to it")
        });
        let notes: Vec<_> = note.into_iter().chain(left).chain(fixed).collect();
        (self, (!notes.is_empty()).then(|| notes.join("; ")))
    }

    fn open_elsewhere(path: &Path, endpoint: &Endpoint) -> Result<Self, Unopened> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))?;
        Self::open(path, endpoint)
    }
}
