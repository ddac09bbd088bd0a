//! `GET /v1/agreements`: what a system may send and receive, and what it has still to sign.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use saphan_schemas::joining::AgreementBody;

use super::ApiError;
use super::auth::SystemCaller;
use super::joining::registry_entry;
use crate::app::App;

/// The agreements that the calling system is a party of, with their exact terms and the signatures under them.
#[utoipa::path(
    get, path = "/v1/agreements", tag = "systems", operation_id = "agreements",
    responses(
        (status = 200, description = "A list of: entry, terms, signatures, unsigned", content_type = "application/json"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    SystemCaller(system): SystemCaller,
) -> Result<Json<Vec<AgreementBody>>, ApiError> {
    let registry = app.registry.state();
    let mut agreements = Vec::new();
    for record in registry.agreements_of(&system) {
        agreements.push(AgreementBody {
            entry: registry_entry(&app, record.index).await?,
            terms: record.terms,
            signatures: record.signatures.clone(),
            unsigned: record.unsigned(),
        });
    }
    Ok(Json(agreements))
}
