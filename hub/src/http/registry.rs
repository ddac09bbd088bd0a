//! `POST /v1/registry`, the operator's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::auth::OperatorCaller;
use super::error::JsonBody;
use crate::app::App;

/// Signed registry entries, applied in this order, all of them or none.
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
    let _turn = app.registry_change.lock().await;
    let applied = app.registry.change(&app.hub, &body.entries, &app.ledger, &*app.store).await?;
    Ok(Json(ChangedBody { applied }))
}
