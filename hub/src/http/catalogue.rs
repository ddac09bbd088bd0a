//! `GET /v1/services`, `/v1/evidence-types`, `/v1/schemas/{id}`: the catalogue the hub is built with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use saphan_schemas::ids::SchemaId;
use saphan_schemas::problem::ProblemCode;

use super::ApiError;
use super::error::PathPart;
use crate::app::App;

/// The public services.
#[utoipa::path(get, path = "/v1/services", tag = "anyone", responses((status = 200, description = "CPSV-AP public services", content_type = "application/json")))]
pub(super) async fn services(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(app.catalogue.services()).into_response()
}

/// The evidence types.
#[utoipa::path(get, path = "/v1/evidence-types", tag = "anyone", responses((status = 200, description = "CCCEV evidence types", content_type = "application/json")))]
pub(super) async fn evidence_types(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(app.catalogue.evidence_types()).into_response()
}

/// The exact text of a schema, whose SHA-256 is in the log.
#[utoipa::path(
    get, path = "/v1/schemas/{id}", tag = "anyone",
    params(("id" = String, Path, description = "E.g. application.submitted@1")),
    responses(
        (status = 200, description = "JSON Schema 2020-12", content_type = "application/schema+json"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn schema(
    State(app): State<Arc<App>>,
    PathPart(id): PathPart<String>,
) -> Result<impl IntoResponse, ApiError> {
    let id: Option<SchemaId> = id.parse().ok();
    let schema = id.and_then(|id| app.catalogue.schema(&id));
    let schema = schema.ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    Ok(([(CONTENT_TYPE, "application/schema+json")], schema.text))
}
