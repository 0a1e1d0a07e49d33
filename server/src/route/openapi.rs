//! `GET /openapi.json`: the API in OpenAPI 3.1. `tests/http/openapi.rs` holds the document to the code.

use crate::outcome::Outcome;

/// Written by hand, and served as it is.
const DOCUMENT: &str = include_str!("../../openapi.json");

pub(super) fn run() -> Outcome {
    Outcome::Document(DOCUMENT)
}
