//! How a case moves, without a log or a store.

mod handovers;
mod questions;
mod requests;
mod reuse;
mod telling;

use saphan_schemas::catalogue::RequirementSubject;
use saphan_schemas::ids::{Code, MessageId, MessageType};
use saphan_schemas::message_types::{GapReason, NextActor, NotProvided, ProofSource, ReminderKind};
use saphan_schemas::problem::ProblemCode;

use super::Pseudonym;
use super::case::{Case, CaseStatus, Handover, People};
use super::errands::{Notice, Reader};
use super::moves::{Act, Moves, Say, Turn};
use super::requirement::{Candidate, Proven, Request, Requirement, State};
use super::what::{Failure, What};

const TURN: Turn = Turn { now: 1_000, patience: 1_000, answer_time: 1_000, pause: 600_000, not_late_before: 0 };

/// A case that cites a consent, of one requirement whose two candidates need none.
fn case() -> Case {
    let somebody = Pseudonym::from_bytes([0; 32]);
    let candidate = |provider: &str| Candidate {
        evidence_type: "th.dopa.identity".parse().unwrap(),
        provider: provider.parse().unwrap(),
        legal_basis: "a law".parse().unwrap(),
        needs_consent: false,
    };
    Case {
        id: "0192f0c1-7a30-7c5e-8f53-2b1d0f6f9a11".parse().unwrap(),
        application: 0,
        application_id: MessageId::new(),
        portal: "th.dga/portal".parse().unwrap(),
        service: "th.dopa.move-in".parse().unwrap(),
        authority: "th.dopa/registrar".parse().unwrap(),
        purpose: None,
        consent: Some(MessageId::new()),
        consent_at: Some(0),
        consent_until: Some(u64::MAX),
        people: People { applicant: somebody, person: somebody },
        opened_at: 0,
        status: CaseStatus::Check,
        next: NextActor::Agency,
        requirements: vec![Requirement {
            id: "identity".parse().unwrap(),
            about: RequirementSubject::Applicant,
            candidates: ["th.dopa/one", "th.dopa/two"].map(candidate).to_vec(),
            at: 0,
            retried: false,
            unusable: Vec::new(),
            state: State::Missing { because: GapReason::ApplicantCannotSupply },
            late: Vec::new(),
            spare: None,
            failures: Vec::new(),
        }],
        handover: Handover::Waiting,
        handovers: Vec::new(),
        handovers_refused: 0,
        handovers_rejected: 0,
        begun: false,
        rejections: Vec::new(),
        errands: Vec::new(),
        processing_days: 1,
        complete_at: None,
        remind_at: None,
        approved: None,
        fee_satang: None,
        events: 0,
    }
}

/// What is requested is in the log.
fn requests_are_logged(case: &mut Case) {
    let requests: Vec<MessageId> =
        case.requirements.iter().flat_map(Requirement::requests).map(|request| request.id).collect();
    requests.into_iter().for_each(|id| drop(case.logged(id, 80, TURN)));
}

/// It is time, and the log says that what nobody answered is over.
fn passes(case: &mut Case, turn: Turn) -> Moves {
    let mut moves = case.tick(turn);
    let (lapses, others): (Vec<_>, Vec<_>) =
        moves.acts.drain(..).partition(|act| matches!(act.say, Say::Tell(Notice::Lapse { .. })));
    assert!(!lapses.is_empty(), "nothing is over: {others:?}");
    moves.acts = others;
    lapses.into_iter().for_each(|lapse| moves.extend(case.logged(lapse.id, 90, turn)));
    moves
}

fn requested(case: &Case) -> Request {
    let State::Requested { request, .. } = &case.requirements[0].state else { panic!("it is not requested") };
    request.clone()
}

/// A case that is about to be handed over, and rests on a consent.
fn about_to_be_handed_over() -> (Case, MessageId) {
    let mut case = case();
    case.requirements[0].candidates.truncate(1);
    case.requirements[0].candidates[0].needs_consent = true;
    case.begin(vec![None], TURN);
    let request = requested(&case);
    let handover = case.provided(0, &request, 1, MessageId::new(), TURN.now).acts.remove(0);
    (case, handover.id)
}

fn of_the_applicant() -> Proven {
    Proven {
        index: 4,
        id: MessageId::new(),
        evidence_type: None,
        provider: "th.dga/portal".parse().unwrap(),
        source: ProofSource::Applicant,
        needs_consent: false,
    }
}

fn handed_over() -> Case {
    let (mut case, handover) = about_to_be_handed_over();
    case.note_parts();
    case.logged(handover, 3, TURN);
    case
}

fn submitted() -> MessageType {
    "case.submitted".parse().unwrap()
}

fn rejection() -> Code {
    "schema-unknown".parse().unwrap()
}
