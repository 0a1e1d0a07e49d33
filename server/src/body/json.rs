//! A body that is JSON: whole in memory, and no longer than that is good for.

use bytes::BytesMut;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::JSON_BYTES_MAX;
use serde::de::DeserializeOwned;

use super::{BodyError, RequestBody};
use crate::outcome::Refusal;

impl RequestBody {
    /// The whole body, as JSON.
    ///
    /// # Errors
    /// [`Refusal`]: another media type, too large, not read to its end, or not the JSON wanted.
    pub async fn json<T: DeserializeOwned>(&mut self, head: &Parts) -> Result<T, Refusal> {
        check_is_json(head)?;
        let bytes = self.collect(JSON_BYTES_MAX).await?;
        longhaul_protocol::wire::from_json(&bytes).map_err(|error| {
            Refusal::new(ProblemCode::InvalidJson, format!("In the body: {error}."))
        })
    }

    async fn collect(&mut self, max: u64) -> Result<BytesMut, Refusal> {
        let too_large =
            || Refusal::too_large(max, format!("A body of JSON has at most {max} bytes."));
        if self.announced().is_some_and(|announced| announced > max) {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(data) = self.next().await.map_err(unread_json)? {
            bytes.extend_from_slice(&data);
            if bytes.len() as u64 > max {
                return Err(too_large());
            }
        }
        Ok(bytes)
    }
}

/// Half of a JSON body is no JSON; the advice about chunks that broke off is not for it.
fn unread_json(error: BodyError) -> Refusal {
    match error {
        BodyError::Broken { .. } => {
            Refusal::new(ProblemCode::InvalidJson, format!("While reading: {error}."))
        }
        BodyError::Stalled { .. } | BodyError::TooSlow { .. } => error.into(),
    }
}

/// A form on another site can send text that happens to be JSON, but not under this media type
/// without asking first (a CORS preflight).
fn check_is_json(head: &Parts) -> Result<(), Refusal> {
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Refusal::new(
            ProblemCode::InvalidRequest,
            "The header `content-type` is not `application/json`.",
        )),
    }
}
