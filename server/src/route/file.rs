//! `GET` or `HEAD /v1/files/{id}`: the bytes of a sealed file, with ranges (RFC 9110, sections 13
//! and 14).

use std::sync::Arc;
use std::time::SystemTime;

use http::Method;
use http::header::{IF_RANGE, RANGE};
use http_body_util::BodyExt as _;
use longhaul_protocol::ProblemCode;
use longhaul_protocol::range::{Selection, select};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::FileId;

use super::Call;
use crate::multipart;
use crate::outcome::{Answer, Beside, Download, Outcome, Refusal, Serving};
use crate::precondition::{Verdict, judge};
use crate::respond::Body;
use crate::store::Store;
use crate::stream::{FileBody, Stretch};
use crate::told::Told;
use crate::wanted::Wanted;

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: FileId) -> Answer {
    let (told, reader) = call.app.store.open(&call.owner, id).await?;
    let range = match judge(&call.head.headers, &told.validators, SystemTime::now()) {
        Verdict::NotModified => {
            let bytes = (Serving::NotModified, 0, Body::default());
            return Ok(download(call, told, bytes));
        }
        Verdict::Failed(header) => return Err(Refusal::condition(&header)),
        Verdict::Serve { range } => range,
    };
    let selection = if range { selected(call, told.size) } else { Selection::Whole };
    let (serving, stretches) = chosen(&told, selection)?;
    let file = FileBody::new(reader, stretches).posting_to(call.channel.outbox.as_ref());
    let file = file.sharing(call.channel.is_shared);
    // Section 9.3.2: HEAD tells the length and sends nothing.
    let is_head = call.head.method == Method::HEAD;
    let file = if is_head { file } else { file.begun().await? };
    let len = file.left();
    let body = if is_head { Body::default() } else { file.boxed_unsync() };
    Ok(download(call, told, (serving, len, body)))
}

/// Section 14.2: `Range` counts for `GET` only. Section 5.3: two lines of it are no list of ranges,
/// and are ignored.
pub(super) fn selected<S>(call: &Call<'_, S>, len: u64) -> Selection {
    let mut lines = call.head.headers.get_all(RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) if call.head.method == Method::GET => select(line.to_str().ok(), len),
        _ => Selection::Whole,
    }
}

fn chosen(info: &FileInfo, selection: Selection) -> Result<(Serving, Vec<Stretch>), Refusal> {
    let whole = || (Serving::Whole, vec![Stretch::File(0..info.size)]);
    match selection {
        Selection::Whole => Ok(whole()),
        Selection::Ranges(ranges) => Ok(match ranges.as_slice() {
            // Section 15.3.7.1: one range is sent as it is.
            [range] => (Serving::Range(range.clone()), vec![Stretch::File(range.clone())]),
            ranges => match multipart::stretches(info, ranges) {
                // Section 14.2: a server may ignore what would cost more than the whole.
                stretches if total(&stretches) >= info.size => whole(),
                stretches => (Serving::Parts, stretches),
            },
        }),
        Selection::Unsatisfiable => Err(unsatisfiable(info.size)),
    }
}

/// Section 15.5.17.
pub(super) fn unsatisfiable(len: u64) -> Refusal {
    let detail = format!("The file has {len} bytes.");
    Refusal::new(ProblemCode::RangeNotSatisfiable, detail).beside(Beside::Length(len))
}

fn total(stretches: &[Stretch]) -> u64 {
    stretches.iter().map(Stretch::len).sum()
}

fn download<S>(
    call: &Call<'_, S>,
    told: Arc<Told>,
    (serving, len, body): (Serving, u64, Body),
) -> Outcome {
    let headers = &call.head.headers;
    Outcome::File(Download {
        told,
        serving,
        is_resumed: headers.contains_key(IF_RANGE),
        wanted: Wanted::of(headers),
        link: call.link.clone(),
        len,
        body,
    })
}
