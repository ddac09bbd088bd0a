//! Evidence is asked of those who hold it, in time and late.

use super::*;

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

#[test]
fn a_request_that_waited_for_room_in_the_log_has_the_whole_time() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let first = requested(&case);
    let late = Turn { now: TURN.now + TURN.patience + 500, ..TURN };
    assert!(case.tick(late).acts.is_empty(), "nobody can answer what is not asked yet");
    case.logged(first.id, 90, late);
    assert_eq!(case.wake(), Some(late.now + TURN.patience + 500));
}

#[test]
fn the_time_of_a_request_begins_when_it_is_in_the_log() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let first = requested(&case);
    case.logged(first.id, 90, Turn { now: TURN.now + 499, ..TURN });
    assert_eq!(case.wake(), Some(TURN.now + 499 + TURN.patience + 500));
}

#[test]
fn who_answers_at_the_last_moment_is_not_late_while_the_answer_is_on_its_way() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let end = TURN.now + TURN.patience;
    assert_eq!(case.wake(), Some(end + 500));
    assert!(case.tick(Turn { now: end + 499, ..TURN }).acts.is_empty());
    assert_eq!(case.tick(Turn { now: end + 500, ..TURN }).acts.len(), 1);
}

#[test]
fn evidence_that_is_logged_before_the_end_of_its_request_is_in_time() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let request = requested(&case);
    let late = Turn { now: case.wake().unwrap(), ..TURN };
    let lapse = case.tick(late).acts.remove(0);
    case.provided(0, &request, 5, MessageId::new(), late.now);
    let moves = case.logged(lapse.id, 6, late);
    assert!(moves.events.is_empty() && case.requirements[0].failures.is_empty(), "{moves:?}");
}

#[test]
fn a_provider_that_asks_for_more_time_just_before_the_end_of_its_request_gets_it() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let request = requested(&case);
    let late = Turn { now: case.wake().unwrap(), ..TURN };
    let lapse = case.tick(late).acts.remove(0);
    let until = late.now + 3_000;
    case.pending(0, request.id, until);
    assert!(case.logged(lapse.id, 6, late).events.is_empty());
    assert_eq!(
        (requested(&case).id, case.wake()),
        (request.id, Some(until + 500)),
        "then it is over, for the second time"
    );
    let moves = passes(&mut case, Turn { now: until + 500, ..TURN });
    assert!(matches!(moves.events[..], [What::EvidenceFailed { failure: Failure::TimedOut, .. }]), "{moves:?}");
}

#[test]
fn evidence_that_comes_late_is_taken_while_the_case_is_still_here() {
    let mut case = case();
    case.requirements[0].candidates.truncate(1);
    let mut second = case.requirements[0].clone();
    second.id = "other".parse().unwrap();
    case.requirements.push(second);
    case.begin(vec![None, None], TURN);
    requests_are_logged(&mut case);
    let request = requested(&case);
    // The provider is silent, and so is the applicant.
    let patient = Turn { now: TURN.now + 2_000, patience: u64::MAX / 2, ..TURN };
    let acts = passes(&mut case, patient).acts;
    let question = acts.iter().find(|act| matches!(&act.say, Say::Ask(at) if at[..] == [0])).unwrap();
    case.logged(question.id, 1, patient);
    passes(&mut case, Turn { now: TURN.now + 3 * 86_400_000, ..patient });
    assert!(matches!(case.requirements[0].state, State::Missing { because: GapReason::ApplicantDidNotAnswer }));
    let awaited = case.awaited(Some(request.id), &request.candidate.provider).unwrap();
    assert!(awaited.is_needed);
    let at = awaited.at;
    case.provided(at, &request, 5, MessageId::new(), TURN.now);
    let again = case.awaited(Some(request.id), &request.candidate.provider).err();
    assert_eq!(again, Some(ProblemCode::EvidenceNotAwaited), "it has answered");
}

#[test]
fn who_was_asked_second_is_heard_though_the_first_one_answered_late() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let (first, late) = (requested(&case), Turn { now: case.wake().unwrap(), ..TURN });
    passes(&mut case, late);
    let second = requested(&case);
    assert_ne!(first.candidate, second.candidate);
    case.logged(second.id, 91, late);
    case.provided(0, &first, 92, MessageId::new(), late.now);
    let answer = case.awaited(Some(second.id), &second.candidate.provider).unwrap();
    assert!(!answer.is_needed, "it may serve another case");
}

#[test]
fn evidence_that_came_late_and_is_lost_is_asked_for_again_where_it_came_from() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let (first, late) = (requested(&case), Turn { now: case.wake().unwrap(), ..TURN });
    passes(&mut case, late);
    case.provided(0, &first, 92, MessageId::new(), late.now);
    case.lost(&[92], late);
    assert_eq!(requested(&case).candidate, first.candidate);
}

#[test]
fn of_two_agreements_with_one_provider_the_one_that_it_answered_under_counts() {
    let mut case = case();
    let twin = Candidate { needs_consent: true, ..case.requirements[0].candidates[0].clone() };
    case.requirements[0].candidates = vec![twin.clone(), Candidate { needs_consent: false, ..twin }];
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let late = Turn { now: case.wake().unwrap(), ..TURN };
    passes(&mut case, late);
    case.logged(requested(&case).id, 91, late);
    case.provided(0, &requested(&case), 92, MessageId::new(), late.now);
    assert_eq!(case.requirements[0].at, 1);
    case.consent_revoked(late);
    assert!(matches!(case.requirements[0].state, State::Proven(_)), "it needs none");
}
