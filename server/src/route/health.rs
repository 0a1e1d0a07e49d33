//! `GET /healthz`: the process runs. `GET /readyz`: it takes uploads, and is not about to stop.

use std::sync::atomic::Ordering;

use longhaul_protocol::ProblemCode;

use super::Call;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::{Store, StoreError};

pub(super) fn alive() -> Outcome {
    Outcome::Well
}

pub(super) fn ready<S: Store>(call: &Call<'_, S>) -> Answer {
    if call.app.stopping.load(Ordering::Relaxed) {
        return Err(Refusal::new(ProblemCode::Unavailable, "The server is about to stop."));
    }
    if !call.app.store.takes_writes() {
        return Err(StoreError::ReadOnly.into());
    }
    Ok(Outcome::Well)
}
