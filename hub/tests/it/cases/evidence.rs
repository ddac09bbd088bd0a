//! How evidence comes, and what follows when it does not.

use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::stage::{Received, Stage, at, provided, requirement};
use crate::harness::{Document, Draft, Party};

/// A case whose other evidence is there; what is open is the medical certificate, which is asked of the ministry first.
async fn case_without_certificate(stage: &Stage) -> (saphan_schemas::ids::CaseId, Received) {
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    (id, request)
}

#[tokio::test]
async fn when_a_provider_declines_another_is_asked_and_then_the_applicant() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    stage.hub.accept(&stage.declined(&stage.ministry, &request).sign(&stage.ministry.key)).await;
    let request = stage.receive(&stage.city, "evidence.requested").await;
    let mut body = stage.declined(&stage.ministry, &request);
    body.claims.iss = stage.city.id.clone();
    stage.hub.accept(&body.sign(&stage.city.key)).await;
    let question = stage.receive(&stage.portal, "information.requested").await;
    assert_eq!(question.claims.case, Some(id));
    assert_eq!(question.body["items"][0]["item"], "medical-certificate");
    let case = stage.until(id, |case| case["next"] == "WAITING_USER_WORKING").await;
    let certificate = requirement(&case, "medical-certificate");
    assert_eq!(certificate["state"], "asked-applicant");
    let failures: Vec<_> = certificate["failures"].as_array().unwrap().iter().map(|one| &one["because"]).collect();
    assert_eq!(failures, ["SUBJECT_NOT_FOUND", "SUBJECT_NOT_FOUND"]);

    let answer = json!({ "supplied_at": at(0), "answers": [{
        "kind": "Document",
        "item": "medical-certificate",
        "document": { "commit": "A".repeat(43), "len": 1000, "media_type": "application/pdf" },
    }] });
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &answer);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.body["evidence"][2]["source"], "APPLICANT");
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(case["next"], "WAITING_AGENT_WORKING");
}

#[tokio::test]
async fn a_requirement_that_nobody_can_prove_goes_to_the_authority_as_missing() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    stage.revoke_agreement("own.th.bma.clinics").await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.provide(&stage.registry).await;
    stage.provide(&stage.licences).await;
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    stage.hub.accept(&stage.declined(&stage.ministry, &request).sign(&stage.ministry.key)).await;
    let question = stage.receive(&stage.portal, "information.requested").await;
    let answer = json!({ "supplied_at": at(0), "answers": [
        { "kind": "Unavailable", "item": "medical-certificate", "note": "ไม่มี" },
    ] });
    let answer = stage.reply(&stage.portal, &question, "information.supplied", &answer);
    stage.hub.accept(&answer.sign(&stage.portal.key)).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.body["missing"][0]["requirement"], "medical-certificate");
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(requirement(&case, "medical-certificate")["state"], "missing");
    // The same answer again: nothing asks for it any more.
    let again = stage.reply(
        &stage.portal,
        &question,
        "information.supplied",
        &json!({ "supplied_at": at(0), "answers": [
        { "kind": "Unavailable", "item": "medical-certificate", "note": "ไม่มี" },
    ] }),
    );
    assert_eq!(stage.rejected(&stage.portal, &again).await, "evidence-not-awaited");
}

#[tokio::test]
async fn a_provider_that_is_silent_is_passed_over_and_may_still_answer() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    stage.hub.clock.advance(3601);
    stage.receive(&stage.city, "evidence.requested").await;
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "medical-certificate")["failures"][0]["reason"], "timed-out");
    // The log says that it was too late, and of what.
    let over = stage.take(&stage.portal, "case.reminder").await;
    assert_eq!((&over.body["kind"], over.claims.reply_to), (&json!("EVIDENCE_OVER"), Some(request.claims.jti)));
    assert_eq!(stage.cause(id, "evidence-failed").await.0, over.index);
    stage.acknowledge(&stage.portal, over.index, None).await;
    stage.hub.clock.advance(3601);
    stage.receive(&stage.portal, "information.requested").await;
    let late = stage.evidence(&stage.ministry, &request);
    stage.hub.accept(&late.sign(&stage.ministry.key)).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.body["evidence"][2]["source"], "REQUESTED");
    let case = stage.until(id, |case| case["handed_over"] == true).await;
    assert_eq!(case["next"], "WAITING_AGENT_WORKING", "the applicant has nothing to answer any more");
}

#[tokio::test]
async fn while_the_hub_is_away_no_provider_is_late() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    let stage = stage.restarted_after(7200).await;
    stage.hub.clock.advance(500);
    stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "requested").await;
    stage.hub.accept(&stage.evidence(&stage.ministry, &request).sign(&stage.ministry.key)).await;
    stage.until(id, |case| case["handed_over"] == true).await;
}

#[tokio::test]
async fn after_the_hub_was_away_a_provider_that_stays_silent_is_passed_over() {
    let stage = Stage::new().await;
    let (id, _) = case_without_certificate(&stage).await;
    let stage = stage.restarted_after(7200).await;
    // The log is followed by now.
    stage.case(id).await;
    stage.hub.clock.advance(601);
    stage.receive(&stage.city, "evidence.requested").await;
}

#[tokio::test]
async fn a_provider_that_says_it_takes_longer_is_waited_for() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    let body = json!({
        "noted_at": at(0),
        "evidence_type": "th.moph.medical-certificate",
        "expected_by": at(4 * 3600),
        "text": { "th": "กำลังค้นหา", "en": "It is being looked for." },
    });
    let pending = stage.reply(&stage.ministry, &request, "evidence.pending", &body);
    stage.hub.accept(&pending.sign(&stage.ministry.key)).await;
    let is_pending = |case: &Value| requirement(case, "medical-certificate")["state"] == "pending";
    stage.until(id, is_pending).await;
    stage.hub.clock.advance(3 * 3600);
    let body = json!({
        "noted_at": at(0),
        "evidence_type": "th.moph.medical-certificate",
        "expected_by": at(365 * 86_400),
        "text": { "th": "กำลังค้นหา", "en": "It is being looked for." },
    });
    let longer = stage.reply(&stage.ministry, &request, "evidence.pending", &body);
    stage.hub.accept(&longer.sign(&stage.ministry.key)).await;
    assert_eq!(stage.outcome(&stage.ministry, &longer).await.0, "processed");
    assert!(is_pending(&stage.case(id).await), "three hours are over, and it was to take four");
    // A year is too long: ten times the usual patience is the most, however often it is said.
    stage.hub.clock.advance(6 * 3600);
    let longer = stage.reply(&stage.ministry, &request, "evidence.pending", &body);
    stage.hub.accept(&longer.sign(&stage.ministry.key)).await;
    assert_eq!(stage.outcome(&stage.ministry, &longer).await.0, "processed");
    stage.hub.clock.advance(3600 + 1);
    stage.receive(&stage.city, "evidence.requested").await;
}

#[tokio::test]
async fn evidence_that_is_not_what_was_asked_for_is_rejected_and_asked_for_again_once() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    let other = json!({ "kind": "Citizen", "national_id": "1101700230708" });
    let with = |request: &Received, change: &dyn Fn(&mut Value)| {
        stage.evidence(&stage.ministry, request).with_json(|body| change(body))
    };
    let wrong = with(&request, &|body| body["content"]["fit"] = json!("perhaps"));
    assert_eq!(stage.rejected(&stage.ministry, &wrong).await, "evidence-invalid");
    let again = stage.receive(&stage.ministry, "evidence.requested").await;
    assert_ne!(again.claims.jti, request.claims.jti);
    // The first request is over.
    let late = stage.evidence(&stage.ministry, &request);
    assert_eq!(stage.rejected(&stage.ministry, &late).await, "evidence-not-awaited");
    let wrong = with(&again, &|body| body["subject"] = other.clone());
    assert_eq!(stage.rejected(&stage.ministry, &wrong).await, "evidence-subject-mismatch");
    let request = stage.receive(&stage.city, "evidence.requested").await;
    let case = stage.case(id).await;
    let codes: Vec<_> = requirement(&case, "medical-certificate")["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["code"])
        .collect();
    assert_eq!(codes, ["evidence-invalid", "evidence-subject-mismatch"]);
    let old = stage.evidence(&stage.city, &request).with_json(|body| body["as_of"] = json!("2026-01-01T00:00:00Z"));
    assert_eq!(stage.rejected(&stage.city, &old).await, "evidence-expired");
    let request = stage.receive(&stage.city, "evidence.requested").await;
    let over = stage.evidence(&stage.city, &request).with_json(|body| body["valid_until"] = json!("2026-11-23"));
    assert_eq!(stage.rejected(&stage.city, &over).await, "evidence-expired");
    stage.receive(&stage.portal, "information.requested").await;
}

#[tokio::test]
async fn evidence_of_another_type_or_without_the_schema_of_its_type_is_rejected() {
    let stage = Stage::new().await;
    let (_, request) = case_without_certificate(&stage).await;
    let other =
        stage.evidence(&stage.ministry, &request).with_json(|body| body["evidence_type"] = json!("th.dopa.identity"));
    assert_eq!(stage.rejected(&stage.ministry, &other).await, "evidence-invalid");
    let request = stage.receive(&stage.ministry, "evidence.requested").await;
    let bare = stage.evidence(&stage.ministry, &request).with_json(|body| {
        body.as_object_mut().unwrap().remove("content");
    });
    assert_eq!(stage.rejected(&stage.ministry, &bare).await, "evidence-invalid");
}

#[tokio::test]
async fn evidence_that_nobody_asked_this_provider_for_is_rejected() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    let of_another = stage.evidence(&stage.city, &request);
    assert_eq!(stage.rejected(&stage.city, &of_another).await, "evidence-not-awaited");
    let to_nothing = stage.evidence(&stage.ministry, &request).change(|claims| claims.reply_to = None);
    assert_eq!(stage.rejected(&stage.ministry, &to_nothing).await, "evidence-not-awaited");
    let elsewhere = stage.evidence(&stage.ministry, &request).change(|claims| claims.case = None);
    assert_eq!(stage.rejected(&stage.ministry, &elsewhere).await, "case-invalid");
    assert_eq!(requirement(&stage.case(id).await, "medical-certificate")["state"], "requested");
    stage.hub.accept(&stage.evidence(&stage.ministry, &request).sign(&stage.ministry.key)).await;
    let twice = stage.evidence(&stage.ministry, &request);
    assert_eq!(stage.rejected(&stage.ministry, &twice).await, "evidence-not-awaited");
}

#[tokio::test]
async fn a_provider_that_rejects_the_request_is_passed_over() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let request = stage.take(&stage.ministry, "evidence.requested").await;
    stage.acknowledge(&stage.ministry, request.index, Some("out-of-order")).await;
    stage.receive(&stage.city, "evidence.requested").await;
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "medical-certificate")["failures"][0]["code"], "out-of-order");
}

#[tokio::test]
async fn a_provider_whose_agreement_ends_while_it_is_asked_is_passed_over() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    stage.revoke_agreement("own.th.bma.clinics").await;
    stage.hub.accept(&stage.declined(&stage.ministry, &request).sign(&stage.ministry.key)).await;
    stage.receive(&stage.portal, "information.requested").await;
    let case = stage.case(id).await;
    let failure = &requirement(&case, "medical-certificate")["failures"][1];
    assert_eq!((&failure["reason"], &failure["code"]), (&json!("not-sent"), &json!("agreement-missing")));
    let (_, cause) = stage.cause(id, "evidence-failed").await;
    assert!(matches!(&cause, Leaf::Refusal { code, .. } if code.as_str() == "agreement-missing"), "{cause:?}");
}

#[tokio::test]
async fn the_authority_can_verify_the_providers_signature_itself() {
    use saphan_schemas::envelope::UnverifiedEnvelope;
    use saphan_schemas::message_types::CaseSubmitted;

    let stage = Stage::new().await;
    let (_, request) = case_without_certificate(&stage).await;
    let sent = stage.evidence(&stage.ministry, &request);
    stage.hub.accept(&sent.sign(&stage.ministry.key)).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    let body: CaseSubmitted = serde_json::from_value(complete.body).unwrap();
    let certificate = &body.evidence[2].message;
    let envelope =
        UnverifiedEnvelope::parse(&certificate.envelope).unwrap().verify(stage.ministry.key.public()).unwrap();
    let (salt, exact) = certificate.opened().unwrap();
    envelope.claims().body.open(&salt, &exact).unwrap();
    assert!(exact == sent.body, "as it was sent");
    let logged = stage.hub.app.store.entries(certificate.index, 1).await.unwrap().pop().unwrap();
    assert!(String::from_utf8(logged).unwrap().contains(&certificate.envelope), "and find it in the log");
}

#[tokio::test]
async fn evidence_with_which_the_case_would_fit_into_no_message_is_rejected() {
    let stage = Stage::with("[limits]\nbody_bytes = 100000").await;
    // So long is an application of three requirements at most: (100000 / 5 - 10240) / 4 * 3.
    let long = |draft: Draft| {
        let body = [&draft.body[..], &b" ".repeat(7321 - draft.body.len())].concat();
        draft.with_body(body)
    };
    let application = long(stage.application(Some(stage.consent().await)));
    stage.hub.submit(&application.sign(&stage.portal.key)).await.problem(ProblemCode::BodyTooLarge);
    let id = stage.apply(&stage.application(application.claims.consent)).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    let evidence = long(stage.evidence(&stage.registry, &request));
    assert_eq!(stage.rejected(&stage.registry, &evidence).await, "body-too-large");
    assert_eq!(requirement(&stage.case(id).await, "identity")["failures"][0]["code"], "body-too-large");
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
}

#[tokio::test]
async fn the_authority_can_read_all_documents_of_a_case_however_many_they_are() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let upload = async |party: &Party, documents: &[Document]| {
        for document in documents {
            assert_eq!(stage.hub.put(party, document).await.status, 201);
        }
        documents.iter().map(Document::reference).collect::<Vec<_>>()
    };
    let [sent_along, provided] = [0; 2].map(|_| (0..12).map(|_| Document::pdf(2000)).collect::<Vec<_>>());
    let cited = upload(&stage.portal, &sent_along).await;
    stage.apply(&stage.application(Some(consent)).change(|claims| claims.documents = cited)).await;
    let cited = upload(&stage.registry, &provided).await;
    let request = stage.receive(&stage.registry, "evidence.requested").await;
    let evidence = stage.evidence(&stage.registry, &request).change(|claims| claims.documents = cited);
    stage.hub.accept(&evidence.sign(&stage.registry.key)).await;
    stage.provide(&stage.licences).await;
    stage.hub.read(&stage.authority, &provided[11]).await.problem(ProblemCode::NotFound);
    stage.provide(&stage.ministry).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.documents.len(), 16, "as many as an envelope has room for");
    for document in sent_along.iter().chain(&provided) {
        assert!(stage.hub.read(&stage.authority, document).await.body == document.bytes);
    }
    stage.hub.read(&stage.licences, &provided[0]).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn who_was_asked_second_is_heard_though_the_first_provider_answered_late() {
    let stage = Stage::new().await;
    let (id, first) = case_without_certificate(&stage).await;
    stage.hub.clock.advance(3601);
    let second = stage.receive(&stage.city, "evidence.requested").await;
    stage.hub.accept(&stage.evidence(&stage.ministry, &first).sign(&stage.ministry.key)).await;
    stage.until(id, |case| requirement(case, "medical-certificate")["state"] == "proven").await;
    let answer = stage.evidence(&stage.city, &second);
    stage.hub.accept(&answer.sign(&stage.city.key)).await;
    assert_eq!(stage.outcome(&stage.city, &answer).await.0, "processed", "it serves later cases");
}

#[tokio::test]
async fn evidence_that_is_a_document_is_none_without_it() {
    let stage = Stage::new().await;
    let (id, request) = case_without_certificate(&stage).await;
    let without = stage.reply(&stage.ministry, &request, "evidence.provided", &provided(&request));
    assert_eq!(stage.rejected(&stage.ministry, &without).await, "evidence-invalid");
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "medical-certificate")["failures"][0]["code"], "evidence-invalid");
    // It is asked for once more; the authority reads what comes then.
    stage.provide(&stage.ministry).await;
    let complete = stage.receive(&stage.authority, "case.submitted").await;
    assert_eq!(complete.claims.documents, [stage.certificate(&stage.ministry)]);
}
