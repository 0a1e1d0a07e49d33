//! `GET /v1/files`: the caller's files.

use longhaul_protocol::wire::FileList;

use super::{Call, uploads};
use crate::outcome::{Answer, Outcome};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &Call<'_, S>) -> Answer {
    let (after, limit) = uploads::page_wanted(call)?;
    let page = call.app.store.files(&call.owner, after, limit).await;
    let page = page.map_err(uploads::not_listed)?;
    Outcome::json(&FileList { files: page.rows, next: page.next })
}
