//! An applicant without Thai nationality.

use serde_json::json;

use super::stage::Stage;

#[tokio::test]
async fn a_foreigner_proves_a_stay_permit_and_is_known_again_by_nationality_and_passport() {
    let stage = Stage::new().await;
    let passport = json!({ "kind": "Foreigner", "nationality": "LA", "passport_number": "XE0000017" });
    let consent = stage.consent_draft().with_json(|consent| consent["subject"] = passport.clone());
    stage.hub.accept(&consent.sign(&stage.portal.key)).await;
    let first = stage.apply(&stage.foreigners_application(Some(consent.claims.jti))).await;
    for provider in [&stage.immigration, &stage.licences, &stage.ministry] {
        let request = stage.provide(provider).await;
        assert_eq!(request.body["subject"]["passport_number"], "XE0000017");
    }
    stage.until(first, |case| case["handed_over"] == true).await;
    assert!(stage.inbox(&stage.registry).await.is_empty(), "the civil registry does not know the person");
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.body["evidence"][0]["requirement"], "stay-permit");
    // Without the number of the civil registry it is still the same person.
    let again = stage.foreigners_application(Some(consent.claims.jti)).with_json(|application| {
        application["applicant"].as_object_mut().unwrap().remove("person_number").unwrap();
    });
    let second = stage.apply(&again).await;
    let case = stage.until(second, |case| case["handed_over"] == true).await;
    let requirements = case["requirements"].as_array().unwrap();
    assert!(requirements.iter().all(|requirement| requirement["source"] == "REUSED"), "{requirements:?}");
    let trace: serde_json::Value =
        stage.hub.call(&stage.portal, "POST", "/v1/trace", &json!({ "subject": passport })).await.json(200);
    let cases: Vec<_> = trace["items"].as_array().unwrap().iter().map(|item| &item["case"]).collect();
    for case in [first, second] {
        assert!(cases.contains(&&json!(case)), "{cases:?}");
    }
}

#[tokio::test]
async fn evidence_about_a_foreigner_with_the_same_passport_number_of_another_country_is_rejected() {
    let stage = Stage::new().await;
    let consent = stage.consent_draft().with_json(|consent| {
        consent["subject"] = json!({ "kind": "Foreigner", "nationality": "LA", "passport_number": "XE0000017" });
    });
    stage.hub.accept(&consent.sign(&stage.portal.key)).await;
    stage.apply(&stage.foreigners_application(Some(consent.claims.jti))).await;
    let request = stage.receive(&stage.immigration, "evidence.requested").await;
    let other = stage.evidence(&stage.immigration, &request).with_json(|evidence| {
        evidence["subject"]["nationality"] = json!("KH");
    });
    assert_eq!(stage.rejected(&stage.immigration, &other).await, "evidence-subject-mismatch");
}
