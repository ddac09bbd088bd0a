//! `PUT`, `HEAD` and `GET /v1/documents/{commit}`.

mod problem;
mod range;
mod request;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, StreamExt as _};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::ProblemCode;

use self::problem::upload_problem;
use self::range::Wanted;
use super::ApiError;
use super::auth::SystemCaller;
use super::error::PathPart;
use crate::app::App;
use crate::documents::reading::{Content, Seen};
use crate::documents::upload::{UploadError, Uploaded};
use crate::store::DocumentRecord;

/// Uploads a document, or goes on with it. A request carries the whole (`Content-Length`), or with `Content-Range: bytes a-b/len` a
/// part of it that begins where the stored bytes end; `bytes */len` without a body asks to check what is all here.
#[utoipa::path(
    put, path = "/v1/documents/{commit}", tag = "systems",
    params(
        ("commit" = String, Path, description = "The commitment, 43 characters of base64url"),
        ("Saphan-Salt" = String, Header, description = "The commitment's salt: 32 bytes, URL-safe base64"),
        ("Content-Range" = Option<String>, Header, description = "bytes a-b/len, or bytes */len"),
    ),
    request_body(content = Vec<u8>, content_type = "*/*", description = "The exact bytes, under the document's media type"),
    responses(
        (status = 201, description = "The document is readable", headers(("Upload-Complete" = String))),
        (status = 200, description = "It was before", headers(("Upload-Complete" = String))),
        (status = 202, description = "Stored as far as Upload-Offset says", headers(("Upload-Offset" = u64), ("Upload-Complete" = String))),
        (status = "4XX", description = "Refused", content_type = "application/problem+json"),
        (status = "5XX", description = "Ask again later", content_type = "application/problem+json"),
    )
)]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    SystemCaller(system): SystemCaller,
    PathPart(commit): PathPart<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if app.is_stopping() {
        return Err(ApiError::problem(ProblemCode::HubStopping));
    }
    let (upload, expected) = request::upload(parse(&commit)?, system, &headers)?;
    let bytes = request::bytes(body, app.connections.body, expected);
    // It goes on when the connection is cut: what came is stored, and a check that has begun ends.
    let working = tokio::spawn(async move { app.documents.upload(upload, bytes).await });
    let (status, offset) = match working.await.unwrap_or(Err(UploadError::Lost)) {
        Ok(Uploaded::Complete { first: true }) => (StatusCode::CREATED, None),
        Ok(Uploaded::Complete { first: false }) => (StatusCode::OK, None),
        Ok(Uploaded::Partly { offset }) => (StatusCode::ACCEPTED, Some(offset)),
        Err(error) => return Ok(upload_problem(error)),
    };
    let complete = if offset.is_none() { YES } else { NO };
    let mut response = (status, [(UPLOAD_COMPLETE, complete)]).into_response();
    if let Some(offset) = offset {
        response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
    }
    Ok(response)
}

/// What `GET` would answer, without the content; for an upload of the caller's own that is not finished, how far it is.
#[utoipa::path(
    head, path = "/v1/documents/{commit}", tag = "systems",
    params(("commit" = String, Path, description = "The commitment")),
    responses(
        (status = 200, description = "The document, or the upload", headers(("Upload-Offset" = u64), ("Upload-Length" = u64), ("Upload-Complete" = String))),
        (status = "4XX", description = "Nothing is there, or the caller may not know of it"),
    )
)]
pub(super) async fn look(
    State(app): State<Arc<App>>,
    SystemCaller(system): SystemCaller,
    PathPart(commit): PathPart<String>,
) -> Result<Response, ApiError> {
    match seen(&app, &commit, &system).await? {
        Seen::Readable(record) => {
            let content = app.documents.content(&record).await?;
            let mut response = described(StatusCode::OK, &record, &content, record.len)?;
            response.headers_mut().insert(UPLOAD_COMPLETE, YES);
            Ok(response)
        }
        Seen::Uploading { received, len } => {
            let headers = [(UPLOAD_OFFSET, received.into()), (UPLOAD_LENGTH, len.into()), (UPLOAD_COMPLETE, NO)];
            Ok((headers, [(CACHE_CONTROL, "no-store")]).into_response())
        }
    }
}

/// The document, or a range of it, for its uploader and for sender and recipient of a message that cites it.
#[utoipa::path(
    get, path = "/v1/documents/{commit}", tag = "systems",
    params(
        ("commit" = String, Path, description = "The commitment"),
        ("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110 section 14)"),
    ),
    responses(
        (status = 200, description = "The exact bytes", content_type = "*/*", headers(("Saphan-Salt" = String))),
        (status = 206, description = "A range of them", content_type = "*/*", headers(("Saphan-Salt" = String), ("Content-Range" = String))),
        (status = 416, description = "The range is beyond the end", content_type = "application/problem+json"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    SystemCaller(system): SystemCaller,
    PathPart(commit): PathPart<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Seen::Readable(record) = seen(&app, &commit, &system).await? else {
        return Err(ApiError::problem(ProblemCode::NotFound));
    };
    let (status, wanted) = match range::wanted(&headers, &etag(record.commit), record.len) {
        Wanted::Whole => (StatusCode::OK, 0..record.len),
        Wanted::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let mut response = ApiError::problem(ProblemCode::RangeNotSatisfiable).into_response();
            response.headers_mut().insert(CONTENT_RANGE, visible(&format!("bytes */{}", record.len))?);
            return Ok(response);
        }
    };
    let content = app.documents.content(&record).await?;
    let mut response = described(status, &record, &content, wanted.end - wanted.start)?;
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", wanted.start, wanted.end - 1, record.len);
        response.headers_mut().insert(CONTENT_RANGE, visible(&range)?);
    }
    let mut bytes = Box::pin(content.read(wanted));
    // A document that does not open is told before it begins. Later, all that is left is to break off.
    let first = bytes.next().await.transpose()?;
    let rest = bytes.inspect(|read| {
        if let Err(error) = read {
            tracing::error!(error = error as &dyn std::error::Error, "a document broke off");
        }
    });
    *response.body_mut() = Body::from_stream(stream::iter(first.map(Ok)).chain(rest));
    Ok(response)
}

async fn seen(app: &App, commit: &str, system: &SystemId) -> Result<Seen, ApiError> {
    let seen = app.documents.look(parse(commit)?, system).await?;
    seen.ok_or_else(|| ApiError::problem(ProblemCode::NotFound))
}

fn parse(commit: &str) -> Result<Sha256Hash, ApiError> {
    commit.parse().map_err(|_| ApiError::problem(ProblemCode::NotFound))
}

/// Everything but the content. It is never shown by a browser: it comes from others.
fn described(status: StatusCode, record: &DocumentRecord, content: &Content, len: u64) -> Result<Response, ApiError> {
    let salt = content.salt(record).map_err(|error| ApiError::internal(&error, ProblemCode::DocumentDamaged))?;
    let mut salt = visible(&salt.to_text())?;
    salt.set_sensitive(true);
    let headers = [
        (CONTENT_TYPE, visible(&record.media_type)?),
        (CONTENT_LENGTH, len.into()),
        (ETAG, visible(&etag(record.commit))?),
        (SALT, salt),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((status, headers).into_response())
}

/// What has this name never changes.
fn etag(commit: Sha256Hash) -> String {
    format!("\"{commit}\"")
}

fn visible(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(|error| ApiError::internal(&error, ProblemCode::Internal))
}

const SALT: HeaderName = HeaderName::from_static("saphan-salt");
/// The words of draft-ietf-httpbis-resumable-upload, for what they mean there.
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const YES: HeaderValue = HeaderValue::from_static("?1");
const NO: HeaderValue = HeaderValue::from_static("?0");
