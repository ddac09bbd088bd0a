//! Consent: given, missing, not enough, taken back.

use saphan_schemas::ids::MessageId;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::stage::{PERSON, Stage, at, requirement};
use crate::harness::{Draft, eventually};

const CERTIFICATE: &str =
    include_str!("../../../../schemas/catalogue/examples/th.moph.medical-certificate@1/valid/fit-to-drive.json");

async fn refused(stage: &Stage, draft: Draft, code: ProblemCode) {
    stage.hub.submit(&draft.sign(&stage.portal.key)).await.problem(code);
}

/// A consent with other terms; answers its id.
async fn consent_with(stage: &Stage, change: impl FnOnce(&mut Value)) -> MessageId {
    let draft = stage.consent_draft().with_json(change);
    stage.hub.accept(&draft.sign(&stage.portal.key)).await;
    draft.claims.jti
}

#[tokio::test]
async fn an_application_whose_evidence_needs_a_consent_must_cite_one_that_covers_it() {
    let stage = Stage::new().await;
    refused(&stage, stage.application(None), ProblemCode::ConsentMissing).await;
    refused(&stage, stage.application(Some(MessageId::new())), ProblemCode::ConsentInsufficient).await;
    let other_person = json!({ "kind": "Citizen", "national_id": "1101700230708" });
    let not_enough: [(&str, Value); 5] = [
        ("subject", other_person),
        ("evidence_types", json!(["th.dopa.identity"])),
        ("purpose", json!("marketing")),
        ("recipients", json!(["th.dbd"])),
        ("valid_until", json!(at(0))),
    ];
    for (member, value) in not_enough {
        let consent = consent_with(&stage, |body| body[member] = value).await;
        refused(&stage, stage.application(Some(consent)), ProblemCode::ConsentInsufficient).await;
    }
    let early = consent_with(&stage, |body| body["valid_from"] = json!(at(60))).await;
    refused(&stage, stage.application(Some(early)), ProblemCode::ConsentInsufficient).await;
    stage.hub.clock.advance(61);
    stage.apply(&stage.application(Some(early))).await;
}

#[tokio::test]
async fn a_consent_that_was_taken_back_can_be_cited_by_nobody() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.revoke(consent).await;
    refused(&stage, stage.application(Some(consent)), ProblemCode::ConsentRevoked).await;
    // Between others too.
    let body = json!({ "supplied_at": at(0), "answers": [{ "kind": "Value", "item": "x", "value": 1 }] });
    let message = stage
        .message(&stage.portal, stage.authority.id.as_str(), "information.supplied", &body)
        .change(|claims| claims.consent = Some(consent));
    refused(&stage, message, ProblemCode::ConsentRevoked).await;
}

#[tokio::test]
async fn between_others_too_a_consent_must_be_known_and_cover_what_it_is_cited_for() {
    let stage = Stage::new().await;
    let types = ["evidence.requested"];
    stage.allow_to(&stage.authority, &stage.ministry, "authority.ministry", &types).await;
    let request = |consent: MessageId| {
        let body = json!({
            "requested_at": at(0),
            "evidence_type": "th.moph.medical-certificate",
            "subject": { "kind": "Citizen", "national_id": PERSON },
        });
        let message = stage.message(&stage.authority, stage.ministry.id.as_str(), "evidence.requested", &body);
        message.change(|claims| claims.consent = Some(consent))
    };
    let good = request(stage.consent().await);
    stage.hub.accept(&good.sign(&stage.authority.key)).await;
    let mut others = vec![MessageId::new()];
    let not_enough: [(&str, Value); 4] = [
        ("subject", json!({ "kind": "Citizen", "national_id": "1101700230708" })),
        ("evidence_types", json!(["th.dopa.identity"])),
        ("purpose", json!("marketing")),
        ("recipients", json!(["th.dbd"])),
    ];
    for (member, value) in not_enough {
        others.push(consent_with(&stage, |body| body[member] = value).await);
    }
    // Who may have it may not give it to somebody else.
    stage.allow_to(&stage.authority, &stage.stranger, "authority.stranger", &["evidence.provided"]).await;
    let certificate = json!({
        "provided_at": at(0),
        "evidence_type": "th.moph.medical-certificate",
        "subject": { "kind": "Citizen", "national_id": PERSON },
        "as_of": at(0),
        "content_schema": "th.moph.medical-certificate@1",
        "content": serde_json::from_str::<Value>(CERTIFICATE).unwrap(),
    });
    let passed_on = stage
        .message(&stage.authority, stage.stranger.id.as_str(), "evidence.provided", &certificate)
        .change(|claims| claims.consent = good.claims.consent);
    let refused = stage.hub.submit(&passed_on.sign(&stage.authority.key)).await;
    refused.problem(ProblemCode::ConsentInsufficient);
    for other in others {
        let refused = stage.hub.submit(&request(other).sign(&stage.authority.key)).await;
        refused.problem(ProblemCode::ConsentInsufficient);
    }
}

#[tokio::test]
async fn only_the_portal_that_recorded_a_consent_takes_it_back() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.allow(&stage.stranger, "stranger.consents", &["consent.given", "consent.revoked"]).await;
    let body = json!({ "revoked_at": at(0), "consent": consent });
    let draft = stage.message(&stage.stranger, super::stage::OWN, "consent.revoked", &body).change(|claims| {
        claims.service = None;
        claims.purpose = None;
    });
    assert_eq!(stage.rejected(&stage.stranger, &draft).await, "consent-insufficient");
    stage.apply(&stage.application(Some(consent))).await;
}

#[tokio::test]
async fn when_a_consent_is_taken_back_what_rests_on_it_is_used_no_further() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.ministry).await;
    stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "proven").await;
    stage.revoke(consent).await;
    let question = stage.receive(&stage.portal, "information.requested").await;
    assert_eq!(question.body["items"][0]["item"], "medical-certificate");
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let answer = json!({ "supplied_at": at(0), "answers": [
        { "kind": "Unavailable", "item": "medical-certificate", "note": "ไม่ยินยอม" },
    ] });
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &answer);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.consent, None);
    let told = complete.body.to_string();
    assert!(!told.contains("medical-certificate@1") && complete.body["consent"].is_null());
    assert_eq!(complete.body["evidence"].as_array().unwrap().len(), 2);
    assert!(!told.contains(PERSON), "people are in the copies only");
}

#[tokio::test]
async fn evidence_that_comes_after_its_consent_was_taken_back_is_rejected() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    stage.revoke(consent).await;
    let late = stage.evidence(&stage.ministry, &request);
    assert_eq!(stage.rejected(&stage.ministry, &late).await, "evidence-not-awaited");
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "medical-certificate")["failures"][0]["reason"], "consent-revoked");
    let second = stage.application(Some(stage.consent().await));
    let id = stage.apply(&second).await;
    assert_eq!(requirement(&stage.case(id).await, "medical-certificate")["state"], "requested", "it was not kept");
}

#[tokio::test]
async fn the_same_consent_again_is_answered_after_the_hub_was_started_again() {
    let stage = Stage::new().await;
    let consent = stage.consent_draft().sign(&stage.portal.key);
    stage.hub.accept(&consent).await;
    let stage = stage.restarted().await;
    stage.hub.submit(&consent).await.json::<Value>(200);
}

#[tokio::test]
async fn when_the_time_of_a_consent_is_over_what_rests_on_it_is_used_no_further() {
    let stage = Stage::new().await;
    let consent = consent_with(&stage, |body| body["valid_until"] = json!(at(1800))).await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.ministry).await;
    stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "proven").await;
    stage.hub.clock.advance(1800);
    let over = stage.take(&stage.portal, "case.reminder").await;
    assert_eq!((&over.body["kind"], over.claims.reply_to), (&json!("CONSENT_OVER"), Some(consent)));
    let question = stage.take(&stage.portal, "information.requested").await;
    assert_eq!(question.body["items"][0]["item"], "medical-certificate");
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "medical-certificate")["failures"][0]["reason"], "consent-ended");
    assert_eq!(requirement(&case, "identity")["state"], "requested", "that needs no consent");
    refused(&stage, stage.application(Some(consent)), ProblemCode::ConsentInsufficient).await;
}

#[tokio::test]
async fn what_cites_a_consent_is_not_logged_after_its_end_though_it_was_judged_before() {
    let stage = Stage::new().await;
    let consent = consent_with(&stage, |body| body["valid_until"] = json!(at(1800))).await;
    stage.allow_to(&stage.authority, &stage.ministry, "authority.ministry", &["evidence.requested"]).await;
    let body = json!({
        "requested_at": at(0),
        "evidence_type": "th.moph.medical-certificate",
        "subject": { "kind": "Citizen", "national_id": PERSON },
    });
    let message = || stage.message(&stage.authority, stage.ministry.id.as_str(), "evidence.requested", &body);
    let first = message().sign(&stage.authority.key);
    let second = message().change(|claims| claims.consent = Some(consent)).sign(&stage.authority.key);
    stage.hub.clock.advance(1790);
    // The second waits for the commit of the first, and the consent ends meanwhile.
    stage.hub.store.block();
    let (one, two, ()) = tokio::join!(
        stage.hub.submit(&first),
        async {
            stage.hub.store.until_blocked().await;
            stage.hub.submit(&second).await
        },
        async {
            stage.hub.store.until_blocked().await;
            let room = stage.hub.app.ledger.room();
            eventually(async || stage.hub.app.ledger.room() < room).await;
            stage.hub.clock.advance(60);
            stage.hub.store.release();
        },
    );
    assert_eq!(one.status, 201);
    two.problem(ProblemCode::ConsentInsufficient);
}

#[tokio::test]
async fn a_consent_can_be_cited_until_its_last_millisecond() {
    let stage = Stage::new().await;
    let until = at(1800).replace('Z', ".900Z");
    let consent = consent_with(&stage, |body| body["valid_until"] = json!(until)).await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    // The second begins in which it ends.
    stage.hub.clock.advance(1800);
    stage.apply(&stage.application(Some(consent))).await;
    stage.decline(&stage.ministry, &request).await;
    assert_eq!(stage.receive(&stage.city, "evidence.requested").await.claims.case, Some(id));
    stage.hub.clock.advance(1);
    refused(&stage, stage.application(Some(consent)), ProblemCode::ConsentInsufficient).await;
}
