//! Every failure of a request, as a problem document.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saphan_schemas::json;
use saphan_schemas::problem::{Fault, ProblemCode, ProblemDocument};
use saphan_schemas::registry::RejectedEntry;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::acknowledging::AcknowledgementError;
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

    fn internal(error: &(dyn std::error::Error + 'static), code: ProblemCode) -> Self {
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
        let mut answer = Self::problem(ProblemCode::RateLimited);
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
            ChangeError::Malformed { .. } | ChangeError::Rejected { .. } => {
                Self::detailed(ProblemCode::RegistryEntryInvalid, error.to_string())
            }
            ChangeError::Ledger(error) => error.into(),
            ChangeError::Registry(error) => Self::internal(&error, ProblemCode::HubUnavailable),
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            // A caller that asks again is judged on the registry as it is by then.
            LedgerError::Busy | LedgerError::Outdated => Self::problem(ProblemCode::HubBusy),
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

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let malformed = |detail: String| ApiError::detailed(ProblemCode::RequestMalformed, detail);
        let bytes = timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await;
        let bytes = bytes.map_err(|_| malformed("the body came too slowly".into()))?;
        let bytes = bytes.map_err(|error| malformed(error.body_text()))?;
        json::parse_typed(&bytes).map(Self).map_err(|error| malformed(error.to_string()))
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

/// How long a JSON body may take: the longest, 1 MiB, at 64 kB a second.
const BODY_DEADLINE: Duration = Duration::from_secs(16);
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
