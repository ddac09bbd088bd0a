//! `POST /v1/messages/batch`: several messages in one request, each judged by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use saphan_schemas::b64;
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::auth::SystemCaller;
use super::error::JsonBody;
use super::messages::{AcceptedBody, room};
use super::{ApiError, REQUEST_BYTES};
use crate::admission::Refusal;
use crate::app::App;
use crate::limits::{Exhausted, Payer};
use crate::submission::{self, Begun};

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
/// order in the log is not promised. The token is any system's, and its allowance pays for all of them; the envelopes are their own authentication.
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
    // Held until all is answered: for what is read, and then for what it holds.
    let _room = room(&app, announced(request.headers()))?;
    let JsonBody(BatchBody { messages }) = JsonBody::from_request(request, &app).await?;
    if messages.is_empty() || messages.len() > MOST_MESSAGES {
        let detail = format!("a request holds 1 to {MOST_MESSAGES} messages");
        return Err(ApiError::detailed(ProblemCode::RequestMalformed, detail));
    }
    // Tasks of their own: their signatures are checked on all processors, and they meet in one batch of the log.
    let mut submissions = JoinSet::new();
    let count = messages.len();
    // Of what its caller may not send any more nothing is looked at.
    let granted = take_messages(&app, &caller, count);
    let caller = Arc::new(caller);
    for (number, message) in messages.into_iter().enumerate().take(granted) {
        let (app, caller) = (Arc::clone(&app), Arc::clone(&caller));
        submissions.spawn(async move {
            // Batches share so many places, so that they leave time to what comes alone. It is never closed.
            let _place = app.batch_places.acquire().await;
            (number, submit_one(&app, &caller, message).await)
        });
    }
    let mut results: Vec<Option<SubmittedResult>> = Vec::new();
    results.resize_with(count, || None);
    while let Some(done) = submissions.join_next().await {
        // A task that was lost leaves its place empty.
        let Ok((number, result)) = done else { continue };
        if let Some(place) = results.get_mut(number) {
            *place = Some(result.unwrap_or_else(|error| problem(&app, error)));
        }
    }
    let missing = |number| {
        let error = if number < granted { ApiError::problem(ProblemCode::Internal) } else { Exhausted::NOW.into() };
        problem(&app, error)
    };
    let results = results.into_iter().enumerate();
    let results = results.map(|(number, result)| result.unwrap_or_else(|| missing(number))).collect();
    Ok(Json(ResultsBody { results }))
}

/// Takes as many messages as there are from the caller's allowance, `count` at most; returns how many.
fn take_messages(app: &App, caller: &SystemId, count: usize) -> usize {
    let taken = app.limits.messages.take_up_to(count as u64, &Payer::System(caller.clone()), app.clock.now_ms());
    usize::try_from(taken).unwrap_or(count)
}

async fn submit_one(app: &App, caller: &SystemId, message: SubmittedMessage) -> Result<SubmittedResult, ApiError> {
    let SubmittedMessage { envelope, salt, body } = message;
    let accepted = match submission::begin(app, Some(caller), Some(&envelope)).await? {
        Begun::Known(accepted) => accepted,
        Begun::Continue(addressed) => match b64::decode_std(body) {
            Ok(body) => submission::finish(app, Some(caller), *addressed, Some(&salt), body).await?,
            // What is no text of any body is not the one that the envelope commits to. The sender is known: it is logged.
            Err(error) => {
                let refusal = Refusal::of(addressed.envelope(), ProblemCode::CommitmentMismatch);
                submission::refuse(app, Some(caller), refusal.detail(format!("the body is not base64: {error}")))
                    .await?
            }
        },
    };
    Ok(SubmittedResult::Accepted(accepted.into()))
}

/// How long the body says that it is; the longest there may be when it does not.
fn announced(headers: &HeaderMap) -> u64 {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(u64::MAX).min(REQUEST_BYTES as u64)
}

fn problem(app: &App, error: ApiError) -> SubmittedResult {
    let (code, problem) = error.into_parts();
    app.metrics.problem(code);
    tracing::info!(code = code.as_str(), "a message of a batch was refused");
    SubmittedResult::Problem { problem }
}

const MOST_MESSAGES: usize = 256;
