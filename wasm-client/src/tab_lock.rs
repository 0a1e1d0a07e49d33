//! Whose turn a file is among the tabs of this browser, and what that makes of what is asked of its upload.
//!
//! It decides only. The browser's locks are asked in [`crate::lock`], when [`TabLock::admit`] says so, and
//! [`TabLock::answer`] hears what they said.
//!
//! ```text
//! Open              --Resume, Cancel-->  Asked
//! Asked, Elsewhere  --Pause, Cancel-->   Open
//! Asked             --taken-->           Elsewhere; Open, if it was asked for to cancel
//! Asked, Elsewhere  --held, absent-->    Held, Needless
//! any but Needless  --release-->         Open
//! ```

use longhaul_protocol::upload::Input;

use crate::lock::Asked;

/// One file's, by a lock of type `L`.
#[derive(Debug)]
pub(crate) enum TabLock<L> {
    /// It need not be asked for.
    Needless,
    /// It is still to be asked for.
    Open,
    /// It is being asked for, to do this then.
    Asked(Box<Input>),
    /// Another tab sends the file.
    Elsewhere,
    /// This tab does.
    Held { _lock: L },
}

/// What is left of an input before this tab may act.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// The machine is to hear this.
    Input(Input),
    /// The lock is to be asked for; and waited for, if another tab has it.
    Ask { waits: bool },
    /// Nothing: it waits for the lock already.
    Nothing,
}

/// What an answer comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// This is to be done now.
    Input(Input),
    /// Another tab sends the file.
    Taken,
    /// No other tab does any more.
    Freed,
    /// It came too late.
    Nothing,
}

impl<L> TabLock<L> {
    /// Whether another tab sends the file.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Elsewhere)
    }

    /// Whether it is not known yet, or not the case, that this tab may send the file.
    pub(crate) fn is_claiming(&self) -> bool {
        matches!(self, Self::Asked(_) | Self::Elsewhere)
    }

    /// Lets another tab send it.
    pub(crate) fn release(&mut self) {
        if !matches!(self, Self::Needless) {
            *self = Self::Open;
        }
    }

    /// Before anything begins the lock is asked for; and who gives up what another tab sends leaves it to
    /// that.
    pub(crate) fn admit(&mut self, input: Input) -> Admitted {
        match (&*self, input) {
            (Self::Open, input @ (Input::Resume | Input::Cancel)) => {
                let waits = matches!(input, Input::Resume);
                *self = Self::Asked(Box::new(input));
                Admitted::Ask { waits }
            }
            (Self::Asked(_) | Self::Elsewhere, Input::Resume) => Admitted::Nothing,
            (Self::Asked(asked), Input::Cancel) if **asked == Input::Cancel => Admitted::Nothing,
            (Self::Asked(_) | Self::Elsewhere, Input::Cancel) => {
                *self = Self::Open;
                Admitted::Input(Input::Leave)
            }
            (Self::Asked(_) | Self::Elsewhere, Input::Pause) => {
                *self = Self::Open;
                Admitted::Input(Input::Pause)
            }
            (_, input) => Admitted::Input(input),
        }
    }

    /// What the browser said. A lock that comes when nobody waits for it any more is dropped.
    pub(crate) fn answer(&mut self, asked: Asked<L>) -> Answered {
        let claimed = match asked {
            Asked::Held(lock) => Self::Held { _lock: lock },
            Asked::Absent => Self::Needless,
            Asked::Taken => Self::Elsewhere,
        };
        match std::mem::replace(self, Self::Open) {
            Self::Asked(input) if !claimed.is_elsewhere() => {
                *self = claimed;
                Answered::Input(*input)
            }
            Self::Asked(input) if matches!(*input, Input::Cancel) => Answered::Input(Input::Leave),
            Self::Asked(_) => {
                *self = Self::Elsewhere;
                Answered::Taken
            }
            Self::Elsewhere => {
                *self = claimed;
                Answered::Freed
            }
            before => {
                *self = before;
                Answered::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    type Lock = TabLock<Rc<()>>;

    /// One that was asked for, to do this.
    fn asked_to(input: Input) -> Lock {
        let mut lock = Lock::Open;
        assert!(matches!(lock.admit(input), Admitted::Ask { .. }));
        lock
    }

    fn elsewhere() -> Lock {
        let mut lock = asked_to(Input::Resume);
        assert_eq!(lock.answer(Asked::Taken), Answered::Taken);
        lock
    }

    fn passes(lock: &mut Lock, input: Input) {
        assert_eq!(lock.admit(input.clone()), Admitted::Input(input));
    }

    #[test]
    fn the_lock_is_asked_for_before_a_file_begins_and_then_it_does() {
        let mut lock = Lock::Open;
        passes(&mut lock, Input::Online);
        passes(&mut lock, Input::Pause);
        assert_eq!(lock.admit(Input::Resume), Admitted::Ask { waits: true });
        assert!(lock.is_claiming() && !lock.is_elsewhere());
        assert_eq!(lock.admit(Input::Resume), Admitted::Nothing, "it is asked for once");
        passes(&mut lock, Input::Online);
        let held = Rc::new(());
        assert_eq!(lock.answer(Asked::Held(Rc::clone(&held))), Answered::Input(Input::Resume));
        assert!(!lock.is_claiming());
        for input in [Input::Resume, Input::Pause, Input::Cancel] {
            passes(&mut lock, input);
        }
        assert_eq!(Rc::strong_count(&held), 2);
        lock.release();
        assert_eq!(Rc::strong_count(&held), 1, "another tab can have it");
        assert_eq!(lock.admit(Input::Resume), Admitted::Ask { waits: true });
    }

    #[test]
    fn where_there_are_no_locks_none_is_asked_for_again() {
        let mut lock = asked_to(Input::Resume);
        assert_eq!(lock.answer(Asked::Absent), Answered::Input(Input::Resume));
        lock.release();
        passes(&mut lock, Input::Resume);
        passes(&mut lock, Input::Cancel);
    }

    #[test]
    fn a_file_that_another_tab_sends_has_its_turn_when_that_has_ended() {
        for answer in [Asked::Held(Rc::new(())), Asked::Absent] {
            let mut lock = elsewhere();
            assert!(lock.is_claiming() && lock.is_elsewhere());
            assert_eq!(lock.admit(Input::Resume), Admitted::Nothing);
            assert_eq!(lock.answer(answer), Answered::Freed);
            assert!(!lock.is_claiming());
            passes(&mut lock, Input::Resume);
        }
    }

    #[test]
    fn to_give_up_what_another_tab_sends_leaves_it_to_that() {
        for mut lock in [elsewhere(), asked_to(Input::Resume)] {
            assert_eq!(lock.admit(Input::Cancel), Admitted::Input(Input::Leave));
            assert!(matches!(lock, Lock::Open));
        }
        let mut lock = Lock::Open;
        assert_eq!(lock.admit(Input::Cancel), Admitted::Ask { waits: false });
        assert_eq!(lock.answer(Asked::Taken), Answered::Input(Input::Leave));
        assert!(!lock.is_claiming());
        let mut lock = asked_to(Input::Cancel);
        assert_eq!(lock.admit(Input::Cancel), Admitted::Nothing, "it is asked for already");
        assert_eq!(lock.answer(Asked::Held(Rc::new(()))), Answered::Input(Input::Cancel));
    }

    #[test]
    fn a_lock_that_comes_after_a_pause_is_let_go() {
        for mut lock in [elsewhere(), asked_to(Input::Resume)] {
            assert_eq!(lock.admit(Input::Pause), Admitted::Input(Input::Pause));
            let late = Rc::new(());
            assert_eq!(lock.answer(Asked::Held(Rc::clone(&late))), Answered::Nothing);
            assert_eq!(Rc::strong_count(&late), 1);
            assert!(matches!(lock, Lock::Open));
        }
    }

    #[test]
    fn one_that_is_held_is_kept_whatever_is_answered_late() {
        let mut lock = asked_to(Input::Resume);
        let held = Rc::new(());
        assert_eq!(lock.answer(Asked::Held(Rc::clone(&held))), Answered::Input(Input::Resume));
        assert_eq!(lock.answer(Asked::Taken), Answered::Nothing);
        assert_eq!(Rc::strong_count(&held), 2);
    }
}
