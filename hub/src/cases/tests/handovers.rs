//! Handing a case over to its authority: when, what goes along, and what follows from a rejection.

use super::*;

#[test]
fn a_handover_that_rests_on_no_consent_is_not_made_twice_when_one_is_taken_back() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let request = requested(&case);
    let moves = case.provided(0, &request, 1, MessageId::new(), TURN.now);
    assert_eq!(moves.acts.len(), 1, "it is handed over");
    let handover = case.handover.clone();
    assert!(case.consent_revoked(TURN).acts.is_empty());
    assert_eq!(case.handover, handover);
}

fn missing(case: &mut Case) -> Moves {
    case.supplied(&[("identity".parse().unwrap(), false)], &of_the_applicant(), TURN.now).unwrap()
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
    let moves = case.not_written(handover, TURN.now);
    assert!(matches!(moves.acts[..], [Act { say: Say::HandOver, .. }]), "{moves:?}");
}

#[test]
fn a_handover_that_was_recalled_and_logged_all_the_same_leaves_nothing_open() {
    let (mut case, handover) = about_to_be_handed_over();
    let asked = case.consent_revoked(TURN).acts;
    let [Act { id: question, say: Say::Ask(_) }] = asked[..] else { panic!("{asked:?}") };
    case.logged(question, 2, TURN);
    assert_eq!(case.next, NextActor::Applicant);
    // It had been judged before the consent was known to be taken back.
    case.logged(handover, 3, TURN);
    assert!(matches!(case.requirements[0].state, State::Proven(_)), "the authority has what proved it");
    assert_eq!((case.next, case.handovers.len()), (NextActor::Agency, 1));
    let late = case.supplied(&[("identity".parse().unwrap(), true)], &of_the_applicant(), TURN.now);
    assert_eq!(late.unwrap_err(), ProblemCode::EvidenceNotAwaited);
}

#[test]
fn what_needs_a_consent_that_was_taken_back_is_not_handed_over_again() {
    let mut case = handed_over();
    assert!(case.consent_revoked(TURN).acts.is_empty(), "the authority has it");
    let moves = case.rejected(MessageId::new(), 3, &submitted(), &rejection(), TURN).unwrap();
    assert!(matches!(moves.acts[..], [Act { say: Say::Ask(_), .. }]), "{moves:?}");
    let at = case.wake().unwrap();
    assert!(case.tick(Turn { now: at, ..TURN }).acts.is_empty(), "it is not complete");
}

#[test]
fn a_case_that_the_authority_has_begun_with_stays_there_when_it_is_rejected() {
    let mut case = handed_over();
    case.information(false).expect("the authority asks something");
    let moves = case.rejected(MessageId::new(), 3, &submitted(), &rejection(), TURN).unwrap();
    assert_eq!((moves.acts.len(), moves.events.len(), case.is_handed_over()), (0, 1, true));
    assert!(case.rejected(MessageId::new(), 3, &submitted(), &rejection(), TURN).is_none(), "that is known");
    // Nor does a rejection move what has ended.
    let mut case = handed_over();
    case.withdrawn(4).unwrap();
    let moves = case.rejected(MessageId::new(), 3, &submitted(), &rejection(), TURN).unwrap();
    assert_eq!((moves.acts.len(), case.is_handed_over()), (0, true));
}

#[test]
fn after_each_rejection_a_case_is_handed_over_later_and_its_day_stays() {
    let mut case = handed_over();
    let due = case.due_at();
    let mut now = TURN.now;
    for (index, minutes) in (3..).zip([10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_080, 10_080]) {
        case.rejected(MessageId::new(), index, &submitted(), &rejection(), Turn { now, ..TURN });
        assert!(matches!(case.handover, Handover::Again { at } if at == now + minutes * 60_000), "{:?}", case.handover);
        now += minutes * 60_000;
        let acts = case.tick(Turn { now, ..TURN }).acts;
        let again = acts.iter().find(|act| act.say == Say::HandOver).unwrap();
        case.logged(again.id, index + 1, Turn { now, ..TURN });
        assert_eq!(case.due_at(), due);
    }
    assert_eq!(case.handovers.len(), 13);
    let told = case.withdrawn(99).unwrap();
    assert!(matches!(told.acts[..], [Act { say: Say::Tell(Notice::Withdrawal { .. }), .. }]));
}

#[test]
fn a_case_that_is_complete_again_has_a_day_though_its_handover_waits() {
    let mut case = handed_over();
    case.consent_revoked(TURN);
    let asked = case.rejected(MessageId::new(), 3, &submitted(), &rejection(), TURN).unwrap().acts.remove(0);
    assert_eq!(case.due_at(), None, "it is not complete");
    case.logged(asked.id, 4, TURN);
    assert!(matches!(case.handover, Handover::Again { .. }));
    // The answer counts while nobody has the case.
    case.supplied(&[("identity".parse().unwrap(), true)], &of_the_applicant(), TURN.now).unwrap();
    assert_eq!(case.due_at(), Some(TURN.now + 86_400_000));
    let again = case.tick(Turn { now: case.wake().unwrap(), ..TURN }).acts;
    let again = again.iter().find(|act| act.say == Say::HandOver).unwrap().id;
    case.note_parts();
    case.logged(again, 6, TURN);
    assert_eq!(case.handovers[1].parts, [4, 0], "the answer and the application, and no evidence that needs a consent");
}

#[test]
fn a_recalled_handover_that_is_logged_begins_the_promised_time_and_what_was_proven_anew_stays() {
    let (mut case, handover) = about_to_be_handed_over();
    case.note_parts();
    let asked = case.consent_revoked(TURN).acts.remove(0);
    assert_eq!(case.due_at(), None);
    case.logged(asked.id, 2, TURN);
    case.supplied(&[("identity".parse().unwrap(), true)], &of_the_applicant(), TURN.now).unwrap();
    let later = Turn { now: TURN.now + 7, ..TURN };
    case.logged(handover, 3, later);
    assert!(case.due_at().is_some());
    assert_eq!(case.handovers[0].parts, [1, 0, 0], "what the authority got: evidence, application, consent");
    assert!(matches!(&case.requirements[0].state, State::Proven(proof) if proof.index == 4));
}

#[test]
fn evidence_that_comes_while_a_handover_without_it_is_on_its_way_goes_with_the_next_one() {
    let mut case = case();
    case.requirements[0].candidates.truncate(1);
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let request = requested(&case);
    let late = Turn { now: TURN.now + 2_000, ..TURN };
    let question = passes(&mut case, late).acts.remove(0);
    let handover = case.not_sent(question.id, &"agreement-missing".parse().unwrap(), late).acts.remove(0);
    assert_eq!(handover.say, Say::HandOver);
    let moves = case.provided(0, &request, 5, MessageId::new(), late.now);
    assert!(moves.acts.is_empty() && matches!(case.requirements[0].state, State::Missing { .. }));
    case.not_sent(handover.id, &"agreement-missing".parse().unwrap(), late);
    assert!(matches!(case.requirements[0].state, State::Proven(_)), "{:?}", case.requirements[0].state);
}
