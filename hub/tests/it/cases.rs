//! Once only: an application, its evidence, and what becomes of it.

mod stage;

use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use self::stage::{OWN, PERSON, Stage, at, provided, requirement};

#[tokio::test]
async fn an_application_is_handed_over_complete_once_all_providers_have_answered() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let case = stage.case(id).await;
    assert_eq!((&case["status"], &case["next"]), (&json!("CHECK"), &json!("WAITING_AGENT_WORKING")));
    let request = stage.provide(&stage.registry).await;
    assert_eq!(request.claims.iss.as_str(), OWN);
    assert_eq!(request.body["subject"]["national_id"], PERSON);
    assert_eq!(request.claims.consent, None, "who needs none is not told of it");
    let request = stage.provide(&stage.ministry).await;
    assert_eq!(request.claims.consent, Some(consent));
    stage.provide(&stage.licences).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.case, Some(id));
    let evidence = complete.body["evidence"].as_array().unwrap();
    let names: Vec<_> = evidence.iter().map(|proof| proof["requirement"].as_str().unwrap()).collect();
    assert_eq!(names, ["identity", "driving-licence", "medical-certificate"]);
    assert!(evidence.iter().all(|proof| proof["source"] == "REQUESTED"));
    assert!(complete.body["consent"].is_object(), "the consent that allows it goes along");
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert!(case["requirements"].as_array().unwrap().iter().all(|requirement| requirement["state"] == "proven"));
}
