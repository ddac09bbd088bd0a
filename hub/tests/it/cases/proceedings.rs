//! How a case goes on once it is complete, or ends before.

use std::collections::BTreeSet;

use saphan_hub::cases::Case;
use saphan_schemas::ids::CaseId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::stage::{OWN, Received, Stage, at};
use crate::harness::{Draft, LogCopy, Party, eventually};

/// A case that the authority has.
async fn complete_case(stage: &Stage) -> (CaseId, Received) {
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    stage.until(id, |case| case["handed_over"] == true).await;
    (id, complete)
}

fn between(stage: &Stage, from: &Party, to: &Party, id: CaseId, name: &str, body: &Value) -> Draft {
    stage.message(from, to.id.as_str(), name, body).change(|claims| claims.case = Some(id))
}

/// The authority tells the portal.
async fn says(stage: &Stage, id: CaseId, name: &str, body: Value) {
    let draft = between(stage, &stage.authority, &stage.portal, id, name, &body);
    stage.hub.accept(&draft.sign(&stage.authority.key)).await;
}

/// The hub does not let the authority say that.
async fn refused(stage: &Stage, id: CaseId, name: &str, body: &Value, code: ProblemCode) {
    let draft = between(stage, &stage.authority, &stage.portal, id, name, body);
    stage.hub.submit(&draft.sign(&stage.authority.key)).await.problem(code);
}

fn status(status: &str, next: &str) -> Value {
    json!({ "changed_at": at(0), "status": status, "next": next, "text": { "th": "ข้อความ", "en": "A text" } })
}

fn decision(outcome: &Value) -> Value {
    json!({
        "decided_at": at(0),
        "decided_by": { "member": "th.dlt", "name": { "th": "กรมการขนส่งทางบก", "en": "DLT" } },
        "text": { "th": "ข้อความ", "en": "A text" },
        "decision": outcome,
    })
}

fn rejection() -> Value {
    json!({
        "outcome": "REJECTED",
        "reasons": [{ "code": "unfit", "text": { "th": "ก", "en": "a" } }],
        "remedies": [{ "kind": "APPEAL", "within_days": 15, "text": { "th": "ก", "en": "a" } }],
    })
}

async fn seen(stage: &Stage, id: CaseId, status: &str, next: &str) {
    stage.until(id, |case| case["status"] == status && case["next"] == next).await;
}

async fn history(stage: &Stage, id: CaseId) -> Vec<Value> {
    let events = stage.hub.app.store.cases().case_events(id, 0).await.unwrap();
    events.into_iter().map(|event| serde_json::to_value(event.what).unwrap()).collect()
}

async fn stored(stage: &Stage, id: CaseId) -> Case {
    stage.hub.app.store.cases().cases(&[id]).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_case_is_approved_paid_for_and_completed() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    says(&stage, id, "application.status-changed", status("PENDING", "WAITING_AGENT_WORKING")).await;
    seen(&stage, id, "PENDING", "WAITING_AGENT_WORKING").await;
    let question = json!({
        "requested_at": at(0),
        "requested_by": { "member": "th.dlt", "name": { "th": "กรมการขนส่งทางบก", "en": "DLT" } },
        "text": { "th": "ก", "en": "a" },
        "items": [{ "item": "glasses", "question": { "th": "ก", "en": "a" }, "answer": "YES_NO", "required": true }],
    });
    says(&stage, id, "information.requested", question).await;
    seen(&stage, id, "PENDING", "WAITING_USER_WORKING").await;
    let answer = json!({ "supplied_at": at(0), "answers": [{ "kind": "Value", "item": "glasses", "value": true }] });
    let answer = between(&stage, &stage.portal, &stage.authority, id, "information.supplied", &answer);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    seen(&stage, id, "PENDING", "WAITING_AGENT_WORKING").await;
    let mut fee = status("APPROVED_WAITING_PAY_FEE", "WAITING_USER_WORKING");
    fee["fee"] = json!({ "amount_satang": 50500 });
    says(&stage, id, "application.status-changed", fee).await;
    seen(&stage, id, "APPROVED_WAITING_PAY_FEE", "WAITING_USER_WORKING").await;
    assert_eq!(stage.case(id).await["fee_satang"], 50500);
    says(&stage, id, "application.decided", decision(&json!({ "outcome": "APPROVED" }))).await;
    let case = stage.until(id, |case| case["approved"] == true).await;
    assert_eq!(case["status"], "APPROVED_WAITING_PAY_FEE", "it is not over before the fee is paid");
    let paid = json!({ "paid_at": at(0), "amount_satang": 50500 });
    let paid = between(&stage, &stage.portal, &stage.authority, id, "application.fee-paid", &paid);
    stage.hub.accept(&paid.sign(&stage.portal.key)).await;
    seen(&stage, id, "PAID_FEE_CREATING_LICENSE", "WAITING_AGENT_WORKING").await;
    says(&stage, id, "application.status-changed", status("COMPLETED", "DONE")).await;
    seen(&stage, id, "COMPLETED", "DONE").await;
}

#[tokio::test]
async fn a_rejection_ends_a_case_and_what_comes_later_changes_nothing() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    says(&stage, id, "application.decided", decision(&rejection())).await;
    seen(&stage, id, "REJECTED", "DONE").await;
    refused(&stage, id, "application.status-changed", &status("COMPLETED", "DONE"), ProblemCode::CaseClosed).await;
    refused(&stage, id, "application.decided", &decision(&json!({ "outcome": "APPROVED" })), ProblemCode::CaseClosed)
        .await;
    let case = stage.case(id).await;
    assert_eq!((&case["status"], &case["approved"]), (&json!("REJECTED"), &json!(false)));
}

#[tokio::test]
async fn an_authority_of_the_member_that_runs_the_hub_decides_like_any_other() {
    let stage = Stage::decided_by("th.dga/licensing").await;
    let consent = stage.consent().await;
    let [withdrawn, decided] = [(); 2].map(|()| stage.application(Some(consent)));
    let withdrawn = stage.apply(&withdrawn).await;
    stage.withdraw(withdrawn).await;
    seen(&stage, withdrawn, "WITHDRAWN", "DONE").await;
    let decided = stage.apply(&decided).await;
    for provider in [&stage.registry, &stage.licences] {
        stage.receive(provider, "evidence.requested").await;
        stage.provide(provider).await;
    }
    for provider in [&stage.ministry, &stage.ministry, &stage.city] {
        let request = stage.receive(provider, "evidence.requested").await;
        stage.decline(provider, &request).await;
    }
    let question = stage.receive(&stage.portal, "information.requested").await;
    let answer = json!({ "supplied_at": at(0), "answers": [
        { "kind": "Unavailable", "item": "medical-certificate", "note": "ไม่มี" },
    ] });
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &answer);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    stage.until(decided, |case| case["handed_over"] == true).await;
}

#[tokio::test]
async fn no_status_ends_a_case_without_a_decision() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    for ended in ["COMPLETED", "REJECTED"] {
        let body = status(ended, "DONE");
        refused(&stage, id, "application.status-changed", &body, ProblemCode::CaseStateMismatch).await;
    }
    assert_eq!(stage.case(id).await["status"], "CHECK");
}

#[tokio::test]
async fn a_case_is_not_moved_by_those_who_have_no_part_in_it() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    // The authority that does not have it yet.
    let approval = decision(&json!({ "outcome": "APPROVED" }));
    refused(&stage, id, "application.decided", &approval, ProblemCode::CaseStateMismatch).await;
    let case = stage.case(id).await;
    assert_eq!((&case["status"], &case["approved"]), (&json!("CHECK"), &Value::Null));
    stage.allow_to(&stage.stranger, &stage.portal, "stranger.portal", &["application.decided"]).await;
    let draft = between(&stage, &stage.stranger, &stage.portal, id, "application.decided", &decision(&rejection()));
    stage.hub.accept(&draft.sign(&stage.stranger.key)).await;
    stage.provide_all().await;
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(case["status"], "CHECK");
}

#[tokio::test]
async fn a_withdrawal_while_evidence_is_under_way_ends_the_case_and_late_evidence_is_rejected() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    stage.withdraw(id).await;
    seen(&stage, id, "WITHDRAWN", "DONE").await;
    assert_eq!(stage.rejected(&stage.registry, &stage.evidence(&stage.registry, &request)).await, "case-closed");
    let again = stage.withdrawal(id);
    assert_eq!(stage.rejected(&stage.portal, &again).await, "case-closed");
    assert!(stage.inbox(&stage.authority).await.is_empty(), "the authority never had it");
}

#[tokio::test]
async fn the_authority_is_told_of_a_withdrawal() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    let withdrawal = stage.withdrawal(id);
    stage.hub.accept(&withdrawal.sign(&stage.portal.key)).await;
    let told = stage.receive(&stage.authority, "application.withdrawn").await;
    assert_eq!(told.claims.case, Some(id));
    assert_eq!(told.body["reason"], serde_json::from_slice::<Value>(&withdrawal.body).unwrap()["reason"]);
}

#[tokio::test]
async fn an_authority_is_reminded_before_the_day_and_authority_and_portal_after_it() {
    let stage = Stage::new().await;
    let (id, complete) = complete_case(&stage).await;
    // Three days are promised; a fifth of them is left.
    let due = stored(&stage, id).await.due_at().unwrap();
    assert_eq!(stored(&stage, id).await.wake(), Some(due - 3 * 86_400_000 / 5));
    stage.hub.clock.advance(3 * 86_400 * 4 / 5 + 1);
    let soon = stage.receive(&stage.authority, "case.reminder").await;
    assert_eq!((&soon.body["kind"], &soon.body["due_on"]), (&json!("DUE_SOON"), &complete.body["due_on"]));
    stage.hub.clock.advance(3 * 86_400 / 5);
    for party in [&stage.authority, &stage.portal] {
        assert_eq!(stage.receive(party, "case.reminder").await.body["kind"], "OVERDUE");
    }
    // Every week until it is decided.
    stage.hub.clock.advance(7 * 86_400);
    for party in [&stage.authority, &stage.portal] {
        assert_eq!(stage.receive(party, "case.reminder").await.body["kind"], "OVERDUE");
    }
    says(&stage, id, "application.decided", decision(&json!({ "outcome": "APPROVED" }))).await;
    seen(&stage, id, "COMPLETED", "DONE").await;
    assert_eq!(stored(&stage, id).await.wake(), None);
    stage.until_metric("saphan_cases_overdue_total 2").await;
}

#[tokio::test]
async fn of_two_decisions_that_come_at_once_the_first_counts_and_the_other_is_noted_or_refused() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    let approval = decision(&json!({ "outcome": "APPROVED" }));
    let rivals = [&approval, &decision(&rejection())]
        .map(|body| between(&stage, &stage.authority, &stage.portal, id, "application.decided", body));
    let signed = rivals.each_ref().map(|rival| rival.sign(&stage.authority.key));
    let answers = tokio::join!(stage.hub.submit(&signed[0]), stage.hub.submit(&signed[1]));
    let accepted = [answers.0.status, answers.1.status].iter().filter(|status| **status == 201).count();
    let case = stage.until(id, |case| case["next"] == "DONE").await;
    let ended = if case["approved"] == true { "COMPLETED" } else { "REJECTED" };
    assert_eq!(case["status"], ended);
    stage.until(id, |case| case["events"] == 8 + accepted).await;
    let noted = history(&stage, id).await.iter().filter(|event| event["event"] == "not-fitting").count();
    assert_eq!(noted, accepted - 1);
}

#[tokio::test]
async fn a_case_that_cannot_be_handed_over_waits_for_the_agreement() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.revoke_agreement("own.authority").await;
    stage.provide_all().await;
    stage.until(id, |case| case["events"].as_u64() == Some(8)).await;
    let last = history(&stage, id).await.pop().unwrap();
    assert_eq!((&last["event"], &last["code"]), (&json!("not-sent"), &json!("agreement-missing")));
    stage.hub.clock.advance(601);
    eventually(|| async { stored(&stage, id).await.handovers_refused == 2 }).await;
    assert_eq!(history(&stage, id).await.len(), 8, "it is told once");
    // The authority has another system by now.
    let moved = &stage.licences;
    stage.add_agreement("own.authority.new", &OWN.parse().unwrap(), &moved.id, &["case.submitted"]).await;
    stage.hub.clock.advance(1201);
    assert_eq!(stage.receive(moved, "case.submitted").await.claims.case, Some(id));
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(case["authority"], moved.id.as_str());
}

#[tokio::test]
async fn a_case_that_the_authority_rejects_is_handed_over_again_later() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    let first = stage.take(&stage.authority, "case.submitted").await;
    stage.acknowledge(&stage.authority, first.index, Some("schema-unknown")).await;
    let case = stage.until(id, |case| case["handed_over"] == false && case["events"] == 9).await;
    assert!(case["due_at"].is_string(), "the promised day stays");
    assert!(case["text"]["en"].as_str().unwrap().contains("could not be handed to the agency yet"));
    let last = history(&stage, id).await.pop().unwrap();
    assert_eq!((&last["event"], &last["message_type"]), (&json!("rejected"), &json!("case.submitted")));
    stage.until_metric("saphan_case_letters_rejected_total 1").await;
    let path = format!("/v1/cases/{id}");
    assert_eq!(stage.hub.call(&stage.authority, "GET", &path, &Value::Null).await.status, 200, "it may look");
    stage.hub.clock.advance(601);
    let second = stage.receive(&stage.authority, "case.submitted").await;
    assert_ne!(second.claims.jti, first.claims.jti);
    stage.until(id, |case| case["handed_over"] == true).await;
    // Both hold copies of the evidence.
    says(&stage, id, "application.decided", decision(&json!({ "outcome": "APPROVED" }))).await;
    seen(&stage, id, "COMPLETED", "DONE").await;
    let place = stored(&stage, id).await.parts().next().unwrap();
    let erased: Value = stage.hub.erase(&[place], "pdpa-s33").await.json(200);
    assert_eq!(erased["copies"], json!([first.index, second.index]));
}

#[tokio::test]
async fn a_consent_that_was_taken_back_after_the_handover_stops_the_next_one() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    let first = stage.take(&stage.authority, "case.submitted").await;
    stage.revoke(consent).await;
    stage.acknowledge(&stage.authority, first.index, Some("schema-unknown")).await;
    let question = stage.receive(&stage.portal, "information.requested").await;
    assert_eq!(question.body["items"][0]["item"], "medical-certificate");
    let answer = json!({ "supplied_at": at(0), "answers": [
        { "kind": "Unavailable", "item": "medical-certificate", "note": "ไม่มี" },
    ] });
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &answer);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    stage.hub.clock.advance(601);
    let second = stage.receive(&stage.authority, "case.submitted").await;
    let evidence = second.body["evidence"].as_array().unwrap();
    let names: Vec<_> = evidence.iter().map(|proof| proof["requirement"].as_str().unwrap()).collect();
    assert_eq!(names, ["identity", "driving-licence"]);
    assert!(second.body.get("consent").is_none() && second.claims.consent.is_none());
}

#[tokio::test]
async fn a_withdrawal_whose_words_cannot_be_read_any_more_is_told_all_the_same() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    stage.revoke_agreement("own.authority").await;
    let withdrawal = stage.withdrawal(id);
    let place = stage.hub.accept(&withdrawal.sign(&stage.portal.key)).await;
    eventually(|| async { history(&stage, id).await.last().unwrap()["event"] == "not-sent" }).await;
    stage.damage_body(place).await;
    stage
        .add_agreement("own.authority.new", &OWN.parse().unwrap(), &stage.authority.id, &["application.withdrawn"])
        .await;
    stage.hub.clock.advance(601);
    let told = stage.receive(&stage.authority, "application.withdrawn").await;
    assert_eq!((told.claims.case, &told.body["reason"]), (Some(id), &json!("OTHER")));
}

#[tokio::test]
async fn a_withdrawal_that_cannot_be_told_is_told_when_the_agreement_is_there_again() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    stage.revoke_agreement("own.authority").await;
    stage.withdraw(id).await;
    stage.until(id, |case| case["status"] == "WITHDRAWN").await;
    eventually(|| async { history(&stage, id).await.last().unwrap()["event"] == "not-sent" }).await;
    // The authority has another system by then.
    let moved = &stage.licences;
    let types = ["case.submitted", "application.withdrawn"];
    stage.add_agreement("own.authority.new", &OWN.parse().unwrap(), &moved.id, &types).await;
    let stage = stage.restarted().await;
    stage.hub.clock.advance(601);
    assert_eq!(stage.receive(&stage.licences, "application.withdrawn").await.claims.case, Some(id));
    let told = history(&stage, id).await.iter().filter(|event| event["event"] == "not-sent").count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn of_the_day_of_the_decision_the_applicant_is_reminded_while_it_is_the_applicants_turn() {
    let stage = Stage::new().await;
    let (id, _) = complete_case(&stage).await;
    let mut fee = status("APPROVED_WAITING_PAY_FEE", "WAITING_USER_WORKING");
    fee["fee"] = json!({ "amount_satang": 50500 });
    says(&stage, id, "application.status-changed", fee).await;
    stage.receive(&stage.portal, "application.status-changed").await;
    seen(&stage, id, "APPROVED_WAITING_PAY_FEE", "WAITING_USER_WORKING").await;
    stage.hub.clock.advance(3 * 86_400 * 4 / 5 + 1);
    assert_eq!(stage.receive(&stage.portal, "case.reminder").await.body["kind"], "DUE_SOON");
    assert!(stage.inbox(&stage.authority).await.is_empty());
}

#[tokio::test]
async fn a_case_goes_on_in_the_next_log_with_what_was_said_in_the_one_before() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let before = stage.hub.size();
    let stage = stage.in_next_log("next").await;
    // The requests wait since the old log; what proves is in the new one, and the case is handed over with copies of both.
    stage.provide_all().await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert!(complete.index > before);
    // Each copy says which log it is in: the same index means another message in the other one.
    let body = &complete.body;
    let mut copies = vec![&body["application"], &body["consent"]];
    copies.extend(body["evidence"].as_array().unwrap().iter().map(|proof| &proof["message"]));
    let logs = [LogCopy::fetch_at(&stage.hub, "/v1/logs/main").await, LogCopy::fetch(&stage.hub).await];
    let mut seen_in = BTreeSet::new();
    for copy in &copies {
        let log = logs.iter().find(|log| log.checkpoint.origin == copy["log"].as_str().unwrap()).unwrap();
        let leaf = &log.leaves[usize::try_from(copy["index"].as_u64().unwrap()).unwrap()];
        let Leaf::Message { envelope, .. } = leaf else { panic!("{copy} is no message: {leaf:?}") };
        assert_eq!(copy["envelope"], json!(envelope));
        seen_in.insert(&log.checkpoint.origin);
    }
    assert_eq!(seen_in.len(), 2, "from both");
    let view = stage.until(id, |case| case["handed_over"] == true).await;
    let proven = view["requirements"].as_array().unwrap().iter().filter(|one| one["state"] == "proven");
    assert!(proven.clone().count() > 0 && proven.clone().all(|one| one["log"] == "hub.local/log/next"), "{view}");
    says(&stage, id, "application.status-changed", status("PENDING", "WAITING_AGENT_WORKING")).await;
    seen(&stage, id, "PENDING", "WAITING_AGENT_WORKING").await;
    says(&stage, id, "application.decided", decision(&rejection())).await;
    seen(&stage, id, "REJECTED", "DONE").await;
}
