//! Coming to rest, and going on.

use super::buffers::Buffer;
use super::seek::Seek;
use super::unasked::Unasked;
use super::{Action, BufferId, Calling, End, Fault, State, Upload};

impl Upload {
    /// What was found by looking only may be another by the time that it is looked for again; an upload of its own
    /// it keeps.
    pub(super) fn pause(&mut self) {
        self.stop(State::Paused);
        let is_own = self.id.is_some() && !self.is_doubted();
        if std::mem::take(&mut self.looks) && self.config.seeks && !is_own {
            (self.id, self.seek) = (None, Seek::Open);
        }
    }

    pub(super) fn reopen(&mut self) {
        self.state = State::Opening;
        self.looks = false;
        self.link.try_now();
        self.damaged.clear();
        self.silences = 0;
        self.token.trust();
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.stop(State::Ended(End::Failed(fault)));
    }

    pub(super) fn end(&mut self, end: End) {
        self.stop(State::Ended(end));
        self.outbox.push_back(Action::Forget);
        self.save_at = None;
    }

    /// Leaves off everything that goes on.
    pub(super) fn stop(&mut self, state: State) {
        if let Some(Calling { ticket, .. }) = self.calling.take() {
            self.outbox.push_back(Action::HangUp { ticket });
        }
        self.free_all();
        self.link.try_now();
        self.meter.reset();
        self.tuner.disturbed();
        self.unasked = Unasked::default();
        self.state = state;
    }

    pub(super) fn free(&mut self, wanted: BufferId) {
        for (id, buffer) in self.buffers.iter_mut().filter(|(id, _)| *id == wanted) {
            *buffer = Buffer::Empty;
            self.outbox.push_back(Action::Free { buffer: id });
        }
    }

    pub(super) fn free_all(&mut self) {
        for (id, buffer) in self.buffers.iter_mut().filter(|(_, slot)| **slot != Buffer::Empty) {
            *buffer = Buffer::Empty;
            self.outbox.push_back(Action::Free { buffer: id });
        }
    }
}
