//! What is counted of a hook.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;

use super::{CallError, Verdict};
use crate::metrics::Total;
use crate::store::event::What;

/// What an event is called, on the wire too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Created,
    Sealed,
    Expired,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Created, Self::Sealed, Self::Expired];

    pub(super) fn of(what: &What) -> Self {
        match what {
            What::Created => Self::Created,
            What::Sealed(_) => Self::Sealed,
            What::Expired => Self::Expired,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Sealed => "sealed",
            Self::Expired => "expired",
        }
    }
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Heard,
    Refused,
    Failed,
    /// It failed and was the last.
    GivenUp,
}

impl Outcome {
    pub(super) fn of(called: &Result<Verdict, CallError>) -> Self {
        match called {
            Ok(Verdict::Taken) => Self::Heard,
            Ok(Verdict::Refused(_)) => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

/// Tries, by what they were about and what came of them. Clones count the same.
#[derive(Clone, Debug)]
pub struct Calls(Family<Called, Total>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    event: Kind,
    outcome: Outcome,
}

impl Default for Calls {
    /// All that can happen is told from the start as 0.
    fn default() -> Self {
        let family = Family::default();
        for event in Kind::ALL {
            for outcome in [Outcome::Heard, Outcome::Refused, Outcome::Failed, Outcome::GivenUp] {
                let is_possible = match event {
                    Kind::Created => outcome != Outcome::GivenUp,
                    Kind::Sealed | Kind::Expired => true,
                };
                if is_possible {
                    drop(family.get_or_create(&Called { event, outcome }));
                }
            }
        }
        Self(family)
    }
}

impl Calls {
    pub(super) fn count(&self, event: Kind, outcome: Outcome) {
        self.0.get_or_create(&Called { event, outcome }).add(1);
    }

    /// The counters, to be registered.
    pub(crate) fn family(&self) -> impl prometheus_client::registry::Metric + use<> {
        self.0.clone()
    }
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self {
            Self::Heard => "heard",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}
