//! What the hub's own system writes: messages of a case, and acknowledgements.

use std::collections::HashMap;
use std::sync::Arc;

use saphan_schemas::acknowledgement::{Acknowledged, Acknowledgement, AcknowledgementClaims, MAX_ACKNOWLEDGED};
use saphan_schemas::catalogue::{Catalogue, RequirementSubject};
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::{DocumentReference, Envelope, EnvelopeClaims, MAX_DOCUMENTS, UnverifiedEnvelope};
use saphan_schemas::ids::{HubId, InvalidId, LegalBasis, MessageId, SystemId};
use saphan_schemas::jws::{SignError, Signed};
use saphan_schemas::keys::{KeyError, KeyId, Signer};
use saphan_schemas::message_types::{
    AnswerForm, ApplicationSubmitted, ApplicationWithdrawn, BilingualText, CaseReminder, CaseSubmitted, Date,
    EvidenceRequested, EvidenceReused, Gap, GapReason, InformationRequested, InvalidTime, Item, MessageBody, Office,
    Proof, ReminderKind, SignedCopy, Subject, Timestamp, WithdrawalReason, WithdrawnBy,
};
use saphan_schemas::registry::RegistryState;

use super::case::Case;
use super::errands::{Notice, Reader};
use super::moves::{Act, Say};
use super::opening::subject_of;
use super::requirement::{Requirement, State};
use super::texts;
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

    fn notice(
        &self,
        case: &Case,
        id: MessageId,
        notice: Notice,
        sources: &Sources<'_>,
    ) -> Result<Option<Letter>, LetterError> {
        let to = match notice.to() {
            Reader::Portal => &case.portal,
            Reader::Authority => &case.authority,
        };
        match notice {
            Notice::Withdrawal { index } => {
                let said = sources.copies.get(&index).and_then(|copy| copy.opened().ok());
                let said = said.and_then(|(_, body)| serde_json::from_slice(&body).ok());
                // The authority must know, also when nobody can read any more how it was said.
                let body = said.unwrap_or(ApplicationWithdrawn {
                    withdrawn_at: timestamp(sources.now)?,
                    withdrawn_by: WithdrawnBy::Applicant,
                    reason: WithdrawalReason::Other,
                    note: None,
                });
                self.write(case, id, to, &body, Cites::default(), sources.now).map(Some)
            }
            Notice::Lapse { .. } | Notice::Reminder { .. } => {
                let Some((kind, day)) = reminded_of(case, notice, sources.now) else { return Ok(None) };
                let reply_to = match notice {
                    Notice::Lapse { of, .. } => Some(of),
                    _ => None,
                };
                let body = CaseReminder {
                    reminded_at: timestamp(sources.now)?,
                    kind,
                    due_on: Date::in_thailand(day)?,
                    text: texts::reminder(kind, case.next),
                };
                let cites = Cites { reply_to, ..Cites::default() };
                self.write(case, id, to, &body, cites, sources.now).map(Some)
            }
        }
    }

    /// Acknowledges messages to the hub's own system, by their places, in as many batches as their length needs: what is rejected has a code, and
    /// fewer of those fit.
    ///
    /// # Errors
    /// [`LetterError`].
    pub(super) fn acknowledge(&self, messages: &[Acknowledged], now: u64) -> Result<Vec<Letter>, LetterError> {
        let mut letters = Vec::new();
        // A batch is about one log.
        let logs = messages.chunk_by(|one, next| self.shards.at(one.index) == self.shards.at(next.index));
        let mut waiting: Vec<&[Acknowledged]> = logs.flat_map(|log| log.chunks(MAX_ACKNOWLEDGED)).collect();
        waiting.reverse();
        while let Some(batch) = waiting.pop() {
            match self.acknowledge_batch(batch, now) {
                Err(LetterError::Sign(SignError::TooLong { .. })) if batch.len() > 1 => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    waiting.extend([second, first]);
                }
                letter => letters.push(letter?),
            }
        }
        Ok(letters)
    }

    fn acknowledge_batch(&self, messages: &[Acknowledged], now: u64) -> Result<Letter, LetterError> {
        let id = MessageId::new();
        let log = messages.first().map(|one| self.shards.at(one.index).origin.clone());
        let located = |one: &Acknowledged| Acknowledged { index: self.shards.located(one.index).index, ..one.clone() };
        let messages = messages.iter().map(located).collect();
        let (iss, aud) = (self.own.clone(), self.hub.clone());
        let claims = AcknowledgementClaims { iss, aud, jti: id, iat: now / 1000, log, messages };
        let signed = Signed::sign(claims, &*self.signer)?;
        let stored = StoredLetter { id, case: None, text: signed.as_str().to_owned(), content: None };
        Ok(Letter { stored, signed: SignedLetter::Acknowledgement(Box::new(signed)) })
    }

    fn request(
        &self,
        case: &Case,
        id: MessageId,
        requirement: &Requirement,
        sources: &Sources<'_>,
    ) -> Result<Option<Letter>, LetterError> {
        let State::Requested { request, until, .. } = &requirement.state else { return Ok(None) };
        if request.id != id {
            return Ok(None);
        }
        let body = EvidenceRequested {
            requested_at: timestamp(sources.now)?,
            evidence_type: request.candidate.evidence_type.clone(),
            subject: subject(case, requirement.about, sources)?,
            as_of: None,
            needed_by: Some(timestamp(*until)?),
            officer: None,
        };
        let cites = Cites {
            legal_basis: Some(request.candidate.legal_basis.clone()),
            consent: case.consent.filter(|_| request.candidate.needs_consent),
            ..Cites::default()
        };
        self.write(case, id, &request.candidate.provider, &body, cites, sources.now).map(Some)
    }

    fn reuse(
        &self,
        case: &Case,
        id: MessageId,
        requirement: &Requirement,
        sources: &Sources<'_>,
    ) -> Result<Option<Letter>, LetterError> {
        let State::Reusing { notice, proof } = &requirement.state else { return Ok(None) };
        let (Some(candidate), Some(evidence_type)) = (requirement.candidates.get(requirement.at), &proof.evidence_type)
        else {
            return Ok(None);
        };
        if *notice != id {
            return Ok(None);
        }
        let body = EvidenceReused {
            reused_at: timestamp(sources.now)?,
            evidence_type: evidence_type.clone(),
            message: proof.id,
        };
        let cites = Cites {
            legal_basis: Some(candidate.legal_basis.clone()),
            reply_to: Some(proof.id),
            consent: case.consent.filter(|_| proof.needs_consent),
            ..Cites::default()
        };
        self.write(case, id, &proof.provider, &body, cites, sources.now).map(Some)
    }

    fn question(
        &self,
        asked: &[&Requirement],
        case: &Case,
        sources: &Sources<'_>,
    ) -> Result<InformationRequested, LetterError> {
        let service = sources.catalogue.service(&case.service);
        let item = |requirement: &&Requirement| {
            let required = service.and_then(|service| service.requirements.iter().find(|one| one.id == requirement.id));
            Item {
                item: requirement.id.clone(),
                question: texts::question(required.map(|required| &required.name)),
                answer: AnswerForm::Document,
                required: false,
                choices: Vec::new(),
                evidence_type: required.and_then(|required| required.evidence.first().cloned()),
            }
        };
        let member = self.own.member();
        let name = sources.registry.member(&member);
        let name = name.map(|member| BilingualText::new(&member.name_th, &member.name_en));
        Ok(InformationRequested {
            requested_at: timestamp(sources.now)?,
            requested_by: Office { name: name.unwrap_or_else(texts::hub), member, position: None },
            text: texts::why_asked(),
            items: asked.iter().map(item).collect(),
            answer_by: asked.iter().filter_map(|asked| asked.last_day()).min().map(Date::in_thailand).transpose()?,
            if_not_answered: Some(texts::if_not_answered()),
        })
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

fn hand_over(case: &Case, sources: &Sources<'_>) -> Result<CaseSubmitted, LetterError> {
    if case.consent.is_none() && case.proofs().any(|proof| proof.needs_consent) {
        return Err(LetterError::NoConsent);
    }
    let mut evidence = Vec::new();
    let mut missing = Vec::new();
    for requirement in &case.requirements {
        let id = requirement.id.clone();
        match &requirement.state {
            State::Proven(proof) => evidence.push(Proof {
                requirement: id,
                evidence_type: proof.evidence_type.clone(),
                source: proof.source,
                message: copy(sources, proof.index)?.clone(),
            }),
            open => {
                let reason =
                    if let State::Missing { because } = open { *because } else { GapReason::ApplicantCannotSupply };
                missing.push(Gap { requirement: id, reason, text: Some(texts::missing(reason)) });
            }
        }
    }
    Ok(CaseSubmitted {
        handed_over_at: timestamp(sources.now)?,
        due_on: Date::in_thailand(case.due_at().unwrap_or(sources.now))?,
        application: copy(sources, case.application)?.clone(),
        consent: match case.consent_in_use() {
            Some((_, index)) => Some(copy(sources, index)?.clone()),
            None => None,
        },
        evidence,
        missing,
    })
}

/// The documents that the messages of a case cite, as many as an envelope has room for. Who receives the case may read them all:
/// the hub looks into the copies too.
fn documents(body: &CaseSubmitted) -> Vec<DocumentReference> {
    let mut documents: Vec<DocumentReference> = Vec::new();
    for copy in body.copies() {
        let Ok(envelope) = UnverifiedEnvelope::parse(&copy.envelope) else { continue };
        for cited in &envelope.claims().documents {
            if documents.iter().all(|known| known.commit != cited.commit) {
                documents.push(cited.clone());
            }
        }
    }
    documents.truncate(MAX_DOCUMENTS);
    documents
}

/// What a reminder is about, and the day, in milliseconds since 1970; `None` when there is nothing to remind of any more.
fn reminded_of(case: &Case, notice: Notice, now: u64) -> Option<(ReminderKind, u64)> {
    let (kind, day) = match notice {
        Notice::Withdrawal { .. } => return None,
        Notice::Lapse { of, kind, at } => (kind, case.has_lapsed(of, kind, now).then_some(at)),
        Notice::Reminder { kind: kind @ ReminderKind::AnswerDue, .. } => {
            (kind, case.requirements.iter().filter_map(Requirement::last_day).min())
        }
        Notice::Reminder { kind, .. } => (kind, case.due_at()),
    };
    Some((kind, day.filter(|_| !case.has_ended())?))
}

fn subject(case: &Case, about: RequirementSubject, sources: &Sources<'_>) -> Result<Subject, LetterError> {
    let (_, body) = copy(sources, case.application)?.opened().map_err(|_| LetterError::Erased)?;
    let body: ApplicationSubmitted = serde_json::from_slice(&body)?;
    Ok(match (about, &body.representative) {
        (RequirementSubject::Person, Some(representative)) => subject_of(&representative.person),
        _ => body.applicant.subject(),
    })
}

fn copy<'a>(sources: &Sources<'a>, index: u64) -> Result<&'a SignedCopy, LetterError> {
    sources.copies.get(&index).ok_or(LetterError::Erased)
}

fn timestamp(ms: u64) -> Result<Timestamp, InvalidTime> {
    Timestamp::from_unix_seconds(ms / 1000)
}

#[cfg(test)]
mod tests {
    use saphan_schemas::acknowledgement::Outcome;
    use saphan_schemas::keys::SigningKey;

    use super::*;

    #[test]
    fn acknowledgements_are_as_many_batches_as_their_length_needs() {
        let signer = Arc::new(SigningKey::generate().unwrap().0);
        let (own, hub) = ("th.dga/once-only".parse().unwrap(), "hub.test".parse().unwrap());
        let shards = Shards::first("hub.test/log/a".into()).followed_by("hub.test/log/b".into(), 1_000_100);
        let desk = Desk { own, hub, shards: Arc::new(shards), signer };
        let rejected = |index| Acknowledged {
            index,
            outcome: Outcome::Rejected,
            code: Some("evidence-subject-mismatch".parse().unwrap()),
        };
        let messages: Vec<_> = (1_000_000..1_000_000 + MAX_ACKNOWLEDGED as u64).map(rejected).collect();
        let letters = desk.acknowledge(&messages, 1_790_000_000_000).unwrap();
        assert_eq!(letters.len(), 2, "one for each log");
        let all_of_one = Desk { shards: Arc::new(Shards::first("hub.test/log/a".into())), ..desk.clone() };
        let of_one = all_of_one.acknowledge(&messages, 1_790_000_000_000).unwrap();
        assert_eq!(of_one.len(), 2, "so many with a code do not fit into one");
        let said: Vec<_> = letters
            .iter()
            .flat_map(|letter| match &letter.signed {
                SignedLetter::Acknowledgement(batch) => desk.shards.acknowledged(batch.claims()),
                SignedLetter::Message(_) => Vec::new(),
            })
            .collect();
        assert_eq!(said, messages);
    }
}
