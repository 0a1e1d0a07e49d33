//! `POST /v1/guests`: whom a caller without a token is from now on.
//!
//! What is begun without a token makes a guest too, but if that answer is lost, what was begun is nobody's. Who asks
//! this first has nothing to lose, and whatever he sends after it he may send again.

use super::Call;
use crate::outcome::{Answer, Outcome};

pub(super) fn run<S>(call: &Call<'_, S>) -> Answer {
    call.app.config.access.token_to_keep(&call.owner, &call.permits).map(Outcome::Met)
}
