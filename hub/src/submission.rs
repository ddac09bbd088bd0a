//! The use case behind `POST /v1/messages` and its batch: from an envelope and a body to a receipt, or to a logged refusal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use saphan_schemas::b64;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::problem::ProblemCode;
use tokio::time::timeout;

use crate::admission::{Addressed, Admission, Refusal, RefusedMessage};
use crate::app::App;
use crate::caller;
use crate::cases::{CheckError, Pass, TooSlow};
use crate::ledger::{Appended, Draft, EvidenceError, LedgerError, MessageDraft, RefusalDraft, SentBack, evidence};
use crate::limits::{Exhausted, Payer};
use crate::refusals::Reserved;
use crate::store::{Asker, MessageRecord, StoreError};

/// A message that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in the log.
    pub index: u64,
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

impl From<CheckError> for SubmissionError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Store(error) => error.into(),
            CheckError::TooSlow(TooSlow) => LedgerError::Unavailable.into(),
        }
    }
}

/// What the envelope alone decides.
#[derive(Debug)]
pub enum Begun {
    /// The body is wanted.
    Continue(Box<Addressed>),
    /// The message was accepted before; its body is of no interest.
    Known(Accepted),
}

/// Judges the envelope, before the body is read.
///
/// # Errors
/// [`SubmissionError`].
pub async fn begin(app: &App, envelope: Option<&str>) -> Result<Begun, SubmissionError> {
    if app.is_stopping() {
        return Err(SubmissionError::Stopping);
    }
    let addressed = match app.admission.envelope(envelope) {
        Ok(addressed) => addressed,
        Err(refusal) => return refuse(app, None, refusal).await.map(Begun::Known),
    };
    let claims = addressed.envelope().claims();
    let sender = Payer::System(claims.iss.clone());
    // Before the body is read. Nothing is taken yet: who brings the envelope need not be who signed it.
    app.limits.messages.check(&sender, app.clock.now_ms())?;
    // Envelopes stand in the public log, so anyone can send one again. Where that could cost its sender room for bodies, the
    // body is asked for only if the message is new.
    if (addressed.body_len() > LARGE_BODY as u64 || app.limits.bodies.is_well_used(&sender))
        && let Some(accepted) = known(app, &claims.iss, claims.jti, addressed.envelope().content_hash()).await?
    {
        return Ok(Begun::Known(accepted));
    }
    Ok(Begun::Continue(Box::new(addressed)))
}

/// Judges salt and body, and logs the message.
///
/// # Errors
/// [`SubmissionError`].
pub async fn finish(
    app: &App,
    addressed: Addressed,
    salt: Option<&str>,
    body: Vec<u8>,
) -> Result<Accepted, SubmissionError> {
    let started = Instant::now();
    let judged = check_body(&app.admission, addressed, salt, body).await?;
    log(app, None, judged, started).await
}

/// Judges a whole message that was brought by another request than its own. Takes a tenth of a millisecond, and up to some for
/// a large body.
///
/// # Errors
/// [`Refusal`].
pub fn judge(
    admission: &Admission,
    envelope: &str,
    salt: &str,
    body: impl FnOnce() -> Result<Vec<u8>, b64::NotBase64>,
) -> Result<MessageDraft, Refusal> {
    let addressed = admission.envelope(Some(envelope))?;
    let body = body().map_err(|error| {
        // What is no text of any body is not the one that the envelope commits to.
        let refusal = Refusal::of(addressed.envelope(), ProblemCode::CommitmentMismatch);
        refusal.detail(format!("the body is not base64: {error}"))
    })?;
    admission.body(addressed, Some(salt), body)
}

/// Logs a message that was judged, or its refusal. `caller` is the system that brings a batch: what is in it was taken from its
/// allowance. `started` is when the message was all there.
///
/// # Errors
/// [`SubmissionError`].
pub async fn log(
    app: &App,
    caller: Option<&SystemId>,
    judged: Result<MessageDraft, Refusal>,
    started: Instant,
) -> Result<Accepted, SubmissionError> {
    let accepted = match cited(app, judged).await? {
        Ok(draft) => append_if_cases_allow(app, caller, draft).await?,
        Err(refusal) => refuse(app, caller, refusal).await?,
    };
    app.metrics.receipt_seconds.observe(started.elapsed().as_secs_f64());
    Ok(accepted)
}

/// What cases and consents say comes last: it needs a look into the store.
async fn append_if_cases_allow(
    app: &App,
    caller: Option<&SystemId>,
    draft: MessageDraft,
) -> Result<Accepted, SubmissionError> {
    let about_consent = app.cases.as_ref().filter(|cases| cases.is_about_consent(&draft));
    let pass = match may_be_logged(app, &draft).await? {
        Ok(pass) => pass,
        Err(refusal) => return refuse(app, caller, refusal).await,
    };
    let accepted = append(app, caller, draft, pass).await?;
    if let Some(cases) = about_consent {
        // The receipt says that it can be cited, or that nothing that cites it is used any more; it waits until that is so.
        cases.consent_is_known(accepted.index).await.map_err(|_| LedgerError::Unavailable)?;
    }
    Ok(accepted)
}

/// Whether cases and consents let a message into the log.
///
/// # Errors
/// [`CheckError`]; inside, the refusal.
pub(crate) async fn may_be_logged<'a>(
    app: &'a App,
    draft: &MessageDraft,
) -> Result<Result<Pass<'a>, Refusal>, CheckError> {
    match &app.cases {
        Some(cases) => cases.check(draft).await,
        None => Ok(Ok(Pass::default())),
    }
}

/// Looks for the documents that a message cites: a message that arrives is one whose documents can be read.
async fn cited(
    app: &App,
    judged: Result<MessageDraft, Refusal>,
) -> Result<Result<MessageDraft, Refusal>, SubmissionError> {
    let Ok(draft) = judged else { return Ok(judged) };
    let wrong = app.documents.wrong_citation(&draft).await?;
    Ok(match wrong {
        None => Ok(draft),
        Some(wrong) => Err(Refusal::of(&draft.envelope, wrong.code).detail(wrong.detail)),
    })
}

async fn append(
    app: &App,
    caller: Option<&SystemId>,
    mut draft: MessageDraft,
    mut pass: Pass<'_>,
) -> Result<Accepted, SubmissionError> {
    let (sender, id) = (draft.envelope.claims().iss.clone(), draft.envelope.claims().jti);
    let envelope = draft.envelope.clone();
    let payer = Payer::System(sender.clone());
    let charge = Charge::take(app, caller, payer.clone())?;
    let mut rounds = 0;
    loop {
        draft.judgement = pass.limit(draft.judgement);
        let error = match app.ledger.append_for(&payer, Draft::Message(Box::new(draft))).await {
            Ok(Appended::Message { index, receipt, proof }) => {
                app.metrics.accepted.inc();
                caller::proven(&sender);
                return Ok(Accepted { index, receipt, proof, first: true });
            }
            Ok(_) => {
                // Whoever holds a message of the log can send it again, at nobody's cost.
                charge.give_back();
                return first_receipt(app, &sender, id).await?.ok_or_else(|| LedgerError::Unavailable.into());
            }
            Err(LedgerError::DuplicateId) => {
                return refuse(app, caller, Refusal::of(&envelope, ProblemCode::DuplicateId)).await;
            }
            Err(error) => error,
        };
        // Others change the registry as they please; that is no reason to turn this message away.
        let judged = match error {
            LedgerError::Outdated(back) if rounds < ROUNDS => {
                // Held twice it could wait for somebody who waits for it.
                drop(pass);
                judge_again(app, *back).await?
            }
            error => return Err(error.into()),
        };
        let allowed = match judged {
            Ok(again) => may_be_logged(app, &again).await?.map(|pass| (again, pass)),
            Err(refusal) => Err(refusal),
        };
        (draft, pass) = match allowed {
            Ok(allowed) => allowed,
            Err(refusal) => {
                charge.give_back();
                return refuse(app, caller, refusal).await;
            }
        };
        rounds += 1;
    }
}

/// Judges a message on the state of the registry that its place in the log needs.
pub(crate) async fn judge_again(app: &App, back: SentBack) -> Result<Result<MessageDraft, Refusal>, SubmissionError> {
    let Draft::Message(message) = back.draft else { return Err(LedgerError::Unavailable.into()) };
    if timeout(FOLDED_WITHIN, app.registry.reached(back.registry)).await.is_err() {
        // Whoever should have read it back could not.
        if let Err(error) = app.registry.catch_up(&*app.store).await {
            tracing::warn!(%error, "the registry cannot be read back; messages are sent back");
        }
        return Err(LedgerError::Busy.into());
    }
    let MessageDraft { envelope, salt, body, .. } = *message;
    match app.admission.envelope(Some(envelope.as_str())) {
        Ok(addressed) => check_body(&app.admission, addressed, Some(&salt.to_text()), body).await,
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Refuses a message for what its transport showed, e.g. a body longer than announced. `caller` as in [`log`].
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
    let payer = payer(app, &refusal, message);
    Charge::take(app, caller, payer.clone())?;
    let place = log_refusal(app, Some(&payer), message.envelope, refusal.code).await?;
    let index = place.map(|place| app.shards.located(place).index);
    Err(SubmissionError::Refused { refusal: Box::new(refusal), index })
}

/// Logs the refusal of an envelope (by SHA-256 of its text), unless it is in the log already. Returns its place, if that is known.
/// `payer` is whose it is; `None`: the hub's own.
///
/// # Errors
/// [`LedgerError`].
pub(crate) async fn log_refusal(
    app: &App,
    payer: Option<&Payer>,
    envelope: Sha256Hash,
    code: ProblemCode,
) -> Result<Option<u64>, LedgerError> {
    if let Reserved::Before(index) = app.refusals.reserve(envelope, code) {
        return Ok(index);
    }
    if let Some(Payer::System(system)) = payer {
        caller::proven(system);
    }
    let draft = Draft::Refusal(RefusalDraft { code, envelope });
    let appended = match payer {
        Some(payer) => app.ledger.append_for(payer, draft).await,
        None => app.ledger.append(draft).await,
    };
    let index = appended.as_ref().ok().map(Appended::index);
    app.refusals.logged(envelope, code, index);
    appended.map(|_| index)
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
    let evidence = evidence(&*app.store, &app.shards, record.index, None).await?;
    app.metrics.duplicates.inc();
    Ok(Some(Accepted { index: record.index, receipt: evidence.receipt, proof: evidence.proof, first: false }))
}

/// Large bodies take milliseconds to parse and validate; those are kept off the threads that serve everyone.
async fn check_body(
    admission: &Arc<Admission>,
    addressed: Addressed,
    salt: Option<&str>,
    body: Vec<u8>,
) -> Result<Result<MessageDraft, Refusal>, SubmissionError> {
    if body.len() < LARGE_BODY {
        return Ok(admission.body(addressed, salt, body));
    }
    let admission = Arc::clone(admission);
    let salt = salt.map(ToOwned::to_owned);
    let check = tokio::task::spawn_blocking(move || admission.body(addressed, salt.as_deref(), body));
    check.await.map_err(|_| SubmissionError::Lost)
}

const LARGE_BODY: usize = 256 * 1024;

/// How often a message is judged again before it is sent back.
const ROUNDS: u32 = 5;

/// How long it takes at most until the registry has folded in what was just committed.
const FOLDED_WITHIN: Duration = Duration::from_secs(1);
