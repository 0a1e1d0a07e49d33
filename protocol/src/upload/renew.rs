//! A token that is refused: a fresh one is asked for, once, and what was refused is asked again.

use super::{Action, End, Failure, Fault, RENEW_TIMEOUT, State, Ticket, Upload};
use crate::problem::Problem;
use crate::time::Millis;

/// The token that requests carry, as far as a machine has to know: not what it is, only since when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Token {
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
    pub(crate) fn is_awaited(&self) -> bool {
        self.asked.is_some()
    }

    /// When waiting for it ends.
    pub(crate) fn until(&self) -> Option<Millis> {
        self.asked.as_ref().map(|asked| asked.until)
    }

    /// A person tries again: the token may have become good elsewhere.
    pub(crate) fn trust(&mut self) {
        self.untried = false;
    }

    /// A request was answered well.
    pub(crate) fn accepted_by(&mut self, ticket: Ticket) {
        self.untried &= ticket.0 < self.since;
    }

    /// The request of this ticket was refused for its token; `next` is the next ticket.
    pub(crate) fn refused(
        &mut self,
        now: Millis,
        refused: Ticket,
        next: &mut u64,
        why: Box<Problem>,
    ) -> Refused {
        if self.is_awaited() || refused.0 < self.since {
            return Refused::Known;
        }
        if self.untried {
            return Refused::Finally(why);
        }
        let ticket = Ticket(*next);
        *next += 1;
        self.asked = Some(Asked { ticket, until: now + RENEW_TIMEOUT, why });
        Refused::Ask(ticket)
    }

    /// There is a fresh token, or there is none to be had: then, with what the refusal is to be told.
    pub(crate) fn renewed(
        &mut self,
        ticket: Ticket,
        is_fresh: bool,
        next: u64,
    ) -> Option<Box<Problem>> {
        let asked = self.asked.take_if(|asked| asked.ticket == ticket)?;
        if is_fresh {
            (self.since, self.untried) = (next, true);
            return None;
        }
        Some(asked.why)
    }

    /// Waiting for it is over: with what the refusal is to be told.
    pub(crate) fn timed_out(&mut self) -> Option<Box<Problem>> {
        self.asked.take().map(|asked| asked.why)
    }
}

/// What a refused token leads to.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A fresh one is awaited already, or in use.
    Known,
    /// A fresh one is to be asked for, under this ticket.
    Ask(Ticket),
    /// It was the fresh one.
    Finally(Box<Problem>),
}

impl Upload {
    /// A request was refused for its token. Others that carried the same one may follow.
    pub(super) fn on_unauthorized(&mut self, now: Millis, refused: Ticket, failure: Failure) {
        let Failure::Refused { problem, .. } = failure else { return };
        self.ask_again();
        match self.token.refused(now, refused, &mut self.next_ticket, problem) {
            Refused::Known => {}
            Refused::Ask(ticket) => self.outbox.push_back(Action::Renew { ticket, refused }),
            Refused::Finally(why) => self.not_renewed(why),
        }
    }

    /// There is a fresh token, or there is none to be had.
    pub(super) fn on_renewed(&mut self, ticket: Ticket, is_fresh: bool) {
        if let Some(why) = self.token.renewed(ticket, is_fresh, self.next_ticket) {
            self.not_renewed(why);
        }
    }

    pub(super) fn renewal_timed_out(&mut self) {
        if let Some(why) = self.token.timed_out() {
            self.not_renewed(why);
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
