//! `POST /v1/messages` and `GET /v1/messages/{jti}`.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::MessageId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::ApiError;
use super::auth::ReaderCaller;
use super::error::PathPart;
use crate::admission::{Addressed, Refusal};
use crate::app::App;
use crate::audit;
use crate::ledger::{EvidenceError, LedgerError, evidence};
use crate::limits::{Payer, Share};
use crate::store::{MessageRecord, MessageState};
use crate::submission::{self, Accepted, Begun};

/// A message is in the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedBody {
    /// The hub's compact JWS.
    receipt: String,
    /// The C2SP `tlog-proof@v1` text.
    proof: String,
}

/// Where a message stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageBody {
    jti: String,
    iss: String,
    aud: String,
    #[serde(rename = "type")]
    message_type: String,
    /// The origin of its log.
    log: String,
    /// Its place in it.
    index: u64,
    /// `accepted`, `delivered`, `processed`, `rejected` or `expired`.
    state: &'static str,
    /// The receiver's problem code, if it rejected the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    receipt: String,
    proof: String,
    /// The proof for a checkpoint that witnesses have cosigned, once they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosigned_proof: Option<String>,
    /// The receiver's compact JWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<String>,
    /// The place of the entry that says that its body was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<u64>,
    /// The origin of the log of that entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased_log: Option<String>,
}

/// Submits a message. The envelope is its own authentication. The same message again is answered with its first receipt.
#[utoipa::path(
    post, path = "/v1/messages", tag = "systems",
    params(
        ("Saphan-Envelope" = String, Header, description = "The sender's compact JWS"),
        ("Saphan-Salt" = String, Header, description = "32 bytes, URL-safe base64"),
    ),
    request_body(content = Vec<u8>, content_type = "application/json", description = "The exact body bytes"),
    responses(
        (status = 201, description = "Accepted", body = AcceptedBody),
        (status = 200, description = "Accepted before", body = AcceptedBody),
        (status = "4XX", description = "Refused", content_type = "application/problem+json"),
        (status = "5XX", description = "Send the same message again later", content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<AcceptedBody>), ApiError> {
    let accepted = exchange(&app, &headers, body).await?;
    let status = if accepted.first { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(accepted.into())))
}

impl From<Accepted> for AcceptedBody {
    fn from(Accepted { receipt, proof, .. }: Accepted) -> Self {
        Self { receipt, proof }
    }
}

pub(super) async fn exchange(app: &App, headers: &HeaderMap, body: Body) -> Result<Accepted, ApiError> {
    let addressed = match submission::begin(app, text(headers, "saphan-envelope")).await? {
        Begun::Known(accepted) => return Ok(accepted),
        Begun::Continue(addressed) => *addressed,
    };
    let sender = Payer::System(addressed.envelope().claims().iss.clone());
    let _room = room(app, &sender, addressed.body_len())?;
    let deadline = app.connections.body + Duration::from_millis(addressed.body_len() / SLOWEST_BYTES_PER_MS);
    let body = timeout(deadline, read_body(body, addressed.body_len(), &addressed)).await;
    match body.unwrap_or(Err(BodyError::Broken)) {
        Ok(body) => Ok(submission::finish(app, addressed, text(headers, "saphan-salt"), body).await?),
        Err(BodyError::Refused(refusal)) => Ok(submission::refuse(app, None, *refusal).await?),
        Err(BodyError::Broken) => {
            Err(ApiError::detailed(ProblemCode::RequestMalformed, "the body ended early, or came too slowly"))
        }
    }
}

/// Where a message stands, for its sender, its receiver, and auditors.
#[utoipa::path(
    get, path = "/v1/messages/{jti}", tag = "systems",
    params(("jti" = String, Path, description = "The message id")),
    responses(
        (status = 200, body = MessageBody),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: ReaderCaller,
    PathPart(id): PathPart<String>,
) -> Result<Json<MessageBody>, ApiError> {
    let id: MessageId = id.parse().map_err(|_| ApiError::problem(ProblemCode::NotFound))?;
    if let ReaderCaller::Auditor(auditor) = &caller {
        audit::ask(&app, auditor, &format!("GET /v1/messages/{id}")).await?;
    }
    let records = app.store.messages(id).await?;
    let mine = |record: &MessageRecord| match &caller {
        ReaderCaller::System(system) => record.sender == *system || record.recipient == *system,
        ReaderCaller::Auditor(_) => true,
    };
    // Ids are each sender's own: what another sent under the same one must not hide what the caller sent.
    let sent = |record: &MessageRecord| matches!(&caller, ReaderCaller::System(system) if record.sender == *system);
    let record = records.into_iter().filter(mine).max_by_key(|record| (sent(record), Reverse(record.index)));
    let record = record.ok_or_else(|| ApiError::problem(ProblemCode::NotFound))?;
    message_body(&app, id, record).await.map(Json)
}

async fn message_body(app: &App, id: MessageId, record: MessageRecord) -> Result<MessageBody, ApiError> {
    let cosigned = app.cosigned_of(app.shards.at(record.index)).await?;
    let evidence = evidence(&*app.store, &app.shards, record.index, cosigned.as_deref()).await?;
    let envelope = UnverifiedEnvelope::parse(&evidence.envelope).map_err(EvidenceError::from)?;
    let acknowledgement = match record.acknowledgement {
        Some(index) => app.store.entries(index, 1).await?.pop().and_then(|leaf| acknowledgement_of(&leaf)),
        None => None,
    };
    let place = app.shards.located(record.index);
    let erased = record.erased.map(|place| app.shards.located(place));
    Ok(MessageBody {
        jti: id.to_string(),
        iss: record.sender.to_string(),
        aud: record.recipient.to_string(),
        message_type: envelope.claims().message_type.to_string(),
        log: place.log.to_owned(),
        index: place.index,
        state: state(record.state),
        code: record.code.map(|code| code.to_string()),
        receipt: evidence.receipt,
        proof: evidence.proof,
        cosigned_proof: evidence.cosigned_proof,
        acknowledgement,
        erased: erased.map(|erased| erased.index),
        erased_log: erased.map(|erased| erased.log.to_owned()),
    })
}

fn acknowledgement_of(leaf: &[u8]) -> Option<String> {
    match Leaf::parse(leaf) {
        Ok(Leaf::Acknowledgement { acknowledgement, .. }) => Some(acknowledgement),
        _ => None,
    }
}

const fn state(state: MessageState) -> &'static str {
    match state {
        MessageState::Accepted => "accepted",
        MessageState::Delivered => "delivered",
        MessageState::Settled(outcome) => outcome.as_str(),
        MessageState::Expired => "expired",
    }
}

enum BodyError {
    Refused(Box<Refusal>),
    Broken,
}

/// Reads as much as the envelope announces, and not a byte more.
async fn read_body(body: Body, announced: u64, message: &Addressed) -> Result<Vec<u8>, BodyError> {
    let limit = usize::try_from(announced).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => {
            let refusal = Refusal::of(message.envelope(), ProblemCode::CommitmentMismatch);
            Err(BodyError::Refused(Box::new(refusal.detail("the body is longer than the envelope says".into()))))
        }
        Err(_) => Err(BodyError::Broken),
    }
}

/// Room in memory for bodies of this length.
pub(super) fn room<'a>(app: &'a App, payer: &Payer, len: u64) -> Result<(SemaphorePermit<'a>, Share), ApiError> {
    let kib = u32::try_from(len.div_ceil(1024)).unwrap_or(u32::MAX);
    let room = app.body_memory.try_acquire_many(kib).map_err(|_| LedgerError::Busy)?;
    Ok((room, app.limits.bodies.take(payer, kib as usize)?))
}

/// A header's text; empty when it is not visible ASCII, as no header of the contract may be.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// How slow a body may come beyond the time that every body has: 64 kB a second.
pub(super) const SLOWEST_BYTES_PER_MS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word() {
        use saphan_schemas::acknowledgement::Outcome;
        let words: Vec<_> = [
            MessageState::Accepted,
            MessageState::Delivered,
            MessageState::Settled(Outcome::Processed),
            MessageState::Settled(Outcome::Rejected),
            MessageState::Expired,
        ]
        .into_iter()
        .map(state)
        .collect();
        assert_eq!(words, ["accepted", "delivered", "processed", "rejected", "expired"]);
    }
}
