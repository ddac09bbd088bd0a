//! What the hub asks the applicant: answered, answered late, never answered, or not asked at all.

use saphan_schemas::ids::CaseId;
use serde_json::{Value, json};

use super::stage::{Received, Stage, at, requirement};

const DAY: u64 = 86_400;

/// A case whose applicant is asked for the medical certificate; the other evidence is there.
async fn asked(stage: &Stage) -> (CaseId, Received) {
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let question = decline_certificate(stage).await;
    (id, question)
}

async fn decline_certificate(stage: &Stage) -> Received {
    for provider in [&stage.ministry, &stage.city] {
        let request = stage.receive(provider, "evidence.requested").await;
        stage.decline(provider, &request).await;
    }
    stage.take(&stage.portal, "information.requested").await
}

fn unavailable() -> Value {
    json!({ "supplied_at": at(0), "answers": [
        { "kind": "Unavailable", "item": "medical-certificate", "note": "ไม่มี" },
    ] })
}

async fn gap(stage: &Stage) -> Value {
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.body["missing"].as_array().unwrap().len(), 1);
    complete.body["missing"][0].clone()
}

#[tokio::test]
async fn who_does_not_answer_is_reminded_and_then_the_case_goes_on_without() {
    let stage = Stage::with("answer_days = 10").await;
    let (id, question) = asked(&stage).await;
    let last_day = question.body["answer_by"].clone();
    assert!(question.body["if_not_answered"]["en"].is_string());
    let case = stage.until(id, |case| case["next"] == "WAITING_USER_WORKING").await;
    assert_eq!(requirement(&case, "medical-certificate")["answer_by"], last_day);
    stage.acknowledge(&stage.portal, question.index, None).await;
    stage.hub.clock.advance(9 * DAY);
    let reminder = stage.receive(&stage.portal, "case.reminder").await;
    assert_eq!((&reminder.body["kind"], &reminder.body["due_on"]), (&json!("ANSWER_DUE"), &last_day));
    stage.hub.clock.advance(2 * DAY);
    let gap = gap(&stage).await;
    assert_eq!(
        (&gap["requirement"], &gap["reason"]),
        (&json!("medical-certificate"), &json!("APPLICANT_DID_NOT_ANSWER"))
    );
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(case["next"], "WAITING_AGENT_WORKING");
    let certificate = requirement(&case, "medical-certificate");
    assert_eq!(
        (&certificate["state"], &certificate["because"]),
        (&json!("missing"), &json!("APPLICANT_DID_NOT_ANSWER"))
    );
    assert_eq!(stage.receive(&stage.portal, "case.reminder").await.body["kind"], "ANSWER_OVER");
    assert!(stage.inbox(&stage.portal).await.is_empty(), "one reminder is enough");
    let late = stage.reply(&stage.portal, &question, "information.supplied", &unavailable());
    assert_eq!(stage.rejected(&stage.portal, &late).await, "evidence-not-awaited");
}

#[tokio::test]
async fn who_answers_in_time_is_not_reminded() {
    let stage = Stage::with("answer_days = 10").await;
    let (id, question) = asked(&stage).await;
    stage.acknowledge(&stage.portal, question.index, None).await;
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &unavailable());
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    assert_eq!(gap(&stage).await["reason"], "APPLICANT_CANNOT_SUPPLY");
    stage.until(id, |case| case["handed_over"] == true).await;
    // Longer than the time to answer; three days are promised.
    stage.hub.clock.advance(11 * DAY);
    let reminder = stage.receive(&stage.portal, "case.reminder").await;
    assert_eq!(reminder.body["kind"], "OVERDUE", "of the decision, which is the authority's");
    assert!(stage.inbox(&stage.portal).await.is_empty());
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_taken_while_other_evidence_is_awaited() {
    let stage = Stage::with("answer_days = 10\nevidence_seconds = 31536000").await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let question = decline_certificate(&stage).await;
    stage.hub.clock.advance(12 * DAY);
    stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "missing").await;
    let document = json!({ "supplied_at": at(0), "answers": [{
        "kind": "Document",
        "item": "medical-certificate",
        "document": { "commit": "A".repeat(43), "len": 1000, "media_type": "application/pdf" },
    }] });
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &document);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    let case = stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "proven").await;
    assert_eq!(case["handed_over"], false);
}

#[tokio::test]
async fn while_the_hub_is_away_no_applicant_is_late() {
    let stage = Stage::with("answer_days = 10").await;
    let (id, question) = asked(&stage).await;
    stage.until(id, |case| case["next"] == "WAITING_USER_WORKING").await;
    let stage = stage.restarted_after(12 * DAY).await;
    stage.hub.clock.advance(500);
    stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "asked-applicant").await;
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &unavailable());
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    assert_eq!(gap(&stage).await["reason"], "APPLICANT_CANNOT_SUPPLY");
}

#[tokio::test]
async fn a_case_whose_portal_does_not_take_the_question_goes_on_without_an_answer() {
    let stage = Stage::new().await;
    let (id, question) = asked(&stage).await;
    stage.acknowledge(&stage.portal, question.index, Some("applicant-unknown")).await;
    assert_eq!(gap(&stage).await["reason"], "APPLICANT_NOT_REACHED");
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(case["next"], "WAITING_AGENT_WORKING");
}

#[tokio::test]
async fn a_case_whose_portal_may_not_be_asked_goes_on_without_an_answer() {
    let stage = Stage::new().await;
    stage.revoke_agreement("own.portal").await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    for provider in [&stage.ministry, &stage.city] {
        let request = stage.receive(provider, "evidence.requested").await;
        stage.decline(provider, &request).await;
    }
    assert_eq!(gap(&stage).await["reason"], "APPLICANT_NOT_REACHED");
    stage.until(id, |case| case["handed_over"] == true).await;
}
