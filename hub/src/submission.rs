//! The use case behind `POST /v1/messages` and its batch: from an envelope and a body to a receipt, or to a logged refusal.

use std::sync::Arc;
use std::time::Instant;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::problem::ProblemCode;

use crate::admission::{Addressed, Admission, Refusal, RefusedMessage};
use crate::app::App;
use crate::ledger::{Appended, Draft, EvidenceError, LedgerError, RefusalDraft, evidence};
use crate::limits::{Exhausted, Payer};
use crate::refusals::Reserved;
use crate::store::{Asker, MessageRecord, StoreError};

/// A message that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The hub's receipt.
    pub receipt: String,
    /// The `tlog-proof@v1` text.
    pub proof: String,
    /// Whether this submission was the first.
    pub first: bool,
}

/// Why a submission has no receipt.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// The message is not acceptable.
    #[error("refused: {}", refusal.code)]
    Refused {
        /// Why.
        refusal: Box<Refusal>,
        /// Where the refusal is in the log, if the sender is known.
        index: Option<u64>,
    },
    /// The sender's allowance is spent. Nothing is known of the message.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The hub is stopping.
    #[error("the hub is stopping")]
    Stopping,
    /// The ledger did not take it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The first receipt cannot be given again.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A checking task was lost.
    #[error("the check of a body did not finish")]
    Lost,
}

/// What the envelope alone decides.
#[derive(Debug)]
pub enum Begun {
    /// The body is wanted.
    Continue(Box<Addressed>),
    /// The message was accepted before; its body is of no interest.
    Known(Accepted),
}

/// Judges the envelope, before the body is read. `caller` is the system that brings a batch: what is in it was taken from its
/// allowance.
///
/// # Errors
/// [`SubmissionError`].
pub async fn begin(app: &App, caller: Option<&SystemId>, envelope: Option<&str>) -> Result<Begun, SubmissionError> {
    if app.is_stopping() {
        return Err(SubmissionError::Stopping);
    }
    let judged = app.admission.envelope(envelope);
    if let Ok(addressed) = &judged {
        // Before the body is read. Nothing is taken yet: who brings the envelope need not be who signed it.
        let sender = &addressed.envelope().claims().iss;
        if caller != Some(sender) {
            app.limits.messages.check(&Payer::System(sender.clone()), app.clock.now_ms())?;
        }
    }
    match judged {
        // Envelopes stand in the public log, so anyone can send one again. A large body is asked for only if it is new.
        Ok(addressed) if addressed.body_len() > LARGE_BODY as u64 => {
            let claims = addressed.envelope().claims();
            let content = addressed.envelope().content_hash();
            match known(app, &claims.iss, claims.jti, content).await? {
                Some(accepted) => Ok(Begun::Known(accepted)),
                None => Ok(Begun::Continue(Box::new(addressed))),
            }
        }
        Ok(addressed) => Ok(Begun::Continue(Box::new(addressed))),
        Err(refusal) => refuse(app, caller, refusal).await.map(Begun::Known),
    }
}

/// Judges salt and body, and logs the message.
///
/// # Errors
/// [`SubmissionError`].
pub async fn finish(
    app: &App,
    caller: Option<&SystemId>,
    addressed: Addressed,
    salt: Option<&str>,
    body: Vec<u8>,
) -> Result<Accepted, SubmissionError> {
    let started = Instant::now();
    let accepted = judge(app, caller, addressed, salt, body).await?;
    app.metrics.receipt_seconds.observe(started.elapsed().as_secs_f64());
    Ok(accepted)
}

async fn judge(
    app: &App,
    caller: Option<&SystemId>,
    addressed: Addressed,
    salt: Option<&str>,
    body: Vec<u8>,
) -> Result<Accepted, SubmissionError> {
    let key = (addressed.envelope().claims().iss.clone(), addressed.envelope().claims().jti);
    let envelope = addressed.envelope().clone();
    let draft = match check_body(&app.admission, addressed, salt, body).await? {
        Ok(draft) => draft,
        Err(refusal) => return refuse(app, caller, refusal).await,
    };
    let charge = Charge::take(app, caller, Payer::System(key.0.clone()))?;
    match app.ledger.append(Draft::Message(Box::new(draft))).await {
        Ok(Appended::Message { receipt, proof, .. }) => {
            app.metrics.accepted.inc();
            Ok(Accepted { receipt, proof, first: true })
        }
        Ok(_) => {
            // Whoever holds a message of the log can send it again, at nobody's cost.
            charge.give_back();
            first_receipt(app, &key.0, key.1).await?.ok_or_else(|| LedgerError::Unavailable.into())
        }
        Err(LedgerError::DuplicateId) => refuse(app, caller, Refusal::of(&envelope, ProblemCode::DuplicateId)).await,
        Err(error) => Err(error.into()),
    }
}

/// Refuses a message for what its transport showed, e.g. a body longer than announced.
///
/// # Errors
/// Always, unless the same message was accepted before.
pub async fn refuse(app: &App, caller: Option<&SystemId>, refusal: Refusal) -> Result<Accepted, SubmissionError> {
    let Some(message) = &refusal.message else {
        return Err(SubmissionError::Refused { refusal: Box::new(refusal), index: None });
    };
    // What was accepted once stays accepted, also after the key was revoked or the agreement ended since: the sender asks
    // because the first answer was lost.
    if let Some(accepted) = known(app, &message.sender, message.id, message.content).await? {
        return Ok(accepted);
    }
    Charge::take(app, caller, payer(app, &refusal, message))?;
    let (code, envelope) = (refusal.code, message.envelope);
    let index = match app.refusals.reserve(envelope, code) {
        Reserved::Before(index) => index,
        Reserved::Now => {
            let appended = app.ledger.append(Draft::Refusal(RefusalDraft { code, envelope })).await;
            let index = appended.as_ref().ok().map(Appended::index);
            app.refusals.logged(envelope, code, index);
            appended?;
            index
        }
    };
    Err(SubmissionError::Refused { refusal: Box::new(refusal), index })
}

/// Who pays for a refusal: the owner of the key, unless it may not speak for its owner any more, or spoke for another.
fn payer(app: &App, refusal: &Refusal, message: &RefusedMessage) -> Payer {
    let owner = app.registry.state().key(message.key).map(|record| record.key.system.clone());
    match (refusal.code, owner) {
        (ProblemCode::KeyRevoked | ProblemCode::KeyNotValid | ProblemCode::SenderMismatch, _) | (_, None) => {
            Payer::Key(message.key)
        }
        (_, Some(owner)) => Payer::System(owner),
    }
}

/// A message that was taken from an allowance.
struct Charge<'a> {
    app: &'a App,
    /// `None`: the caller of its batch paid.
    payer: Option<Payer>,
}

impl<'a> Charge<'a> {
    fn take(app: &'a App, caller: Option<&SystemId>, payer: Payer) -> Result<Self, Exhausted> {
        if matches!((&payer, caller), (Payer::System(system), Some(caller)) if system == caller) {
            return Ok(Self { app, payer: None });
        }
        app.limits.messages.take(&payer, app.clock.now_ms())?;
        Ok(Self { app, payer: Some(payer) })
    }

    fn give_back(self) {
        if let Some(payer) = &self.payer {
            self.app.limits.messages.give_back(payer);
        }
    }
}

/// The first receipt of a message, if the very same was accepted before.
async fn known(
    app: &App,
    sender: &SystemId,
    id: MessageId,
    content: Sha256Hash,
) -> Result<Option<Accepted>, SubmissionError> {
    let known = app.store.known(Asker::Request, &[(sender, id)]).await?;
    if known.iter().any(|known| known.content == content) { first_receipt(app, sender, id).await } else { Ok(None) }
}

async fn first_receipt(app: &App, sender: &SystemId, id: MessageId) -> Result<Option<Accepted>, SubmissionError> {
    let records: Vec<MessageRecord> = app.store.messages(id).await?;
    let Some(record) = records.into_iter().find(|record| record.sender == *sender) else { return Ok(None) };
    let evidence = evidence(&*app.store, record.index).await?;
    app.metrics.duplicates.inc();
    Ok(Some(Accepted { receipt: evidence.receipt, proof: evidence.proof, first: false }))
}

/// Large bodies take milliseconds to parse and validate; those are kept off the threads that serve everyone.
async fn check_body(
    admission: &Arc<Admission>,
    addressed: Addressed,
    salt: Option<&str>,
    body: Vec<u8>,
) -> Result<Result<crate::ledger::MessageDraft, Refusal>, SubmissionError> {
    if body.len() < LARGE_BODY {
        return Ok(admission.body(addressed, salt, body));
    }
    let admission = Arc::clone(admission);
    let salt = salt.map(ToOwned::to_owned);
    let check = tokio::task::spawn_blocking(move || admission.body(addressed, salt.as_deref(), body));
    check.await.map_err(|_| SubmissionError::Lost)
}

const LARGE_BODY: usize = 256 * 1024;
