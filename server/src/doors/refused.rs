//! What who has too much is told.

use longhaul_protocol::ProblemCode;

use crate::outcome::{Beside, Refusal};
use crate::shares::{Excess, Thing};

/// When who has too much may try again, seconds: a chunk is through by then, or a connection is closed.
pub(super) const EXCESS_RETRY_SECONDS: u64 = 1;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// His place has enough.
    Excess(Excess),
    /// The server has as many connections as it takes.
    Full(u32),
}

impl Refused {
    pub(super) fn detail(self) -> String {
        match self {
            Self::Excess(Excess::Has(Thing::Connection, max)) => format!(
                "Of one address {max} connections are taken at once (--address-connections-max)."
            ),
            Self::Excess(Excess::Has(Thing::Body, max)) => format!(
                "Of one address {max} chunks or other bodies are taken at once (--address-chunks-max)."
            ),
            Self::Excess(Excess::Has(Thing::Answer, max)) => format!(
                "To one address {max} answers are on their way at once over HTTP/2; some of them have to be taken first."
            ),
            Self::Excess(Excess::Has(Thing::Refusal, max)) => {
                format!("To one address {max} refusals are on their way at once over HTTP/2.")
            }
            Self::Excess(Excess::Has(Thing::Question, max)) => format!(
                "Another program is asked about {max} uploads of one address at once (--hook-events)."
            ),
            Self::Excess(Excess::Rate { per_second, .. }) => format!(
                "Of one address {per_second} requests a second are taken (--address-requests-max)."
            ),
            Self::Full(max) => {
                format!("The server has {max} connections and takes no more (--connections-max).")
            }
        }
    }

    /// Whole seconds, as the header has them; none is too early.
    fn retry_seconds(self) -> Option<u64> {
        match self {
            Self::Excess(Excess::Has(..)) => Some(EXCESS_RETRY_SECONDS),
            Self::Excess(Excess::Rate { wait_seconds, .. }) => Some(wait_seconds.into()),
            Self::Full(_) => None,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Excess(_) => ProblemCode::TooManyRequests,
            Refused::Full(_) => ProblemCode::Unavailable,
        };
        let refusal = Self::new(code, refused.detail());
        match refused.retry_seconds() {
            Some(seconds) => refusal.beside(Beside::Wait(seconds)),
            None => refusal,
        }
    }
}
