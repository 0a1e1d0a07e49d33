//! `POST /v1/files/{id}/links`: an address by which anybody can read the file until some time.

use longhaul_protocol::name::check_name;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link::{LinkInfo, LinkRequest, with_query};
use longhaul_protocol::wire::path;
use longhaul_protocol::{ChunkIndex, Millis, ProblemCode};

use super::Call;
use crate::link::{LINK_LASTS_SECONDS_MAX, Link, now};
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>, id: FileId) -> Answer {
    let LinkRequest { lasts_seconds, name } = call.body.json(call.head).await?;
    if !(1..=LINK_LASTS_SECONDS_MAX).contains(&lasts_seconds) {
        let detail = format!("`lastsSeconds` is not a number from 1 to {LINK_LASTS_SECONDS_MAX}.");
        return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
    }
    if let Some(name) = &name {
        check_name(name).map_err(|error| Refusal::name("name", &error))?;
    }
    // It is the caller's, or not there.
    call.app.store.manifest(&call.owner, id, ChunkIndex(0), 0).await?;
    let expires_at = Millis(now().0.saturating_add(lasts_seconds.saturating_mul(1000)));
    let query = call.app.config.links.sign(&Link { file: id, expires_at, name });
    let url = call.url(&with_query(&path::file(id), Some(&query)));
    Outcome::created(url.clone(), &LinkInfo { url, expires_at })
}
