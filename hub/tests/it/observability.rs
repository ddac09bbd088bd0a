//! What an operator sees: metrics and log lines, without anything that is not theirs to see.

use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use crate::harness::{PERSONAL, TestHub, batch, captured, sign_batch, sign_token};

#[tokio::test]
async fn the_metrics_count_what_happened() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let message = hub.world.message();
    let index = hub.accept(&message).await;
    hub.submit(&message).await.json::<Value>(200);
    hub.accept(&hub.world.message_to_archive()).await;
    hub.get("/nothing").await.problem(ProblemCode::NotFound);
    let before = hub.get("/metrics").await;
    for line in ["saphan_outbox_pull 1", "saphan_outbox_amqp 1"] {
        assert!(before.text().lines().any(|found| found == line), "{line} is missing in:\n{}", before.text());
    }
    hub.acknowledge(office, &sign_batch(batch(office, &[(index, None)]), &office.key)).await.json::<Value>(201);
    let answer = hub.get("/metrics").await;
    let size = format!("saphan_log_size {}", hub.size());
    for line in [
        "saphan_messages_accepted_total 2",
        "saphan_messages_duplicate_total 1",
        "saphan_messages_acknowledged_total 1",
        "saphan_messages_published_total 0",
        "saphan_publish_failures_total 0",
        "saphan_messages_expired_total 0",
        r#"saphan_problems_total{code="not-found"} 1"#,
        "saphan_receipt_seconds_count 3",
        "saphan_outbox_pull 0",
        "saphan_outbox_amqp 1",
        "saphan_broker_up 0",
        &size,
        "# EOF",
    ] {
        assert!(answer.text().lines().any(|found| found == line), "{line} is missing in:\n{}", answer.text());
    }
}

#[tokio::test]
async fn no_body_envelope_salt_token_or_key_is_ever_in_the_log_and_every_refusal_is() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let message = hub.world.application().sign(&portal.key);
    let index = hub.accept(&message).await;
    let bad = hub.world.application().with_json(|body| body["applicant"]["national_id"] = json!("1990100010009"));
    let bad = bad.sign(&portal.key);
    hub.submit(&bad).await.problem(ProblemCode::SchemaViolation);
    let path = format!("/v1/messages/{}", message.id());
    let token = sign_token(hub.token(portal.id.as_str(), "GET", &path), &portal.key);
    hub.call_with(&format!("Bearer {token}"), "GET", &path, &Value::Null).await.json::<Value>(200);
    let old = sign_token(hub.token(portal.id.as_str(), "GET", "/v1/other"), &portal.key);
    hub.call_with(&format!("Bearer {old}"), "GET", &path, &Value::Null).await.problem(ProblemCode::TokenInvalid);
    hub.lease(office, 1).await;
    let acknowledgement = sign_batch(batch(office, &[(index, None)]), &office.key);
    hub.acknowledge(office, &acknowledgement).await.json::<Value>(201);
    hub.store.next_commits([Some(crate::harness::CommitFault::NotWritten)]);
    let lost = hub.world.application().sign(&portal.key);
    hub.submit(&lost).await.problem(ProblemCode::HubUnavailable);

    let lines = captured();
    let keys = ["receipts.pem", "operator.pem", "log.pem"]
        .map(|name| std::fs::read_to_string(hub.data_folder().join(name)).unwrap());
    let secret_lines = keys.iter().flat_map(|pem| pem.lines().filter(|line| !line.starts_with('-')));
    let signed = [message.envelope(), bad.envelope(), lost.envelope(), &token, &old, &acknowledgement];
    // The parts of a JWS apart: a log line might cut it.
    let signed = signed.into_iter().flat_map(|text| text.split('.').skip(1));
    let salts = [&message, &bad, &lost].map(|message| message.salt.clone().unwrap());
    let id = message.id().to_string();
    let forbidden = PERSONAL.into_iter().chain(secret_lines).chain(signed).chain(salts.iter().map(String::as_str));
    for text in forbidden.chain([id.as_str(), "1990100010009"]) {
        assert!(!lines.contains(text), "the log holds {text}");
    }
    // The capture works: these lines are of this test's kind.
    for (code, status) in [("schema-violation", 422), ("token-invalid", 401), ("hub-unavailable", 503)] {
        let found = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|line| {
            let fields = &line["fields"];
            fields["code"] == code && fields["status"] == status && fields["route"].is_string()
        });
        assert!(found, "no line about {code}");
    }
    assert!(lines.contains("a commit failed; reading the head again"));
}
