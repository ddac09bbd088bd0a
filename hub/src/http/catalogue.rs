//! `GET /v1/services`, `/v1/evidence-types`, one of them, `/v1/schemas/{id}`: the catalogue the hub is built with, and what was
//! published since.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{EvidenceTypeId, SchemaId, ServiceId};
use saphan_schemas::problem::ProblemCode;
use serde::Deserialize;

use super::ApiError;
use super::conditional::{ANYBODY, unless_known};
use super::error::{PathPart, QueryPart};
use crate::app::App;
use crate::catalogue::{EvidenceTypeSearch, ServiceItem, ServiceSearch};

/// The public services that fit the query, with their priorities.
#[utoipa::path(
    get, path = "/v1/services", tag = "anyone", operation_id = "services",
    params(
        ("q" = Option<String>, Query, description = "Words, separated by blanks, that must all occur in the id, a name or a description, in Thai or English"),
        ("family" = Option<String>, Query, description = "welfare, request, civil-registration or licence"),
        ("authority" = Option<String>, Query, description = "The member that decides, e.g. th.dlt"),
        ("applicant" = Option<String>, Query, description = "Citizen, Juristic or Foreigner"),
        ("status" = Option<String>, Query, description = "none, information, form, online or end-to-end"),
        ("limit" = Option<u8>, Query, description = "1 to 100 items; 50 without it"),
        ("after" = Option<String>, Query, description = "The next of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "items: CPSV-AP public services; next: where the next page begins; total: how many fit", content_type = "application/json"),
        (status = 304, description = "The answer is still the one with that ETag"),
        (status = 400, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn services(
    State(app): State<Arc<App>>,
    QueryPart(search): QueryPart<ServiceSearch>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    unless_known(&headers, ANYBODY, &search.find(&app.registry.catalogue()))
}

/// A public service, with its priority.
#[utoipa::path(
    get, path = "/v1/services/{id}", tag = "anyone", operation_id = "service",
    params(
        ("id" = String, Path, description = "E.g. th.dlt.driving-licence-renewal"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "A CPSV-AP public service", content_type = "application/json"),
        (status = 304, description = "The answer is still the one with that ETag"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn service(
    State(app): State<Arc<App>>,
    PathPart(id): PathPart<ServiceId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let catalogue = app.registry.catalogue();
    let service = catalogue.service(&id).ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    unless_known(&headers, ANYBODY, &ServiceItem::from(service))
}

/// The evidence types that fit the query.
#[utoipa::path(
    get, path = "/v1/evidence-types", tag = "anyone", operation_id = "evidence_types",
    params(
        ("q" = Option<String>, Query, description = "Words, separated by blanks, that must all occur in the id or a name, in Thai or English"),
        ("issuer" = Option<String>, Query, description = "The member that issues it, e.g. th.dopa"),
        ("format" = Option<String>, Query, description = "json or document"),
        ("limit" = Option<u8>, Query, description = "1 to 100 items; 50 without it"),
        ("after" = Option<String>, Query, description = "The next of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "items: CCCEV evidence types; next: where the next page begins; total: how many fit", content_type = "application/json"),
        (status = 304, description = "The answer is still the one with that ETag"),
        (status = 400, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn evidence_types(
    State(app): State<Arc<App>>,
    QueryPart(search): QueryPart<EvidenceTypeSearch>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    unless_known(&headers, ANYBODY, &search.find(&app.registry.catalogue()))
}

/// An evidence type.
#[utoipa::path(
    get, path = "/v1/evidence-types/{id}", tag = "anyone", operation_id = "evidence_type",
    params(
        ("id" = String, Path, description = "E.g. th.dopa.house-registration"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of an earlier answer"),
    ),
    responses(
        (status = 200, description = "A CCCEV evidence type", content_type = "application/json"),
        (status = 304, description = "The answer is still the one with that ETag"),
        (status = 404, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn evidence_type(
    State(app): State<Arc<App>>,
    PathPart(id): PathPart<EvidenceTypeId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let catalogue = app.registry.catalogue();
    let known = catalogue.evidence_type(&id).ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    unless_known(&headers, ANYBODY, known)
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
