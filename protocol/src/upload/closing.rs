//! An upload that is given up: what the server holds of it is deleted, if it still can be.

use super::failed::{is, retry_of};
use super::{
    Action, Answer, CANCEL_TRIES, Call, CallKind, Calling, End, Failure, State, Ticket, Upload,
};
use crate::digest::Digest;
use crate::problem::{ProblemCode, Retry};
use crate::time::Millis;

/// The longest wait before another try of a cancel: who gave a file up is not to watch it for longer, and what
/// is left of it expires.
const CANCEL_WAIT_MAX: Millis = Millis(30_000);

impl Upload {
    /// Whether what the server was asked to begin is known to be begun or not.
    pub(super) fn was_heard<T>(&mut self, result: &Result<T, Failure>) {
        let is_known = match result {
            Ok(_) => true,
            Err(failure) => {
                let refused = [Retry::Never, Retry::Restart, Retry::Renew];
                refused.contains(&retry_of(failure)) || is(failure, &[ProblemCode::TooManyRequests])
            }
        };
        if is_known {
            self.unheard = false;
        }
    }

    /// What is just being begun is waited for: only its answer says what to delete, or that the file is
    /// there already.
    pub(super) fn cancel(&mut self) {
        if self.is_storing() {
            self.state = State::Closing { tries: 0 };
            return;
        }
        let begins = self.calling.take_if(|calling| calling.kind == CallKind::Create);
        self.stop(State::Closing { tries: 0 });
        self.calling = begins;
    }

    /// Who says it again after a try failed does not want to wait for the next: what the server holds expires.
    pub(super) fn cancel_again(&mut self, tries: u32) {
        if tries > 0 {
            self.end(End::Cancelled);
        }
    }

    pub(super) fn close(&mut self, now: Millis, tries: u32) -> Option<Action> {
        if self.is_calling() || self.is_storing() || self.is_held_up() {
            return None;
        }
        let may_try = tries < CANCEL_TRIES;
        match self.id {
            Some(id) if may_try => Some(self.call(now, CallKind::Cancel, Call::Cancel(id))),
            None if may_try && self.unheard => Some(self.ask_what_began(now)),
            Some(_) | None => {
                self.end(End::Cancelled);
                self.outbox.pop_front()
            }
        }
    }

    /// The same key begins nothing a second time, but is answered with what it began. A guest whose first answer
    /// was lost is another guest now: what he began nobody can reach, and the server's sweep takes it.
    fn ask_what_began(&mut self, now: Millis) -> Action {
        let (request, key) = (Box::new(self.create_request(None)), self.create_key());
        self.call(now, CallKind::Create, Call::Create { request, key })
    }

    pub(super) fn on_closing_answer(
        &mut self,
        now: Millis,
        Calling { ticket, kind, .. }: Calling,
        result: Result<Answer, Failure>,
    ) {
        match (kind, result) {
            (CallKind::Create, Ok(Answer::Upload(status))) if status.file.is_none() => {
                self.id = Some(status.id);
            }
            (CallKind::Create | CallKind::Status, Ok(Answer::Upload(status))) => {
                let ours = status.file.filter(|file| self.is_of_this_file(file.root));
                self.end(ours.map_or(End::Cancelled, |file| End::Done(Box::new(file))));
            }
            (_, Ok(_)) => self.end(End::Cancelled),
            (_, Err(failure)) => self.on_cancel_failed(now, ticket, failure),
        }
    }

    fn is_of_this_file(&self, root: Digest) -> bool {
        self.ledger.root() == Some(root) || self.stored == Some(root)
    }

    pub(super) fn on_cancel_failed(&mut self, now: Millis, ticket: Ticket, failure: Failure) {
        match (retry_of(&failure), self.id, &mut self.state) {
            (Retry::Renew, ..) => self.on_unauthorized(now, ticket, failure),
            // A seal came first: if it was ours, the file is there, and the status tells it.
            (_, Some(id), _) if is(&failure, &[ProblemCode::Sealed]) => {
                let status = self.call(now, CallKind::Status, Call::Status(id));
                self.outbox.push_back(status);
            }
            (Retry::Never, None, _) => self.end(End::Cancelled),
            (retry, _, State::Closing { tries }) if retry != Retry::Restart => {
                *tries += 1;
                self.link.failed(now, failure);
                let wait = self.link.down().map_or(Millis(0), |down| down.until.since(now));
                if wait > CANCEL_WAIT_MAX {
                    self.end(End::Cancelled);
                }
            }
            _ => self.end(End::Cancelled),
        }
    }
}
