//! `GET /v1/services`, `/v1/evidence-types`, `/v1/schemas/{id}`: the catalogue the hub is built with, and what was published since.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SchemaId;
use saphan_schemas::problem::ProblemCode;
use serde::Deserialize;

use super::ApiError;
use super::error::{PathPart, QueryPart};
use crate::app::App;

/// The public services.
#[utoipa::path(get, path = "/v1/services", tag = "anyone", responses((status = 200, description = "CPSV-AP public services", content_type = "application/json")))]
pub(super) async fn services(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(app.registry.catalogue().services()).into_response()
}

/// The evidence types.
#[utoipa::path(get, path = "/v1/evidence-types", tag = "anyone", responses((status = 200, description = "CCCEV evidence types", content_type = "application/json")))]
pub(super) async fn evidence_types(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(app.registry.catalogue().evidence_types()).into_response()
}

/// A text that a schema has or had.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaQuery {
    /// SHA-256 of the text, as receipts' leaves and the registry name it.
    sha256: Option<Sha256Hash>,
}

/// The exact text of a schema, whose SHA-256 is in the log: the one that stands or stood last, or the one that a leaf cites.
#[utoipa::path(
    get, path = "/v1/schemas/{id}", tag = "anyone",
    params(
        ("id" = String, Path, description = "E.g. application.submitted@1"),
        ("sha256" = Option<String>, Query, description = "43 characters of base64url; without it, the text that stands, or stood last"),
    ),
    responses(
        (status = 200, description = "JSON Schema 2020-12", content_type = "application/schema+json"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn schema(
    State(app): State<Arc<App>>,
    PathPart(id): PathPart<String>,
    QueryPart(SchemaQuery { sha256 }): QueryPart<SchemaQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let not_found = || ApiError::problem(ProblemCode::NotFound);
    let id: SchemaId = id.parse().map_err(|_| not_found())?;
    let standing = app.registry.catalogue().schema(&id).cloned();
    let text = match sha256 {
        None => standing,
        Some(hash) if standing.as_ref().is_some_and(|text| text.sha256 == hash) => standing,
        Some(hash) => app.store.schema_texts(&[hash]).await?.pop().filter(|text| text.id == id),
    };
    let text = text.ok_or_else(not_found)?;
    Ok(([(CONTENT_TYPE, "application/schema+json")], text.text.to_string()))
}
