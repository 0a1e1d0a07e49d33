//! `GET` or `HEAD /v1/uploads/{id}/content`: the bytes of an upload while it is still coming, by ranges;
//! once it is sealed, where its file is.
//!
//! It has no validators: what has been read may still be replaced. So `If-Range` never holds, and no
//! cache may keep anything of it.

use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use http::{HeaderValue, Method};
use http_body_util::BodyExt as _;
use longhaul_protocol::range::Selection;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::path;

use super::Call;
use super::file::{selected, unsatisfiable};
use crate::outcome::{Answer, Coming, Outcome, Refusal, Serving};
use crate::respond::Body;
use crate::store::{FileReader, Growing, Store, Upload};
use crate::stream::{FileBody, Stretch};

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: UploadId) -> Answer {
    let wait = call.app.config.limits.content_wait;
    let (upload, reader) = match call.app.store.growing(&call.owner, id, wait).await? {
        Growing::Sealed(file) => {
            return Ok(Outcome::Moved { location: call.url(&path::file(file)) });
        }
        Growing::Open(upload, reader) => (upload, reader),
    };
    // RFC 9110, section 13.1.1: no tag is its own; `*` holds for what is there.
    let headers = &call.head.headers;
    if headers.get(IF_MATCH).is_some_and(|tags| !is_any(tags)) {
        return Err(Refusal::condition(&IF_MATCH));
    }
    // Section 13.1.2: the same, the other way round.
    if headers.get(IF_NONE_MATCH).is_some_and(is_any) {
        let bytes = FileBody::new(reader, []);
        return serve(call, &upload, Serving::NotModified, bytes).await;
    }
    let len = upload.plan.len();
    // Section 13.1.5: without a validator no If-Range holds.
    let counts = !headers.contains_key(IF_RANGE);
    let selection = if counts { selected(call, len) } else { Selection::Whole };
    let (serving, stretch) = chosen(selection, len)?;
    let bytes = FileBody::new(reader, [stretch]).chunk_by_chunk(upload.plan.chunk_len());
    let bytes = bytes.sharing(call.channel.is_shared);
    serve(call, &upload, serving, bytes).await
}

fn is_any(tags: &HeaderValue) -> bool {
    tags.as_bytes().trim_ascii() == b"*"
}

/// Section 14.2: a server may ignore a Range, and does if it has more than one.
fn chosen(selection: Selection, len: u64) -> Result<(Serving, Stretch), Refusal> {
    match selection {
        Selection::Unsatisfiable => Err(unsatisfiable(len)),
        Selection::Ranges(ranges) => Ok(match ranges.as_slice() {
            [range] => (Serving::Range(range.clone()), Stretch::File(range.clone())),
            _ => (Serving::Whole, Stretch::File(0..len)),
        }),
        Selection::Whole => Ok((Serving::Whole, Stretch::File(0..len))),
    }
}

async fn serve<S: Store>(
    call: &Call<'_, S>,
    upload: &Upload,
    serving: Serving,
    bytes: FileBody<impl FileReader>,
) -> Answer {
    let len = bytes.left();
    let is_bare = call.head.method == Method::HEAD || serving == Serving::NotModified;
    let body = if is_bare { Body::default() } else { bytes.begun().await?.boxed_unsync() };
    let (meta, size) = (Box::new(upload.meta.clone()), upload.plan.len());
    Ok(Outcome::Coming(Coming { meta, size, serving, len, body }))
}
