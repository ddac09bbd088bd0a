//! Several applications of one person at the same time: nobody is asked for the same twice.

use saphan_schemas::ids::CaseId;
use saphan_schemas::registry::{Change, EntryId};
use serde_json::{Value, json};

use super::stage::{OWN, Stage, at, requirement};
use crate::harness::NOW;

/// Two applications of one person, which are both open before any provider has answered.
async fn two_at_once(stage: &Stage) -> [CaseId; 2] {
    let consent = stage.consent().await;
    let mut ids = [CaseId::default(); 2];
    for id in &mut ids {
        *id = stage.apply(&stage.application(Some(consent))).await;
    }
    ids
}

fn states(case: &Value) -> Vec<&str> {
    case["requirements"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_one_case_has_asked_for_another_waits_for_and_both_have_it_when_it_comes() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    assert_eq!(states(&stage.case(first).await), ["requested"; 3]);
    assert_eq!(states(&stage.case(second).await), ["awaiting"; 3]);
    for provider in [&stage.registry, &stage.licences, &stage.ministry] {
        assert_eq!(stage.provide(provider).await.claims.case, Some(first));
        let notice = stage.receive(provider, "evidence.reused").await;
        assert_eq!(notice.claims.case, Some(second));
        assert!(stage.inbox(provider).await.is_empty(), "it is asked once");
    }
    for id in [first, second] {
        stage.until(id, |case| case["handed_over"] == true).await;
        let events = stage.hub.app.store.cases().case_events(id, 0).await.unwrap();
        assert!(events.iter().all(|event| event.index.is_some()), "the log says why: {events:?}");
    }
    let sources = |case: &Value| {
        let sources = case["requirements"].as_array().unwrap().iter();
        sources.map(|one| one["source"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sources(&stage.case(first).await), ["REQUESTED"; 3]);
    assert_eq!(sources(&stage.case(second).await), ["REUSED"; 3]);
}

#[tokio::test]
async fn when_the_case_that_has_asked_is_withdrawn_the_one_that_waits_asks_and_a_third_goes_on_waiting() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    let consent = stage.consent().await;
    let third = stage.apply(&stage.application(Some(consent))).await;
    assert_eq!(stage.receive(&stage.registry, "evidence.requested").await.claims.case, Some(first));
    stage.withdraw(first).await;
    stage.until(second, |case| states(case) == ["requested"; 3]).await;
    assert_eq!(states(&stage.case(third).await), ["awaiting"; 3]);
    let request = stage.provide(&stage.registry).await;
    assert_eq!(request.claims.case, Some(second));
    for id in [second, third] {
        stage.until(id, |case| requirement(case, "identity")["state"] == "proven").await;
    }
}

#[tokio::test]
async fn when_a_provider_declines_the_case_that_waits_asks_in_its_turn_and_never_for_what_came_meanwhile() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    stage.decline(&stage.ministry, &request).await;
    // The first goes on to the city, the second asks the ministry.
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    assert_eq!(request.claims.case, Some(second));
    let to_city = stage.provide(&stage.city).await;
    assert_eq!(to_city.claims.case, Some(first));
    stage.until(first, |case| case["handed_over"] == true).await;
    stage.decline(&stage.ministry, &request).await;
    let case = stage.until(second, |case| case["handed_over"] == true).await;
    let certificate = requirement(&case, "medical-certificate");
    assert_eq!((&certificate["source"], &certificate["provider"]), (&json!("REUSED"), &json!("th.bma/clinics")));
    assert_eq!(stage.receive(&stage.city, "evidence.reused").await.claims.case, Some(second));
    assert!(stage.inbox(&stage.city).await.is_empty(), "the city is told, not asked again");
}

#[tokio::test]
async fn a_late_answer_is_for_the_case_that_asked_again_too() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    stage.hub.clock.advance(3601);
    stage.until(second, |case| requirement(case, "identity")["state"] == "requested").await;
    let late = stage.evidence(&stage.registry, &request);
    stage.hub.accept(&late.sign(&stage.registry.key)).await;
    for id in [first, second] {
        stage.until(id, |case| requirement(case, "identity")["state"] == "proven").await;
    }
}

#[tokio::test]
async fn a_case_that_waits_for_what_nobody_asks_for_asks_when_the_persons_cases_are_looked_at_next() {
    let stage = Stage::new().await;
    let consents = [stage.consent().await, stage.consent().await];
    let first = stage.apply(&stage.application(Some(consents[0]))).await;
    let second = stage.apply(&stage.application(Some(consents[1]))).await;
    // As if the first had been lost.
    let mut connection = stage.hub.store_file().await;
    let lose = "DELETE FROM case_seeking WHERE case_id = ?1";
    sqlx::query(lose).bind(first.to_string()).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    stage.revoke(consents[1]).await;
    stage.until(second, |case| states(case) == ["requested", "requested", "asked-applicant"]).await;
}

#[tokio::test]
async fn when_the_consent_is_taken_back_nobody_waits_for_what_needs_it() {
    let stage = Stage::new().await;
    let consents = [stage.consent().await, stage.consent().await];
    let first = stage.apply(&stage.application(Some(consents[0]))).await;
    let second = stage.apply(&stage.application(Some(consents[1]))).await;
    stage.revoke(consents[1]).await;
    let case = stage.case(second).await;
    assert_eq!(states(&case), ["awaiting", "awaiting", "asked-applicant"]);
    assert_eq!(states(&stage.case(first).await), ["requested"; 3]);
}

#[tokio::test]
async fn a_case_waits_for_what_another_has_asked_for_after_a_restart_too() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    let stage = stage.restarted().await;
    stage.provide_all().await;
    for id in [first, second] {
        stage.until(id, |case| case["handed_over"] == true).await;
    }
    assert!(!stage.inbox(&stage.registry).await.contains(&"evidence.requested".to_owned()));
}

#[tokio::test]
async fn evidence_that_came_late_serves_the_other_case_too_and_nobody_is_asked_for_it_again() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let late = stage.receive(&stage.ministry, "evidence.requested").await;
    stage.hub.clock.advance(3601);
    let city = stage.receive(&stage.city, "evidence.requested").await;
    assert_eq!((late.claims.case, city.claims.case), (Some(first), Some(first)));
    let body = json!({
        "noted_at": at(3601),
        "evidence_type": "th.moph.medical-certificate",
        "expected_by": at(3601 + 6 * 3600),
        "text": { "th": "กำลังค้นหา", "en": "It is being looked for." },
    });
    let pending = stage.reply(&stage.city, &city, "evidence.pending", &body);
    stage.hub.accept(&pending.sign(&stage.city.key)).await;
    // The second case asks the ministry in its turn, and then waits for the city too.
    assert_eq!(stage.receive(&stage.ministry, "evidence.requested").await.claims.case, Some(second));
    stage.until(first, |case| requirement(case, "medical-certificate")["state"] == "pending").await;
    stage.hub.clock.advance(3601);
    stage.until(second, |case| states(case)[2] == "awaiting").await;
    stage.hub.accept(&stage.evidence(&stage.ministry, &late).sign(&stage.ministry.key)).await;
    for id in [first, second] {
        let case = stage.until(id, |case| case["handed_over"] == true).await;
        assert_eq!(requirement(&case, "medical-certificate")["provider"], stage.ministry.id.as_str());
    }
    assert!(stage.inbox(&stage.city).await.is_empty(), "it is asked once");
    let answer = stage.evidence(&stage.city, &city);
    stage.hub.accept(&answer.sign(&stage.city.key)).await;
    assert_eq!(stage.outcome(&stage.city, &answer).await.0, "processed");
}

#[tokio::test]
async fn when_what_another_case_has_must_not_be_used_and_its_provider_declines_the_next_one_is_asked() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    // From now on the ministry may be asked, and not told that what it gave is used again.
    stage.revoke_agreement(&format!("own.{}", stage.ministry.id.as_str().replace('/', "."))).await;
    stage.add_agreement("asks.only", &OWN.parse().unwrap(), &stage.ministry.id, &["evidence.requested"]).await;
    let second = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    stage.decline(&stage.ministry, &request).await;
    stage.provide(&stage.city).await;
    stage.until(second, |case| case["handed_over"] == true).await;
    assert!(stage.inbox(&stage.ministry).await.is_empty(), "it is asked once");
}

#[tokio::test]
async fn when_the_agreement_with_who_answered_another_case_ends_the_case_goes_on_without_it() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let late = stage.receive(&stage.ministry, "evidence.requested").await;
    stage.hub.clock.advance(3601);
    let city = stage.receive(&stage.city, "evidence.requested").await;
    let again = stage.receive(&stage.ministry, "evidence.requested").await;
    assert_eq!((city.claims.case, again.claims.case), (Some(first), Some(second)));
    stage.decline(&stage.ministry, &again).await;
    stage.until(second, |case| states(case)[2] == "awaiting").await;
    stage.revoke_agreement(&format!("own.{}", stage.ministry.id.as_str().replace('/', "."))).await;
    stage.hub.accept(&stage.evidence(&stage.ministry, &late).sign(&stage.ministry.key)).await;
    stage.hub.accept(&stage.evidence(&stage.city, &city).sign(&stage.city.key)).await;
    for id in [first, second] {
        stage.until(id, |case| states(case)[2] == "proven").await;
    }
    let events = stage.hub.app.store.cases().case_events(second, 0).await.unwrap();
    assert!(events.len() < 30, "nothing is tried again and again: {events:?}");
}

#[tokio::test]
async fn an_answer_that_its_own_case_does_not_need_any_more_serves_the_one_that_waits() {
    let stage = Stage::with("answer_days = 10").await;
    let consent = stage.consent().await;
    let first = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.licences).await;
    stage.provide(&stage.ministry).await;
    let late = stage.receive(&stage.registry, "evidence.requested").await;
    stage.hub.clock.advance(3601);
    stage.receive(&stage.portal, "information.requested").await;
    stage.hub.clock.advance(11 * 86_400);
    stage.until(first, |case| case["handed_over"] == true).await;
    let second = stage.apply(&stage.application(Some(consent))).await;
    stage.receive(&stage.registry, "evidence.requested").await;
    stage.until(second, |case| states(case)[0] == "requested").await;
    let now = stage.hub.clock.now();
    let answer = stage.evidence(&stage.registry, &late).with_json(|body| body["as_of"] = json!(at(now - NOW)));
    stage.hub.accept(&answer.change(|claims| claims.iat = now).sign(&stage.registry.key)).await;
    let case = stage.until(second, |case| states(case)[0] == "proven").await;
    assert_eq!(requirement(&case, "identity")["source"], "REUSED");
}

#[tokio::test]
async fn what_another_case_has_is_used_though_the_letter_that_says_so_must_be_written_with_a_new_key() {
    let stage = Stage::new().await;
    let [first, second] = two_at_once(&stage).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    // The ministry is silent to the first case and answers the second.
    stage.receive(&stage.ministry, "evidence.requested").await;
    stage.hub.clock.advance(3601);
    let city = stage.receive(&stage.city, "evidence.requested").await;
    let again = stage.receive(&stage.ministry, "evidence.requested").await;
    assert_eq!((city.claims.case, again.claims.case), (Some(first), Some(second)));
    let revoked = stage.own_key().public().id();
    stage.hub.change_registry([Change::Revoked(EntryId::Key(revoked))]).await.json::<Value>(200);
    stage.hub.accept(&stage.evidence(&stage.ministry, &again).sign(&stage.ministry.key)).await;
    stage.until_a_letter_waits("evidence.reused").await;
    stage.replace_own_key().await;
    let stage = stage.restarted().await;
    for id in [first, second] {
        let case = stage.until(id, |case| case["handed_over"] == true).await;
        assert_eq!(requirement(&case, "medical-certificate")["provider"], stage.ministry.id.as_str());
    }
}
