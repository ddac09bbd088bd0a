//! `POST /v1/erasures`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use saphan_schemas::ids::Code;
use saphan_schemas::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::auth::KnownCaller;
use super::error::JsonBody;
use crate::app::App;
use crate::erasing::{self, EraseError, Erased, Erasure};

/// Which bodies, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody {
    /// The origin of the log that the messages are in; left out as long as the hub has one log.
    #[serde(default)]
    log: Option<String>,
    /// The places of their messages in that log, at most 256.
    messages: Vec<u64>,
    /// The code of the legal basis, which the log will show, e.g. `pdpa-s33`.
    #[schema(value_type = String)]
    basis: Code,
}

/// What is erased.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasedBody {
    erased: Vec<ErasedMessage>,
    /// The places in that log of complete cases that hold copies of what was erased, and stand.
    copies: Vec<u64>,
    /// Those in other logs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies_elsewhere: Vec<Elsewhere>,
}

/// A place in a log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Elsewhere {
    /// The log's origin.
    log: String,
    index: u64,
}

/// A body that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasedMessage {
    /// The place of its message in the log.
    message: u64,
    /// The place of the entry that says so; of the first one, if it was erased before.
    erasure: u64,
    /// The origin of the log of that entry.
    erasure_log: String,
}

/// Erases the bodies of messages, all or none, for the operator: their keys are destroyed, and the log says so. Not before they are
/// acknowledged or have expired, nor in a case that has not ended.
#[utoipa::path(
    post, path = "/v1/erasures", tag = "operators and auditors", request_body = EraseBody,
    responses((status = 200, body = ErasedBody), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn erase(
    State(app): State<Arc<App>>,
    caller: KnownCaller,
    JsonBody(EraseBody { log, messages, basis }): JsonBody<EraseBody>,
) -> Result<Json<ErasedBody>, ApiError> {
    if caller != KnownCaller::Operator {
        return Err(ApiError::problem(ProblemCode::Forbidden));
    }
    if messages.len() > erasing::AT_ONCE {
        let detail = format!("at most {} messages at once", erasing::AT_ONCE);
        return Err(ApiError::detailed(ProblemCode::RequestMalformed, detail));
    }
    let log = match log.as_deref() {
        Some(log) => log,
        None if app.shards.present().number == 0 => &app.origin,
        None => return Err(ApiError::detailed(ProblemCode::RequestMalformed, erasing::WHICH_LOG)),
    };
    let Erasure { erased, copies } = erasing::erase_in(&app, log, &messages, &basis).await?;
    let told = |Erased { message, erasure, .. }: Erased| {
        let (message, erasure) = (app.shards.located(message).index, app.shards.located(erasure));
        ErasedMessage { message, erasure: erasure.index, erasure_log: erasure.log.to_owned() }
    };
    let (copies, elsewhere): (Vec<_>, Vec<_>) =
        copies.into_iter().map(|place| app.shards.located(place)).partition(|copy| copy.log == log);
    let elsewhere = elsewhere.into_iter().map(|copy| Elsewhere { log: copy.log.to_owned(), index: copy.index });
    Ok(Json(ErasedBody {
        erased: erased.into_iter().map(told).collect(),
        copies: copies.into_iter().map(|copy| copy.index).collect(),
        copies_elsewhere: elsewhere.collect(),
    }))
}

impl From<EraseError> for ApiError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::NoMessage { .. } => Self::detailed(ProblemCode::NotFound, error.to_string()),
            EraseError::Needed { .. } => Self::detailed(ProblemCode::ErasureTooEarly, error.to_string()),
            EraseError::Store(error) => error.into(),
            EraseError::Ledger(error) => error.into(),
        }
    }
}
