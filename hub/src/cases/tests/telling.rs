//! What portal and authority are told: withdrawals, reminders, and that something is over.

use super::*;

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
fn a_withdrawal_is_told_though_the_second_handover_is_never_made() {
    let mut case = handed_over();
    case.rejected(MessageId::new(), 3, &submitted(), &rejection(), TURN);
    let again = Turn { now: case.wake().unwrap(), ..TURN };
    let acts = case.tick(again).acts;
    let second = acts.iter().find(|act| act.say == Say::HandOver).unwrap();
    assert!(case.withdrawn(5).unwrap().acts.is_empty(), "not before it is known what becomes of it");
    let told = case.not_sent(second.id, &"agreement-missing".parse().unwrap(), again).acts;
    assert!(matches!(told[..], [Act { say: Say::Tell(Notice::Withdrawal { index: 5 }), .. }]), "{told:?}");
}

#[test]
fn the_day_of_the_decision_comes_near_and_passes_though_the_authority_cannot_be_sent_the_case() {
    let (mut case, handover) = about_to_be_handed_over();
    case.not_sent(handover, &"agreement-missing".parse().unwrap(), TURN);
    let told = |moves: Moves| {
        let told = moves.acts.into_iter().filter_map(|act| match act.say {
            Say::Tell(Notice::Reminder { kind, to }) => Some((kind, to)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let day = 86_400_000;
    let at = |part: u64| Turn { now: TURN.now + part, ..TURN };
    assert_eq!(told(case.tick(at(day * 4 / 5 - 1))), []);
    assert_eq!(told(case.tick(at(day * 4 / 5))), [(ReminderKind::DueSoon, Reader::Authority)]);
    let overdue = [(ReminderKind::Overdue, Reader::Portal), (ReminderKind::Overdue, Reader::Authority)];
    assert_eq!(told(case.tick(at(day))), overdue);
    assert_eq!(told(case.tick(at(8 * day - 1))), []);
    assert_eq!(told(case.tick(at(8 * day))), overdue, "every week");
}

#[test]
fn a_reminder_that_cannot_be_sent_waits_until_it_can_or_a_more_urgent_one_takes_its_place() {
    let mut case = handed_over();
    let day = 86_400_000;
    let soon = case.tick(Turn { now: TURN.now + day * 4 / 5, ..TURN }).acts.remove(0);
    let refused = Turn { now: TURN.now + day * 4 / 5, ..TURN };
    case.not_sent(soon.id, &"agreement-missing".parse().unwrap(), refused);
    let again = case.wake().unwrap();
    assert_eq!(again, refused.now + 600_000, "before the day");
    let acts = case.tick(Turn { now: again, ..TURN }).acts;
    let [Act { id, say: Say::Tell(Notice::Reminder { kind: ReminderKind::DueSoon, .. }) }] = acts[..] else {
        panic!("{acts:?}")
    };
    // A key that was replaced is a reason to write it again at once.
    let at_once = case.not_sent(id, &"key-revoked".parse().unwrap(), Turn { now: again, ..TURN }).acts;
    let [Act { id, say: Say::Tell(_) }] = at_once[..] else { panic!("{at_once:?}") };
    case.not_sent(id, &"agreement-missing".parse().unwrap(), Turn { now: TURN.now + day - 1, ..TURN });
    case.tick(Turn { now: TURN.now + day, ..TURN });
    assert!(
        case.errands.iter().all(|errand| matches!(errand.notice, Notice::Reminder { kind: ReminderKind::Overdue, .. }))
    );
}

#[test]
fn a_reminder_is_in_the_history_once_it_is_in_the_log() {
    let mut case = handed_over();
    let day = Turn { now: TURN.now + 86_400_000, ..TURN };
    let moves = case.tick(day);
    assert!(moves.events.is_empty(), "{moves:?}");
    let told: Vec<What> = moves.acts.iter().flat_map(|act| case.logged(act.id, 9, day).events).collect();
    assert_eq!(told, [What::Reminded { kind: ReminderKind::Overdue }], "though two are told");
}

#[test]
fn a_case_goes_on_without_an_answer_only_when_the_log_says_so() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let first = requested(&case);
    let late = Turn { now: case.wake().unwrap(), ..TURN };
    let acts = case.tick(late).acts;
    let [Act { id, say: Say::Tell(Notice::Lapse { of, kind: ReminderKind::EvidenceOver, .. }) }] = acts[..] else {
        panic!("{acts:?}")
    };
    assert_eq!((of, &requested(&case)), (first.id, &first), "it still waits");
    assert!(case.tick(late).acts.is_empty() && case.wake() == Some(u64::MAX), "it says so once");
    let moves = case.logged(id, 7, late);
    assert!(matches!(moves.events[..], [What::EvidenceFailed { failure: Failure::TimedOut, .. }]), "{moves:?}");
    assert_ne!(requested(&case).candidate, first.candidate, "the next one is asked");
}

#[test]
fn a_case_does_not_wait_until_the_portal_can_be_told_that_nobody_answered() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let first = requested(&case);
    let late = Turn { now: case.wake().unwrap(), ..TURN };
    let lapse = case.tick(late).acts.remove(0);
    case.not_sent(lapse.id, &"agreement-missing".parse().unwrap(), late);
    assert_ne!(requested(&case).candidate, first.candidate);
    // The portal is told as soon as it can be.
    let again = Turn { now: late.now + 600_000, ..TURN };
    let told = case.tick(again).acts;
    assert!(told.iter().any(|act| matches!(act.say, Say::Tell(Notice::Lapse { of, .. }) if of == first.id)));
    assert!(case.has_lapsed(first.id, ReminderKind::EvidenceOver, again.now));
}

#[test]
fn the_end_of_what_was_given_more_time_does_not_wait_for_a_portal_that_cannot_be_told() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let (request, late) = (requested(&case), Turn { now: case.wake().unwrap(), ..TURN });
    let lapse = case.tick(late).acts.remove(0);
    let until = late.now + 3_000;
    case.pending(0, request.id, until);
    case.not_sent(lapse.id, &"agreement-missing".parse().unwrap(), late);
    assert_eq!(case.wake(), Some(until + 500));
}

#[test]
fn an_end_is_said_once_though_the_clock_goes_back() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let late = Turn { now: case.wake().unwrap(), ..TURN };
    let lapse = case.tick(late).acts.remove(0);
    let moves = case.logged(lapse.id, 91, Turn { now: late.now - 1, ..TURN });
    assert!(matches!(moves.events[..], [What::EvidenceFailed { failure: Failure::TimedOut, .. }]), "{moves:?}");
    let more = case.tick(late).acts;
    assert!(!more.iter().any(|act| matches!(act.say, Say::Tell(Notice::Lapse { .. }))), "{more:?}");
}

#[test]
fn the_portal_is_not_told_of_silence_once_the_evidence_is_there() {
    let mut case = case();
    case.begin(vec![None], TURN);
    requests_are_logged(&mut case);
    let (first, late) = (requested(&case), Turn { now: case.wake().unwrap(), ..TURN });
    let lapse = case.tick(late).acts.remove(0);
    case.not_sent(lapse.id, &"agreement-missing".parse().unwrap(), late);
    case.provided(0, &first, 92, MessageId::new(), late.now + 1);
    assert!(!case.has_lapsed(first.id, ReminderKind::EvidenceOver, late.now + 600_000));
}

#[test]
fn a_consent_ends_for_a_case_when_the_log_says_so_and_not_once_the_authority_has_it() {
    let end = TURN.now + 7;
    let of_consent = |case: &mut Case| {
        case.consent_until = Some(end);
        let mut acts = case.tick(Turn { now: end, ..TURN }).acts;
        acts.retain(|act| matches!(act.say, Say::Tell(Notice::Lapse { kind: ReminderKind::ConsentOver, .. })));
        acts
    };
    let (mut case, _) = about_to_be_handed_over();
    let lapse = of_consent(&mut case).remove(0);
    assert!(case.consent.is_some());
    let moves = case.logged(lapse.id, 4, Turn { now: end, ..TURN });
    assert!(case.consent.is_none() && moves.events.contains(&What::ConsentEnded), "{moves:?}");
    let (mut case, handover) = about_to_be_handed_over();
    let lapse = of_consent(&mut case).remove(0);
    case.logged(handover, 4, TURN);
    assert!(case.logged(lapse.id, 5, Turn { now: end, ..TURN }).events.is_empty());
    assert!(case.consent.is_some() && of_consent(&mut case).is_empty(), "it has what it needs");
}
