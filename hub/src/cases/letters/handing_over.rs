//! The whole case, for its authority.

use saphan_schemas::envelope::{DocumentReference, MAX_DOCUMENTS, UnverifiedEnvelope};
use saphan_schemas::message_types::{CaseSubmitted, Date, Gap, GapReason, Proof};

use super::{LetterError, Sources, copy, timestamp};
use crate::cases::case::Case;
use crate::cases::requirement::State;
use crate::cases::texts;

pub(super) fn hand_over(case: &Case, sources: &Sources<'_>) -> Result<CaseSubmitted, LetterError> {
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
pub(super) fn documents(body: &CaseSubmitted) -> Vec<DocumentReference> {
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
