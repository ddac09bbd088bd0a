//! `POST /v1/messages/batch`: several messages in one request, each judged by itself.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use saphan_schemas::b64;
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::auth::SystemCaller;
use super::error::JsonBody;
use super::messages::{AcceptedBody, room};
use super::{ApiError, REQUEST_BYTES};
use crate::app::App;
use crate::limits::Payer;
use crate::submission;

/// Messages to submit; no `Debug`, for the bodies.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody {
    /// 1 to 256.
    messages: Vec<SubmittedMessage>,
}

/// A message to submit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmittedMessage {
    /// The sender's compact JWS.
    envelope: String,
    /// 32 bytes, URL-safe base64.
    salt: String,
    /// Standard base64 of the exact bytes.
    body: String,
}

/// What became of the messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResultsBody {
    /// One for each message, in their order.
    results: Vec<SubmittedResult>,
}

/// What became of one message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum SubmittedResult {
    /// It is in the log, now or before.
    Accepted(AcceptedBody),
    /// It has no receipt.
    Problem {
        /// The problem document that it would have been answered with alone.
        #[schema(value_type = Object)]
        problem: Box<ProblemDocument>,
    },
}

/// Submits up to 256 messages in one request of at most 1 MiB. Each is accepted or refused by itself, as if it came alone; their
/// order in the log is not promised. The token is any system's, and its allowance pays for all of them; the envelopes are their
/// own authentication.
#[utoipa::path(
    post, path = "/v1/messages/batch", tag = "systems", operation_id = "submit_batch", request_body = BatchBody,
    responses(
        (status = 200, description = "One result for each message", body = ResultsBody),
        (status = "4XX", description = "None was looked at", content_type = "application/problem+json"),
        (status = "5XX", description = "None was looked at", content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    SystemCaller(caller): SystemCaller,
    request: Request,
) -> Result<Json<ResultsBody>, ApiError> {
    let payer = Payer::System(caller.clone());
    // Held until all is answered: for what is read, and then for what it holds.
    let _room = room(&app, &payer, announced(request.headers()))?;
    let JsonBody(BatchBody { messages }) = JsonBody::from_request(request, &app).await?;
    if messages.is_empty() || messages.len() > MOST_MESSAGES {
        let detail = format!("a request holds 1 to {MOST_MESSAGES} messages");
        return Err(ApiError::detailed(ProblemCode::RequestMalformed, detail));
    }
    let count = messages.len();
    // Of what its caller may not send any more nothing is looked at.
    let granted = app.limits.messages.take_up_to(count as u64, &payer, app.clock.now_ms());
    let granted = usize::try_from(granted).unwrap_or(count);
    let mut results = work(&app, &caller, messages.into_iter().take(granted)).await;
    let exhausted = || problem(&app, &caller, app.limits.messages.exhausted().into());
    results.extend((granted..count).map(|_| exhausted()));
    Ok(Json(ResultsBody { results }))
}

/// Judges and logs the messages, in tasks of their own: their signatures are checked on all processors, and they meet in one
/// batch of the log.
async fn work(
    app: &Arc<App>,
    caller: &SystemId,
    messages: impl ExactSizeIterator<Item = SubmittedMessage>,
) -> Vec<SubmittedResult> {
    let mut submissions = JoinSet::new();
    let mut results: Vec<Option<SubmittedResult>> = Vec::new();
    results.resize_with(messages.len(), || None);
    let shared = Arc::new(caller.clone());
    for (number, message) in messages.enumerate() {
        // Batches share so many places, so that they leave time to what comes alone.
        let place = app.limits.batches.enter(caller).await;
        // And few are judged at once, also of many batches: what comes alone waits for a few of them and not for hundreds.
        let turn = Arc::clone(&app.batch_turns).acquire_owned().await;
        let (app, caller) = (Arc::clone(app), Arc::clone(&shared));
        submissions.spawn(async move {
            let _place = place;
            (number, submit_one(&app, &caller, message, turn.ok()).await)
        });
    }
    while let Some(done) = submissions.join_next().await {
        // A task that was lost leaves its place empty.
        let Ok((number, result)) = done else { continue };
        if let Some(place) = results.get_mut(number) {
            *place = Some(result.unwrap_or_else(|error| problem(app, caller, error)));
        }
    }
    let lost = || problem(app, caller, ApiError::problem(ProblemCode::Internal));
    results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()
}

async fn submit_one(
    app: &App,
    caller: &SystemId,
    message: SubmittedMessage,
    turn: Option<OwnedSemaphorePermit>,
) -> Result<SubmittedResult, ApiError> {
    if app.is_stopping() {
        return Err(ApiError::problem(ProblemCode::HubStopping));
    }
    let started = Instant::now();
    let SubmittedMessage { envelope, salt, body } = message;
    let judged = submission::judge(&app.admission, &envelope, &salt, || b64::decode_std(body));
    drop(turn);
    Ok(SubmittedResult::Accepted(submission::log(app, Some(caller), judged, started).await?.into()))
}

/// How long the body says that it is; the longest there may be when it does not.
fn announced(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(u64::MAX).min(REQUEST_BYTES as u64)
}

fn problem(app: &App, caller: &SystemId, error: ApiError) -> SubmittedResult {
    let (code, problem) = error.into_parts();
    app.metrics.problem(code);
    tracing::info!(code = code.as_str(), system = %caller, "a message of a batch was refused");
    SubmittedResult::Problem { problem }
}

const MOST_MESSAGES: usize = 256;
