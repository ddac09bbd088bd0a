//! Whether evidence that came is what was asked for.

use saphan_schemas::catalogue::{Catalogue, EvidenceFormat};
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::message_types::{Document, EvidenceProvided};
use saphan_schemas::problem::ProblemCode;
use serde_json::Value;

use super::requirement::Candidate;
use super::{Pseudonym, PseudonymKey};

/// What evidence is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// What was asked for.
    pub(super) candidate: &'a Candidate,
    /// Whom it must be about.
    pub(super) subject: &'a Pseudonym,
    /// The time, in milliseconds since 1970.
    pub(super) now: u64,
}

/// Until when evidence may be used again, in milliseconds since 1970.
///
/// # Errors
/// The problem that it is rejected with: of another type, about somebody else, not as its schema says, without its document, or too old.
pub(super) fn examine(
    claims: &EnvelopeClaims,
    body: &EvidenceProvided,
    Expected { candidate, subject, now }: Expected<'_>,
    catalogue: &Catalogue,
    key: &PseudonymKey,
) -> Result<u64, ProblemCode> {
    if body.evidence_type != candidate.evidence_type {
        return Err(ProblemCode::EvidenceInvalid);
    }
    let person = body.person.as_ref().map(|person| key.of(&person.subject()));
    if key.of(&body.subject) != *subject || person.is_some_and(|person| person != *subject) {
        return Err(ProblemCode::EvidenceSubjectMismatch);
    }
    let evidence_type = catalogue.evidence_type(&body.evidence_type).ok_or(ProblemCode::EvidenceInvalid)?;
    let content = body.content.clone().map(Value::Object).ok_or(ProblemCode::EvidenceInvalid)?;
    if body.content_schema.as_ref() != Some(&evidence_type.schema)
        || catalogue.validate(&evidence_type.schema, &content).is_err()
    {
        return Err(ProblemCode::EvidenceInvalid);
    }
    // The hub has each document that the envelope cites, and who gets the case may read it.
    let is_there = |document: &Document| claims.documents.iter().any(|cited| cited.commit == document.commit);
    let is_missing = evidence_type.format == EvidenceFormat::Document && body.documents.is_empty();
    if is_missing || !body.documents.iter().all(is_there) {
        return Err(ProblemCode::EvidenceInvalid);
    }
    // What a register will say tomorrow nobody knows: a date in the future does not keep evidence fresh for longer.
    let fresh = body.as_of.unix_ms().min(now).saturating_add(u64::from(evidence_type.fresh_days) * DAY_MS);
    let valid = body.valid_until.as_ref().map_or(u64::MAX, |day| day.ends_at());
    let until = fresh.min(valid);
    if until > now { Ok(until) } else { Err(ProblemCode::EvidenceExpired) }
}

const DAY_MS: u64 = 86_400_000;
