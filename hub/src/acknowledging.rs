//! The use case behind `POST /v1/acknowledgements`: a receiver states what became of messages.

use saphan_schemas::acknowledgement::{Acknowledged, UnverifiedAcknowledgement};
use saphan_schemas::ids::SystemId;
use saphan_schemas::jws::JwsError;
use saphan_schemas::problem::ProblemCode;

use crate::app::App;
use crate::ledger::{AcknowledgementDraft, Appended, Draft, Judgement, LedgerError};
use crate::limits::Payer;
use crate::shards::{Shard, UnknownLog};
use crate::store::{Asker, StoreError};

/// Why a batch of acknowledgements is not accepted. Nothing of it is recorded then.
#[derive(Debug, thiserror::Error)]
pub enum AcknowledgementError {
    /// Not a batch.
    #[error("not a batch of acknowledgements: {0}")]
    Malformed(#[from] JwsError),
    /// The batch cannot be accepted.
    #[error("{code}: {detail}")]
    Problem {
        /// The problem.
        code: ProblemCode,
        /// What exactly.
        detail: String,
    },
    /// The ledger did not take it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A batch that is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its place, over all logs.
    pub index: u64,
    /// Whether this submission was the first.
    pub first: bool,
}

/// Checks a batch and logs it.
///
/// # Errors
/// [`AcknowledgementError`].
pub async fn acknowledge(app: &App, caller: &SystemId, text: &str) -> Result<Recorded, AcknowledgementError> {
    let unverified = UnverifiedAcknowledgement::parse(text)?;
    let problem = |code, detail: &str| AcknowledgementError::Problem { code, detail: detail.into() };
    let claims = unverified.claims();
    if claims.iss != *caller {
        return Err(problem(ProblemCode::Forbidden, "the batch is of another system than the caller"));
    }
    if claims.aud != app.hub {
        return Err(problem(ProblemCode::HubMismatch, "the batch is meant for another hub"));
    }
    let registry = app.registry.state();
    let record = registry.key(unverified.kid()).filter(|record| record.key.system == *caller);
    let record = record.ok_or_else(|| problem(ProblemCode::KeyUnknown, "the key is not a key of the caller"))?;
    record
        .usable_at(app.clock.now_ms() / 1000)
        .map_err(|reason| problem(reason.into(), "the batch was signed with it"))?;
    let batch = unverified
        .verify(&record.key.jwk)
        .map_err(|_| problem(ProblemCode::SignatureInvalid, "the batch was changed after it was signed"))?;
    if let Some((content, index)) = app.store.acknowledgement(Asker::Request, caller, batch.claims().jti).await? {
        return if content == batch.content_hash() {
            Ok(Recorded { index, first: false })
        } else {
            Err(problem(ProblemCode::DuplicateId, "the batch's id was used before with other content"))
        };
    }
    let log = app.shards.of_batch(batch.claims()).map_err(|unknown| {
        let code = match unknown {
            UnknownLog::NotNamed => ProblemCode::AcknowledgementMalformed,
            UnknownLog::Foreign => ProblemCode::AcknowledgementUnknownMessage,
        };
        problem(code, &unknown.to_string())
    })?;
    check_messages(app, caller, log, &batch).await?;
    let count = batch.claims().messages.len() as u64;
    let judgement = Judgement::new(registry.next(), record.key.not_after);
    let draft = AcknowledgementDraft { judgement, acknowledgement: batch, first: log.first };
    let payer = Payer::System(caller.clone());
    match app.ledger.append_for(&payer, Draft::Acknowledgement(Box::new(draft))).await? {
        Appended::Entry { index } | Appended::Message { index, .. } => {
            app.metrics.acknowledged.inc_by(count);
            Ok(Recorded { index, first: true })
        }
        Appended::Duplicate { index } => Ok(Recorded { index, first: false }),
    }
}

/// Each message must be one to the caller, and what was acknowledged before must have had the same outcome. The ledger's
/// writer looks at outcomes again, at the batch's place in the log.
async fn check_messages(
    app: &App,
    caller: &SystemId,
    log: &Shard,
    batch: &saphan_schemas::acknowledgement::Acknowledgement,
) -> Result<(), AcknowledgementError> {
    let named = &batch.claims().messages;
    let problem = |code, index: u64| AcknowledgementError::Problem { code, detail: format!("place {index}") };
    let mut messages = Vec::with_capacity(named.len());
    for one in named {
        let place = app.shards.place(&log.origin, one.index);
        let place = place.ok_or_else(|| problem(ProblemCode::AcknowledgementUnknownMessage, one.index))?;
        messages.push(Acknowledged { index: place, ..one.clone() });
    }
    let places: Vec<u64> = messages.iter().map(|message| message.index).collect();
    if let Some(place) = app.store.not_addressed(caller, &places).await? {
        return Err(problem(ProblemCode::AcknowledgementUnknownMessage, app.shards.located(place).index));
    }
    let settled = app.store.outcomes(Asker::Request, &places).await?;
    let contradicted =
        |message: &&Acknowledged| settled.iter().any(|said| said.index == message.index && said != *message);
    match messages.iter().find(contradicted) {
        Some(message) => Err(problem(ProblemCode::AcknowledgementConflict, app.shards.located(message.index).index)),
        None => Ok(()),
    }
}
