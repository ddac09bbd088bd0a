//! How a case goes on beside its evidence: what is in the log, what the authority and the applicant say, and what time says.

use saphan_schemas::ids::{Code, MessageId, MessageType};
use saphan_schemas::message_types::{
    ApplicationStatusChanged, Decision, GapReason, NextActor, ProofSource, ReminderKind,
};
use saphan_schemas::problem::ProblemCode;

use super::case::{Case, CaseStatus, Handover, Reminded, State};
use super::errands::{Notice, Reader, pause_after};
use super::moves::{Moves, Say, Turn};
use super::what::{Failure, What};

impl Case {
    /// What the message with this id is to say; `None` when it is said, or the case has changed its mind.
    fn says(&self, id: MessageId) -> Option<Say> {
        let mut asked = Vec::new();
        for (at, requirement) in self.requirements.iter().enumerate() {
            match &requirement.state {
                State::Requested { request, .. } if request.id == id && request.index.is_none() => {
                    return Some(Say::Request(at));
                }
                State::Reusing { notice, .. } if *notice == id => return Some(Say::Reuse(at)),
                State::Asked { question, .. } if *question == id => asked.push(at),
                _ => {}
            }
        }
        if !asked.is_empty() {
            return Some(Say::Ask(asked));
        }
        match self.handover {
            Handover::Sending { id: handover } | Handover::Recalled { id: handover } if handover == id => {
                Some(Say::HandOver)
            }
            _ => self.errand(id).map(|errand| Say::Tell(errand.notice)),
        }
    }

    /// What the hub had to say is in the log, at `index`.
    pub fn logged(&mut self, id: MessageId, index: u64, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        match self.says(id) {
            Some(Say::Request(at)) => {
                let requirement = &mut self.requirements[at];
                if let State::Requested { request, .. } = &mut requirement.state {
                    request.index = Some(index);
                    let candidate = request.candidate.clone();
                    moves.events.push(What::EvidenceRequested(requirement.piece(&candidate)));
                }
            }
            Some(Say::Reuse(at)) => {
                let requirement = &mut self.requirements[at];
                if let State::Reusing { proof, .. } = &requirement.state {
                    requirement.state = State::Proven(proof.clone());
                    let candidate = requirement.candidates.get(requirement.at).cloned();
                    moves.events.extend(candidate.map(|candidate| What::EvidenceReused(requirement.piece(&candidate))));
                }
            }
            Some(Say::Ask(asked)) if !self.has_ended() => {
                self.next = NextActor::Applicant;
                let requirements = asked.into_iter().map(|at| self.requirements[at].id.clone()).collect();
                moves.events.push(What::ApplicantAsked { requirements });
            }
            Some(Say::HandOver) => {
                self.handover = Handover::Done { index, at: turn.now };
                self.reminded = Reminded::No;
                moves.events.push(What::HandedOver { authority: self.authority.clone() });
                self.tell_what_waited(&mut moves);
            }
            Some(Say::Tell(_)) => self.told(id),
            Some(Say::Ask(_)) | None => {}
        }
        self.hand_over_if_complete(&mut moves);
        moves
    }

    /// What the hub had to say was not written: the case has changed its mind since.
    pub(super) fn not_written(&mut self, id: MessageId) -> Moves {
        let mut moves = Moves::default();
        match self.says(id) {
            Some(Say::HandOver) => self.keep(&mut moves),
            Some(Say::Tell(_)) => self.told(id),
            _ => {}
        }
        moves
    }

    /// What the hub had to say was refused by the hub itself: an agreement ended meanwhile, say.
    pub fn not_sent(&mut self, id: MessageId, code: &Code, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        let Some(say) = self.says(id) else { return moves };
        let refused_before = match &say {
            Say::HandOver => self.handovers_refused,
            _ => self.errand(id).map_or(0, |errand| errand.refused),
        };
        // The operator was told of what cannot be sent when it was tried first.
        if refused_before == 0 {
            moves.events.push(What::NotSent { message_type: say.message_type().to_owned(), code: code.clone() });
        }
        let is_worth_writing_again = is_about_the_letter(code);
        match say {
            Say::Tell(_) => self.not_told(id, is_worth_writing_again, turn, &mut moves),
            Say::HandOver if is_worth_writing_again || self.is_recalled() => self.keep(&mut moves),
            Say::HandOver => self.hand_over_later(turn),
            _ if self.has_ended() => {}
            Say::Request(at) if is_worth_writing_again => self.request(at, turn, &mut moves),
            Say::Request(at) => self.give_up(at, Failure::NotSent { code: code.clone() }, turn, &mut moves),
            // To use it again is not allowed; perhaps it is to ask for it.
            Say::Reuse(at) => {
                self.requirements[at].alone = !is_worth_writing_again;
                self.request(at, turn, &mut moves);
            }
            Say::Ask(asked) if is_worth_writing_again => self.ask(asked, turn, &mut moves),
            Say::Ask(asked) => self.go_without(&asked, GapReason::ApplicantNotReached, &mut moves),
        }
        self.hand_over_if_complete(&mut moves);
        moves
    }

    /// Whether the handover that is on its way is wanted no more.
    const fn is_recalled(&self) -> bool {
        matches!(self.handover, Handover::Recalled { .. }) || self.has_ended()
    }

    /// A handover was not made: there may be another, unless the case has ended meanwhile.
    fn keep(&mut self, moves: &mut Moves) {
        self.handover = Handover::Waiting;
        if self.has_ended() {
            // The authority has nothing that could be withdrawn.
            self.errands.clear();
        }
        self.hand_over_if_complete(moves);
    }

    fn hand_over_later(&mut self, turn: Turn) {
        self.handovers_refused = self.handovers_refused.saturating_add(1);
        self.handover = Handover::Again { at: turn.now + pause_after(self.handovers_refused) };
    }

    /// The applicant will not prove these.
    fn go_without(&mut self, requirements: &[usize], because: GapReason, moves: &mut Moves) {
        if requirements.is_empty() {
            return;
        }
        for at in requirements {
            let requirement = &mut self.requirements[*at];
            requirement.state = State::Missing { because };
            moves.events.push(What::RequirementMissing { requirement: requirement.id.clone(), because });
        }
        self.nobody_is_asked();
    }

    /// Messages at these places, of which a handover should be made, cannot be read any more: it has to be proven anew.
    pub fn lost(&mut self, indices: &[u64], turn: Turn) -> Moves {
        self.handover = Handover::Waiting;
        let is_lost = |index: &u64| indices.contains(index);
        let mut moves = match self.consent_at.as_ref().filter(|at| is_lost(at)) {
            Some(_) => self.without_consent(What::ConsentLost, &Failure::ConsentLost, turn),
            None => Moves::default(),
        };
        let mut to_ask = Vec::new();
        for at in 0..self.requirements.len() {
            let requirement = &mut self.requirements[at];
            let State::Proven(proof) = &requirement.state else { continue };
            if !is_lost(&proof.index) {
                continue;
            }
            requirement.alone = true;
            if proof.source == ProofSource::Applicant {
                to_ask.push(at);
            } else {
                self.request(at, turn, &mut moves);
            }
        }
        self.ask(to_ask, turn, &mut moves);
        moves
    }

    /// A receiver rejected what the hub said in the message `id`, at `index` of the log.
    pub fn rejected(&mut self, id: MessageId, index: u64, said: &MessageType, code: &Code, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        let rejected = What::Rejected { message_type: said.clone(), code: code.clone() };
        if self.has_ended() {
            moves.events.push(rejected);
            return moves;
        }
        let asked =
            |at: &usize| matches!(self.requirements[*at].state, State::Asked { question, .. } if question == id);
        let asked: Vec<usize> = (0..self.requirements.len()).filter(asked).collect();
        let requested = self
            .requirements
            .iter()
            .position(|requirement| matches!(&requirement.state, State::Requested { request, .. } if request.id == id));
        if let Some(at) = requested {
            self.give_up(at, Failure::Rejected { code: code.clone() }, turn, &mut moves);
        } else if self.handed_over_at() == Some(index) {
            // Its system does not take the case; somebody has to mend that, and who runs it was told the first time.
            if self.handovers_refused == 0 {
                moves.events.push(rejected);
            }
            self.hand_over_later(turn);
        } else {
            moves.events.push(rejected);
            self.go_without(&asked, GapReason::ApplicantNotReached, &mut moves);
            self.hand_over_if_complete(&mut moves);
        }
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
        let withdrawal = Notice::Withdrawal { index };
        match self.handover {
            Handover::Done { .. } => self.tell(withdrawal, &mut moves),
            Handover::Sending { .. } | Handover::Recalled { .. } => self.tell_after_the_handover(withdrawal),
            Handover::Waiting | Handover::Again { .. } => {}
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
            if *until <= turn.now && turn.now < turn.not_late_before {
                (*until, *latest) = (turn.not_late_before, turn.not_late_before.max(*latest));
            } else if *until <= turn.now {
                self.give_up(at, Failure::TimedOut, turn, &mut moves);
            }
        }
        self.look_at_questions(turn, &mut moves);
        if matches!(self.handover, Handover::Again { at } if at <= turn.now) {
            self.handover = Handover::Waiting;
        }
        self.hand_over_if_complete(&mut moves);
        if self.next_reminder().is_some_and(|at| at <= turn.now) {
            self.remind(turn, &mut moves);
        }
        moves
    }

    /// Reminds the applicant of what the hub asked, and goes on without an answer once it is too late.
    fn look_at_questions(&mut self, turn: Turn, moves: &mut Moves) {
        let (mut is_near, mut unanswered) = (false, Vec::new());
        for (at, requirement) in self.requirements.iter_mut().enumerate() {
            let State::Asked { until, remind_at, .. } = &mut requirement.state else { continue };
            if *until <= turn.now && turn.now < turn.not_late_before {
                *until = turn.not_late_before;
            } else if *until <= turn.now {
                unanswered.push(at);
            } else {
                is_near |= remind_at.take_if(|at| *at <= turn.now).is_some();
            }
        }
        if is_near {
            self.tell(Notice::Reminder { kind: ReminderKind::AnswerDue, to: Reader::Portal }, moves);
            moves.events.push(What::Reminded { kind: ReminderKind::AnswerDue });
        }
        self.go_without(&unanswered, GapReason::ApplicantDidNotAnswer, moves);
    }

    /// Reminds of the day of the decision: first who must act, then both.
    fn remind(&mut self, turn: Turn, moves: &mut Moves) {
        let is_over = self.due_at().is_some_and(|due| due <= turn.now);
        let (kind, readers) = match (is_over, self.next) {
            (true, _) => (ReminderKind::Overdue, &[Reader::Portal, Reader::Authority][..]),
            (false, NextActor::Applicant) => (ReminderKind::DueSoon, &[Reader::Portal][..]),
            (false, _) => (ReminderKind::DueSoon, &[Reader::Authority][..]),
        };
        self.reminded = if is_over { Reminded::Overdue } else { Reminded::DueSoon };
        if is_over {
            self.forget_that_it_is_due_soon();
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

/// Whether a letter was refused for what is the matter with the letter, not with what it says, and is worth writing again: it waited
/// too long, or its key was replaced since.
fn is_about_the_letter(code: &Code) -> bool {
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
