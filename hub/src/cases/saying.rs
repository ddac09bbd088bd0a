//! What became of what a case had to say: it is in the log, or was not written, not sent, rejected, or not to be read any more.

use std::mem;

use saphan_schemas::ids::{Code, MessageId, MessageType};
use saphan_schemas::message_types::{GapReason, NextActor, ProofSource};
use saphan_schemas::problem::ProblemCode;

use super::case::{Case, HandedOver, Handover, Reopened};
use super::errands::{LONGEST_PAUSE_MS, Notice};
use super::evidence::LONGEST_PENDING;
use super::moves::{Moves, Say, Turn};
use super::requirement::{Requirement, State};
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
        match &self.handover {
            Handover::Sending { id: handover, .. } | Handover::Recalled { id: handover, .. } if *handover == id => {
                Some(Say::HandOver)
            }
            _ => self.errand(id).map(|errand| Say::Tell(errand.notice)),
        }
    }

    /// What the hub had to say is in the log, at `index`.
    pub fn logged(&mut self, id: MessageId, index: u64, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        // Given up before it was there; it can be answered all the same.
        let late = self.requirements.iter_mut().flat_map(|requirement| &mut requirement.late);
        late.filter(|late| late.id == id).for_each(|late| late.index = Some(index));
        match self.says(id) {
            Some(Say::Request(at)) => {
                let requirement = &mut self.requirements[at];
                if let State::Requested { request, until, latest, .. } = &mut requirement.state {
                    request.index = Some(index);
                    // Its time begins now, however long it waited for its place.
                    *until = turn.now.saturating_add(turn.patience).max(*until);
                    *latest = turn.now.saturating_add(turn.patience.saturating_mul(LONGEST_PENDING)).max(*latest);
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
            // It waited so long that hardly any time is left: it is asked anew, with another day.
            Some(Say::Ask(asked)) if !self.has_ended() && self.has_little_time(&asked, turn) => {
                self.ask(asked, turn, &mut moves);
            }
            Some(Say::Ask(asked)) if !self.has_ended() => {
                self.next = NextActor::Applicant;
                for at in &asked {
                    if let State::Asked { is_logged, .. } = &mut self.requirements[*at].state {
                        *is_logged = true;
                    }
                }
                let requirements = asked.into_iter().map(|at| self.requirements[at].id.clone()).collect();
                moves.events.push(What::ApplicantAsked { requirements });
            }
            Some(Say::HandOver) => {
                self.handed_over(index, turn);
                moves.events.push(What::HandedOver { authority: self.authority.clone() });
                self.tell_what_waited(&mut moves);
            }
            Some(Say::Tell(notice)) => {
                self.told(id);
                self.noticed(notice, turn, &mut moves);
            }
            Some(Say::Ask(_)) | None => {}
        }
        self.hand_over_if_complete(turn.now, &mut moves);
        moves
    }

    /// Whether less than half of the time to answer is left.
    fn has_little_time(&self, asked: &[usize], turn: Turn) -> bool {
        let little = |at: &usize| match &self.requirements[*at].state {
            State::Asked { until, .. } => until.saturating_sub(turn.now) < turn.answer_time / 2,
            _ => false,
        };
        asked.iter().any(little)
    }

    fn handed_over(&mut self, index: u64, turn: Turn) {
        let handover = mem::replace(&mut self.handover, Handover::Done { index, at: turn.now });
        let parts = match handover {
            Handover::Sending { parts, .. } => parts,
            Handover::Recalled { parts, proofs, .. } => {
                self.close_again(proofs);
                parts
            }
            _ => Vec::new(),
        };
        self.promise(turn.now);
        (self.begun, self.handovers_refused) = (false, 0);
        self.handovers.push(HandedOver { index, parts });
    }

    /// The authority has the case as it was before these were opened again: nobody need prove more.
    fn close_again(&mut self, proofs: Vec<Reopened>) {
        for Reopened { requirement, candidate, proof } in proofs {
            let requirement = &mut self.requirements[requirement];
            if matches!(requirement.state, State::Proven(_)) {
                continue;
            }
            if let State::Requested { request, .. } = &requirement.state {
                requirement.late.push(request.clone());
            }
            requirement.at = candidate;
            requirement.state = State::Proven(proof);
        }
        if !self.has_ended() {
            self.next = NextActor::Agency;
        }
    }

    /// What the hub had to say was not written: the case has changed its mind since.
    pub(super) fn not_written(&mut self, id: MessageId, now: u64) -> Moves {
        let mut moves = Moves::default();
        match self.says(id) {
            Some(Say::HandOver) => self.keep(now, &mut moves),
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
            Say::Tell(notice) => {
                self.not_told(id, is_worth_writing_again, turn, &mut moves);
                // The case does not wait until the portal can be told.
                if !is_worth_writing_again && matches!(notice, Notice::Lapse { .. }) {
                    self.noticed(notice, turn, &mut moves);
                }
            }
            Say::HandOver if is_worth_writing_again || self.is_recalled() => self.keep(turn.now, &mut moves),
            Say::HandOver => {
                self.handovers_refused = self.handovers_refused.saturating_add(1);
                self.hand_over_later(turn.again(self.handovers_refused, LONGEST_PAUSE_MS));
            }
            _ if self.has_ended() => {}
            Say::Request(at) if is_worth_writing_again => self.request(at, turn, &mut moves),
            Say::Request(at) => self.give_up(at, Failure::NotSent { code: code.clone() }, turn, &mut moves),
            Say::Reuse(at) if is_worth_writing_again => self.request(at, turn, &mut moves),
            Say::Reuse(at) => self.not_reused(at, code, turn, &mut moves),
            Say::Ask(asked) if is_worth_writing_again => self.ask(asked, turn, &mut moves),
            Say::Ask(asked) => self.go_without(&asked, GapReason::ApplicantNotReached, &mut moves),
        }
        self.hand_over_if_complete(turn.now, &mut moves);
        moves
    }

    /// To use again what another case has is not allowed; perhaps it is to ask for it, unless that was in vain before.
    fn not_reused(&mut self, at: usize, code: &Code, turn: Turn, moves: &mut Moves) {
        let requirement = &mut self.requirements[at];
        requirement.unusable.push(requirement.at);
        let candidate = requirement.candidates.get(requirement.at);
        if requirement.failures.iter().any(|(failed, _)| Some(failed) == candidate) {
            self.give_up(at, Failure::NotSent { code: code.clone() }, turn, moves);
        } else {
            self.request(at, turn, moves);
        }
    }

    /// Whether the handover that is on its way is wanted no more.
    const fn is_recalled(&self) -> bool {
        matches!(self.handover, Handover::Recalled { .. }) || self.has_ended()
    }

    /// A handover was not made: there may be another, unless the case has ended meanwhile.
    fn keep(&mut self, now: u64, moves: &mut Moves) {
        self.handover = Handover::Waiting;
        self.use_spares();
        if self.has_ended() && self.handovers.is_empty() {
            // The authority has nothing that could be withdrawn.
            self.errands.clear();
        } else if self.has_ended() {
            self.tell_what_waited(moves);
        }
        self.hand_over_if_complete(now, moves);
    }

    /// What came meanwhile goes with the next handover.
    fn use_spares(&mut self) {
        let has_consent = self.consent.is_some();
        for requirement in &mut self.requirements {
            let spare = requirement.spare.take().filter(|proof| has_consent || !proof.needs_consent);
            if let Some(proof) = spare.filter(|_| matches!(requirement.state, State::Missing { .. })) {
                requirement.at = requirement.place_of(&proof).unwrap_or(requirement.at);
                requirement.state = State::Proven(proof);
            }
        }
    }

    fn hand_over_later(&mut self, at: u64) {
        self.handover = Handover::Again { at };
        self.use_spares();
    }

    /// The authority's system does not take the case: somebody has to mend that, and it is handed over again. Each time is one more
    /// copy of it in the log, so the pauses become long.
    fn take_back(&mut self, turn: Turn, moves: &mut Moves) {
        self.handovers_rejected = self.handovers_rejected.saturating_add(1);
        self.hand_over_later(turn.again(self.handovers_rejected, LONGEST_AFTER_REJECTIONS_MS));
        // A consent that was taken back after the handover stops the next one.
        if self.consent.is_none() {
            self.give_up_what_needs_consent(&Failure::ConsentRevoked, turn, moves);
        }
    }

    /// Messages at these places, of which a handover should be made, cannot be read any more: it has to be proven anew.
    pub fn lost(&mut self, indices: &[u64], turn: Turn) -> Moves {
        self.handover = Handover::Waiting;
        self.withdraw_promise();
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
            requirement.unusable.push(requirement.at);
            if proof.source == ProofSource::Applicant {
                to_ask.push(at);
            } else {
                self.request(at, turn, &mut moves);
            }
        }
        self.ask(to_ask, turn, &mut moves);
        moves
    }

    /// A receiver rejected what the hub said in the message `id`, at `index` of the log. `None` if that is known.
    pub fn rejected(
        &mut self,
        id: MessageId,
        index: u64,
        said: &MessageType,
        code: &Code,
        turn: Turn,
    ) -> Option<Moves> {
        if self.rejections.contains(&index) {
            return None;
        }
        self.rejections.push(index);
        let mut moves = Moves::default();
        let rejected = What::Rejected { message_type: said.clone(), code: code.clone() };
        if self.has_ended() {
            moves.events.push(rejected);
            return Some(moves);
        }
        let asked = self.positions(|state| matches!(state, State::Asked { question, .. } if *question == id));
        let requested = self.positions(|state| matches!(state, State::Requested { request, .. } if request.id == id));
        let late = |requirement: &Requirement| requirement.late.iter().any(|late| late.id == id);
        if let Some(at) = self.requirements.iter().position(late) {
            moves.extend(self.failed(at, id, Failure::Rejected { code: code.clone() }, turn));
        } else if let [at] = requested[..] {
            self.give_up(at, Failure::Rejected { code: code.clone() }, turn, &mut moves);
        } else {
            moves.events.push(rejected);
            if matches!(self.handover, Handover::Done { index: last, .. } if last == index) && !self.begun {
                self.take_back(turn, &mut moves);
            }
            self.go_without(&asked, GapReason::ApplicantNotReached, &mut moves);
            self.hand_over_if_complete(turn.now, &mut moves);
        }
        Some(moves)
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

/// The longest pause before a case is handed over again that was rejected.
const LONGEST_AFTER_REJECTIONS_MS: u64 = 7 * 86_400_000;
