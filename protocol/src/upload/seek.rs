//! Going on with an upload that another browser or device began.
//!
//! The server's list of open uploads is asked for while the first chunk is read, so that it delays
//! nothing but where reading is faster than a round trip. One of the same name, place and size is taken,
//! and believed once one of its chunks has turned out to be the file's; until then nothing is sent to it. As soon as
//! one is another's it is left to whoever began it.

use super::{Action, Call, CallKind, Calling, Upload};
use crate::time::Millis;
use crate::wire::UploadStatus;

/// What is known of such an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seek {
    /// The server is still to be asked.
    Open,
    /// The upload at hand may be another file's.
    Doubted,
    /// What was compared of it is the file's. It is another sender's all the same, who may be at it with a file that
    /// only begins alike.
    Taken,
    /// There is none.
    Over,
}

impl Upload {
    pub(super) fn seeks(&self) -> bool {
        let is_worth_it = !self.ledger.plan().is_empty() && !self.may_be_stored();
        self.seek == Seek::Open && self.id.is_none() && is_worth_it
    }

    /// Asks the server, and reads the first chunk meanwhile.
    pub(super) fn seek(&mut self, now: Millis) -> Option<Action> {
        match self.calling {
            None => Some(self.call(now, CallKind::List, Call::List)),
            Some(Calling { kind: CallKind::List, .. }) => self.read_first(now),
            Some(_) => None,
        }
    }

    /// What the server told of open uploads; nothing, if it could not be asked.
    pub(super) fn on_listed(&mut self, uploads: &[UploadStatus]) {
        let found = uploads.iter().find(|upload| self.looks_like(upload));
        self.id = found.map(|upload| upload.id);
        self.seek = if self.id.is_some() { Seek::Doubted } else { Seek::Over };
    }

    fn looks_like(&self, upload: &UploadStatus) -> bool {
        let (ours, theirs) = (&self.config.meta, &upload.meta);
        upload.size == self.config.size
            && theirs.name == ours.name
            && theirs.relative_path == ours.relative_path
            && upload.file.is_none()
            && !upload.holding.held.is_empty()
    }

    /// Whether what is held of the upload at hand may be another file's.
    pub(super) fn is_doubted(&self) -> bool {
        self.seek == Seek::Doubted
    }

    /// After chunks were compared: whether the upload turned out to be another file's, and a new one is
    /// begun. Two senders that replaced each other's chunks would never end.
    pub(super) fn is_another(&mut self, differs: bool) -> bool {
        let is_another = matches!(self.seek, Seek::Doubted | Seek::Taken) && differs;
        if is_another {
            self.begin_anew();
        }
        is_another
    }

    /// A chunk of it is the same, or none is held any more that could differ.
    pub(super) fn settle_doubts(&mut self) {
        if self.ledger.any_confirmed() || self.ledger.acknowledged().is_empty() {
            self.seek = Seek::Taken;
        }
    }
}
