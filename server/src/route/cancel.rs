//! `DELETE /v1/uploads/{id}`: ends an upload and frees its space.

use longhaul_protocol::wire::ids::UploadId;

use super::Call;
use crate::outcome::{Answer, Outcome};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: UploadId) -> Answer {
    call.app.store.cancel(&call.owner, id).await?;
    Ok(Outcome::Done)
}
