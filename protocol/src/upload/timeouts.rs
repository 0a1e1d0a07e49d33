//! What goes on by itself as time passes.

use super::{
    Action, BufferId, Calling, Failure, Fault, READ_TRIES, STALL_TIMEOUT, SourceError, State,
    Upload,
};
use crate::time::Millis;

impl Upload {
    /// When [`Upload::poll`] is to be called again even if nothing happens.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Millis> {
        let stalls = self
            .buffers
            .iter()
            .filter_map(|(_, buffer)| buffer.sending())
            .map(|sending| sending.moved_at + STALL_TIMEOUT);
        let may_ask = !self.is_calling() && !self.is_held_up();
        let fills = (self.state == State::Moving && self.ledger.any_filling() && may_ask)
            .then_some(self.fill_poll_at);
        let retry = (!self.is_at_rest()).then(|| self.link.down().map(|down| down.until)).flatten();
        stalls
            .chain(self.buffers.silences().map(|(_, until)| until))
            .chain(self.calling.map(|calling| calling.until))
            .chain(self.early_at())
            .chain(self.ahead.alone_until().filter(|_| !self.is_at_rest()))
            .chain(self.yielded.values().copied())
            .chain(fills)
            .chain(self.pace.until().filter(|_| !self.is_at_rest()))
            .chain(retry)
            .chain(self.token.until())
            .chain(self.save_at)
            .min()
    }

    pub(super) fn tick(&mut self, now: Millis) {
        self.link.tick(now);
        self.pace.tick(now);
        self.ahead.tick(now);
        let (leaving, chunk_len) = (self.buffers.leaving_count(), self.ledger.plan().chunk_len());
        self.tuner.tick(now, leaving, self.lanes_most(), chunk_len);
        if self.calling.is_some_and(|calling| calling.until <= now) {
            self.call_timed_out(now);
        }
        let stalled = self.buffers.iter().find(|(_, buffer)| {
            buffer.sending().is_some_and(|sending| sending.moved_at + STALL_TIMEOUT <= now)
        });
        if let Some((buffer, _)) = stalled {
            self.send_stalled(now, buffer);
        }
        let silent = self.buffers.silences().find(|(_, until)| *until <= now);
        if let Some((buffer, _)) = silent {
            self.buffer_silent(now, buffer);
        }
        if self.token.until().is_some_and(|until| until <= now) {
            self.renewal_timed_out();
        }
        self.yields_end(now);
    }

    fn call_timed_out(&mut self, now: Millis) {
        if let Some(Calling { ticket, .. }) = self.calling {
            self.outbox.push_back(Action::HangUp { ticket });
            let failure = Failure::Network("no answer in time".to_owned());
            self.on_answer(now, ticket, Err(failure));
        }
    }

    fn send_stalled(&mut self, now: Millis, stalled: BufferId) {
        for (_, buffer) in self.buffers.iter_mut().filter(|(id, _)| *id == stalled) {
            buffer.stop_sending();
        }
        self.outbox.push_back(Action::Stop { buffer: stalled });
        self.retry_later(now, Failure::Network("no byte moved for too long".to_owned()));
    }

    /// Whoever was to read or to prove does not answer.
    fn buffer_silent(&mut self, now: Millis, silent: BufferId) {
        self.free(silent);
        // Those that are given up together are one silence.
        self.silences += u32::from(self.link.down().is_none());
        if self.silences >= READ_TRIES {
            return self.fail(Fault::Source(SourceError::Silent { tries: self.silences }));
        }
        self.retry_later(now, Failure::Local("the file gave no bytes in time".to_owned()));
    }

    /// A chunk that was left alone is asked about again.
    fn yields_end(&mut self, now: Millis) {
        let before = self.yielded.len();
        self.yielded.retain(|_, until| *until > now);
        if self.yielded.len() < before {
            self.ask_again();
        }
    }
}
