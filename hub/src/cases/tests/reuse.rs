//! What another case has is used again, or may not be.

use super::*;

/// What the first of two gave another case, once the second is asked here.
fn answered_elsewhere(needs_consent: bool) -> (Case, Request, Proven, Turn) {
    let mut case = case();
    case.requirements[0].candidates[0].needs_consent = needs_consent;
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let (first, late) = (requested(&case), Turn { now: case.wake().unwrap(), ..TURN });
    passes(&mut case, late);
    case.logged(requested(&case).id, 91, late);
    let second = requested(&case);
    let evidence_type = Some(first.candidate.evidence_type.clone());
    let provider = first.candidate.provider;
    let proof = Proven { evidence_type, provider, source: ProofSource::Reused, needs_consent, ..of_the_applicant() };
    (case, second, proof, late)
}

/// Somebody is asked; who is asked already is waited for instead.
fn takes_up(case: &mut Case, moves: &Moves) {
    assert!(matches!(moves.acts[..], [Act { say: Say::Request(0), .. }]), "{moves:?}");
    assert!(case.take_up(0), "it was asked before");
}

#[test]
fn a_provider_that_was_passed_over_for_what_could_be_used_again_is_asked_before_the_applicant() {
    let mut case = case();
    case.requirements[0].candidates[1].needs_consent = true;
    case.begin(vec![None], TURN);
    let proof = Proven { needs_consent: true, source: ProofSource::Reused, ..of_the_applicant() };
    case.use_again(0, 1, proof);
    let acts = case.consent_revoked(TURN).acts;
    assert!(matches!(acts[..], [Act { say: Say::Request(0), .. }]), "{acts:?}");
    assert_eq!(requested(&case).candidate, case.requirements[0].candidates[0]);
}

#[test]
fn nobody_is_asked_twice_when_what_another_case_has_may_not_be_used() {
    let (mut case, second, proof, late) = answered_elsewhere(false);
    let reuse = case.use_again(0, 0, proof).acts.remove(0);
    let moves = case.not_sent(reuse.id, &"agreement-missing".parse().unwrap(), late);
    assert_eq!(case.requirements[0].unusable, [0], "it is not offered again");
    takes_up(&mut case, &moves);
    assert_eq!(requested(&case), second, "the first has had its time");
}

#[test]
fn when_a_consent_is_taken_back_who_was_asked_already_is_not_asked_again() {
    let (mut case, second, proof, late) = answered_elsewhere(true);
    let reuse = case.use_again(0, 0, proof).acts.remove(0);
    case.logged(reuse.id, 96, late);
    let moves = case.consent_revoked(late);
    takes_up(&mut case, &moves);
    assert_eq!(requested(&case), second);
}

#[test]
fn who_has_promised_an_answer_is_waited_for_as_long_when_its_request_is_taken_up_again() {
    let (mut case, second, proof, late) = answered_elsewhere(true);
    let until = late.now + 8_000;
    case.pending(0, second.id, until);
    let reuse = case.use_again(0, 0, proof).acts.remove(0);
    case.logged(reuse.id, 96, late);
    let moves = case.consent_revoked(late);
    takes_up(&mut case, &moves);
    assert_eq!(case.wake(), Some(until + 500));
}

#[test]
fn a_request_that_is_rejected_or_declined_after_it_was_given_up_is_not_waited_for_again() {
    for is_rejected in [true, false] {
        let (mut case, second, proof, late) = answered_elsewhere(true);
        let reuse = case.use_again(0, 0, proof).acts.remove(0);
        case.logged(reuse.id, 96, late);
        let (code, requested): (Code, MessageType) =
            ("not-ours".parse().unwrap(), "evidence.requested".parse().unwrap());
        if is_rejected {
            case.rejected(second.id, 91, &requested, &code, late).unwrap();
        } else {
            case.failed(0, second.id, Failure::Declined { because: NotProvided::SubjectNotFound }, late);
        }
        let moves = case.consent_revoked(late);
        assert!(matches!(moves.acts[..], [Act { say: Say::Ask(_), .. }]), "{moves:?}");
    }
}

#[test]
fn a_request_that_is_logged_after_it_was_given_up_is_one_that_is_open() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let first = requested(&case);
    let proof = Proven { source: ProofSource::Reused, needs_consent: true, ..of_the_applicant() };
    let reuse = case.use_again(0, 1, proof).acts.remove(0);
    case.logged(first.id, 80, TURN);
    case.logged(reuse.id, 81, TURN);
    let moves = case.consent_revoked(TURN);
    takes_up(&mut case, &moves);
    assert_eq!(requested(&case).id, first.id);
}
