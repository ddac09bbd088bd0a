//! What the hub's own system writes: messages of a case, and acknowledgements.

mod acknowledging;
mod asking;
mod handing_over;
mod telling;

use std::collections::HashMap;
use std::sync::Arc;

use saphan_schemas::acknowledgement::Acknowledgement;
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::{DocumentReference, Envelope, EnvelopeClaims};
use saphan_schemas::ids::{HubId, InvalidId, LegalBasis, MessageId, SystemId};
use saphan_schemas::jws::{SignError, Signed};
use saphan_schemas::keys::{KeyError, KeyId, Signer};
use saphan_schemas::message_types::{InvalidTime, MessageBody, SignedCopy, Timestamp};
use saphan_schemas::registry::RegistryState;

use self::handing_over::{documents, hand_over};
use super::case::Case;
use super::errands::Notice;
use super::moves::{Act, Say};
use super::requirement::{Requirement, State};
use crate::shards::Shards;
use crate::store::cases::StoredLetter;

/// A statement that is signed and goes to the log next.
#[derive(Debug, Clone)]
pub struct Letter {
    /// As it is stored until it is in the log.
    pub stored: StoredLetter,
    /// What was signed.
    pub signed: SignedLetter,
}

impl Letter {
    /// The key that signed it.
    pub(super) fn kid(&self) -> KeyId {
        match &self.signed {
            SignedLetter::Message(envelope) => envelope.kid(),
            SignedLetter::Acknowledgement(acknowledgement) => acknowledgement.kid(),
        }
    }
}

/// What was signed.
#[derive(Debug, Clone)]
pub enum SignedLetter {
    /// A message.
    Message(Box<Envelope>),
    /// A batch of acknowledgements.
    Acknowledgement(Box<Acknowledgement>),
}

/// A letter could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// The key does not sign, or what is signed is too long.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No random numbers.
    #[error(transparent)]
    Salt(#[from] KeyError),
    /// The clock is far off.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// A name in the code is not one.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// A body cannot be written.
    #[error("a body cannot be written as JSON")]
    Body(#[from] serde_json::Error),
    /// Evidence would travel without the consent that it needs.
    #[error("evidence would travel without the consent that it needs")]
    NoConsent,
    /// A message of the case cannot be read again: its body was erased.
    #[error("a message that is needed cannot be read again")]
    Erased,
}

/// What letters are made of, beside the case.
pub struct Sources<'a> {
    /// Who exists.
    pub registry: &'a RegistryState,
    /// What services require.
    pub catalogue: &'a Catalogue,
    /// Messages by their places.
    pub copies: &'a HashMap<u64, SignedCopy>,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

/// Where the hub's own system writes.
#[derive(Clone)]
pub struct Desk {
    /// The system.
    pub own: SystemId,
    /// The hub.
    pub hub: HubId,
    /// Its logs.
    pub shards: Arc<Shards>,
    /// The system's key.
    pub signer: Arc<dyn Signer>,
}

/// What an envelope says beside what follows from case and body.
#[derive(Default)]
struct Cites {
    legal_basis: Option<LegalBasis>,
    reply_to: Option<MessageId>,
    consent: Option<MessageId>,
    documents: Vec<DocumentReference>,
}

/// The places of the messages that a letter is made of.
#[must_use]
pub(super) fn needs(case: &Case, act: &Act) -> Vec<u64> {
    match &act.say {
        Say::Request(_) => vec![case.application],
        Say::HandOver => case.parts().collect(),
        Say::Tell(Notice::Withdrawal { index }) => vec![*index],
        Say::Reuse(_) | Say::Ask(_) | Say::Tell(Notice::Lapse { .. } | Notice::Reminder { .. }) => Vec::new(),
    }
}

impl Desk {
    /// The letter that does what a case decided; `None` when the case has changed its mind since.
    ///
    /// # Errors
    /// [`LetterError`].
    pub fn letter(&self, case: &Case, act: &Act, sources: &Sources<'_>) -> Result<Option<Letter>, LetterError> {
        match &act.say {
            Say::Request(_) | Say::Reuse(_) | Say::Ask(_) | Say::HandOver if case.has_ended() => Ok(None),
            Say::Request(at) => self.request(case, act.id, &case.requirements[*at], sources),
            Say::Reuse(at) => self.reuse(case, act.id, &case.requirements[*at], sources),
            Say::Ask(at) => {
                let still =
                    |asked: &&Requirement| matches!(asked.state, State::Asked { question, .. } if question == act.id);
                let asked: Vec<_> = at.iter().map(|at| &case.requirements[*at]).filter(still).collect();
                if asked.is_empty() {
                    return Ok(None);
                }
                let body = self.question(&asked, case, sources)?;
                self.write(case, act.id, &case.portal, &body, Cites::default(), sources.now).map(Some)
            }
            Say::HandOver if !case.hands_over(act.id) => Ok(None),
            Say::HandOver => {
                let body = hand_over(case, sources)?;
                let cites = Cites {
                    consent: case.consent_in_use().map(|(id, _)| id),
                    documents: documents(&body),
                    ..Cites::default()
                };
                self.write(case, act.id, &case.authority, &body, cites, sources.now).map(Some)
            }
            Say::Tell(notice) => self.notice(case, act.id, *notice, sources),
        }
    }

    fn write<B: MessageBody>(
        &self,
        case: &Case,
        id: MessageId,
        to: &SystemId,
        body: &B,
        cites: Cites,
        now: u64,
    ) -> Result<Letter, LetterError> {
        let body = serde_json::to_vec(body)?;
        let salt = Salt::generate()?;
        let claims = EnvelopeClaims {
            iss: self.own.clone(),
            aud: to.clone(),
            hub: self.hub.clone(),
            jti: id,
            iat: now / 1000,
            not_after: None,
            message_type: B::TYPE.parse()?,
            schema: B::SCHEMA.parse()?,
            service: Some(case.service.clone()),
            case: Some(case.id),
            reply_to: cites.reply_to,
            purpose: case.purpose.clone(),
            legal_basis: cites.legal_basis,
            consent: cites.consent,
            body: BodyCommitment::new(&salt, &body),
            documents: cites.documents,
        };
        let envelope = Signed::sign(claims, &*self.signer)?;
        let text = envelope.as_str().to_owned();
        let stored = StoredLetter { id, case: Some(case.id), text, content: Some((salt, body)) };
        Ok(Letter { stored, signed: SignedLetter::Message(Box::new(envelope)) })
    }
}

fn copy<'a>(sources: &Sources<'a>, index: u64) -> Result<&'a SignedCopy, LetterError> {
    sources.copies.get(&index).ok_or(LetterError::Erased)
}

fn timestamp(ms: u64) -> Result<Timestamp, InvalidTime> {
    Timestamp::from_unix_seconds(ms / 1000)
}
