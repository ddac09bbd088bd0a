//! `POST /v1/applications`: an application that the hub collects the evidence for.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _};
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::cases::{room, view};
use super::messages::{exchange, text};
use crate::app::App;
use crate::cases::{CaseView, Cases};

/// An application is in the log, and its case is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApplicationBody {
    /// The hub's compact JWS.
    receipt: String,
    /// The C2SP `tlog-proof@v1` text.
    proof: String,
    /// The case, as `GET /v1/cases/{id}` shows it; absent when it takes longer to open, and when the application was accepted
    /// before.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<CaseView>,
}

/// Submits an application: a message `application.submitted` to the hub's own system, which may as well come as any other message. The
/// message id is the idempotency key: the same application again is answered with its first receipt.
#[utoipa::path(
    post, path = "/v1/applications", tag = "portals", operation_id = "apply",
    params(
        ("Saphan-Envelope" = String, Header, description = "The portal's compact JWS; its `case` is a new UUIDv7"),
        ("Saphan-Salt" = String, Header, description = "32 bytes, URL-safe base64"),
    ),
    request_body(content = Vec<u8>, content_type = "application/json", description = "The exact body bytes"),
    responses(
        (status = 201, description = "Accepted; Location is the case", body = ApplicationBody),
        (status = 200, description = "Accepted before", body = ApplicationBody),
        (status = "4XX", description = "Refused", content_type = "application/problem+json"),
        (status = "5XX", description = "Send the same application again later", content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    let room = room(&app)?;
    let id = case_of_application(room, text(&headers, "saphan-envelope"))?;
    let accepted = exchange(&app, &headers, body).await?;
    // The envelope of an accepted application stands in the public log, and whoever holds it gets the first receipt again: the
    // case is shown to who brought the body, and later to who shows a token.
    let case = match room.reached(accepted.index).await {
        Ok(()) if accepted.first => room.case(id).await?.filter(|case| case.application == accepted.index),
        // A case that takes longer to open is there later.
        _ => None,
    };
    let case = case.map(|case| view(&app, &case));
    let status = if accepted.first { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/v1/cases/{id}"))];
    Ok((status, location, Json(ApplicationBody { receipt: accepted.receipt, proof: accepted.proof, case })))
}

/// Whether it is an application at all is said before anything is read; who signed it is looked at later.
fn case_of_application(room: &Cases, envelope: Option<&str>) -> Result<CaseId, ApiError> {
    let text = envelope.ok_or_else(|| ApiError::problem(ProblemCode::EnvelopeMissing))?;
    let malformed =
        |error: saphan_schemas::jws::JwsError| ApiError::detailed(ProblemCode::EnvelopeMalformed, error.to_string());
    let envelope = UnverifiedEnvelope::parse(text).map_err(malformed)?;
    let claims = envelope.claims();
    if claims.message_type.as_str() != ApplicationSubmitted::TYPE || claims.aud != room.desk.own {
        let detail = format!(
            "here come messages {} to {}; others go to /v1/messages",
            ApplicationSubmitted::TYPE,
            room.desk.own
        );
        return Err(ApiError::detailed(ProblemCode::RequestMalformed, detail));
    }
    claims.case.ok_or_else(|| ApiError::problem(ProblemCode::CaseInvalid))
}
