//! So many messages and requests a second.

use saphan_schemas::b64;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use saphan_schemas::registry::{Change, Entry, EntryId, Member};
use serde_json::{Value, json};

use crate::harness::{Draft, LogCopy, Party, Submission, TestHub, sign_entry_as};

#[tokio::test]
async fn messages_beyond_the_limit_are_told_when_to_come_again_and_are_accepted_then() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 2").await;
    for _ in 0..4 {
        hub.submit(&hub.world.message()).await.accepted();
    }
    let message = hub.world.message();
    let (size, problem) = (hub.size(), hub.submit(&message).await.problem(ProblemCode::RateLimited));
    assert_eq!((problem.retry, problem.retry_after), (true, Some(1)));
    assert_eq!(hub.size(), size, "it leaves nothing in the log");
    hub.clock.advance(1);
    hub.verify(&message, &hub.submit(&message).await.accepted()).await;
    hub.submit(&hub.world.message()).await.accepted();
    hub.submit(&hub.world.message()).await.problem(ProblemCode::RateLimited);
    let counted = r#"saphan_problems_total{code="rate-limited"} 2"#;
    assert!(hub.get("/metrics").await.text().contains(counted), "it is counted");
}

#[tokio::test]
async fn a_system_at_its_limit_does_not_touch_the_limit_of_another() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 1\nrequests_per_second = 2").await;
    for _ in 0..2 {
        hub.submit(&hub.world.message()).await.accepted();
    }
    hub.submit(&hub.world.message()).await.problem(ProblemCode::RateLimited);
    let office = &hub.world.office;
    let answer = Draft::withdrawal(&office.id, &hub.world.portal.id).sign(&office.key);
    hub.submit(&answer).await.accepted();
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_when_to_come_again_and_are_answered_then() {
    let hub = TestHub::with("[limits]\nrequests_per_second = 1").await;
    let office = &hub.world.office;
    hub.clock.advance(2);
    for _ in 0..2 {
        hub.lease(office, 1).await;
    }
    hub.lease_answer(office, 1, 0).await.problem(ProblemCode::RateLimited);
    hub.lease(&hub.world.portal, 1).await;
    hub.clock.advance(1);
    hub.lease(office, 1).await;
}

#[tokio::test]
async fn a_batch_is_accepted_up_to_the_limit_and_each_message_beyond_it_is_told_when_to_come_again() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 2").await;
    let messages: Vec<Submission> = (0..6).map(|_| hub.world.message()).collect();
    let results = batch(&hub, &messages).await;
    for (message, result) in messages.iter().zip(&results[..4]) {
        hub.verify(message, &serde_json::from_value(result.clone()).unwrap()).await;
    }
    for result in &results[4..] {
        let problem: ProblemDocument = serde_json::from_value(result["problem"].clone()).unwrap();
        assert_eq!((problem.code(), problem.retry_after), (Some(ProblemCode::RateLimited), Some(1)));
    }
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 4);
    hub.clock.advance(1);
    let results = batch(&hub, &messages[4..]).await;
    hub.verify(&messages[5], &serde_json::from_value(results[1].clone()).unwrap()).await;
}

#[tokio::test]
async fn garbage_in_a_batch_is_at_the_cost_of_who_brings_it() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 2").await;
    let forged = Submission { envelope: Some("a.b.c".into()), ..hub.world.message() };
    let codes =
        batch(&hub, &[forged.clone(), forged.clone(), forged.clone(), forged.clone(), hub.world.message()]).await;
    let codes: Vec<&str> = codes.iter().map(|result| result["problem"]["code"].as_str().unwrap()).collect();
    let malformed = ProblemCode::EnvelopeMalformed.as_str();
    assert_eq!(codes, [malformed, malformed, malformed, malformed, ProblemCode::RateLimited.as_str()]);
}

#[tokio::test]
async fn refusals_count_like_messages() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 1").await;
    let wrong = || hub.world.withdrawal().with_json(|body| body["reason"] = 7.into()).sign(&hub.world.portal.key);
    for _ in 0..2 {
        hub.submit(&wrong()).await.problem(ProblemCode::SchemaViolation);
    }
    let size = hub.size();
    hub.submit(&wrong()).await.problem(ProblemCode::RateLimited);
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn messages_of_the_log_that_someone_sends_again_and_again_cost_their_sender_nothing() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 1").await;
    let message = hub.world.message();
    let first = hub.submit(&message).await.accepted();
    // With the body, and without it as from the public log.
    let stripped = Submission { body: b"{}".to_vec(), ..message.clone() };
    for _ in 0..5 {
        assert_eq!(hub.submit(&message).await.json::<crate::harness::Evidence>(200), first);
        assert_eq!(hub.submit(&stripped).await.json::<crate::harness::Evidence>(200), first);
    }
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn whoever_stole_a_key_that_was_revoked_cannot_spend_the_allowance_of_its_owner() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 1").await;
    let stolen = hub.world.portal.another_key();
    hub.apply([Change::Added(Entry::Key(stolen.key_entry()))]).await;
    hub.apply([Change::Revoked(EntryId::Key(stolen.key.id()))]).await;
    for _ in 0..2 {
        hub.submit(&hub.world.withdrawal().sign(&stolen.key)).await.problem(ProblemCode::KeyRevoked);
    }
    hub.submit(&hub.world.withdrawal().sign(&stolen.key)).await.problem(ProblemCode::RateLimited);
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn a_member_that_signs_in_the_name_of_another_spends_nothing_of_that_one() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 1").await;
    for _ in 0..2 {
        hub.submit(&hub.world.withdrawal().sign(&hub.world.office.key)).await.problem(ProblemCode::SenderMismatch);
    }
    hub.submit(&hub.world.withdrawal().sign(&hub.world.office.key)).await.problem(ProblemCode::RateLimited);
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn without_limits_there_are_none() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 0\nrequests_per_second = 0").await;
    let messages: Vec<Submission> = (0..200).map(|_| hub.world.message()).collect();
    let results = batch(&hub, &messages).await;
    assert!(results.iter().all(|result| result["receipt"].is_string()), "{results:?}");
}

/// Sends a batch as the portal; one result for each message.
async fn batch(hub: &TestHub, messages: &[Submission]) -> Vec<Value> {
    let item = |message: &Submission| json!({ "envelope": message.envelope, "salt": message.salt, "body": b64::encode_std(&message.body) });
    let items: Vec<Value> = messages.iter().map(item).collect();
    let answer = hub.call(&hub.world.portal, "POST", "/v1/messages/batch", &json!({ "messages": items })).await;
    answer.json::<Value>(200)["results"].as_array().unwrap().clone()
}

#[tokio::test]
async fn of_changes_of_the_registry_a_system_makes_sixty_at_once_and_then_one_a_minute_and_the_operator_any_number() {
    let hub = TestHub::new().await;
    let portal = &hub.world.portal;
    let size = hub.size();
    // They are counted whatever comes of them: none of these is any.
    let garbage = |count: usize| json!({ "entries": vec!["a.b.c"; count] });
    let change = async |body: Value| hub.call(portal, "POST", "/v1/registry", &body).await;
    change(garbage(61)).await.problem(ProblemCode::RequestMalformed);
    change(garbage(59)).await.problem(ProblemCode::RegistryEntryInvalid);
    let problem = change(garbage(2)).await.problem(ProblemCode::RateLimited);
    assert_eq!((problem.retry, problem.retry_after), (true, Some(60)));
    change(garbage(1)).await.problem(ProblemCode::RegistryEntryInvalid);
    change(garbage(1)).await.problem(ProblemCode::RateLimited);
    change(json!({ "entries": [] })).await.problem(ProblemCode::RateLimited);
    hub.call(&hub.world.office, "POST", "/v1/registry", &garbage(1)).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(hub.size(), size);
    let members = (0..100).map(|number| {
        let id = format!("th.m{number}").parse().unwrap();
        Change::Added(Entry::Member(Member { id, name_th: "ก".into(), name_en: "a".into() }))
    });
    hub.apply(members).await;
    hub.clock.advance(60);
    let next = portal.another_key();
    let entry = sign_entry_as(portal.id.as_str(), Change::Added(Entry::Key(next.key_entry())), &portal.key);
    change(json!({ "entries": [entry] })).await.json::<Value>(200);
}

#[tokio::test]
async fn whoever_stole_a_key_cannot_spend_what_its_owner_needs_to_revoke_it() {
    let hub = TestHub::new().await;
    let (portal, next) = (&hub.world.portal, hub.world.portal.another_key());
    hub.apply([Change::Added(Entry::Key(next.key_entry()))]).await;
    let change = async |party: &Party, body: Value| hub.call(party, "POST", "/v1/registry", &body).await;
    change(portal, json!({ "entries": vec!["a.b.c"; 60] })).await.problem(ProblemCode::RegistryEntryInvalid);
    change(portal, json!({ "entries": ["a.b.c"] })).await.problem(ProblemCode::RateLimited);
    let revoked =
        |by: &Party, key: &Party| sign_entry_as(by.id.as_str(), Change::Revoked(EntryId::Key(key.key.id())), &by.key);
    // Only what may be free is: another's key, a signature that does not hold, a key that has ended.
    let of_another = revoked(portal, &hub.world.office);
    let forged = sign_entry_as(portal.id.as_str(), Change::Revoked(EntryId::Key(next.key.id())), &hub.world.office.key);
    for entry in [of_another, forged] {
        change(&next, json!({ "entries": [entry] })).await.problem(ProblemCode::RateLimited);
    }
    change(&next, json!({ "entries": [revoked(&next, portal)] })).await.json::<Value>(200);
    change(&next, json!({ "entries": [revoked(&next, portal)] })).await.problem(ProblemCode::RateLimited);
}
