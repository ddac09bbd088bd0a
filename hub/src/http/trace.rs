//! `POST /v1/trace`: who used which data about a person, when, what for, and why they may.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::message_types::{Subject, Timestamp};
use saphan_schemas::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::auth::SystemCaller;
use super::cases::room;
use super::error::JsonBody;
use crate::app::App;
use crate::store::cases::DataUse;

/// Whose trace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceRequest {
    /// The person, as in `evidence.requested`; the portal has identified this person, who asks.
    #[schema(value_type = Object)]
    subject: Subject,
    /// Only what stands before this place, over all logs: `next` of the page before.
    before: Option<u64>,
    /// At most so many (1 to 100; default 50).
    limit: Option<u32>,
}

/// A page of the trace, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceBody {
    items: Vec<TraceItem>,
    /// `before` of the next page; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// One message about the person, from its envelope in the log.
#[derive(Debug, Serialize, ToSchema)]
struct TraceItem {
    /// The origin of its log, where anyone can verify it.
    log: String,
    /// Its place in it.
    index: u64,
    at: Option<String>,
    from: String,
    to: String,
    #[serde(rename = "type")]
    message_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_basis: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<String>,
    /// Which data it asks for, brings, or uses again.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_type: Option<String>,
}

/// Who used which data about a person. For portals, on behalf of the person; the number travels in the body and is kept nowhere.
#[utoipa::path(
    post, path = "/v1/trace", tag = "portals", operation_id = "trace",
    request_body = TraceRequest,
    responses(
        (status = 200, body = TraceBody),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    SystemCaller(caller): SystemCaller,
    JsonBody(request): JsonBody<TraceRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let room = room(&app)?;
    if !room.is_portal(&caller) {
        let detail =
            "only a portal may ask, on behalf of the person: a system with an agreement to submit applications";
        return Err(ApiError::detailed(ProblemCode::Forbidden, detail.to_owned()));
    }
    let limit = request.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(ApiError::detailed(ProblemCode::RequestMalformed, "limit must be 1 to 100".to_owned()));
    }
    let subject = room.pseudonyms.of(&request.subject);
    let before = request.before.unwrap_or(u64::MAX);
    let uses = app.store.cases().uses(&subject, before, limit).await?;
    let next = uses.last().filter(|_| uses.len() == limit as usize).map(|last| last.index);
    let mut items = Vec::with_capacity(uses.len());
    for used in uses {
        items.extend(item(&app, used).await?);
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(TraceBody { items, next })))
}

async fn item(app: &App, used: DataUse) -> Result<Option<TraceItem>, ApiError> {
    let Some(leaf) = app.store.entries(used.index, 1).await?.pop() else { return Ok(None) };
    let Ok(Leaf::Message { ts, envelope, .. }) = Leaf::parse(&leaf) else { return Ok(None) };
    let Ok(envelope) = UnverifiedEnvelope::parse(&envelope) else { return Ok(None) };
    let claims = envelope.claims();
    let place = app.shards.located(used.index);
    Ok(Some(TraceItem {
        log: place.log.to_owned(),
        index: place.index,
        at: Timestamp::from_unix_seconds(ts / 1000).ok().map(|at| at.to_string()),
        from: claims.iss.to_string(),
        to: claims.aud.to_string(),
        message_type: claims.message_type.to_string(),
        service: claims.service.as_ref().map(ToString::to_string),
        case: claims.case.map(|case| case.to_string()),
        purpose: claims.purpose.as_ref().map(ToString::to_string),
        legal_basis: claims.legal_basis.as_ref().map(ToString::to_string),
        consent: claims.consent.map(|consent| consent.to_string()),
        evidence_type: used.evidence_type.map(|name| name.to_string()),
    }))
}
