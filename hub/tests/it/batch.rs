//! Several messages in one request: each is judged as if it came alone.

use futures_util::future::join;
use saphan_schemas::b64;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use saphan_schemas::receipt::UnverifiedReceipt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Answer, Evidence, LogCopy, Submission, TestHub, eventually, in_time, sign_token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_a_batch_gets_its_own_answer_in_its_own_place() {
    let hub = TestHub::new().await;
    let world = &hub.world;
    let good = [world.message(), world.message()];
    let known = world.message();
    let first = hub.submit(&known).await.accepted();
    let forged = Submission { envelope: Some(world.message().envelope.unwrap() + "AA"), ..world.message() };
    let wrong = world.withdrawal().with_json(|body| body["reason"] = 7.into()).sign(&world.portal.key);
    let other_body = Submission { body: b"{}".to_vec(), ..world.message() };
    let batch = [&good[0], &forged, &wrong, &known, &other_body, &good[1]].map(item);

    let results = results(&submit(&hub, &batch).await);

    for (place, message) in [(0, &good[0]), (5, &good[1])] {
        hub.verify(message, &evidence(&results[place])).await;
    }
    assert_eq!(evidence(&results[3]), first, "the first receipt of what was accepted before");
    let malformed = problem(&results[1], ProblemCode::EnvelopeMalformed);
    assert_eq!(malformed.index, None);
    let violation = problem(&results[2], ProblemCode::SchemaViolation);
    assert_eq!(violation.errors[0].pointer, "/reason");
    let mismatch = problem(&results[4], ProblemCode::CommitmentMismatch);
    let log = LogCopy::fetch(&hub).await;
    let mut logged = log.refusals();
    logged.sort_unstable();
    assert_eq!(logged, ["commitment-mismatch", "schema-violation"]);
    assert!(violation.index.is_some() && mismatch.index.is_some(), "the refusals' places in the log");
    assert_eq!(log.messages().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_message_twice_in_a_batch_is_one_leaf_and_one_receipt() {
    let hub = TestHub::new().await;
    let (message, size) = (hub.world.message(), hub.size());
    let results = results(&submit(&hub, &[item(&message), item(&message)]).await);
    assert_eq!(evidence(&results[0]), evidence(&results[1]));
    assert_eq!(hub.size(), size + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_batch_is_accepted_whole() {
    let hub = TestHub::new().await;
    let messages: Vec<Submission> = (0..256).map(|_| hub.world.withdrawal().sign(&hub.world.portal.key)).collect();
    let items: Vec<Value> = messages.iter().map(item).collect();
    let results = results(&submit(&hub, &items).await);
    let places: std::collections::BTreeSet<u64> = results
        .iter()
        .map(|result| UnverifiedReceipt::parse(&evidence(result).receipt).unwrap().claims().index)
        .collect();
    assert_eq!(places.len(), 256);
    hub.verify(&messages[255], &evidence(&results[255])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_is_refused_many_times_at_once_is_one_leaf() {
    let hub = TestHub::new().await;
    let wrong = hub.world.withdrawal().with_json(|body| body["reason"] = 7.into()).sign(&hub.world.portal.key);
    let batch: Vec<Value> = (0..128).map(|_| item(&wrong)).collect();
    hub.store.block();
    let (answer, ()) = in_time(join(submit(&hub, &batch), async {
        // The first is on its way into the log, and the others are answered without it.
        hub.store.until_blocked().await;
        let answered = r#"saphan_problems_total{code="schema-violation"} 127"#;
        eventually(async || hub.get("/metrics").await.text().contains(answered)).await;
        hub.store.release();
    }))
    .await;
    for result in results(&answer) {
        problem(&result, ProblemCode::SchemaViolation);
    }
    assert_eq!(LogCopy::fetch(&hub).await.refusals(), ["schema-violation"]);
}

#[tokio::test]
async fn a_batch_takes_memory_for_bodies_from_its_first_byte_on() {
    let hub = TestHub::with("[limits]\nbody_bytes = 1048576\nbody_memory_mib = 1").await;
    let rooms = hub.app.body_memory.available_permits();
    let portal = &hub.world.portal;
    let token = sign_token(hub.token(portal.id.as_str(), "POST", BATCH), &portal.key);
    let mut held_back = TcpStream::connect(hub.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {BATCH} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\ncontent-length: 1048576\r\n\r\n{{"
    );
    held_back.write_all(head.as_bytes()).await.unwrap();
    eventually(async || hub.app.body_memory.available_permits() == 0).await;
    submit(&hub, &[item(&hub.world.message())]).await.problem(ProblemCode::HubBusy);
    drop(held_back);
    eventually(async || hub.app.body_memory.available_permits() == rooms).await;
    evidence(&results(&submit(&hub, &[item(&hub.world.message())]).await)[0]);
}

#[tokio::test]
async fn a_batch_without_a_token_is_not_looked_at() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let body = json!({ "messages": [item(&hub.world.message())] });
    hub.call_with("", "POST", BATCH, &body).await.problem(ProblemCode::TokenMissing);
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn a_batch_of_no_message_of_too_many_or_of_too_many_bytes_is_refused_whole() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let message = item(&hub.world.message());
    submit(&hub, &[]).await.problem(ProblemCode::RequestMalformed);
    let many = vec![json!({ "envelope": "", "salt": "", "body": "" }); 257];
    submit(&hub, &many).await.problem(ProblemCode::RequestMalformed);
    let long = json!({ "envelope": "", "salt": "", "body": "A".repeat(1 << 20) });
    submit(&hub, &[message.clone(), long]).await.problem(ProblemCode::RequestMalformed);
    let unknown = json!({ "envelope": "", "salt": "", "body": "", "more": 1 });
    submit(&hub, &[message, unknown]).await.problem(ProblemCode::RequestMalformed);
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn a_body_that_is_not_base64_is_a_logged_refusal_of_its_own_message_only() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let mut bad = item(&hub.world.message());
    bad["body"] = "####".into();
    let results = results(&submit(&hub, &[bad, item(&message)]).await);
    let mismatch = problem(&results[0], ProblemCode::CommitmentMismatch);
    assert!(mismatch.index.is_some() && mismatch.detail.unwrap().contains("base64"));
    hub.verify(&message, &evidence(&results[1])).await;
    assert_eq!(LogCopy::fetch(&hub).await.refusals(), ["commitment-mismatch"]);
    let metrics = hub.get("/metrics").await;
    assert!(metrics.text().contains(r#"saphan_problems_total{code="commitment-mismatch"} 1"#), "it is counted");
}

#[tokio::test]
async fn a_message_that_was_accepted_gets_its_first_receipt_though_its_body_now_is_not_base64() {
    let hub = TestHub::new().await;
    let mut again = item(&hub.world.message());
    let first = evidence(&results(&submit(&hub, std::slice::from_ref(&again)).await)[0]);
    again["body"] = "####".into();
    let second = evidence(&results(&submit(&hub, &[again]).await)[0]);
    assert_eq!(first.receipt, second.receipt);
}

async fn submit(hub: &TestHub, messages: &[Value]) -> Answer {
    hub.call(&hub.world.portal, "POST", BATCH, &json!({ "messages": messages })).await
}

fn item(message: &Submission) -> Value {
    json!({ "envelope": message.envelope, "salt": message.salt, "body": b64::encode_std(&message.body) })
}

fn results(answer: &Answer) -> Vec<Value> {
    let body: Value = answer.json(200);
    body["results"].as_array().unwrap().clone()
}

fn evidence(result: &Value) -> Evidence {
    serde_json::from_value(result.clone()).unwrap_or_else(|_| panic!("not accepted: {result}"))
}

fn problem(result: &Value, code: ProblemCode) -> ProblemDocument {
    let document: ProblemDocument = serde_json::from_value(result["problem"].clone()).unwrap();
    assert_eq!(document.code(), Some(code), "{result}");
    document
}

const BATCH: &str = "/v1/messages/batch";
