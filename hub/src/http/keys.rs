//! `GET /v1/keys` and `GET /v1/systems/{member}/{system}/keys`: JWK Sets (RFC 7517).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{JwkSet, PublicKey, PublishedKey};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::HubKeyRecord;

use super::ApiError;
use super::error::PathPart;
use crate::app::App;

/// All receipt keys that the hub ever had, with their end.
#[utoipa::path(get, path = "/v1/keys", tag = "anyone", responses((status = 200, description = "A JWK Set; `issuer` is the hub's id", content_type = "application/json")))]
pub(super) async fn hub(State(app): State<Arc<App>>) -> impl IntoResponse {
    let published = |record: &HubKeyRecord<PublicKey>| PublishedKey {
        revoked: record.revoked.map(|end| end.at),
        ..PublishedKey::unlimited(record.key)
    };
    let keys = app.registry.state().receipt_keys().all().map(published).collect();
    Json(JwkSet { issuer: app.hub.to_string(), keys })
}

/// All keys a system ever had, with their validity: old messages stay verifiable.
#[utoipa::path(
    get, path = "/v1/systems/{member}/{system}/keys", tag = "anyone",
    params(("member" = String, Path), ("system" = String, Path)),
    responses(
        (status = 200, description = "A JWK Set; `issuer` is the system's id", content_type = "application/json"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn system(
    State(app): State<Arc<App>>,
    PathPart((member, system)): PathPart<(String, String)>,
) -> Result<Json<JwkSet>, ApiError> {
    let system: Option<SystemId> = format!("{member}/{system}").parse().ok();
    let system = system.ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    let registry = app.registry.state();
    let keys: Vec<_> = registry
        .keys_of(&system)
        .into_iter()
        .map(|record| PublishedKey {
            nbf: record.key.not_before,
            exp: record.key.not_after,
            revoked: record.revoked,
            ..PublishedKey::unlimited(record.key.jwk)
        })
        .collect();
    if keys.is_empty() && registry.system(&system).is_none() {
        return Err(ApiError::problem(ProblemCode::NotFound));
    }
    Ok(Json(JwkSet { issuer: system.to_string(), keys }))
}
