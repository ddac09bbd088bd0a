//! Requests that two readers could understand differently are refused before anything looks at them: a proxy in front of the
//! hub must never have checked, limited or logged another request than the one that the hub answers.
//!
//! One such request is answered: `Content-Length` beside `Transfer-Encoding: chunked`. hyper drops the length and closes the
//! connection after the answer (RFC 9112 section 6.3), so that nothing that follows the chunks is ever read as a request.

use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use saphan_schemas::problem::ProblemCode;

use super::ApiError;

/// Lets through what can be read in one way only.
pub(super) async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    match ambiguity(request.headers()) {
        None => next.run(request).await,
        Some(detail) => ApiError::detailed(ProblemCode::RequestMalformed, detail).into_response(),
    }
}

/// What is ambiguous about a request with these headers. Lengths that differ or are no number were refused while it was read,
/// and `Authorization` is for whoever reads tokens.
fn ambiguity(headers: &HeaderMap) -> Option<String> {
    if let Some(name) = headers.keys().find(|name| comes_once(name) && headers.get_all(*name).iter().count() > 1) {
        return Some(format!("the request has several {name} headers"));
    }
    // Nothing is ever inflated: what is signed and limited are the very bytes of the body.
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| !is(coding, "identity")) {
        return Some("the body has a Content-Encoding; send its exact bytes".to_owned());
    }
    let framing = headers.get(TRANSFER_ENCODING);
    framing.filter(|coding| !is(coding, "chunked")).map(|_| "the only Transfer-Encoding is chunked".to_owned())
}

/// Whether more than one header of this name says more than one thing.
fn comes_once(name: &HeaderName) -> bool {
    *name == HOST || *name == TRANSFER_ENCODING || name.as_str().starts_with("saphan-")
}

fn is(value: &HeaderValue, word: &str) -> bool {
    value.as_bytes().eq_ignore_ascii_case(word.as_bytes())
}
