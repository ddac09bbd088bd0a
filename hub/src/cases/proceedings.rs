//! How a case goes on beside its evidence: what the authority and the applicant say, and what time says.

use saphan_schemas::message_types::{ApplicationStatusChanged, Decision, GapReason, NextActor, ReminderKind};
use saphan_schemas::problem::ProblemCode;

use super::case::{Case, CaseStatus, Handover};
use super::errands::{Notice, Reader};
use super::moves::{Moves, Turn};
use super::requirement::{State, late_at};
use super::what::{Failure, What};

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

    /// Nobody said anything, but it may be time.
    pub fn tick(&mut self, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        self.tell_again(turn, &mut moves);
        if self.has_ended() {
            return moves;
        }
        if self.consent_ends().is_some_and(|end| end <= turn.now) {
            moves.extend(self.consent_ended(turn));
        }
        for at in 0..self.requirements.len() {
            let State::Requested { until, latest, .. } = &mut self.requirements[at].state else { continue };
            if late_at(*until) <= turn.now && turn.now < turn.not_late_before {
                (*until, *latest) = (turn.not_late_before, turn.not_late_before.max(*latest));
            } else if late_at(*until) <= turn.now {
                self.give_up(at, Failure::TimedOut, turn, &mut moves);
            }
        }
        self.look_at_questions(turn, &mut moves);
        if matches!(self.handover, Handover::Again { at } if at <= turn.now) {
            self.handover = Handover::Waiting;
        }
        self.hand_over_if_complete(turn.now, &mut moves);
        if self.remind_at.is_some_and(|at| at <= turn.now) {
            self.remind(turn, &mut moves);
        }
        moves
    }

    /// Reminds the applicant of what the hub asked, and goes on without an answer once it is too late.
    fn look_at_questions(&mut self, turn: Turn, moves: &mut Moves) {
        let (mut is_near, mut unanswered) = (false, Vec::new());
        for (at, requirement) in self.requirements.iter_mut().enumerate() {
            let State::Asked { is_logged: true, until, remind_at, .. } = &mut requirement.state else { continue };
            if late_at(*until) <= turn.now && turn.now < turn.not_late_before {
                *until = turn.not_late_before;
            } else if late_at(*until) <= turn.now {
                unanswered.push(at);
            } else {
                is_near |= remind_at.take_if(|at| *at <= turn.now).is_some();
            }
        }
        if is_near {
            self.tell(Notice::Reminder { kind: ReminderKind::AnswerDue, to: Reader::Portal }, moves);
            moves.events.push(What::Reminded { kind: ReminderKind::AnswerDue });
        }
        if !unanswered.is_empty() {
            self.tell(Notice::Lapse { at: turn.now }, moves);
        }
        self.go_without(&unanswered, GapReason::ApplicantDidNotAnswer, moves);
    }

    /// Reminds of the day of the decision: first who must act, then both, every week.
    fn remind(&mut self, turn: Turn, moves: &mut Moves) {
        let is_over = self.due_at().is_some_and(|due| due <= turn.now);
        let (kind, readers) = match (is_over, self.next) {
            (true, _) => (ReminderKind::Overdue, &[Reader::Portal, Reader::Authority][..]),
            (false, NextActor::Applicant) => (ReminderKind::DueSoon, &[Reader::Portal][..]),
            (false, _) => (ReminderKind::DueSoon, &[Reader::Authority][..]),
        };
        self.remind_at = if is_over { Some(turn.now + OVERDUE_AGAIN_MS) } else { self.due_at() };
        if is_over {
            self.forget_older_reminders();
        }
        for to in readers {
            self.tell(Notice::Reminder { kind, to: *to }, moves);
        }
        moves.events.push(What::Reminded { kind });
    }

    fn is_with_the_authority(&self) -> bool {
        matches!(self.handover, Handover::Done { .. }) && !self.has_ended()
    }
}

const OVERDUE_AGAIN_MS: u64 = 7 * 86_400_000;
