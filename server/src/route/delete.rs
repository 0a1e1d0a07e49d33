//! `DELETE /v1/files/{id}`: deletes a file; its bytes go with the last file that has them.

use longhaul_protocol::wire::ids::FileId;

use super::Call;
use crate::outcome::{Answer, Outcome};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: FileId) -> Answer {
    call.app.store.delete(&call.owner, id).await?;
    Ok(Outcome::Done)
}
