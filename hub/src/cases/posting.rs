//! How letters get into the log.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::acknowledgement::{Acknowledgement, UnverifiedAcknowledgement};
use saphan_schemas::commitment::Salt;
use saphan_schemas::envelope::{Envelope, UnverifiedEnvelope};
use saphan_schemas::ids::CaseId;
use saphan_schemas::keys::{KeyId, PublicKey};
use saphan_schemas::problem::ProblemCode;
use tokio::time::sleep;

use super::fold::{NotSent, Unsent};
use super::letters::{Desk, Letter, SignedLetter};
use crate::admission::Refusal;
use crate::app::App;
use crate::ledger::{AcknowledgementDraft, Appended, Draft, Judgement, LedgerError, MessageDraft};
use crate::store::Asker;
use crate::store::cases::StoredLetter;
use crate::submission;

/// A letter as it was signed before the hub was started.
///
/// # Errors
/// What is not sent, for nobody knows the key that signed it, or the storage is damaged; `None` when it is not known what it said.
pub(super) fn reopen(app: &App, desk: &Desk, stored: StoredLetter) -> Result<Letter, Option<NotSent>> {
    let Some(case) = stored.case else { return reopen_acknowledgement(app, desk, stored) };
    let signed = match reopen_message(app, desk, &stored) {
        Ok(envelope) => SignedLetter::Message(Box::new(envelope)),
        Err(code) => return Err(message_not_sent(&stored, case, code)),
    };
    Ok(Letter { stored, signed })
}

fn reopen_message(app: &App, desk: &Desk, stored: &StoredLetter) -> Result<Envelope, ProblemCode> {
    // What it said is written again, whichever part of it is damaged.
    let damaged = ProblemCode::CommitmentMismatch;
    let unverified = UnverifiedEnvelope::parse(&stored.text).map_err(|_| damaged)?;
    let key = key_of(app, desk, unverified.kid()).ok_or(ProblemCode::KeyUnknown)?;
    let envelope = unverified.verify(&key).map_err(|_| damaged)?;
    if stored.content.is_some() { Ok(envelope) } else { Err(damaged) }
}

fn reopen_acknowledgement(app: &App, desk: &Desk, stored: StoredLetter) -> Result<Letter, Option<NotSent>> {
    let unverified = UnverifiedAcknowledgement::parse(&stored.text).map_err(|_| None)?;
    let again = NotSent {
        id: stored.id,
        index: None,
        what: Unsent::Acknowledged(app.shards.acknowledged(unverified.claims())),
    };
    let key = key_of(app, desk, unverified.kid()).ok_or(Some(again))?;
    let signed = SignedLetter::Acknowledgement(Box::new(unverified.verify(&key).map_err(|_| None)?));
    Ok(Letter { stored, signed })
}

/// A key of the hub's own system, also one that is still to be registered.
fn key_of(app: &App, desk: &Desk, kid: KeyId) -> Option<PublicKey> {
    let registry = app.registry.state();
    let registered = registry.key(kid).filter(|record| record.key.system == desk.own).map(|record| record.key.jwk);
    registered.or_else(|| Some(*desk.signer.public()).filter(|key| key.id() == kid))
}

/// Puts a letter into the log, however long that takes. Answers only when the hub itself refuses it.
pub(super) async fn post(app: Arc<App>, own: KeyId, letter: Letter) -> Option<NotSent> {
    let mut pause = FIRST_PAUSE;
    loop {
        let posted = match (&letter.signed, &letter.stored.content) {
            (SignedLetter::Message(envelope), Some((salt, body))) => message(&app, envelope, salt, body).await,
            (SignedLetter::Acknowledgement(acknowledgement), _) => acknowledge(&app, acknowledgement).await.map(Some),
            (SignedLetter::Message(_), None) => return None,
        };
        match posted {
            Ok(_) => return None,
            Err(Unposted::Refused(code)) if is_about_the_key(code) && letter.kid() == own => {
                // Nothing that it could say instead would fare better.
                if pause < LONGEST_PAUSE {
                    tracing::error!(
                        code = code.as_str(),
                        "the key of the hub's own system is not registered, or not good; its operator must apply the registry file"
                    );
                }
                pause = LONGEST_PAUSE;
            }
            Err(Unposted::Refused(code)) => match refused(&app, &letter, code).await {
                Ok(not_sent) => {
                    app.metrics.letters_refused.inc();
                    return not_sent;
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a refusal is tried again");
                }
            },
            // What it says is in the log already.
            Err(Unposted::Ledger(LedgerError::Contradiction { .. })) => return None,
            Err(Unposted::Ledger(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a letter is tried again");
            }
            Err(Unposted::Submission(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a letter is tried again");
            }
        }
        let mut stopping = app.stopping.clone();
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopping.changed() => {}
        }
        if app.is_stopping() {
            // It is stored, and posted after the next start.
            return None;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

const fn is_about_the_key(code: ProblemCode) -> bool {
    matches!(code, ProblemCode::KeyUnknown | ProblemCode::KeyRevoked | ProblemCode::KeyNotValid)
}

enum Unposted {
    Refused(ProblemCode),
    Ledger(LedgerError),
    Submission(submission::SubmissionError),
}

async fn acknowledge(app: &App, acknowledgement: &Acknowledgement) -> Result<Appended, Unposted> {
    let registry = app.registry.state();
    let record = registry.key(acknowledgement.kid()).filter(|record| record.key.system == acknowledgement.claims().iss);
    let record = record.ok_or(Unposted::Refused(ProblemCode::KeyUnknown))?;
    record.usable_at(app.clock.now_ms() / 1000).map_err(|reason| Unposted::Refused(reason.into()))?;
    let judgement = Judgement::new(registry.next(), record.key.not_after);
    // A letter of a version that named no log is signed anew once the hub is in another one than the first.
    let log = app.shards.of_batch(acknowledgement.claims());
    let first = log.map_err(|_| Unposted::Refused(ProblemCode::AcknowledgementMalformed))?.first;
    let draft = AcknowledgementDraft { judgement, acknowledgement: acknowledgement.clone(), first };
    app.ledger.append(Draft::Acknowledgement(Box::new(draft))).await.map_err(Unposted::Ledger)
}

/// A message that was refused may be in the log all the same: logged before the hub was killed, say, and the agreement ended since.
async fn message(app: &App, envelope: &Envelope, salt: &Salt, body: &[u8]) -> Result<Option<Appended>, Unposted> {
    match append(app, envelope, salt, body).await {
        Err(Unposted::Refused(code)) => {
            let claims = envelope.claims();
            let known = app.store.known(Asker::Request, &[(&claims.iss, claims.jti)]).await;
            let known = known.map_err(|error| Unposted::Submission(error.into()))?;
            let is_in_the_log = known.iter().any(|known| known.content == envelope.content_hash());
            if is_in_the_log { Ok(None) } else { Err(Unposted::Refused(code)) }
        }
        appended => appended.map(Some),
    }
}

async fn append(app: &App, envelope: &Envelope, salt: &Salt, body: &[u8]) -> Result<Appended, Unposted> {
    let mut draft = judge(app, envelope, salt, body).map_err(|refusal| Unposted::Refused(refusal.code))?;
    for _ in 0..ROUNDS {
        let pass = match submission::may_be_logged(app, &draft).await {
            Ok(Ok(pass)) => pass,
            Ok(Err(refusal)) => return Err(Unposted::Refused(refusal.code)),
            Err(error) => return Err(Unposted::Submission(error.into())),
        };
        draft.judgement = pass.limit(draft.judgement);
        let appended = app.ledger.append(Draft::Message(Box::new(draft))).await;
        drop(pass);
        draft = match appended {
            Ok(appended) => {
                app.metrics.accepted.inc();
                return Ok(appended);
            }
            Err(LedgerError::DuplicateId) => return Err(Unposted::Refused(ProblemCode::DuplicateId)),
            Err(LedgerError::Outdated(back)) => match submission::judge_again(app, *back).await {
                Ok(Ok(draft)) => draft,
                Ok(Err(refusal)) => return Err(Unposted::Refused(refusal.code)),
                Err(error) => return Err(Unposted::Submission(error)),
            },
            Err(error) => return Err(Unposted::Ledger(error)),
        };
    }
    // The clock may have been set back, and the log's time not: after a pause.
    Err(Unposted::Ledger(LedgerError::Busy))
}

fn judge(app: &App, envelope: &Envelope, salt: &Salt, body: &[u8]) -> Result<MessageDraft, Refusal> {
    let addressed = app.admission.signed(envelope.clone())?;
    app.admission.body(addressed, Some(&salt.to_text()), body.to_vec())
}

/// What becomes of a letter that the hub refused. The log says so, as it does of everybody's messages.
async fn refused(app: &App, letter: &Letter, code: ProblemCode) -> Result<Option<NotSent>, LedgerError> {
    let envelope = match &letter.signed {
        SignedLetter::Message(envelope) => envelope,
        SignedLetter::Acknowledgement(batch) => {
            let what = Unsent::Acknowledged(app.shards.acknowledged(batch.claims()));
            return Ok(Some(NotSent { id: letter.stored.id, index: None, what }));
        }
    };
    let index = submission::log_refusal(app, None, envelope.hash(), code).await?;
    let not_sent = letter.stored.case.and_then(|case| message_not_sent(&letter.stored, case, code));
    Ok(not_sent.map(|not_sent| NotSent { index, ..not_sent }))
}

fn message_not_sent(letter: &StoredLetter, case: CaseId, code: ProblemCode) -> Option<NotSent> {
    let claims = UnverifiedEnvelope::parse(&letter.text).map(|envelope| envelope.claims().clone());
    tracing::error!(
        %case,
        to = claims.as_ref().ok().map(|claims| tracing::field::display(&claims.aud)),
        message_type = claims.as_ref().ok().map(|claims| tracing::field::display(&claims.message_type)),
        code = code.as_str(),
        "a message of the hub's own system is not sent: an agreement or its key is missing, or its storage is damaged"
    );
    Some(NotSent { id: letter.id, index: None, what: Unsent::Message { case, code: code.to_code().ok()? } })
}

/// How often a letter is judged anew at once.
const ROUNDS: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
