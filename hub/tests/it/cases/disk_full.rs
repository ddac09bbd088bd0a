//! The disk is full when what follows for cases must be written.

use saphan_schemas::problem::ProblemCode;

use super::stage::{Stage, requirement};
use crate::harness::eventually;

#[tokio::test]
async fn what_follows_for_a_case_while_the_disk_is_full_follows_once_there_is_room_and_once_only() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let application = stage.application(Some(consent));
    // The log has room for it yet, what follows has not.
    stage.hub.store.set_no_room_for_cases(true);
    stage.hub.accept(&application.sign(&stage.portal.key)).await;
    eventually(async || stage.hub.store.follows_failed() >= 3).await;
    let id = application.claims.case.unwrap();
    assert!(stage.hub.app.store.cases().cases(&[id]).await.unwrap().is_empty());
    stage.hub.store.set_no_room_for_cases(false);
    stage.until(id, |case| case["events"].as_u64() >= Some(4)).await;
    for provider in [&stage.registry, &stage.licences, &stage.ministry] {
        stage.provide(provider).await;
        assert!(stage.inbox(provider).await.is_empty(), "it is asked once");
    }
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.case, Some(id));
    stage.until(id, |case| case["handed_over"] == true).await;
    assert!(stage.inbox(&stage.authority).await.is_empty(), "it is handed over once");
}

#[tokio::test]
async fn a_case_goes_on_after_the_disk_was_full_for_everything() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    stage.hub.store.set_full(true);
    let evidence = stage.evidence(&stage.registry, &request).sign(&stage.registry.key);
    stage.hub.submit(&evidence).await.problem(ProblemCode::HubUnavailable);
    // The ministry is silent, and to say so there is no room.
    stage.hub.clock.advance(3601);
    eventually(async || stage.hub.store.follows_failed() >= 1).await;
    stage.hub.store.set_full(false);
    stage.hub.accept(&evidence).await;
    // Others may have tried in vain meanwhile, and have ten minutes more.
    stage.until(id, |case| requirement(case, "identity")["state"] == "proven").await;
    stage.hub.clock.advance(601);
    stage.provide(&stage.city).await;
    stage.provide(&stage.licences).await;
    stage.until(id, |case| case["handed_over"] == true).await;
}

#[tokio::test]
async fn what_was_sent_in_time_to_a_hub_whose_disk_was_full_is_not_late() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    stage.hub.store.set_full(true);
    let evidence = stage.evidence(&stage.registry, &request).sign(&stage.registry.key);
    stage.hub.submit(&evidence).await.problem(ProblemCode::HubUnavailable);
    stage.hub.clock.advance(3601);
    let failed = stage.hub.store.follows_failed();
    eventually(async || stage.hub.store.follows_failed() > failed).await;
    stage.hub.store.set_full(false);
    // Others are heard first, and time goes on.
    stage.provide(&stage.licences).await;
    stage.hub.clock.advance(300);
    stage.until(id, |case| requirement(case, "driving-licence")["state"] == "proven").await;
    stage.hub.accept(&evidence).await;
    let case = stage.until(id, |case| requirement(case, "identity")["state"] == "proven").await;
    assert!(requirement(&case, "identity")["failures"].is_null());
    // Who has sent nothing is late when all have had the time to try again.
    stage.hub.clock.advance(301);
    stage.receive(&stage.city, "evidence.requested").await;
}
