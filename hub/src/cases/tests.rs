//! How a case moves, without a log or a store.

use saphan_schemas::catalogue::RequirementSubject;
use saphan_schemas::ids::{Code, MessageId};
use saphan_schemas::message_types::{GapReason, NextActor, ProofSource};

use super::Pseudonym;
use super::case::{Candidate, Case, CaseStatus, Handover, People, Proven, Reminded, Request, Requirement, State};
use super::errands::Notice;
use super::moves::{Act, Moves, Say, Turn};

const TURN: Turn = Turn { now: 1_000, patience: 1_000, answer_time: 1_000, not_late_before: 0 };

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
            alone: false,
            state: State::Missing { because: GapReason::ApplicantCannotSupply },
            late: Vec::new(),
            failures: Vec::new(),
        }],
        handover: Handover::Waiting,
        handovers_refused: 0,
        errands: Vec::new(),
        processing_days: 1,
        reminded: Reminded::No,
        approved: None,
        fee_satang: None,
        events: 0,
    }
}

fn requested(case: &Case) -> Request {
    let State::Requested { request, .. } = &case.requirements[0].state else { panic!("it is not requested") };
    request.clone()
}

#[test]
fn a_handover_that_rests_on_no_consent_is_not_made_twice_when_one_is_taken_back() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let request = requested(&case);
    let moves = case.provided(0, &request.candidate, 1, MessageId::new());
    assert_eq!(moves.acts.len(), 1, "it is handed over");
    let handover = case.handover;
    assert!(case.consent_revoked(TURN).acts.is_empty());
    assert_eq!(case.handover, handover);
}

#[test]
fn a_handover_that_was_logged_after_its_consent_was_taken_back_is_the_only_one() {
    let (mut case, handover) = about_to_be_handed_over();
    let asked = case.consent_revoked(TURN).acts;
    assert!(matches!(asked[..], [Act { say: Say::Ask(_), .. }]), "{asked:?}");
    // It had been judged before the consent was known to be taken back.
    case.logged(handover, 3, TURN);
    assert!(matches!(case.handover, Handover::Done { index: 3, .. }));
    assert!(missing(&mut case).acts.is_empty(), "the authority has it");
}

/// A case that is about to be handed over, and rests on a consent.
fn about_to_be_handed_over() -> (Case, MessageId) {
    let mut case = case();
    case.requirements[0].candidates.truncate(1);
    case.requirements[0].candidates[0].needs_consent = true;
    case.begin(vec![None], TURN);
    let request = requested(&case);
    let handover = case.provided(0, &request.candidate, 1, MessageId::new()).acts.remove(0);
    (case, handover.id)
}

fn missing(case: &mut Case) -> Moves {
    let proof = Proven {
        index: 4,
        id: MessageId::new(),
        evidence_type: None,
        provider: "th.dga/portal".parse().unwrap(),
        source: ProofSource::Applicant,
        needs_consent: false,
    };
    case.supplied(&[("identity".parse().unwrap(), false)], &proof).unwrap()
}

#[test]
fn while_it_is_not_known_whether_a_handover_is_in_the_log_there_is_no_other() {
    let (mut case, handover) = about_to_be_handed_over();
    case.consent_revoked(TURN);
    assert!(missing(&mut case).acts.is_empty(), "it is complete, but may have been handed over");
    let code = "consent-insufficient".parse().unwrap();
    let moves = case.not_sent(handover, &code, TURN);
    assert!(matches!(moves.acts[..], [Act { say: Say::HandOver, .. }]), "{moves:?}");
    // What was never written is not in the log either.
    let (mut case, handover) = about_to_be_handed_over();
    case.consent_revoked(TURN);
    missing(&mut case);
    let moves = case.not_written(handover);
    assert!(matches!(moves.acts[..], [Act { say: Say::HandOver, .. }]), "{moves:?}");
}

#[test]
fn the_authority_is_told_of_a_withdrawal_after_it_was_handed_the_case_and_only_then() {
    let (mut case, handover) = about_to_be_handed_over();
    assert!(case.withdrawn(2).unwrap().acts.is_empty(), "not before the case");
    let moves = case.logged(handover, 3, TURN);
    let [Act { id, say: Say::Tell(Notice::Withdrawal { index: 2 }) }] = moves.acts[..] else { panic!("{moves:?}") };
    assert_eq!(case.errands.len(), 1);
    case.logged(id, 4, TURN);
    assert_eq!((case.errands.len(), case.wake()), (0, None));
    // It never gets the case.
    let (mut case, handover) = about_to_be_handed_over();
    case.withdrawn(2).unwrap();
    let code = "agreement-missing".parse().unwrap();
    let moves = case.not_sent(handover, &code, TURN);
    assert!(moves.acts.is_empty() && case.errands.is_empty() && case.wake().is_none(), "{moves:?}");
}

#[test]
fn a_withdrawal_that_cannot_be_sent_is_tried_again_after_longer_and_longer_pauses() {
    let (mut case, handover) = about_to_be_handed_over();
    case.logged(handover, 3, TURN);
    let mut moves = case.withdrawn(4).unwrap();
    let code: Code = "agreement-missing".parse().unwrap();
    let mut now = TURN.now;
    let minutes = [10, 20, 40, 80, 160, 320, 320];
    for (at, pause) in minutes.into_iter().enumerate() {
        let [Act { id, say: Say::Tell(_) }] = moves.acts[..] else { panic!("{moves:?}") };
        let refused = case.not_sent(id, &code, Turn { now, ..TURN });
        assert_eq!(refused.events.len(), usize::from(at == 0), "the operator is told once");
        now += pause * 60_000;
        assert_eq!(case.wake(), Some(now));
        assert!(case.tick(Turn { now: now - 1, ..TURN }).acts.is_empty());
        moves = case.tick(Turn { now, ..TURN });
    }
}

#[test]
fn a_request_that_was_not_sent_is_no_reason_to_ask_anybody_once_the_case_has_ended() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let request = requested(&case);
    case.withdrawn(1).unwrap();
    let code = "agreement-missing".parse().unwrap();
    assert!(case.not_sent(request.id, &code, TURN).acts.is_empty());
}

#[test]
fn a_request_that_waited_too_long_to_be_sent_is_made_again_to_the_same_provider() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let first = requested(&case);
    let code = "issued-too-long-ago".parse().unwrap();
    case.not_sent(first.id, &code, TURN);
    let second = requested(&case);
    assert_eq!(second.candidate, first.candidate);
    assert_ne!(second.id, first.id);
    assert!(case.requirements[0].failures.is_empty());
}
