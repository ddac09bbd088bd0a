//! What the parties of a case tell each other about it. The hub listens, and lets through only what fits where the case is.

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::json;
use saphan_schemas::message_types::{
    ApplicationDecided, ApplicationFeePaid, ApplicationStatusChanged, ApplicationWithdrawn, InformationRequested,
    InformationSupplied, MessageBody as _,
};
use saphan_schemas::problem::ProblemCode;

use super::case::Case;
use super::moves::Moves;

/// A message between the authority and the portal that moves a case.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Status(Box<ApplicationStatusChanged>),
    Decided(Box<ApplicationDecided>),
    /// The authority asks the applicant.
    Asked,
    /// The applicant answers.
    Answered,
    Paid,
    Withdrawn,
}

/// The types of such messages; others are not looked at.
pub(super) const TYPES: &[&str] = &[
    ApplicationStatusChanged::TYPE,
    ApplicationDecided::TYPE,
    InformationRequested::TYPE,
    InformationSupplied::TYPE,
    ApplicationFeePaid::TYPE,
    ApplicationWithdrawn::TYPE,
];

impl Said {
    /// What a message says about the case, if it is between its parties; `body` are the exact bytes.
    pub(super) fn of(case: &Case, claims: &EnvelopeClaims, body: &[u8]) -> Option<Self> {
        // Whichever of its systems speaks: an agreement lets it, and it may have moved to another since the case was opened.
        let from_authority = claims.iss.member() == case.authority.member() && claims.aud == case.portal;
        let to_authority = claims.iss == case.portal && claims.aud.member() == case.authority.member();
        match claims.message_type.as_str() {
            ApplicationStatusChanged::TYPE if from_authority => json::parse_typed(body).ok().map(Self::Status),
            ApplicationDecided::TYPE if from_authority => json::parse_typed(body).ok().map(Self::Decided),
            InformationRequested::TYPE if from_authority => Some(Self::Asked),
            InformationSupplied::TYPE if to_authority => Some(Self::Answered),
            ApplicationFeePaid::TYPE if to_authority => Some(Self::Paid),
            ApplicationWithdrawn::TYPE if to_authority => Some(Self::Withdrawn),
            _ => None,
        }
    }
}

impl Case {
    /// Moves as the parties say; `None` when that does not fit where the case is.
    pub(super) fn said(&mut self, said: &Said) -> Option<Moves> {
        match said {
            Said::Status(body) => self.status_changed(body),
            Said::Decided(body) => self.decided(&body.decision),
            Said::Asked => self.information(false),
            Said::Answered => self.information(true),
            Said::Paid => self.fee_paid(),
            Said::Withdrawn => self.withdrawn_at_the_authority(),
        }
    }

    /// Whether it may be said now.
    ///
    /// # Errors
    /// [`ProblemCode::CaseClosed`], [`ProblemCode::CaseStateMismatch`].
    pub(super) fn may_hear(&self, said: &Said) -> Result<(), ProblemCode> {
        match self.clone().said(said) {
            Some(_) => Ok(()),
            None if self.has_ended() => Err(ProblemCode::CaseClosed),
            None => Err(ProblemCode::CaseStateMismatch),
        }
    }
}
