//! `DELETE /v1/files/{id}`: deletes a file; its bytes go with the last file that has them.

use std::time::SystemTime;

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::ids::FileId;

use super::Call;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::precondition::{Validators, refuse_change};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: FileId) -> Answer {
    let store = &call.app.store;
    // RFC 9110, section 13.2.1: conditions come after what would be refused without them.
    let (info, _) = store.manifest(&call.owner, id, ChunkIndex(0), 0).await?;
    let (headers, file) = (&call.head.headers, Validators::of(&info));
    if let Some(header) = refuse_change(headers, &file, SystemTime::now()) {
        return Err(Refusal::condition(&header));
    }
    store.delete(&call.owner, id).await?;
    Ok(Outcome::Done)
}
