//! `GET /healthz`: the process runs. `GET /readyz`: it takes uploads, and is not about to stop.

use std::sync::atomic::Ordering;

use longhaul_protocol::ProblemCode;

use super::Call;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::{Store, StoreError};

const NO_ROOM: &str = "The disk has no room for new uploads (--disk-free-min).";
const NO_PLACE: &str =
    "The data folder cannot be reached or written to: why is in the server's log.";

pub(super) fn alive() -> Outcome {
    Outcome::Well
}

pub(super) async fn ready<S: Store>(call: &Call<'_, S>) -> Answer {
    if call.app.stopping.load(Ordering::Relaxed) {
        return Err(Refusal::new(ProblemCode::Unavailable, "The server is about to stop."));
    }
    match call.app.store.check_ready().await {
        Ok(()) => Ok(Outcome::Well),
        Err(error @ StoreError::ReadOnly) => Err(error.into()),
        Err(StoreError::NoSpace { .. }) => Err(Refusal::new(ProblemCode::Unavailable, NO_ROOM)),
        // Where it is and what it says is in the log, and nobody's business.
        Err(_) => Err(Refusal::new(ProblemCode::Unavailable, NO_PLACE)),
    }
}
