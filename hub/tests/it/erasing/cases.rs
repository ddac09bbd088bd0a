//! Bodies of cases.

use saphan_hub::erasing::upkeep::erase_due;
use saphan_schemas::ids::CaseId;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::DAY;
use crate::cases::stage::{OWN, PERSON, Stage, requirement};
use crate::harness::{Draft, LogCopy};

async fn withdraw(stage: &Stage, case: CaseId) {
    let withdrawal = Draft::withdrawal(&stage.portal.id, &OWN.parse().unwrap()).change(|claims| {
        claims.case = Some(case);
        claims.iat = stage.hub.clock.now();
    });
    stage.hub.accept(&withdrawal.sign(&stage.portal.key)).await;
    stage.until(case, |case| case["status"] == "WITHDRAWN").await;
}

/// The place of the identity's evidence, as the case has it.
async fn identity(stage: &Stage, case: CaseId) -> u64 {
    let stored = stage.hub.app.store.cases().cases(&[case]).await.unwrap().pop().unwrap();
    let stored = serde_json::to_value(&stored).unwrap();
    let requirements = stored["requirements"].as_array().unwrap();
    let identity = requirements.iter().find(|requirement| requirement["id"] == "identity").unwrap();
    identity["state"]["index"].as_u64().unwrap()
}

async fn is_erased(stage: &Stage, index: u64) -> bool {
    stage.hub.app.store.bodies(&[index]).await.unwrap()[0].erased.is_some()
}

async fn advance_days(stage: &Stage, days: u64) {
    stage.hub.clock.advance(days * DAY);
    erase_due(&stage.hub.app).await.unwrap();
}

#[tokio::test]
async fn evidence_is_kept_as_long_as_its_type_says_and_until_its_case_has_ended() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let case = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    let index = identity(&stage, case).await;
    let refused = stage.hub.erase(&[index], "pdpa-s33").await.problem(ProblemCode::ErasureTooEarly);
    assert!(refused.detail.unwrap().contains(&format!("the case {case} has not ended")));
    advance_days(&stage, 365).await;
    assert!(!is_erased(&stage, index).await, "the case is open");
    withdraw(&stage, case).await;
    erase_due(&stage.hub.app).await.unwrap();
    assert!(!is_erased(&stage, index).await, "it is looked at again a day later");
    advance_days(&stage, 1).await;
    assert!(is_erased(&stage, index).await);
    assert!(is_erased(&stage, complete.index).await, "it holds a copy of the evidence");
    LogCopy::fetch(&stage.hub).await;
    stage.case(case).await;
}

#[tokio::test]
async fn evidence_that_another_case_uses_again_is_kept_for_that() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let first = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    let second = stage.apply(&stage.application(Some(consent))).await;
    stage.receive(&stage.authority, "case.submitted").await;
    let index = identity(&stage, second).await;
    assert_eq!(index, identity(&stage, first).await);
    withdraw(&stage, first).await;
    let refused = stage.hub.erase(&[index], "pdpa-s33").await.problem(ProblemCode::ErasureTooEarly);
    assert!(refused.detail.unwrap().contains(&format!("the case {second} has not ended")));
    withdraw(&stage, second).await;
    stage.hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
}

#[tokio::test]
async fn a_consent_is_kept_while_it_is_in_force_or_an_open_case_rests_on_it() {
    let stage = Stage::new().await;
    let draft = stage.consent_draft();
    let index = stage.hub.accept(&draft.sign(&stage.portal.key)).await;
    let consent = draft.claims.jti;
    let refused = async |reason: String| {
        let refused = stage.hub.erase(&[index], "pdpa-s33").await.problem(ProblemCode::ErasureTooEarly);
        assert!(refused.detail.as_ref().unwrap().contains(&reason), "{refused:?}");
    };
    let case = stage.apply(&stage.application(Some(consent))).await;
    refused("the consent is in force".into()).await;
    stage.revoke(consent).await;
    let used_no_further =
        |case: &Value| requirement(case, "medical-certificate")["failures"][0]["reason"] == "consent-revoked";
    stage.until(case, used_no_further).await;
    refused(format!("the case {case} has not ended")).await;
    withdraw(&stage, case).await;
    stage.hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
}

#[tokio::test]
async fn who_erases_evidence_is_told_which_complete_cases_hold_copies_of_it() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let (mut cases, mut complete) = (Vec::new(), Vec::new());
    for times in 0..2 {
        cases.push(stage.apply(&stage.application(Some(consent))).await);
        if times == 0 {
            stage.provide_all().await;
        }
        complete.push(stage.receive(&stage.authority, "case.submitted").await.index);
    }
    for case in &cases {
        withdraw(&stage, *case).await;
    }
    let index = identity(&stage, cases[0]).await;
    let copies = async |erased: &[u64]| stage.hub.erase(erased, "pdpa-s33").await.json::<Value>(200)["copies"].clone();
    assert_eq!(copies(&[index]).await, json!(complete));
    assert_eq!(copies(&[index, complete[0]]).await, json!([complete[1]]), "what goes with it stands no more");
    assert_eq!(copies(&[index]).await, json!([complete[1]]));
}

#[tokio::test]
async fn who_takes_a_consent_back_and_has_it_erased_is_told_of_its_copy() {
    let stage = Stage::new().await;
    let draft = stage.consent_draft();
    let index = stage.hub.accept(&draft.sign(&stage.portal.key)).await;
    let case = stage.apply(&stage.application(Some(draft.claims.jti))).await;
    stage.provide_all().await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    stage.revoke(draft.claims.jti).await;
    withdraw(&stage, case).await;
    let answer = stage.hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
    assert_eq!(answer["copies"], json!([complete.index]));
}

#[tokio::test]
async fn erased_evidence_is_not_used_again() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let first = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    let index = identity(&stage, first).await;
    withdraw(&stage, first).await;
    stage.hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
    let second = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.registry).await;
    stage.receive(&stage.authority, "case.submitted").await;
    assert_ne!(identity(&stage, second).await, index);
}

#[tokio::test]
async fn nobodys_number_stands_in_the_store_as_it_is_whatever_a_case_went_through() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    let stage = stage.restarted().await;
    stage.apply(&stage.application(Some(consent))).await;
    stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(stage.hub.files_with(PERSON.as_bytes()), Vec::<String>::new());
}
