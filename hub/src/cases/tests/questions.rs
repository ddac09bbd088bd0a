//! The applicant is asked.

use super::*;

fn asked() -> (Case, MessageId) {
    let mut case = case();
    case.requirements[0].candidates.clear();
    let question = case.begin(vec![None], TURN).acts.remove(0);
    (case, question.id)
}

#[test]
fn the_applicants_time_begins_when_the_question_is_asked_and_a_fifth_of_it_is_left_at_the_reminder() {
    let turn = Turn { answer_time: 10 * 86_400_000, ..TURN };
    let mut case = case();
    case.requirements[0].candidates.clear();
    let question = case.begin(vec![None], turn).acts.remove(0);
    assert_eq!(case.wake(), Some(u64::MAX), "nobody can answer what is not asked yet");
    case.logged(question.id, 1, turn);
    let State::Asked { until, remind_at, .. } = case.requirements[0].state else { panic!("it is asked") };
    assert_eq!((remind_at, case.wake()), (Some(until - 2 * 86_400_000), remind_at));
    assert!((until + 7 * 3_600_000).is_multiple_of(86_400_000), "a day ends at midnight in Thailand");
}

#[test]
fn a_question_that_waited_too_long_to_be_sent_is_asked_anew() {
    let (mut case, question) = asked();
    let acts = case.not_sent(question, &"issued-too-long-ago".parse().unwrap(), TURN).acts;
    assert!(matches!(acts[..], [Act { id, say: Say::Ask(_) }] if id != question), "{acts:?}");
    let acts = case.not_sent(acts[0].id, &"agreement-missing".parse().unwrap(), TURN).acts;
    assert!(matches!(acts[..], [Act { say: Say::HandOver, .. }]), "{acts:?}");
}

#[test]
fn a_question_that_is_logged_when_hardly_any_time_is_left_is_asked_anew() {
    let turn = Turn { answer_time: 10 * 86_400_000, ..TURN };
    let mut case = case();
    case.requirements[0].candidates.clear();
    let question = case.begin(vec![None], turn).acts.remove(0);
    let late = Turn { now: TURN.now + 8 * 86_400_000, ..turn };
    let acts = case.logged(question.id, 1, late).acts;
    let [Act { id, say: Say::Ask(_) }] = acts[..] else { panic!("{acts:?}") };
    case.logged(id, 2, late);
    assert!(case.wake().unwrap() > late.now + 7 * 86_400_000);
}

#[test]
fn what_the_applicant_sent_and_cannot_be_read_any_more_is_asked_of_the_applicant_again() {
    let (mut case, question) = asked();
    case.logged(question, 1, TURN);
    case.supplied(&[("identity".parse().unwrap(), true)], &of_the_applicant(), TURN.now).unwrap();
    let acts = case.lost(&[4], TURN).acts;
    assert!(matches!(acts[..], [Act { say: Say::Ask(_), .. }]), "{acts:?}");
}

#[test]
fn a_question_about_two_things_is_over_once() {
    let mut case = case();
    let mut second = case.requirements[0].clone();
    second.id = "other".parse().unwrap();
    case.requirements.push(second);
    case.requirements.iter_mut().for_each(|requirement| requirement.candidates.clear());
    let question = case.begin(vec![None, None], TURN).acts.remove(0);
    case.logged(question.id, 1, TURN);
    let late = Turn { now: TURN.now + 3 * 86_400_000, ..TURN };
    let moves = passes(&mut case, late);
    assert_eq!(moves.events.len(), 2, "{moves:?}");
    assert!(matches!(moves.acts[..], [Act { say: Say::HandOver, .. }]), "{moves:?}");
}
