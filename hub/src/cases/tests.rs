//! How a case moves, without a log or a store.

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
fn what_the_applicant_sent_and_cannot_be_read_any_more_is_asked_of_the_applicant_again() {
    let (mut case, question) = asked();
    case.logged(question, 1, TURN);
    case.supplied(&[("identity".parse().unwrap(), true)], &of_the_applicant(), TURN.now).unwrap();
    let acts = case.lost(&[4], TURN).acts;
    assert!(matches!(acts[..], [Act { say: Say::Ask(_), .. }]), "{acts:?}");
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
fn the_time_of_a_request_begins_when_it_is_in_the_log() {
    let mut case = case();
    case.begin(vec![None], TURN);
    let first = requested(&case);
    case.logged(first.id, 90, Turn { now: TURN.now + 499, ..TURN });
    assert_eq!(case.wake(), Some(TURN.now + 499 + TURN.patience + 500));
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
