//! Answers with a strong `ETag`, left out for whoever has them already (RFC 9110 section 13.1.2).

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;

use super::ApiError;

/// `body` as JSON, or 304 when the caller names its tag in `If-None-Match`; `caching` is who may keep it.
pub(super) fn unless_known(
    request: &HeaderMap,
    caching: &'static str,
    body: &impl Serialize,
) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error, ProblemCode::Internal))?;
    let tag = format!("\"{}\"", Sha256Hash::of(&body));
    let headers = [(ETAG, tag.as_str()), (CACHE_CONTROL, caching)];
    if is_known(request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, [(CONTENT_TYPE, JSON)], body).into_response())
}

/// What a cache marked as weak is compared by its text.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = lists.flat_map(|list| list.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

const JSON: &str = "application/json";
/// Anybody, who asks each time whether it still holds.
pub(super) const ANYBODY: &str = "no-cache";
/// The caller alone, who does the same.
pub(super) const CALLER: &str = "private, no-cache";
