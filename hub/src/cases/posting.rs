//! How letters get into the log.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::acknowledgement::UnverifiedAcknowledgement;
use saphan_schemas::commitment::Salt;
use saphan_schemas::envelope::{Envelope, UnverifiedEnvelope};
use saphan_schemas::ids::{Code, SystemId};
use saphan_schemas::jws::{Claims, Signed, Unverified};
use saphan_schemas::problem::ProblemCode;
use tokio::time::sleep;

use super::fold::NotSent;
use super::letters::{Letter, SignedLetter};
use crate::admission::Refusal;
use crate::app::App;
use crate::ledger::{AcknowledgementDraft, Appended, Draft, Judgement, LedgerError, MessageDraft};
use crate::store::cases::StoredLetter;
use crate::submission;

/// A letter as it was signed before the hub was started.
pub(super) fn reopen(app: &App, own: &SystemId, stored: StoredLetter) -> Option<Letter> {
    let signed = if stored.content.is_some() {
        SignedLetter::Message(Box::new(verified(app, own, UnverifiedEnvelope::parse(&stored.text).ok()?)?))
    } else {
        SignedLetter::Acknowledgement(Box::new(verified(
            app,
            own,
            UnverifiedAcknowledgement::parse(&stored.text).ok()?,
        )?))
    };
    Some(Letter { stored, signed })
}

fn verified<C: Claims>(app: &App, own: &SystemId, text: Unverified<C>) -> Option<Signed<C>> {
    let registry = app.registry.state();
    let record = registry.key(text.kid()).filter(|record| record.key.system == *own)?;
    text.verify(&record.key.jwk).ok()
}

/// Puts a letter into the log, however long that takes. Answers only when the hub itself refuses it.
pub(super) async fn post(app: Arc<App>, letter: Letter) -> Option<NotSent> {
    let mut pause = FIRST_PAUSE;
    loop {
        let posted = match (&letter.signed, &letter.stored.content) {
            (SignedLetter::Message(envelope), Some((salt, body))) => message(&app, envelope, salt, body).await,
            (SignedLetter::Acknowledgement(acknowledgement), _) => {
                let registry = app.registry.state();
                let judgement = Judgement { registry: registry.next(), until: None };
                let acknowledgement = (**acknowledgement).clone();
                let draft = AcknowledgementDraft { judgement, acknowledgement };
                app.ledger.append(Draft::Acknowledgement(Box::new(draft))).await.map_err(Unposted::Ledger)
            }
            (SignedLetter::Message(_), None) => return None,
        };
        match posted {
            Ok(_) => return None,
            Err(Unposted::Refused(code)) => {
                app.metrics.letters_refused.inc();
                return not_sent(&letter, code);
            }
            // What it says is in the log already.
            Err(Unposted::Ledger(LedgerError::Contradiction { .. })) => return None,
            Err(Unposted::Ledger(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a letter is tried again");
            }
            Err(Unposted::Submission(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a letter is tried again");
            }
        }
        if app.is_stopping() {
            // It is stored, and posted after the next start.
            return None;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum Unposted {
    Refused(ProblemCode),
    Ledger(LedgerError),
    Submission(submission::SubmissionError),
}

async fn message(app: &App, envelope: &Envelope, salt: &Salt, body: &[u8]) -> Result<Appended, Unposted> {
    let mut draft = judge(app, envelope, salt, body).map_err(|refusal| Unposted::Refused(refusal.code))?;
    let _pass = match &app.cases {
        Some(cases) => match cases.check(&draft).await {
            Ok(Ok(pass)) => pass,
            Ok(Err(refusal)) => return Err(Unposted::Refused(refusal.code)),
            Err(error) => return Err(Unposted::Submission(error.into())),
        },
        None => super::Pass::default(),
    };
    loop {
        draft = match app.ledger.append(Draft::Message(Box::new(draft))).await {
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
}

fn judge(app: &App, envelope: &Envelope, salt: &Salt, body: &[u8]) -> Result<MessageDraft, Refusal> {
    let addressed = app.admission.signed(envelope.clone())?;
    app.admission.body(addressed, Some(&salt.to_text()), body.to_vec())
}

fn not_sent(letter: &Letter, code: ProblemCode) -> Option<NotSent> {
    let SignedLetter::Message(envelope) = &letter.signed else { return None };
    let claims = envelope.claims();
    tracing::error!(
        case = claims.case.map(tracing::field::display),
        to = %claims.aud,
        message_type = %claims.message_type,
        code = code.as_str(),
        "the hub's own system may not send this; an agreement or its key is missing"
    );
    let code: Code = code.to_code().ok()?;
    Some(NotSent { id: letter.stored.id, case: letter.stored.case, message_type: claims.message_type.clone(), code })
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
