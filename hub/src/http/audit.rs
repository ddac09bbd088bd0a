//! `/v1/audit/…`: what auditors search. Whoever asks is in the log before the answer; so what is asked stands in bodies, never in
//! URLs, which others log too.

pub(super) mod export;

pub(super) use export::{__path_export, export};

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, Method, Uri};
use axum::response::IntoResponse;
use saphan_schemas::ids::SystemId;
use saphan_schemas::json;
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ApiError;
use super::auth::AuditorCaller;
use super::error::{QueryPart, WholeBody};
use crate::app::App;
use crate::audit::{
    self, Asked, AuditError, CaseQuery, CaseView, Health, HealthQuery, Page, PastQueries, QueriesQuery, Search,
    Timeline, TimelineQuery,
};

/// A question, and the exact text that its entry commits to: method, path, a line feed, the exact body.
pub(super) struct Question<T> {
    pub(super) asks: T,
    text: String,
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Question<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let malformed = |detail: String| ApiError::detailed(ProblemCode::RequestMalformed, detail);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let WholeBody(bytes) = WholeBody::from_request(request, app).await?;
        let bytes = bytes.map_err(malformed)?;
        if bytes.len() > audit::MOST_QUERY_BYTES {
            return Err(AuditError::TooLong.into());
        }
        // serde would take an array for its members, too.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(malformed("the body is not a JSON object".to_owned()));
        }
        let asks = json::parse_typed(&bytes).map_err(|error| malformed(error.to_string()))?;
        let body = std::str::from_utf8(&bytes).map_err(|error| malformed(error.to_string()))?;
        Ok(Self { asks, text: format!("{method} {path}\n{body}") })
    }
}

impl<T> Question<T> {
    /// Logs it.
    pub(super) async fn ask<'a>(&self, app: &'a Arc<App>, auditor: &SystemId) -> Result<Asked<'a>, ApiError> {
        Ok(audit::ask(app, auditor, &self.text).await?)
    }
}

/// The entries of the log that fit, newest first, a page at a time.
#[utoipa::path(
    post, path = "/v1/audit/search", tag = "auditors", operation_id = "audit_search",
    request_body = Search,
    responses(
        (status = 200, body = Page),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
        (status = "5XX", description = "Ask again later", content_type = "application/problem+json"),
    )
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    AuditorCaller(auditor): AuditorCaller,
    question: Question<Search>,
) -> Result<impl IntoResponse, ApiError> {
    let asked = question.ask(&app, &auditor).await?;
    Ok(answer(asked.search(&question.asks).await?))
}

/// One message's way, with what proves it.
#[utoipa::path(
    post, path = "/v1/audit/timeline", tag = "auditors", operation_id = "audit_timeline",
    request_body = TimelineQuery,
    responses((status = 200, body = Timeline), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn timeline(
    State(app): State<Arc<App>>,
    AuditorCaller(auditor): AuditorCaller,
    question: Question<TimelineQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let asked = question.ask(&app, &auditor).await?;
    Ok(answer(asked.timeline(&question.asks).await?))
}

/// The messages of a case, oldest first.
#[utoipa::path(
    post, path = "/v1/audit/case", tag = "auditors", operation_id = "audit_case",
    request_body = CaseQuery,
    responses((status = 200, body = CaseView), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn case(
    State(app): State<Arc<App>>,
    AuditorCaller(auditor): AuditorCaller,
    question: Question<CaseQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let asked = question.ask(&app, &auditor).await?;
    Ok(answer(asked.case(&question.asks).await?))
}

/// How the exchange went: counts, slot by slot.
#[utoipa::path(
    post, path = "/v1/audit/health", tag = "auditors", operation_id = "audit_health",
    request_body = HealthQuery,
    responses((status = 200, body = Health), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn health(
    State(app): State<Arc<App>>,
    AuditorCaller(auditor): AuditorCaller,
    question: Question<HealthQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let asked = question.ask(&app, &auditor).await?;
    Ok(answer(asked.health(&question.asks).await?))
}

/// What auditors asked before, newest first.
#[utoipa::path(
    get, path = "/v1/audit/queries", tag = "auditors", operation_id = "audit_queries",
    params(
        ("before" = Option<u64>, Query, description = "The next of the page before"),
        ("limit" = Option<u16>, Query, description = "1 to 500; 100 without it"),
    ),
    responses(
        (status = 200, body = PastQueries),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
        (status = "5XX", description = "Ask again later", content_type = "application/problem+json"),
    )
)]
pub(super) async fn queries(
    State(app): State<Arc<App>>,
    AuditorCaller(auditor): AuditorCaller,
    method: Method,
    uri: Uri,
    QueryPart(query): QueryPart<QueriesQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let whole = uri.path_and_query().map_or(uri.path(), |whole| whole.as_str());
    let asked = audit::ask(&app, &auditor, &format!("{method} {whole}")).await?;
    Ok(answer(asked.queries(&query).await?))
}

fn answer<T: Serialize>(body: T) -> ([(HeaderName, &'static str); 1], Json<T>) {
    ([(CACHE_CONTROL, "no-store")], Json(body))
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NotAuditor => Self::problem(ProblemCode::Forbidden),
            AuditError::TooLong => Self::detailed(ProblemCode::RequestMalformed, error.to_string()),
            AuditError::NotFound => Self::problem(ProblemCode::NotFound),
            AuditError::Busy => Self::detailed(ProblemCode::HubBusy, error.to_string()),
            AuditError::Exhausted(error) => error.into(),
            AuditError::Ledger(error) => error.into(),
            AuditError::Index(error) => Self::internal(&error, ProblemCode::HubUnavailable),
            AuditError::Store(error) => error.into(),
            AuditError::Evidence(error) => error.into(),
            AuditError::Lost => Self::internal(&error, ProblemCode::Internal),
        }
    }
}
