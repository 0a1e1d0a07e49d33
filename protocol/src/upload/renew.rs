//! A token that is refused: a fresh one is asked for, once, and what was refused is asked again.

use super::{Action, End, Failure, Fault, RENEW_TIMEOUT, State, Ticket, Upload};
use crate::problem::Problem;
use crate::time::Millis;

/// The token that requests carry, as far as a sender has to know: not what it is, only since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    /// The first ticket of the token in use; what has an earlier one carried an earlier token.
    since: u64,
    /// Whether nothing has come forward since the token is in use: a status that is answered well says
    /// little, when chunks are refused all the same.
    untried: bool,
    /// A fresh one is awaited.
    asked: Option<Asked>,
}

#[derive(Clone, Debug)]
struct Asked {
    ticket: Ticket,
    until: Millis,
    why: Box<Problem>,
}

impl Token {
    pub(super) fn is_awaited(&self) -> bool {
        self.asked.is_some()
    }

    /// When waiting for it ends.
    pub(super) fn until(&self) -> Option<Millis> {
        self.asked.as_ref().map(|asked| asked.until)
    }

    /// A person tries again: the token may have become good elsewhere.
    pub(super) fn trust(&mut self) {
        self.untried = false;
    }

    /// A request was answered well.
    pub(super) fn accepted_by(&mut self, ticket: Ticket) {
        self.untried &= ticket.0 < self.since;
    }
}

impl Upload {
    /// A request was refused for its token. Others that carried the same one may follow.
    pub(super) fn on_unauthorized(&mut self, now: Millis, refused: Ticket, failure: Failure) {
        let Failure::Refused { problem, .. } = failure else { return };
        self.ask_again();
        if self.token.is_awaited() || refused.0 < self.token.since {
            return;
        }
        if self.token.untried {
            return self.not_renewed(problem);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.token.asked = Some(Asked { ticket, until: now + RENEW_TIMEOUT, why: problem });
        self.outbox.push_back(Action::Renew { ticket, refused });
    }

    /// There is a fresh token, or there is none to be had.
    pub(super) fn on_renewed(&mut self, ticket: Ticket, is_fresh: bool) {
        let Some(asked) = self.token.asked.take_if(|asked| asked.ticket == ticket) else { return };
        if is_fresh {
            (self.token.since, self.token.untried) = (self.next_ticket, true);
        } else {
            self.not_renewed(asked.why);
        }
    }

    pub(super) fn renewal_timed_out(&mut self) {
        if let Some(asked) = self.token.asked.take() {
            self.not_renewed(asked.why);
        }
    }

    fn not_renewed(&mut self, why: Box<Problem>) {
        match self.state {
            State::Opening | State::Moving => self.fail(Fault::Refused(why)),
            State::Closing { .. } => self.end(End::Cancelled),
            State::Paused | State::Ended(_) => {}
        }
    }
}
