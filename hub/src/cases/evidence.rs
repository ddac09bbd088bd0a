//! How evidence comes into a case: used again, requested, provided, declined, late, or asked of the applicant.

use std::mem;

use saphan_schemas::ids::{Code, MessageId, SystemId};
use saphan_schemas::message_types::{Date, GapReason, NextActor, NotProvided, ProofSource};
use saphan_schemas::problem::ProblemCode;

use super::case::{Case, Handover, Reopened};
use super::moves::{Moves, Say, Turn};
use super::requirement::{Candidate, Proven, Request, Requirement, State};
use super::what::{Failure, What};

impl Case {
    /// Takes what the applicant sent along, and asks all providers of the rest at once. `supplied` has one for each requirement.
    pub fn begin(&mut self, supplied: Vec<Option<Proven>>, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        moves.events.push(What::Submitted);
        let mut to_ask = Vec::new();
        for (at, supplied) in supplied.into_iter().enumerate().take(self.requirements.len()) {
            let requirement = &mut self.requirements[at];
            if let Some(proof) = supplied {
                requirement.state = State::Proven(proof);
                moves.events.push(What::ApplicantSupplied { requirement: requirement.id.clone() });
            } else if requirement.candidates.is_empty() {
                to_ask.push(at);
            } else {
                self.request(at, turn, &mut moves);
            }
        }
        self.ask(to_ask, turn, &mut moves);
        self.hand_over_if_complete(turn.now, &mut moves);
        moves
    }

    /// Uses what the candidate at this position provided for another case, instead of asking, or of waiting for the answer.
    pub fn use_again(&mut self, at: usize, candidate: usize, proof: Proven) -> Moves {
        let mut moves = Moves::default();
        let notice = moves.say(Say::Reuse(at));
        let requirement = &mut self.requirements[at];
        if let State::Requested { request, .. } = &requirement.state {
            requirement.late.push(request.clone());
        }
        requirement.at = candidate;
        requirement.state = State::Reusing { notice, proof };
        moves
    }

    /// Waits for what the candidate whose turn it is was asked for in another case, instead of asking.
    pub fn wait(&mut self, at: usize) -> Moves {
        let mut moves = Moves::default();
        let requirement = &mut self.requirements[at];
        requirement.state = State::Awaiting;
        if let Some(candidate) = requirement.candidates.get(requirement.at) {
            moves.events.push(What::EvidenceAwaited(requirement.piece(candidate)));
        }
        moves
    }

    /// Asks for what it waited for in vain.
    pub fn wait_no_more(&mut self, at: usize, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        self.request(at, turn, &mut moves);
        moves
    }

    /// The request that `id` names, with the position of the requirement that it is for.
    ///
    /// # Errors
    /// What the answer is rejected with.
    pub fn awaited(&self, id: Option<MessageId>, sender: &SystemId) -> Result<Awaited<'_>, ProblemCode> {
        if self.has_ended() {
            return Err(ProblemCode::CaseClosed);
        }
        let mut requests = self
            .requirements
            .iter()
            .enumerate()
            .flat_map(|(at, one)| one.requests().map(move |request| (at, one, request)));
        let found = requests.find(|(_, _, request)| Some(request.id) == id && request.candidate.provider == *sender);
        let (at, requirement, request) = found.ok_or(ProblemCode::EvidenceNotAwaited)?;
        let is_needed = match &requirement.state {
            State::Proven(_) => false,
            // What is on its way may come back.
            State::Missing { .. } => !self.is_handed_over(),
            _ => true,
        };
        Ok(Awaited { at, request, is_needed })
    }

    /// Good evidence came for the requirement at `at`, as an answer to `request`.
    pub fn provided(&mut self, at: usize, request: &Request, index: u64, id: MessageId, now: u64) -> Moves {
        let mut moves = Moves::default();
        let (is_on_its_way, candidate) = (self.is_on_its_way(), &request.candidate);
        let requirement = &mut self.requirements[at];
        requirement.late.retain(|late| late.id != request.id);
        let was_asked = matches!(requirement.state, State::Asked { .. });
        let proof = Proven {
            index,
            id,
            evidence_type: Some(candidate.evidence_type.clone()),
            provider: candidate.provider.clone(),
            source: ProofSource::Requested,
            needs_consent: candidate.needs_consent,
        };
        moves.events.push(What::EvidenceProvided(requirement.piece(candidate)));
        if is_on_its_way && matches!(requirement.state, State::Missing { .. }) {
            requirement.spare = Some(proof);
            return moves;
        }
        // Who was asked since is still answering; that serves the next case.
        if let State::Requested { request: other, .. } = &requirement.state
            && other.id != request.id
        {
            requirement.late.push(other.clone());
        }
        requirement.at = requirement.place_of(&proof).unwrap_or(requirement.at);
        requirement.state = State::Proven(proof);
        if was_asked {
            self.nobody_is_asked();
        }
        self.hand_over_if_complete(now, &mut moves);
        moves
    }

    /// What came as an answer to `request` is not needed here any more.
    pub fn served(&mut self, at: usize, request: MessageId) -> Moves {
        self.requirements[at].late.retain(|late| late.id != request);
        Moves::default()
    }

    /// What came, or did not come, for the requirement at `at` as an answer to `id` is of no use.
    pub fn failed(&mut self, at: usize, id: MessageId, failure: Failure, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        let requirement = &mut self.requirements[at];
        let is_current = matches!(&requirement.state, State::Requested { request, .. } if request.id == id);
        if is_current {
            self.give_up(at, failure, turn, &mut moves);
        } else if let Some(late) = requirement.late.iter().position(|late| late.id == id) {
            // It need not be asked when it is its turn.
            let candidate = requirement.late.remove(late).candidate;
            moves.events.push(What::EvidenceFailed { piece: requirement.piece(&candidate), failure: failure.clone() });
            requirement.failures.push((candidate, failure));
        }
        moves
    }

    /// The provider takes longer: until `until` (ms), but not for ever, however often it says so.
    pub fn pending(&mut self, at: usize, id: MessageId, until: u64) -> Moves {
        let mut moves = Moves::default();
        let requirement = &mut self.requirements[at];
        if let Some(late) = requirement.late.iter_mut().find(|late| late.id == id) {
            late.promised = Some(until);
        }
        if let State::Requested { request, until: waits, latest, pending } = &mut requirement.state
            && request.id == id
        {
            request.promised = Some(until);
            (*waits, *pending) = (until.min(*latest).max(*waits), true);
            let (until, candidate) = (*waits, request.candidate.clone());
            moves.events.push(What::EvidencePending { piece: requirement.piece(&candidate), until });
        }
        moves
    }

    /// The applicant has answered what the hub asked about these requirements; `false`: cannot.
    ///
    /// # Errors
    /// Nothing of it was asked.
    pub fn supplied(&mut self, answers: &[(Code, bool)], proof: &Proven, now: u64) -> Result<Moves, ProblemCode> {
        if self.has_ended() {
            return Err(ProblemCode::CaseClosed);
        }
        let mut moves = Moves::default();
        // Too late is an answer only once the case is on its way without it.
        let is_here = self.is_still_here();
        for (item, is_there) in answers {
            let open = |requirement: &&mut Requirement| match requirement.state {
                State::Asked { .. } => requirement.id == *item,
                State::Missing { .. } => requirement.id == *item && is_here && *is_there,
                _ => false,
            };
            let Some(requirement) = self.requirements.iter_mut().find(open) else { continue };
            let requirement_id = requirement.id.clone();
            if *is_there {
                requirement.state = State::Proven(proof.clone());
                moves.events.push(What::ApplicantSupplied { requirement: requirement_id });
            } else {
                let because = GapReason::ApplicantCannotSupply;
                requirement.state = State::Missing { because };
                moves.events.push(What::RequirementMissing { requirement: requirement_id, because });
            }
        }
        if moves.events.is_empty() {
            return Err(ProblemCode::EvidenceNotAwaited);
        }
        self.nobody_is_asked();
        self.hand_over_if_complete(now, &mut moves);
        Ok(moves)
    }

    /// The consent was taken back: what rests on it is used no further.
    pub fn consent_revoked(&mut self, turn: Turn) -> Moves {
        self.without_consent(What::ConsentRevoked, &Failure::ConsentRevoked, turn)
    }

    /// The time that the consent was given for is over.
    pub(super) fn consent_ended(&mut self, turn: Turn) -> Moves {
        self.without_consent(What::ConsentEnded, &Failure::ConsentEnded, turn)
    }

    pub(super) fn without_consent(&mut self, event: What, failure: &Failure, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        if self.has_ended() || self.consent.take().is_none() {
            return moves;
        }
        moves.events.push(event);
        if !self.is_handed_over() {
            self.give_up_what_needs_consent(failure, turn, &mut moves);
        }
        moves
    }

    /// What rests on a consent that there is no more: somebody else is asked, or the applicant.
    pub(super) fn give_up_what_needs_consent(&mut self, failure: &Failure, turn: Turn, moves: &mut Moves) {
        let mut proofs = Vec::new();
        let mut given_up = Vec::new();
        for at in 0..self.requirements.len() {
            let rests_on_it = match &self.requirements[at].state {
                State::Requested { .. } | State::Awaiting => {
                    self.requirements[at].seeks().is_some_and(|(candidate, _)| candidate.needs_consent)
                }
                State::Reusing { proof, .. } | State::Proven(proof) => proof.needs_consent,
                State::Asked { .. } | State::Missing { .. } => false,
            };
            self.requirements[at].late.retain(|request| !request.candidate.needs_consent);
            if rests_on_it {
                given_up.push(at);
                if let State::Proven(proof) = &self.requirements[at].state {
                    let candidate = self.requirements[at].at;
                    proofs.push(Reopened { requirement: at, candidate, proof: proof.clone() });
                }
            }
        }
        if given_up.is_empty() {
            return;
        }
        // A handover that cites the consent is refused, unless it was judged before.
        if let Handover::Sending { id, parts } = &mut self.handover {
            self.handover = Handover::Recalled { id: *id, parts: mem::take(parts), proofs };
        }
        self.withdraw_promise();
        for at in given_up {
            self.give_up(at, failure.clone(), turn, moves);
        }
    }

    pub(super) fn request(&mut self, at: usize, turn: Turn, moves: &mut Moves) {
        let id = moves.say(Say::Request(at));
        let requirement = &mut self.requirements[at];
        let candidate = requirement.candidates[requirement.at].clone();
        let request = Request { id, index: None, candidate, promised: None };
        let until = turn.now.saturating_add(turn.patience);
        let latest = turn.now.saturating_add(turn.patience.saturating_mul(LONGEST_PENDING));
        requirement.state = State::Requested { request, until, latest, pending: false };
    }

    /// Waits for the answer to what the same candidate was asked before, instead of asking again. Returns whether there is such a
    /// request.
    pub(super) fn take_up(&mut self, at: usize) -> bool {
        let requirement = &mut self.requirements[at];
        let State::Requested { request, until, latest, .. } = &mut requirement.state else { return false };
        let is_open = |late: &Request| late.candidate == request.candidate && late.index.is_some();
        let Some(open) = requirement.late.iter().position(is_open) else { return false };
        *request = requirement.late.remove(open);
        *until = (*until).max(request.promised.unwrap_or(0).min(*latest));
        let of = request.id;
        self.forget_lapse(of);
        true
    }

    /// The candidate whose turn it was will not do: the same again if a mistake may be mended, else the next, else the applicant.
    pub(super) fn give_up(&mut self, at: usize, failure: Failure, turn: Turn, moves: &mut Moves) {
        let has_consent = self.consent.is_some();
        let requirement = &mut self.requirements[at];
        let Some(candidate) = requirement.candidates.get(requirement.at).cloned() else {
            return self.ask(vec![at], turn, moves);
        };
        moves.events.push(What::EvidenceFailed { piece: requirement.piece(&candidate), failure: failure.clone() });
        if failure == Failure::TimedOut
            && let State::Requested { request, .. } = &requirement.state
        {
            requirement.late.push(request.clone());
        }
        let again = matches!(failure, Failure::Invalid { .. }) && !requirement.retried;
        requirement.failures.push((candidate, failure));
        if again {
            requirement.retried = true;
            return self.request(at, turn, moves);
        }
        let usable = |(_, next): &(usize, &Candidate)| has_consent || !next.needs_consent;
        // Also one that was passed over, because what another provided for an earlier case could be used again.
        let failed = |candidate: &Candidate| requirement.failures.iter().any(|(failed, _)| failed == candidate);
        let untried = requirement.candidates.iter().enumerate().filter(|(_, candidate)| !failed(candidate));
        match untried.filter(usable).map(|(next, _)| next).next() {
            Some(next) => {
                (requirement.at, requirement.retried) = (next, false);
                self.request(at, turn, moves);
            }
            None => self.ask(vec![at], turn, moves),
        }
    }

    pub(super) fn ask(&mut self, at: Vec<usize>, turn: Turn, moves: &mut Moves) {
        if at.is_empty() {
            return;
        }
        let question = moves.say(Say::Ask(at.clone()));
        // The whole of the last day is the applicant's.
        let until = turn.now.saturating_add(turn.answer_time);
        let until = Date::in_thailand(until).map_or(until, |last| last.ends_at());
        let remind_at = Some(until.saturating_sub(turn.answer_time / REMINDED_AT));
        for at in at {
            self.requirements[at].state = State::Asked { question, is_logged: false, until, remind_at };
        }
    }

    /// The applicant will not prove these.
    pub(super) fn go_without(&mut self, requirements: &[usize], because: GapReason, moves: &mut Moves) {
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

    /// Once the applicant has nothing to answer any more, it is the agencies' turn.
    pub(super) fn nobody_is_asked(&mut self) {
        if !self.requirements.iter().any(|requirement| matches!(requirement.state, State::Asked { .. })) {
            self.next = NextActor::Agency;
        }
    }

    /// Whether it is on its way to nobody, so that what comes still counts.
    const fn is_still_here(&self) -> bool {
        matches!(self.handover, Handover::Waiting | Handover::Again { .. })
    }

    pub(super) fn hand_over_if_complete(&mut self, now: u64, moves: &mut Moves) {
        if self.has_ended() || !self.requirements.iter().all(Requirement::is_settled) {
            return;
        }
        self.promise(now);
        if self.handover == Handover::Waiting {
            self.handover = Handover::Sending { id: moves.say(Say::HandOver), parts: Vec::new() };
        }
    }
}

/// A request whose answer came.
pub struct Awaited<'a> {
    /// The position of the requirement that it is for.
    pub at: usize,
    /// The request.
    pub request: &'a Request,
    /// Whether the case still needs it; otherwise it may serve another.
    pub is_needed: bool,
}

impl From<NotProvided> for Failure {
    fn from(because: NotProvided) -> Self {
        Self::Declined { because }
    }
}

/// How many times the usual patience a provider gets that says it takes longer.
pub(super) const LONGEST_PENDING: u64 = 10;
/// The applicant is reminded when this part of the time is left.
const REMINDED_AT: u64 = 5;
