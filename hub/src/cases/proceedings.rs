//! How a case goes on beside its evidence: what the authority and the applicant say.

use saphan_schemas::message_types::{ApplicationStatusChanged, Decision, NextActor};
use saphan_schemas::problem::ProblemCode;

use super::case::{Case, CaseStatus, Handover};
use super::errands::Notice;
use super::moves::Moves;
use super::what::What;

impl Case {
    /// The applicant withdraws, by the message at `index`.
    ///
    /// # Errors
    /// It has ended.
    pub fn withdrawn(&mut self, index: u64) -> Result<Moves, ProblemCode> {
        if self.has_ended() {
            return Err(ProblemCode::CaseClosed);
        }
        let mut moves = Moves::default();
        (self.status, self.next) = (CaseStatus::Withdrawn, NextActor::Nobody);
        moves.events.push(What::Withdrawn);
        let withdrawal = Notice::Withdrawal { index };
        match self.handover {
            Handover::Sending { .. } | Handover::Recalled { .. } => self.tell_after_the_handover(withdrawal),
            // Also one that was rejected: somebody may have seen it.
            _ if !self.handovers.is_empty() => self.tell(withdrawal, &mut moves),
            _ => {}
        }
        Ok(moves)
    }

    /// The portal told the authority itself that the applicant withdraws; `None` when that does not fit where the case is.
    pub fn withdrawn_at_the_authority(&mut self) -> Option<Moves> {
        if !self.is_with_the_authority() {
            return None;
        }
        (self.status, self.next) = (CaseStatus::Withdrawn, NextActor::Nobody);
        Some(Moves { events: vec![What::Withdrawn], ..Moves::default() })
    }

    /// The authority says how far it is; `None` when that does not fit where the case is.
    pub fn status_changed(&mut self, body: &ApplicationStatusChanged) -> Option<Moves> {
        let status = CaseStatus::from(body.status);
        // The end is a decision, with its reasons and remedies; a status only says that what was approved is done.
        let is_decided = match status {
            CaseStatus::Completed => self.approved == Some(true),
            CaseStatus::Rejected => false,
            _ => true,
        };
        if !self.is_with_the_authority() || !self.status.may_become(status) || !is_decided {
            return None;
        }
        self.begun = true;
        let next = if status.is_final() { NextActor::Nobody } else { body.next };
        (self.status, self.next) = (status, next);
        self.fee_satang = body.fee.as_ref().map(|fee| fee.amount_satang).or(self.fee_satang);
        Some(Moves { events: vec![What::StatusChanged { status, next }], ..Moves::default() })
    }

    /// The authority has decided; `None` when that does not fit where the case is. An approval whose fee is not paid, or whose
    /// licence is being made, is not the end.
    pub fn decided(&mut self, decision: &Decision) -> Option<Moves> {
        let approved = matches!(decision, Decision::Approved(_));
        let status = if approved { CaseStatus::Completed } else { CaseStatus::Rejected };
        let fits = self.is_with_the_authority() && self.approved.is_none() && self.status.may_become(status);
        if !fits {
            return None;
        }
        (self.approved, self.begun) = (Some(approved), true);
        let goes_on = matches!(self.status, CaseStatus::ApprovedWaitingPayFee | CaseStatus::PaidFeeCreatingLicense);
        if !(approved && goes_on) {
            (self.status, self.next) = (status, NextActor::Nobody);
        }
        Some(Moves { events: vec![What::Decided { approved }], ..Moves::default() })
    }

    /// The authority asks the applicant, or the applicant answers it; `None` when that does not fit where the case is.
    pub fn information(&mut self, supplied: bool) -> Option<Moves> {
        if !self.is_with_the_authority() {
            return None;
        }
        let (next, event) = match supplied {
            true => (NextActor::Agency, What::InformationSupplied),
            false => (NextActor::Applicant, What::InformationRequested),
        };
        (self.next, self.begun) = (next, true);
        Some(Moves { events: vec![event], ..Moves::default() })
    }

    /// The applicant has paid; `None` when no fee is due.
    pub fn fee_paid(&mut self) -> Option<Moves> {
        if !self.is_with_the_authority() || self.status != CaseStatus::ApprovedWaitingPayFee {
            return None;
        }
        (self.status, self.next) = (CaseStatus::PaidFeeCreatingLicense, NextActor::Agency);
        Some(Moves { events: vec![What::FeePaid], ..Moves::default() })
    }

    fn is_with_the_authority(&self) -> bool {
        matches!(self.handover, Handover::Done { .. }) && !self.has_ended()
    }
}
