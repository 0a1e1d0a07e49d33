//! Whether the server can be reached, and when to try again.

use crate::problem::SUPERSEDED_WAIT;
use crate::retry::RetryPolicy;
use crate::time::Millis;
use crate::upload::Failure;

/// The longest wait that a server's policy may bring about: one beyond it is a server's mistake.
const WAIT_MAX: Millis = Millis(3_600_000);

/// The state of the way to the server. A failure of anything takes it down for everything that has
/// not begun: five lanes that fail together are one outage, not five.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    policy: RetryPolicy,
    rng: fastrand::Rng,
    /// Failures since the last chunk arrived.
    failures: u32,
    /// Why and until when nothing new is begun.
    down: Option<Down>,
}

#[derive(Clone, Debug)]
pub(crate) struct Down {
    pub(crate) until: Millis,
    pub(crate) why: Failure,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { policy: RetryPolicy::default(), rng, failures: 0, down: None }
    }

    pub(crate) fn policy(&self) -> RetryPolicy {
        self.policy
    }

    pub(crate) fn set_policy(&mut self, policy: RetryPolicy) {
        let most = |ms: u64| ms.min(WAIT_MAX.0);
        self.policy =
            RetryPolicy { base_ms: most(policy.base_ms), max_ms: most(policy.max_ms), ..policy };
    }

    /// Something failed. While the link is down already, that is the same outage.
    pub(crate) fn failed(&mut self, now: Millis, why: Failure) {
        if self.down.is_some() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let backoff = self.policy.backoff(self.failures, &mut self.rng);
        let asked = match &why {
            Failure::Refused { retry_after: Some(wait), .. } => *wait,
            _ => Millis(0),
        };
        self.down = Some(Down { until: now + backoff.max(asked), why });
    }

    /// A chunk arrived: the next failure begins a new count.
    pub(crate) fn chunk_arrived(&mut self) {
        self.failures = 0;
    }

    /// The wait is over, or need not be waited for.
    pub(crate) fn try_now(&mut self) {
        self.down = None;
    }

    /// The network is back. What the server asked to wait for is waited for all the same.
    pub(crate) fn came_online(&mut self) {
        let asked = |why: &Failure| matches!(why, Failure::Refused { retry_after: Some(_), .. });
        self.down.take_if(|down| !asked(&down.why));
    }

    /// Lets an outage end when its time has come.
    pub(crate) fn tick(&mut self, now: Millis) {
        if self.down.as_ref().is_some_and(|down| down.until <= now) {
            self.down = None;
        }
    }

    pub(crate) fn down(&self) -> Option<&Down> {
        self.down.as_ref()
    }

    /// When a chunk that was taken over may be asked about: ten seconds and up to half as much
    /// again, so that two senders do not meet a second time.
    pub(crate) fn superseded_until(&mut self, now: Millis) -> Millis {
        now + SUPERSEDED_WAIT + Millis(self.rng.u64(0..SUPERSEDED_WAIT.0 / 2))
    }
}
