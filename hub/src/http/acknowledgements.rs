//! `POST /v1/acknowledgements`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::auth::SystemCaller;
use super::error::WholeBody;
use crate::acknowledging::acknowledge;
use crate::app::App;
use crate::shards::Located;

/// The batch is in the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecordedBody {
    /// The origin of its log.
    log: String,
    /// Its place in it.
    index: u64,
}

/// States what became of messages, many at a time; ends their leases. The same batch again changes nothing.
#[utoipa::path(
    post, path = "/v1/acknowledgements", tag = "systems", operation_id = "acknowledge",
    request_body(content = String, content_type = "application/jose", description = "The receiver's compact JWS"),
    responses(
        (status = 201, description = "Recorded", body = RecordedBody),
        (status = 200, description = "Recorded before", body = RecordedBody),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    SystemCaller(caller): SystemCaller,
    WholeBody(body): WholeBody,
) -> Result<(StatusCode, Json<RecordedBody>), ApiError> {
    let malformed = |detail: String| ApiError::detailed(ProblemCode::AcknowledgementMalformed, detail);
    let body = body.map_err(malformed)?;
    let text = std::str::from_utf8(&body).map_err(|error| malformed(error.to_string()))?;
    let recorded = acknowledge(&app, &caller, text).await?;
    let status = if recorded.first { StatusCode::CREATED } else { StatusCode::OK };
    let Located { log, index } = app.shards.located(recorded.index);
    Ok((status, Json(RecordedBody { log: log.to_owned(), index })))
}
