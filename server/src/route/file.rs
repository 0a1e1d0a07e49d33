//! `GET` or `HEAD /v1/files/{id}`: the bytes of a sealed file, with ranges (RFC 9110, sections 13
//! and 14).

use http::Method;
use http::header::RANGE;
use http_body_util::BodyExt as _;
use longhaul_protocol::ProblemCode;
use longhaul_protocol::range::{Selection, select};
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::FileId;

use super::Call;
use crate::multipart;
use crate::outcome::{Answer, Beside, Outcome, Refusal, Serving};
use crate::precondition::{Validators, Verdict, judge};
use crate::respond::Body;
use crate::store::{FileReader, Store};
use crate::stream::{FileBody, Stretch};

pub(super) async fn run<S: Store>(call: &Call<'_, S>, id: FileId) -> Answer {
    let (info, reader) = call.app.store.open(&call.owner, id).await?;
    let range = match judge(&call.head.headers, &Validators::of(&info)) {
        Verdict::NotModified => return Ok(not_modified(info)),
        Verdict::Failed(header) => {
            let detail = format!("`{header}` does not hold for the file as it is.");
            return Err(Refusal::new(ProblemCode::PreconditionFailed, detail));
        }
        Verdict::Serve { range } => range,
    };
    let selection = if range { selected(call, info.size) } else { Selection::Whole };
    let (serving, stretches) = chosen(&info, selection)?;
    let file = FileBody::new(reader, stretches);
    // Section 9.3.2: HEAD tells the length and sends nothing.
    let file = if call.head.method == Method::HEAD { file } else { file.begun().await? };
    Ok(serve(call, info, serving, file))
}

/// Section 14.2: `Range` counts for `GET` only. Section 5.3: two lines of it are no list of ranges,
/// and are ignored.
fn selected<S>(call: &Call<'_, S>, len: u64) -> Selection {
    let mut lines = call.head.headers.get_all(RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) if call.head.method == Method::GET => select(line.to_str().ok(), len),
        _ => Selection::Whole,
    }
}

fn chosen(info: &FileInfo, selection: Selection) -> Result<(Serving, Vec<Stretch>), Refusal> {
    match selection {
        Selection::Whole => Ok((Serving::Whole, vec![Stretch::File(0..info.size)])),
        Selection::Ranges(ranges) => Ok(match ranges.as_slice() {
            // Section 15.3.7.1: one range is sent as it is.
            [range] => (Serving::Range(range.clone()), vec![Stretch::File(range.clone())]),
            ranges => (Serving::Parts, multipart::stretches(info, ranges)),
        }),
        Selection::Unsatisfiable => {
            let detail = format!("The file has {} bytes.", info.size);
            Err(Refusal::new(ProblemCode::RangeNotSatisfiable, detail)
                .beside(Beside::Length(info.size)))
        }
    }
}

fn serve<S>(
    call: &Call<'_, S>,
    info: FileInfo,
    serving: Serving,
    file: FileBody<impl FileReader>,
) -> Outcome {
    let len = file.left();
    let body = if call.head.method == Method::HEAD { Body::default() } else { file.boxed_unsync() };
    Outcome::File { info: Box::new(info), serving, len, body }
}

fn not_modified(info: FileInfo) -> Outcome {
    let (serving, body) = (Serving::NotModified, Body::default());
    Outcome::File { info: Box::new(info), serving, len: 0, body }
}
