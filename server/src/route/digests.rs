//! `POST /v1/uploads/{id}/digests`: digests ahead of their chunks; what the server already has it
//! fills in.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{DIGESTS_PER_PAGE_MAX, DigestRun, DigestsAnswer};
use longhaul_protocol::{Plan, ProblemCode};

use super::Call;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::{Offered, Store};

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>, id: UploadId) -> Answer {
    let run: DigestRun = call.body.json(call.head).await?;
    let upload = call.app.store.upload(&call.owner, id).await?;
    check(&run, upload.plan)?;
    answer(call.app.store.offer(&call.owner, id, run).await?)
}

/// What the server has now, as the wire tells it.
pub(super) fn answer(offered: Offered) -> Answer {
    let Offered { holding, differs, challenge } = offered;
    Outcome::json(&DigestsAnswer { holding, differs, challenge })
}

/// Checks that a run lies within a plan and within what one request may carry.
pub(super) fn check(run: &DigestRun, plan: Plan) -> Result<(), Refusal> {
    let count = run.digests.len() as u64;
    if count > DIGESTS_PER_PAGE_MAX {
        let detail = format!("{count} digests came; one request carries {DIGESTS_PER_PAGE_MAX}.");
        return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
    }
    let chunks = plan.chunk_count();
    if run.start.0.checked_add(count).is_some_and(|end| end <= chunks) {
        return Ok(());
    }
    let detail = format!("{count} digests from {} on came for {chunks} chunks.", run.start);
    Err(Refusal::new(ProblemCode::ChunkOutOfRange, detail))
}
