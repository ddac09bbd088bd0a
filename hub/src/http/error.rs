//! Every failure of a request, as a problem document.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saphan_schemas::catalogue::Finding;
use saphan_schemas::json;
use saphan_schemas::problem::{Fault, ProblemCode, ProblemDocument, ProblemPlace};
use saphan_schemas::registry::RejectedEntry;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::acknowledging::AcknowledgementError;
use crate::app::App;
use crate::ledger::{EvidenceError, LedgerError};
use crate::limits::Exhausted;
use crate::registry::ChangeError;
use crate::store::StoreError;
use crate::submission::SubmissionError;

/// A failure, ready to be answered. Internal detail went to the log; none is in here.
#[derive(Debug)]
pub struct ApiError {
    document: Box<ProblemDocument>,
    code: ProblemCode,
}

impl ApiError {
    /// A problem without detail.
    #[must_use]
    pub fn problem(code: ProblemCode) -> Self {
        Self { document: Box::new(code.document()), code }
    }

    /// A problem with the detail that its caller needs.
    #[must_use]
    pub fn detailed(code: ProblemCode, detail: impl Into<String>) -> Self {
        let mut error = Self::problem(code);
        error.document.detail = Some(detail.into());
        error
    }

    pub(super) fn internal(error: &(dyn std::error::Error + 'static), code: ProblemCode) -> Self {
        tracing::error!(error, code = code.as_str(), "a request failed on the hub's side");
        Self::problem(code)
    }

    /// The problem's code.
    #[must_use]
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// The problem's code and document, for an answer that holds several.
    pub(super) fn into_parts(self) -> (ProblemCode, Box<ProblemDocument>) {
        (self.code, self.document)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.document)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.document.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        } else if self.code.fault() == Fault::Hub {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if self.code.status() == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

impl From<SubmissionError> for ApiError {
    fn from(error: SubmissionError) -> Self {
        match error {
            SubmissionError::Refused { refusal, index } => {
                let mut answer = Self::problem(refusal.code);
                answer.document.detail = refusal.detail;
                answer.document.errors = refusal.errors;
                answer.document.index = index;
                answer
            }
            SubmissionError::Exhausted(error) => error.into(),
            SubmissionError::Stopping => Self::problem(ProblemCode::HubStopping),
            SubmissionError::Ledger(error) => error.into(),
            SubmissionError::Evidence(error) => error.into(),
            SubmissionError::Store(error) => error.into(),
            SubmissionError::Lost => Self::internal(&error, ProblemCode::Internal),
        }
    }
}

impl From<Exhausted> for ApiError {
    fn from(error: Exhausted) -> Self {
        let mut answer = Self::detailed(ProblemCode::RateLimited, error.to_string());
        answer.document.retry_after = Some(error.seconds);
        answer
    }
}

impl From<AcknowledgementError> for ApiError {
    fn from(error: AcknowledgementError) -> Self {
        match error {
            AcknowledgementError::Malformed(error) => {
                Self::detailed(ProblemCode::AcknowledgementMalformed, error.to_string())
            }
            AcknowledgementError::Problem { code, detail } => Self::detailed(code, detail),
            AcknowledgementError::Ledger(error) => error.into(),
            AcknowledgementError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Rejected { source: RejectedEntry::NotInvited, .. } => {
                Self::problem(ProblemCode::InvitationInvalid)
            }
            ChangeError::Malformed { .. } | ChangeError::Rejected { .. } | ChangeError::InUse { .. } => {
                Self::detailed(ProblemCode::RegistryEntryInvalid, error.to_string())
            }
            ChangeError::Schema(refusal) => {
                let mut answer = Self::detailed(ProblemCode::RegistryEntryInvalid, refusal.to_string());
                let place = |finding: &Finding| ProblemPlace {
                    pointer: finding.place.clone(),
                    detail: finding.message.clone(),
                };
                answer.document.errors = refusal.findings().iter().map(place).collect();
                answer
            }
            ChangeError::Lost => Self::internal(&error, ProblemCode::Internal),
            ChangeError::Store(error) => error.into(),
            ChangeError::Ledger(error) => error.into(),
            ChangeError::Registry(error) => Self::internal(&error, ProblemCode::HubUnavailable),
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            // A caller that asks again is judged on the registry as it is by then.
            LedgerError::Busy | LedgerError::Outdated(_) => Self::problem(ProblemCode::HubBusy),
            LedgerError::Exhausted(error) => error.into(),
            LedgerError::Stopped => Self::problem(ProblemCode::HubStopping),
            LedgerError::Unavailable => Self::problem(ProblemCode::HubUnavailable),
            LedgerError::DuplicateId => Self::problem(ProblemCode::DuplicateId),
            LedgerError::Contradiction { index } => {
                Self::detailed(ProblemCode::AcknowledgementConflict, format!("place {index}"))
            }
            LedgerError::TooLarge => Self::problem(ProblemCode::EnvelopeTooLarge),
        }
    }
}

impl From<EvidenceError> for ApiError {
    fn from(error: EvidenceError) -> Self {
        Self::internal(&error, ProblemCode::HubUnavailable)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error, ProblemCode::HubUnavailable)
    }
}

/// A JSON body whose failure to parse is a problem document.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let malformed = |detail: String| ApiError::detailed(ProblemCode::RequestMalformed, detail);
        let WholeBody(bytes) = WholeBody::from_request(request, app).await?;
        let bytes = bytes.map_err(malformed)?;
        let parsed = if bytes.len() < LARGE_BODY {
            json::parse_typed(&bytes)
        } else {
            // Milliseconds of work: not on the threads that serve everyone.
            let parse = tokio::task::spawn_blocking(move || json::parse_typed(&bytes));
            parse.await.map_err(|_| ApiError::problem(ProblemCode::Internal))?
        };
        parsed.map(Self).map_err(|error| malformed(error.to_string()))
    }
}

/// A body that was read in time and within the limit of requests, or why it was not.
#[derive(Debug)]
pub(super) struct WholeBody(pub(super) Result<Bytes, String>);

impl FromRequest<Arc<App>> for WholeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let bytes = timeout(app.connections.body, Bytes::from_request(request, app)).await;
        let bytes = bytes.map_err(|_| "the body came too slowly".to_owned());
        Ok(Self(bytes.and_then(|bytes| bytes.map_err(|error| error.body_text()))))
    }
}

/// Parts of the path; a path that cannot be read names nothing.
#[derive(Debug)]
pub(super) struct PathPart<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathPart<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(part)| Self(part)).map_err(|_| ApiError::problem(ProblemCode::NotFound))
    }
}

/// The query; one that cannot be read is the caller's mistake.
#[derive(Debug)]
pub(super) struct QueryPart<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryPart<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        let malformed = |_| {
            ApiError::detailed(ProblemCode::RequestMalformed, "the query has other parameters than this path takes")
        };
        query.map(|Query(part)| Self(part)).map_err(malformed)
    }
}

/// From here on it takes milliseconds to parse.
const LARGE_BODY: usize = 64 * 1024;
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
