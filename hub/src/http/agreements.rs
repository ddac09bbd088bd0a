//! `GET /v1/agreements`: what a system may send and receive, and what it has still to sign.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use saphan_schemas::joining::AgreementBody;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;

use super::ApiError;
use super::auth::SystemCaller;
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
        let leaf = app.store.entries(record.index, 1).await?.pop();
        // It was folded in from there.
        let Some(Ok(Leaf::Registry { entry, .. })) = leaf.as_deref().map(Leaf::parse) else {
            tracing::error!(index = record.index, "an agreement's entry cannot be read back");
            return Err(ApiError::problem(ProblemCode::Internal));
        };
        agreements.push(AgreementBody {
            entry,
            terms: record.terms,
            signatures: record.signatures.clone(),
            unsigned: record.unsigned(),
        });
    }
    Ok(Json(agreements))
}
