//! `POST /v1/registry`, the operator's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use saphan_schemas::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::auth::OperatorCaller;
use super::error::JsonBody;
use crate::app::App;

/// Signed registry entries, in this order. All are tried before the first is logged; if the store fails half-way, the same
/// file again applies the rest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// Compact JWS with `typ` `saphan-registry+jws`.
    entries: Vec<String>,
}

/// What was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedBody {
    /// How many entries.
    applied: usize,
}

/// Changes the registry.
#[utoipa::path(
    post, path = "/v1/registry", tag = "operator", request_body = ChangeBody,
    responses((status = 200, body = ChangedBody), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    _: OperatorCaller,
    JsonBody(body): JsonBody<ChangeBody>,
) -> Result<Json<ChangedBody>, ApiError> {
    // A task of its own: a caller that goes away half-way must not leave the change half-way.
    let change = tokio::spawn(async move {
        let _turn = app.registry_change.lock().await;
        let changed = app.registry.change(&body.entries, app.clock.now_ms() / 1000, &app.ledger, &*app.store).await;
        // A system that joined has an inbox at once.
        app.wakeups.relay().notify_one();
        changed
    });
    let applied = change.await.map_err(|_| ApiError::problem(ProblemCode::Internal))??;
    Ok(Json(ChangedBody { applied }))
}
