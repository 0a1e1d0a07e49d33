//! `POST /v1/uploads/{id}/proofs`: proofs that the client has chunks that another owner has here.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::proof::{PROOFS_PER_REQUEST_MAX, ProofRequest};

use super::{Call, digests};
use crate::outcome::{Answer, Refusal};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>, id: UploadId) -> Answer {
    let ProofRequest { proofs } = call.body.json(call.head).await?;
    if proofs.len() > PROOFS_PER_REQUEST_MAX {
        let count = proofs.len();
        let detail = format!("{count} proofs came; one request carries {PROOFS_PER_REQUEST_MAX}.");
        return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
    }
    digests::answer(call.app.store.prove(&call.owner, id, proofs).await?)
}
