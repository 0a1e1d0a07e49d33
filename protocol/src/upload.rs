//! The sender's state machine.

mod action;

pub use action::{
    Action, Answer, BufferId, Call, End, Failure, Fault, Input, Phase, Record, SourceError, Ticket,
};
