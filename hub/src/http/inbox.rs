//! `POST /v1/inbox/lease`, `/v1/inbox/extend`, `/v1/inbox/release`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use saphan_schemas::b64;
use saphan_schemas::leaf::split_message;
use saphan_schemas::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::auth::{SystemCaller, WaitingCaller};
use super::error::JsonBody;
use crate::app::App;
use crate::routing::inbox;
use crate::store::Pending;

/// What to lease.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseBody {
    /// The most messages, 1 to 256.
    max: u32,
    /// How long to wait for the first one, in seconds.
    #[serde(default)]
    wait: u64,
}

/// A lease.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeasedBody {
    /// Its id; `null` when nothing came.
    lease: Option<String>,
    /// Its duration in seconds.
    expires_in: u64,
    messages: Vec<LeasedMessage>,
}

/// A leased message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeasedMessage {
    /// Its place, over all logs, for `release`. Its index in its log is in the receipt.
    index: u64,
    /// Which delivery this is, from 1.
    attempt: u32,
    envelope: String,
    salt: String,
    /// Standard base64 of the exact bytes.
    body: String,
    receipt: String,
    proof: String,
}

/// A lease to lengthen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtendBody {
    lease: String,
}

/// How long a lease lasts now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExtendedBody {
    /// In seconds.
    expires_in: u64,
}

/// Messages to give back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseBody {
    lease: String,
    /// Their places, as leased; all of the lease when absent.
    #[serde(default)]
    indices: Option<Vec<u64>>,
    /// Not to be leased again before so many seconds.
    #[serde(default)]
    delay: u64,
}

/// Leases messages of the caller's inbox.
#[utoipa::path(
    post, path = "/v1/inbox/lease", tag = "systems", request_body = LeaseBody,
    responses((status = 200, body = LeasedBody), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn lease(
    State(app): State<Arc<App>>,
    caller: WaitingCaller,
    JsonBody(body): JsonBody<LeaseBody>,
) -> Result<Json<LeasedBody>, ApiError> {
    if !(1..=inbox::MAX_LEASED).contains(&body.max) {
        return Err(ApiError::detailed(ProblemCode::RequestMalformed, "`max` must be 1 to 256"));
    }
    let lease = inbox::lease(&app, &caller.system, body.max, body.wait, || caller.check(&app)).await?;
    let messages = lease.messages.into_iter().map(leased).collect::<Result<_, _>>()?;
    Ok(Json(LeasedBody { lease: lease.id, expires_in: lease.seconds, messages }))
}

/// Lengthens a lease.
#[utoipa::path(
    post, path = "/v1/inbox/extend", tag = "systems", request_body = ExtendBody,
    responses((status = 200, body = ExtendedBody), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn extend(
    State(app): State<Arc<App>>,
    SystemCaller(caller): SystemCaller,
    JsonBody(body): JsonBody<ExtendBody>,
) -> Result<Json<ExtendedBody>, ApiError> {
    if inbox::extend(&app, &caller, &body.lease).await? {
        Ok(Json(ExtendedBody { expires_in: app.inbox.lease_seconds }))
    } else {
        Err(ApiError::problem(ProblemCode::LeaseLost))
    }
}

/// Gives messages back.
#[utoipa::path(
    post, path = "/v1/inbox/release", tag = "systems", request_body = ReleaseBody,
    responses((status = 204), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn release(
    State(app): State<Arc<App>>,
    SystemCaller(caller): SystemCaller,
    JsonBody(body): JsonBody<ReleaseBody>,
) -> Result<StatusCode, ApiError> {
    if inbox::release(&app, &caller, &body.lease, body.indices.as_deref(), body.delay).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::problem(ProblemCode::LeaseLost))
    }
}

fn leased(pending: Pending) -> Result<LeasedMessage, ApiError> {
    let envelope = split_message(&pending.leaf).map(|(_, envelope)| envelope.to_owned());
    Ok(LeasedMessage {
        index: pending.index,
        attempt: pending.attempts + 1,
        envelope: envelope.ok_or_else(|| ApiError::problem(ProblemCode::Internal))?,
        salt: pending.salt.to_text(),
        body: b64::encode_std(&pending.body),
        receipt: pending.receipt,
        proof: pending.proof,
    })
}
