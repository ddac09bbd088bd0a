//! How a case goes on beside its evidence: what is in the log, what the authority and the applicant say, and what time says.

use saphan_schemas::ids::{Code, MessageId, MessageType};
use saphan_schemas::message_types::{ApplicationStatusChanged, Decision, NextActor, ProofSource, ReminderKind};
use saphan_schemas::problem::ProblemCode;

use super::case::{Case, CaseStatus, Handover, Reminded, State};
use super::moves::{Moves, Say, Turn};
use super::what::{Failure, What};

impl Case {
    /// What the hub had to say is in the log, at `index`.
    pub fn logged(&mut self, id: MessageId, index: u64, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        let mut asked = Vec::new();
        for requirement in &mut self.requirements {
            match &mut requirement.state {
                State::Requested { request, .. } if request.id == id => {
                    request.index = Some(index);
                    let candidate = request.candidate.clone();
                    moves.events.push(What::EvidenceRequested(requirement.piece(&candidate)));
                }
                State::Reusing { notice, proof } if *notice == id => {
                    requirement.state = State::Proven(proof.clone());
                    let candidate = requirement.candidates.get(requirement.at).cloned();
                    moves.events.extend(candidate.map(|candidate| What::EvidenceReused(requirement.piece(&candidate))));
                }
                State::Asked { question } if *question == id => asked.push(requirement.id.clone()),
                _ => {}
            }
        }
        if !asked.is_empty() && !self.has_ended() {
            self.next = NextActor::Applicant;
            moves.events.push(What::ApplicantAsked { requirements: asked });
        }
        if self.handover == (Handover::Sending { id }) || self.recalled == Some(id) {
            self.handover = Handover::Done { index, at: turn.now };
            moves.events.push(What::HandedOver { authority: self.authority.clone() });
        }
        self.hand_over_if_complete(&mut moves);
        moves
    }

    /// What the hub had to say was refused by the hub itself: an agreement ended meanwhile, say.
    pub fn not_sent(&mut self, id: MessageId, message_type: &MessageType, code: &Code, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        let is_handover = self.handover == (Handover::Sending { id });
        // The operator was told of a handover that cannot be sent when it was tried first.
        if !is_handover || self.handovers_refused == 0 {
            moves.events.push(What::NotSent { message_type: message_type.clone(), code: code.clone() });
        }
        if self.has_ended() {
            return moves;
        }
        if is_worth_writing_again(code) {
            self.write_again(id, turn, &mut moves);
            return moves;
        }
        for at in 0..self.requirements.len() {
            match &self.requirements[at].state {
                State::Requested { request, .. } if request.id == id => {
                    self.give_up(at, Failure::NotSent { code: code.clone() }, turn, &mut moves);
                }
                // To use it again is not allowed; perhaps it is to ask for it.
                State::Reusing { notice, .. } if *notice == id => {
                    self.requirements[at].alone = true;
                    self.request(at, turn, &mut moves);
                }
                State::Asked { question } if *question == id => {
                    self.requirements[at].state = State::Missing;
                    let requirement = self.requirements[at].id.clone();
                    moves.events.push(What::RequirementMissing { requirement });
                }
                _ => {}
            }
        }
        if is_handover {
            let pause = HAND_OVER_AGAIN_MS << self.handovers_refused.min(LONGEST_DOUBLING);
            self.handovers_refused = self.handovers_refused.saturating_add(1);
            self.handover = Handover::Again { at: turn.now + pause };
        }
        self.hand_over_if_complete(&mut moves);
        moves
    }

    /// Says the same in a new letter.
    fn write_again(&mut self, id: MessageId, turn: Turn, moves: &mut Moves) {
        let mut asked = Vec::new();
        for at in 0..self.requirements.len() {
            match &self.requirements[at].state {
                State::Requested { request, .. } if request.id == id => self.request(at, turn, moves),
                State::Reusing { notice, .. } if *notice == id => self.request(at, turn, moves),
                State::Asked { question } if *question == id => asked.push(at),
                _ => {}
            }
        }
        self.ask(asked, moves);
        if self.handover == (Handover::Sending { id }) {
            self.handover = Handover::Waiting;
            self.hand_over_if_complete(moves);
        }
    }

    /// Messages at these places, which prove something, cannot be read any more: it has to be proven anew.
    pub fn lost(&mut self, indices: &[u64], turn: Turn) -> Moves {
        let mut moves = Moves::default();
        let mut to_ask = Vec::new();
        for at in 0..self.requirements.len() {
            let requirement = &mut self.requirements[at];
            let State::Proven(proof) = &requirement.state else { continue };
            if !indices.contains(&proof.index) {
                continue;
            }
            self.handover = Handover::Waiting;
            requirement.alone = true;
            if proof.source == ProofSource::Applicant {
                to_ask.push(at);
            } else {
                self.request(at, turn, &mut moves);
            }
        }
        self.ask(to_ask, &mut moves);
        moves
    }

    /// A receiver rejected what the hub said at this place of the log.
    pub fn rejected(&mut self, index: u64, message_type: &MessageType, code: &Code, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        for at in 0..self.requirements.len() {
            if let State::Requested { request, .. } = &self.requirements[at].state
                && request.index == Some(index)
                && !self.has_ended()
            {
                self.give_up(at, Failure::Rejected { code: code.clone() }, turn, &mut moves);
                return moves;
            }
        }
        moves.events.push(What::Rejected { message_type: message_type.clone(), code: code.clone() });
        moves
    }

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
        if matches!(self.handover, Handover::Sending { .. } | Handover::Done { .. }) {
            moves.say(Say::Withdraw(index));
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
        self.approved = Some(approved);
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
        self.next = next;
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
        if self.has_ended() {
            return Moves::default();
        }
        let mut moves = match self.consent_ends() {
            Some(end) if end <= turn.now => self.consent_ended(turn),
            _ => Moves::default(),
        };
        for at in 0..self.requirements.len() {
            let State::Requested { until, latest, .. } = &mut self.requirements[at].state else { continue };
            if *until <= turn.now && turn.now < turn.not_late_before {
                (*until, *latest) = (turn.not_late_before, turn.not_late_before.max(*latest));
            } else if *until <= turn.now {
                self.give_up(at, Failure::TimedOut, turn, &mut moves);
            }
        }
        if matches!(self.handover, Handover::Again { at } if at <= turn.now) {
            self.handover = Handover::Waiting;
            self.hand_over_if_complete(&mut moves);
        }
        if self.next_reminder().is_some_and(|at| at <= turn.now) {
            self.remind(turn, &mut moves);
        }
        moves
    }

    fn remind(&mut self, turn: Turn, moves: &mut Moves) {
        let kind = if self.due_at().is_some_and(|due| due <= turn.now) {
            self.reminded = Reminded::Overdue;
            moves.say(Say::Remind(ReminderKind::Overdue, self.portal.clone()));
            ReminderKind::Overdue
        } else {
            self.reminded = Reminded::DueSoon;
            ReminderKind::DueSoon
        };
        moves.say(Say::Remind(kind, self.authority.clone()));
        moves.events.push(What::Reminded { kind });
    }

    fn is_with_the_authority(&self) -> bool {
        matches!(self.handover, Handover::Done { .. }) && !self.has_ended()
    }
}

/// Whether a letter was refused for what is the matter with the letter, not with what it says: it waited too long, or its key was
/// replaced since.
fn is_worth_writing_again(code: &Code) -> bool {
    let of_the_letter = [
        ProblemCode::IssuedTooLongAgo,
        ProblemCode::KeyUnknown,
        ProblemCode::KeyRevoked,
        ProblemCode::KeyNotValid,
        // It was damaged in the store.
        ProblemCode::CommitmentMismatch,
    ];
    of_the_letter.iter().any(|problem| problem.as_str() == code.as_str())
}

/// An agreement that ended may be renewed meanwhile.
const HAND_OVER_AGAIN_MS: u64 = 600_000;
/// How often the pause is doubled: it is 5 hours and 20 minutes at the longest.
const LONGEST_DOUBLING: u32 = 5;
