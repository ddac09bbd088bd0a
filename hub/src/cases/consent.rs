//! What a consent covers.

use std::collections::BTreeSet;

use saphan_schemas::ids::{Code, EvidenceTypeId, MemberId};
use saphan_schemas::message_types::{ConsentGiven, Timestamp};
use saphan_schemas::problem::ProblemCode;
use serde::{Deserialize, Serialize};

use super::requirement::Candidate;
use crate::store::cases::ConsentRecord;

/// The terms of a consent, without the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentTerms {
    /// Which data.
    pub evidence_types: BTreeSet<EvidenceTypeId>,
    /// What for.
    pub purpose: Code,
    /// Who may receive it.
    pub recipients: BTreeSet<MemberId>,
    /// From when on, in milliseconds since 1970.
    pub valid_from: u64,
    /// Until when, in milliseconds since 1970.
    pub valid_until: u64,
}

/// A use that needs a consent.
#[derive(Debug, Clone, Copy)]
pub struct ConsentNeed<'a> {
    /// What it is for.
    pub purpose: Option<&'a Code>,
    /// Who receives the data.
    pub recipient: &'a MemberId,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

impl ConsentTerms {
    /// The terms that a person agreed to.
    #[must_use]
    pub fn of(body: &ConsentGiven) -> Self {
        Self {
            evidence_types: body.evidence_types.clone(),
            purpose: body.purpose.clone(),
            recipients: body.recipients.clone(),
            valid_from: body.valid_from.as_ref().unwrap_or(&body.given_at).unix_ms(),
            valid_until: Timestamp::unix_ms(&body.valid_until),
        }
    }

    fn covers(&self, need: ConsentNeed<'_>) -> bool {
        need.purpose == Some(&self.purpose)
            && self.recipients.contains(need.recipient)
            && (self.valid_from..self.valid_until).contains(&need.now)
    }
}

impl ConsentRecord {
    /// Whether it stands and covers this use.
    ///
    /// # Errors
    /// [`ProblemCode::ConsentRevoked`], [`ProblemCode::ConsentInsufficient`].
    pub fn must_cover(&self, need: ConsentNeed<'_>) -> Result<(), ProblemCode> {
        if self.revoked.is_some() {
            Err(ProblemCode::ConsentRevoked)
        } else if self.terms.covers(need) {
            Ok(())
        } else {
            Err(ProblemCode::ConsentInsufficient)
        }
    }

    /// Whether it covers what this candidate holds.
    #[must_use]
    pub fn covers(&self, candidate: &Candidate) -> bool {
        self.terms.evidence_types.contains(&candidate.evidence_type)
    }
}
