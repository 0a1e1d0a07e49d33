//! `POST /v1/uploads/{id}/seal`: verifies the root and publishes the file. Asked again, because the
//! first answer was lost, it gives the same answer: 201 with the file.

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{SealRequest, path};

use super::Call;
use crate::outcome::{Answer, Outcome};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>, id: UploadId) -> Answer {
    let SealRequest { root } = call.body.json(call.head).await?;
    let file = call.app.store.seal(&call.owner, id, root).await?;
    Outcome::created(call.url(&path::file(file.id)), &file)
}
