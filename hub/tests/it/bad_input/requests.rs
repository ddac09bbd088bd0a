//! Requests other than submissions: every refusal is a problem document as well, and nothing is logged.

use saphan_schemas::acknowledgement::AcknowledgementClaims;
use saphan_schemas::ids::MessageId;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use crate::harness::{Answer, TestHub, batch, sign_batch};

/// The codes that this table covers.
pub(super) const CODES: [ProblemCode; 13] = [
    ProblemCode::TokenReplayed,
    ProblemCode::InvitationInvalid,
    ProblemCode::AcknowledgementMalformed,
    ProblemCode::AcknowledgementUnknownMessage,
    ProblemCode::RegistryEntryInvalid,
    ProblemCode::TokenMissing,
    ProblemCode::TokenInvalid,
    ProblemCode::TokenExpired,
    ProblemCode::Forbidden,
    ProblemCode::NotFound,
    ProblemCode::MethodNotAllowed,
    ProblemCode::RequestMalformed,
    ProblemCode::LeaseLost,
];

#[tokio::test]
async fn every_other_refused_request_gets_its_code_and_nothing_is_logged() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let mut covered = Vec::new();
    for (what, code, answer) in answers(&hub).await {
        let problem = answer.problem(code);
        assert_eq!(problem.index, None, "{what}");
        covered.push(code);
    }
    assert_eq!(hub.size(), size, "something was logged");
    for code in CODES {
        assert!(covered.contains(&code), "the table says that it covers {code}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_answered_with_those_it_has() {
    let hub = TestHub::new().await;
    let answer = hub.call_with("", "DELETE", "/v1/messages", &Value::Null).await;
    answer.problem(ProblemCode::MethodNotAllowed);
    assert_eq!(answer.header("allow"), Some("POST"));
}

async fn answers(hub: &TestHub) -> Vec<(&'static str, ProblemCode, Answer)> {
    let mut answers = tokens(hub).await;
    answers.extend(paths(hub).await);
    answers.extend(inboxes(hub).await);
    answers.extend(acknowledgements(hub).await);
    answers
}

async fn tokens(hub: &TestHub) -> Vec<(&'static str, ProblemCode, Answer)> {
    let path = "/v1/inbox/lease";
    let body = json!({ "max": 1 });
    let old = {
        let mut token = hub.token(hub.world.office.id.as_str(), "POST", path);
        token.iat -= 61;
        crate::harness::sign_token(token, &hub.world.office.key)
    };
    vec![
        ("a token that was used", ProblemCode::TokenReplayed, replayed(hub).await),
        ("no token", ProblemCode::TokenMissing, hub.call_with("", "POST", path, &body).await),
        ("a password", ProblemCode::TokenMissing, hub.call_with("Basic YTpi", "POST", path, &body).await),
        ("nonsense", ProblemCode::TokenInvalid, hub.call_with("Bearer nonsense", "POST", path, &body).await),
        ("an old token", ProblemCode::TokenExpired, hub.call_with(&format!("Bearer {old}"), "POST", path, &body).await),
        (
            "a registry entry that is none",
            ProblemCode::RegistryEntryInvalid,
            hub.send_registry(&["nonsense".to_owned()]).await,
        ),
    ]
}

/// The answer to the second request with one token.
async fn replayed(hub: &TestHub) -> Answer {
    let path = "/v1/inbox/lease";
    let token = hub.token(hub.world.office.id.as_str(), "POST", path);
    let token = format!("Bearer {}", crate::harness::sign_token(token, &hub.world.office.key));
    let body = json!({ "max": 1 });
    hub.call_with(&token, "POST", path, &body).await.json::<Value>(200);
    hub.call_with(&token, "POST", path, &body).await
}

async fn paths(hub: &TestHub) -> Vec<(&'static str, ProblemCode, Answer)> {
    let office = &hub.world.office;
    let mut answers = Vec::new();
    for path in [
        "/",
        "/v2/messages",
        "/v1/schemas/application.gossip@1",
        "/v1/schemas/application",
        "/v1/schemas/%ff",
        "/v1/systems/th.dopa/nobody/keys",
        "/v1/systems/TH/x/keys",
        "/v1/systems/%ff/%ff/keys",
        "/v1/log/tile/0/999",
        "/v1/log/tile/0/1",
        "/v1/log/tile/%ff",
        "/v1/log/tile/../checkpoint/x",
    ] {
        answers.push(("a path with nothing behind it", ProblemCode::NotFound, hub.get(path).await));
    }
    for id in ["1", "%ff", "f47ac10b-58cc-4372-a567-0e02b2c3d479"] {
        let path = format!("/v1/messages/{id}");
        answers.push(("no message id", ProblemCode::NotFound, hub.call(office, "GET", &path, &Value::Null).await));
    }
    let unknown = format!("/v1/messages/{}", MessageId::new());
    answers.push(("an unknown id", ProblemCode::NotFound, hub.call(office, "GET", &unknown, &Value::Null).await));
    for id in ["x", &"A".repeat(43)] {
        let path = format!("/v1/invitations/{id}");
        answers.push(("no invitation", ProblemCode::InvitationInvalid, hub.get(&path).await));
    }
    answers.push(("a wrong method", ProblemCode::MethodNotAllowed, hub.get("/v1/messages").await));
    answers
}

async fn inboxes(hub: &TestHub) -> Vec<(&'static str, ProblemCode, Answer)> {
    let office = &hub.world.office;
    let mut answers = Vec::new();
    for body in [
        json!({}),
        json!({ "max": 0 }),
        json!({ "max": 257 }),
        json!({ "max": -1 }),
        json!({ "max": "1" }),
        json!({ "max": 1, "wait": -1 }),
        json!({ "max": 1, "min": 1 }),
        json!(["max", 1]),
    ] {
        answers.push((
            "a lease that cannot be read",
            ProblemCode::RequestMalformed,
            hub.call(office, "POST", "/v1/inbox/lease", &body).await,
        ));
    }
    let long = json!({ "lease": "x".repeat(2 << 20) });
    answers.push((
        "a request over its limit",
        ProblemCode::RequestMalformed,
        hub.call(office, "POST", "/v1/inbox/extend", &long).await,
    ));
    answers.push(("no such lease", ProblemCode::LeaseLost, hub.extend(office, "x").await));
    answers.push(("no such lease", ProblemCode::LeaseLost, hub.release(office, &json!({ "lease": "x" })).await));
    answers
}

async fn acknowledgements(hub: &TestHub) -> Vec<(&'static str, ProblemCode, Answer)> {
    let office = &hub.world.office;
    let signed = |claims: AcknowledgementClaims| sign_batch(claims, &office.key);
    let malformed = ProblemCode::AcknowledgementMalformed;
    let over = "x".repeat(2 << 20);
    vec![
        (
            "a batch of another system",
            ProblemCode::Forbidden,
            hub.acknowledge(&hub.world.archive, &signed(batch(office, &[(0, None)]))).await,
        ),
        ("nothing", malformed, hub.acknowledge(office, "").await),
        ("nonsense", malformed, hub.acknowledge(office, "a.b.c").await),
        ("an envelope", malformed, hub.acknowledge(office, hub.world.message().envelope()).await),
        ("over the limit of all requests", malformed, hub.acknowledge(office, &over).await),
        (
            "a place beyond the log",
            ProblemCode::AcknowledgementUnknownMessage,
            hub.acknowledge(office, &signed(batch(office, &[(1 << 40, None)]))).await,
        ),
        (
            "a place without a message",
            ProblemCode::AcknowledgementUnknownMessage,
            hub.acknowledge(office, &signed(batch(office, &[(0, None)]))).await,
        ),
    ]
}
