//! Lanes and buffers that several files share.

use super::buffers::Buffers;
use super::{Action, State, Upload};
use crate::plan::Plan;
use crate::time::Millis;

impl Upload {
    /// As many sends are stopped as the files that come have lanes, which could not begin before they
    /// ended; the rest beyond this file's share end as they would have. What was stopped is left alone
    /// for a while, because much of it is still on its way; then the server is asked how much came.
    pub(super) fn share_with(&mut self, now: Millis, files: u64) {
        let newcomers = files.saturating_sub(self.sharing);
        self.sharing = files;
        if matches!(self.state, State::Closing { .. }) {
            return;
        }
        self.tuner.disturbed();
        self.buffers.set_count(share(self.ledger.plan().buffers(), files));
        let beyond = self.buffers.sending_count().saturating_sub(self.lanes());
        for (buffer, chunk) in self.buffers.stop_least(beyond.min(newcomers * self.lanes())) {
            let until = self.link.superseded_until(now);
            self.yielded.insert(chunk, until);
            self.outbox.push_back(Action::Stop { buffer });
        }
    }

    /// This file's share of the lanes.
    pub(super) fn lanes(&self) -> u64 {
        self.tuner.lanes(self.lanes_most())
    }

    pub(super) fn lanes_most(&self) -> u64 {
        self.lanes_of(self.lanes_max)
    }

    /// The same of a server that lets an upload use so many.
    pub(super) fn lanes_of(&self, server_max: u64) -> u64 {
        let most = self.config.lanes.unwrap_or(u64::MAX).min(server_max);
        share(self.ledger.plan().lanes().min(most), self.sharing)
    }

    /// This file's share of the buffers.
    pub(super) fn new_buffers(&self, plan: Plan) -> Buffers {
        Buffers::new(share(plan.buffers(), self.sharing))
    }
}

/// What one of `sharing` files gets of what there is; none goes without.
fn share(whole: u64, sharing: u64) -> u64 {
    (whole / sharing.max(1)).max(1)
}
