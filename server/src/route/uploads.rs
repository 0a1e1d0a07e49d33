//! `GET /v1/uploads`: the caller's open uploads, so that another browser or device can go on.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{LIST_ROWS_MAX, UploadList};

use super::{Call, status};
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::{Store, StoreError};

pub(super) async fn run<S: Store>(call: &Call<'_, S>) -> Answer {
    let (after, limit) = page_wanted(call)?;
    let page = call.app.store.uploads(&call.owner, after, limit).await.map_err(not_listed)?;
    let uploads = page.rows.into_iter().map(|upload| status::of(upload, call.scheme)).collect();
    Outcome::json(&UploadList { uploads, next: page.next })
}

/// `?after=<next>` of the page before, and `?limit=`, at most [`LIST_ROWS_MAX`].
pub(super) fn page_wanted<S>(call: &Call<'_, S>) -> Result<(Option<String>, usize), Refusal> {
    let limit = call.number("limit")?.unwrap_or(LIST_ROWS_MAX);
    if (1..=LIST_ROWS_MAX).contains(&limit) {
        return Ok((call.query("after"), limit));
    }
    let detail = format!("The parameter `limit` is not a number from 1 to {LIST_ROWS_MAX}.");
    Err(Refusal::new(ProblemCode::InvalidRequest, detail))
}

/// A listing is always there: what a store does not find is where the page should start.
pub(super) fn not_listed(error: StoreError) -> Refusal {
    match error {
        StoreError::NotFound => {
            let detail = "The parameter `after` is not the `next` of a page.";
            Refusal::new(ProblemCode::InvalidRequest, detail)
        }
        other => other.into(),
    }
}
