//! What a person can see of the use of their data.

use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::stage::{OWN, PERSON, Stage};

#[tokio::test]
async fn a_person_sees_who_used_which_data_when_what_for_and_why() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    stage.until(id, |case| case["handed_over"] == true).await;
    let subject = json!({ "kind": "Citizen", "national_id": PERSON });
    let trace: Value =
        stage.hub.call(&stage.portal, "POST", "/v1/trace", &json!({ "subject": subject })).await.json(200);
    let items = trace["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().rev().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(&names[..2], ["consent.given", "application.submitted"]);
    assert_eq!(names.iter().filter(|name| **name == "evidence.requested").count(), 3);
    assert_eq!(names.iter().filter(|name| **name == "evidence.provided").count(), 3);
    assert_eq!(names.last(), Some(&"case.submitted"));
    let asked = items.iter().find(|item| item["to"] == "th.moph/certificates").unwrap();
    assert_eq!(asked["from"], OWN);
    assert_eq!(asked["evidence_type"], "th.moph.medical-certificate");
    assert_eq!(asked["consent"], consent.to_string());
    assert_eq!(asked["case"], id.to_string());
    assert!(asked["purpose"].is_string() && asked["legal_basis"].is_string() && asked["at"].is_string());
    // Page by page, it is the same.
    let mut paged = Vec::new();
    let mut before = Value::Null;
    loop {
        let ask = json!({ "subject": subject, "limit": 2, "before": before });
        let page: Value = stage.hub.call(&stage.portal, "POST", "/v1/trace", &ask).await.json(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        before = page["next"].clone();
        if before.is_null() {
            break;
        }
    }
    assert_eq!(&paged, items);
}

#[tokio::test]
async fn nobody_sees_what_is_not_theirs_to_see() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    let ask = |subject: Value| json!({ "subject": subject });
    let own = ask(json!({ "kind": "Citizen", "national_id": PERSON }));
    stage.hub.call(&stage.authority, "POST", "/v1/trace", &own).await.problem(ProblemCode::Forbidden);
    stage.hub.call(&stage.stranger, "POST", "/v1/trace", &own).await.problem(ProblemCode::Forbidden);
    let other = ask(json!({ "kind": "Citizen", "national_id": "1101700230708" }));
    let trace: Value = stage.hub.call(&stage.portal, "POST", "/v1/trace", &other).await.json(200);
    assert_eq!(trace, json!({ "items": [] }));
    for wrong in [
        ask(json!({ "kind": "Citizen", "national_id": "12" })),
        json!({}),
        json!({ "subject": own["subject"], "limit": 0 }),
    ] {
        let problem =
            stage.hub.call(&stage.portal, "POST", "/v1/trace", &wrong).await.problem(ProblemCode::RequestMalformed);
        assert!(!problem.detail.unwrap_or_default().contains(PERSON));
    }
}
