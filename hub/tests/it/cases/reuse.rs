//! The same evidence is not requested again.

use serde_json::{Value, json};

use super::stage::{Stage, at, requirement};

fn sources(case: &Value) -> Vec<&Value> {
    case["requirements"].as_array().unwrap().iter().map(|requirement| &requirement["source"]).collect()
}

#[tokio::test]
async fn a_second_application_within_freshness_fetches_nothing_and_the_providers_are_told() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.case, Some(id));
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(sources(&case), ["REUSED", "REUSED", "REUSED"]);
    for provider in [&stage.registry, &stage.licences, &stage.ministry] {
        let notice = stage.receive(provider, "evidence.reused").await;
        assert_eq!(notice.claims.case, Some(id));
        assert_eq!(notice.claims.reply_to.unwrap().to_string(), notice.body["message"].as_str().unwrap());
        assert!(stage.inbox(provider).await.is_empty(), "nothing is requested");
    }
}

#[tokio::test]
async fn evidence_is_fetched_anew_when_it_is_too_old() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    stage.hub.clock.advance(31 * 86_400);
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(sources(&case), ["REQUESTED", "REQUESTED", "REQUESTED"]);
}

#[tokio::test]
async fn evidence_that_is_dated_in_the_future_stays_fresh_no_longer() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    let dated = stage.evidence(&stage.registry, &request).with_json(|body| body["as_of"] = json!(at(1000 * 86_400)));
    stage.hub.accept(&dated.sign(&stage.registry.key)).await;
    assert_eq!(stage.outcome(&stage.registry, &dated).await.0, "processed");
    stage.hub.clock.advance(31 * 86_400);
    let id = stage.apply(&stage.application(Some(consent))).await;
    assert_eq!(requirement(&stage.case(id).await, "identity")["state"], "requested");
}

#[tokio::test]
async fn evidence_is_not_used_again_without_the_agreement_that_allowed_it() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    stage.revoke_agreement("own.th.dopa.civil-registry").await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let question = stage.receive(&stage.portal, "information.requested").await;
    assert_eq!(question.claims.case, Some(id));
    assert_eq!(question.body["items"][0]["item"], "identity");
}

#[tokio::test]
async fn evidence_is_not_used_again_for_somebody_else_or_without_a_consent() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    let brought = json!([{
        "evidence_type": "th.moph.medical-certificate",
        "source": "APPLICANT",
        "document": { "commit": "A".repeat(43), "len": 1000, "media_type": "application/pdf" },
    }]);
    let without_consent = stage.application(None).with_json(|body| body["evidence"] = brought.clone());
    let id = stage.apply(&without_consent).await;
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(sources(&case), ["REUSED", "REUSED", "APPLICANT"]);
    let of_another = stage.application(None).with_json(|body| {
        body["evidence"] = brought.clone();
        body["applicant"]["national_id"] = json!("1101700230708");
    });
    let id = stage.apply(&of_another).await;
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "identity")["state"], "requested");
}

#[tokio::test]
async fn a_hub_that_is_started_again_goes_on_and_requests_nothing_twice() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let requests = [
        stage.receive(&stage.registry, "evidence.requested").await,
        stage.receive(&stage.licences, "evidence.requested").await,
        stage.receive(&stage.ministry, "evidence.requested").await,
    ];
    let stage = stage.restarted().await;
    for (provider, request) in [&stage.registry, &stage.licences, &stage.ministry].into_iter().zip(&requests) {
        stage.hub.accept(&stage.evidence(provider, request).sign(&provider.key)).await;
    }
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.case, Some(id));
    let stage = stage.restarted().await;
    let second = stage.apply(&stage.application(Some(consent))).await;
    let case = stage.until(second, |case| case["handed_over"] == true).await;
    assert_eq!(sources(&case), ["REUSED", "REUSED", "REUSED"]);
}
