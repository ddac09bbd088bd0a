//! What an application must be, and what follows when it is.

use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use saphan_schemas::message_types::CaseSubmitted;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Agreement, Change, Entry, Service};
use serde_json::{Value, json};

use super::stage::{OWN, PERSON, Stage, agreement};
use crate::harness::{Draft, Submission};

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
    assert_eq!(stage.case(id).await["handed_over"], false);
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

#[tokio::test]
async fn posting_an_application_answers_with_its_case() {
    let stage = Stage::new().await;
    let application = stage.application(Some(stage.consent().await));
    let submission = application.sign(&stage.portal.key);
    let answer = stage.hub.submit_to("/v1/applications", &submission).await;
    let id = application.claims.case.unwrap();
    assert_eq!(answer.header("location"), Some(&*format!("/v1/cases/{id}")));
    let body: Value = answer.json(201);
    assert_eq!(body["case"]["case"], id.to_string());
    assert_eq!(body["case"]["requirements"].as_array().unwrap().len(), 3);
    let again: Value = stage.hub.submit_to("/v1/applications", &submission).await.json(200);
    assert_eq!(again["receipt"], body["receipt"]);
    // The envelope alone, which stands in the public log, shows nobody the case.
    let without_body = Submission { body: b"{}".to_vec(), ..submission.clone() };
    let found: Value = stage.hub.submit_to("/v1/applications", &without_body).await.json(200);
    assert_eq!((&found["receipt"], &found["case"]), (&body["receipt"], &Value::Null));
    // Whichever way it comes.
    let again: Value = stage.hub.submit(&submission).await.json(200);
    assert_eq!(again["receipt"], body["receipt"]);
}

#[tokio::test]
async fn only_applications_to_the_hubs_own_system_are_posted_as_such() {
    let stage = Stage::new().await;
    let to_another = stage.application(None).change(|claims| claims.aud = stage.authority.id.clone());
    let other_type = stage.consent_draft();
    for draft in [to_another, other_type] {
        let answer = stage.hub.submit_to("/v1/applications", &draft.sign(&stage.portal.key)).await;
        answer.problem(ProblemCode::RequestMalformed);
    }
    let mut without = stage.application(None).sign(&stage.portal.key);
    without.envelope = None;
    stage.hub.submit_to("/v1/applications", &without).await.problem(ProblemCode::EnvelopeMissing);
}

#[tokio::test]
async fn a_hub_without_a_system_of_its_own_has_no_cases() {
    let hub = crate::harness::TestHub::new().await;
    let answer = hub.submit_to("/v1/applications", &hub.world.application().sign(&hub.world.portal.key)).await;
    assert!(answer.problem(ProblemCode::NotFound).detail.unwrap().contains("[cases] system"));
}

async fn refused(stage: &Stage, draft: Draft, code: ProblemCode) {
    let before = stage.hub.size();
    let problem = stage.hub.submit(&draft.sign(&stage.portal.key)).await.problem(code);
    assert!(problem.index.is_some_and(|index| index >= before), "{code}: the refusal is in the log");
    let path = format!("/v1/cases/{}", draft.claims.case.unwrap_or_default());
    stage.hub.call(&stage.portal, "GET", &path, &Value::Null).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn an_application_that_cannot_become_a_case_is_refused_with_the_reason() {
    let stage = Stage::new().await;
    let consent = Some(stage.consent().await);
    let application = || stage.application(consent);
    refused(&stage, application().change(|claims| claims.case = None), ProblemCode::CaseInvalid).await;
    let unknown = |name: &str| application().change(|claims| claims.service = Some(name.parse().unwrap()));
    refused(&stage, unknown("th.dlt.flying-licence"), ProblemCode::ServiceUnknown).await;
    let form = application().with_json(|body| body["form"] = json!({ "colour": "blue" }));
    refused(&stage, form, ProblemCode::SchemaViolation).await;
    let digit = application().with_json(|body| body["applicant"]["national_id"] = json!("1990100010009"));
    refused(&stage, digit, ProblemCode::SchemaViolation).await;
    let kind = application().with_json(|body| {
        body["applicant"] = json!({
            "kind": "Juristic",
            "number": "0105556000011",
            "type": "LIMITED_COMPANY",
            "name": { "th": "บริษัท ตัวอย่าง จำกัด" },
        });
    });
    refused(&stage, kind, ProblemCode::ApplicantNotEligible).await;
}

#[tokio::test]
async fn a_company_without_a_representative_cannot_prove_who_acts_for_it() {
    let stage = Stage::new().await;
    let food = "th.bma.food-premises-licence";
    let authority = "th.bma".parse().unwrap();
    let service = Change::Added(Entry::Service(Service { id: food.parse().unwrap(), authority }));
    let terms = Change::Added(Entry::Agreement(Agreement {
        services: [food.parse().unwrap()].into(),
        ..agreement("food", &stage.portal.id, &OWN.parse().unwrap(), &["application.submitted"])
    }));
    stage.hub.change_registry([service, terms]).await.json::<Value>(200);
    stage.sign_agreements().await;
    let form =
        include_str!("../../../../schemas/catalogue/examples/th.bma.food-premises-licence@1/valid/complete.json");
    let application = stage.application(None).change(|claims| claims.service = Some(food.parse().unwrap()));
    let application = application.with_json(|body| {
        body["form_schema"] = json!(format!("{food}@1"));
        body["form"] = serde_json::from_str(form).unwrap();
        body["applicant"] = json!({
            "kind": "Juristic",
            "number": "0105556000011",
            "type": "LIMITED_COMPANY",
            "name": { "th": "บริษัท ตัวอย่าง จำกัด" },
        });
        body.as_object_mut().unwrap().remove("representative");
    });
    refused(&stage, application, ProblemCode::RepresentativeMissing).await;
}

#[tokio::test]
async fn a_case_belongs_to_the_application_that_named_it_first() {
    let stage = Stage::new().await;
    let consent = Some(stage.consent().await);
    let id = stage.apply(&stage.application(consent)).await;
    let second = stage.application(consent).change(|claims| claims.case = Some(id));
    stage.hub.submit(&second.sign(&stage.portal.key)).await.problem(ProblemCode::CaseInvalid);
    // Two that come at once: the log says which was first.
    let contested = CaseId::new();
    let rivals = [(); 2].map(|()| stage.application(consent).change(|claims| claims.case = Some(contested)));
    let signed = rivals.each_ref().map(|rival| rival.sign(&stage.portal.key));
    let answers = tokio::join!(stage.hub.submit(&signed[0]), stage.hub.submit(&signed[1]));
    let mut outcomes = Vec::new();
    for (answer, rival) in [answers.0, answers.1].into_iter().zip(&rivals) {
        outcomes.push(match answer.status {
            201 => stage.outcome(&stage.portal, rival).await.1,
            _ => Some(answer.problem(ProblemCode::CaseInvalid).code),
        });
    }
    outcomes.sort();
    assert_eq!(outcomes, [None, Some("case-invalid".to_owned())]);
}

#[tokio::test]
async fn an_application_for_a_service_that_nobody_takes_cases_of_is_refused() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.revoke_agreement("own.authority").await;
    refused(&stage, stage.application(Some(consent)), ProblemCode::ServiceNotOffered).await;
}

#[tokio::test]
async fn what_the_applicant_sends_along_is_not_asked_for() {
    let stage = Stage::new().await;
    let application = stage.application(None).with_json(|body| {
        body["evidence"] = json!([{
            "evidence_type": "th.moph.medical-certificate",
            "source": "APPLICANT",
            "document": { "commit": "A".repeat(43), "len": 1000, "media_type": "application/pdf" },
        }]);
    });
    let id = stage.apply(&application).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.case, Some(id));
    assert_eq!(complete.body["evidence"][2]["source"], "APPLICANT");
    // Whoever decides believes that it came with the application.
    let body: CaseSubmitted = serde_json::from_value(complete.body.clone()).unwrap();
    let state = stage.hub.app.registry.state();
    let key = |system: &SystemId, kid| {
        state.key(kid).filter(|record| record.key.system == *system).map(|record| record.key.jwk)
    };
    body.verify_copies(&complete.claims, key).unwrap();
    let mut of_another_type = body;
    of_another_type.evidence[2].evidence_type = Some("th.dopa.identity".parse().unwrap());
    assert!(of_another_type.verify_copies(&complete.claims, key).is_err());
    assert!(stage.inbox(&stage.ministry).await.is_empty());
}

#[tokio::test]
async fn a_message_about_no_case_is_rejected_by_the_hubs_own_system() {
    let stage = Stage::new().await;
    let withdrawal = Draft::withdrawal(&stage.portal.id, &OWN.parse().unwrap());
    assert_eq!(stage.rejected(&stage.portal, &withdrawal).await, "case-invalid");
    let body = json!({ "revoked_at": super::stage::at(0), "consent": MessageId::new() });
    let revocation = stage.message(&stage.portal, OWN, "consent.revoked", &body).change(|claims| {
        claims.service = None;
        claims.purpose = None;
    });
    assert_eq!(stage.rejected(&stage.portal, &revocation).await, "consent-insufficient");
}
