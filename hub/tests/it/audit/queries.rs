//! Every question is an entry of the log first.

use saphan_hub::sealing::rewrap;
use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::ids::CaseId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, Role, System, TransportKind};
use serde_json::{Value, json};

use super::Hall;
use crate::harness::{CommitFault, LogCopy, TestHub};

/// The commitment that the entry at this place has.
async fn committed(hub: &TestHub, place: u64) -> String {
    let log = LogCopy::fetch(hub).await;
    let Leaf::Query { auditor, commit, .. } = &log.leaves[usize::try_from(place).unwrap()] else {
        panic!("entry {place} is no query");
    };
    assert_eq!(auditor.as_str(), "th.oag/audit");
    commit.to_string()
}

fn commitment(salt: &str, text: &str) -> String {
    let mut committing = Committing::new(&salt.parse::<Salt>().unwrap());
    committing.update(text.as_bytes());
    committing.finish().0.to_string()
}

#[tokio::test]
async fn a_question_is_in_the_log_before_the_answer_and_shows_nothing_of_what_was_asked() {
    let hall = Hall::new().await;
    let message = hall.hub.world.message();
    let index = hall.hub.accept(&message).await;
    let size = hall.hub.size();
    let found = hall.search(json!({ "service": "th.dlt.driving-licence-renewal" })).await;
    assert_eq!((found["query"].as_u64(), hall.hub.size()), (Some(size), size + 1));
    assert_eq!((found["indexed"].as_u64(), found["rows"][0]["index"].as_u64()), (Some(size), Some(index)));
    let log = LogCopy::fetch(&hall.hub).await;
    let leaf = String::from_utf8(log.leaves.last().unwrap().to_bytes()).unwrap();
    assert!(leaf.starts_with(r#"{"t":"query","ts":"#) && !leaf.contains("driving"), "{leaf}");
}

#[tokio::test]
async fn every_call_of_an_auditor_is_an_entry() {
    let hall = Hall::new().await;
    let (case, hub) = (CaseId::new(), &hall.hub);
    let message = hall.message_in(case);
    hub.accept(&message).await;
    let before = hub.size();
    hall.ask("search", &json!({})).await.json::<Value>(200);
    assert_eq!(hall.ask("export", &json!({})).await.status, 200);
    hall.ask("timeline", &json!({ "id": message.id() })).await.json::<Value>(200);
    hall.ask("timeline", &json!({ "id": hub.world.message().id() })).await.problem(ProblemCode::NotFound);
    hall.ask("case", &json!({ "case": case })).await.json::<Value>(200);
    hall.ask("health", &json!({ "since": 0, "until": 60_000, "minutes": 1 })).await.json::<Value>(200);
    hub.call(&hall.auditor, "GET", "/v1/audit/queries", &Value::Null).await.json::<Value>(200);
    assert_eq!(hub.show(&hall.auditor, &message).await.status, 200);
    hub.call(&hall.auditor, "GET", &format!("/v1/cases/{case}"), &Value::Null).await.problem(ProblemCode::NotFound);
    let log = LogCopy::fetch(hub).await;
    let queries =
        log.leaves.iter().skip(usize::try_from(before).unwrap()).filter(|leaf| matches!(leaf, Leaf::Query { .. }));
    assert_eq!((queries.count(), log.size() - before), (9, 9));
    hub.show(&hub.world.portal, &message).await.json::<Value>(200);
    assert_eq!(hub.size(), before + 9, "a system's look at what is its own is none");
}

#[tokio::test]
async fn any_auditor_sees_what_was_asked_and_can_hold_it_against_the_log() {
    let hall = Hall::new().await;
    hall.hub.accept(&hall.hub.world.message()).await;
    let asked = json!({ "filter": { "code": "not-ours", "kind": "message" }, "limit": 5 });
    let place = hall.ask("search", &asked).await.json::<Value>(200)["query"].as_u64().unwrap();
    let hall = hall.restart().await;
    hall.hub.clock.advance(1);
    let listed: Value = hall.hub.call(&hall.auditor, "GET", "/v1/audit/queries", &Value::Null).await.json(200);
    let queries = listed["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 1, "{listed}");
    let (text, salt) = (queries[0]["text"].as_str().unwrap(), queries[0]["salt"].as_str().unwrap());
    assert_eq!(text, format!("POST /v1/audit/search\n{asked}"));
    assert_eq!((queries[0]["index"].as_u64(), queries[0]["auditor"].as_str()), (Some(place), Some("th.oag/audit")));
    assert_eq!(committed(&hall.hub, place).await, commitment(salt, text));
    assert_ne!(committed(&hall.hub, place).await, commitment(salt, &text.replace("not-ours", "ours")));
}

#[tokio::test]
async fn past_queries_come_in_pages() {
    let hall = Hall::new().await;
    for _ in 0..5 {
        hall.search(json!({})).await;
    }
    let mut found = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page: Value = hall.queries(&query).await.json(200);
        found
            .extend(page["queries"].as_array().unwrap().iter().map(|query| query["text"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_u64() else { break };
        query = format!("?limit=2&before={next}");
    }
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found.iter().all(|text| text.starts_with("POST /v1/audit/search")));
}

#[tokio::test]
async fn when_the_log_cannot_be_written_nothing_is_answered() {
    let hall = Hall::new().await;
    hall.hub.accept(&hall.hub.world.message()).await;
    hall.search(json!({})).await;
    let size = hall.hub.size();
    hall.hub.store.set_full(true);
    for (call, body) in [("search", json!({})), ("export", json!({}))] {
        let answer = hall.ask(call, &body).await;
        answer.problem(ProblemCode::HubUnavailable);
        assert!(!answer.text().contains("rows"), "{}", answer.text());
    }
    hall.hub.store.set_full(false);
    hall.hub.store.next_commits([Some(CommitFault::NotWritten)]);
    hall.ask("search", &json!({})).await.problem(ProblemCode::HubUnavailable);
    assert_eq!(hall.hub.size(), size);
    hall.hub.store.next_commits([Some(CommitFault::Written)]);
    assert_eq!(hall.search(json!({})).await["query"].as_u64(), Some(size), "it is in the log: it is answered");
}

#[tokio::test]
async fn what_was_asked_does_not_stand_in_the_store_as_it_is_and_opens_after_the_storage_key_has_changed() {
    let hall = Hall::new().await;
    let place = hall.search(json!({ "code": "a-code-that-nobody-has" })).await["query"].as_u64().unwrap();
    let files = std::fs::read_dir(hall.hub.data_folder()).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(22).any(|window| window == b"a-code-that-nobody-has"), "{}", file.display());
    }
    let keys = hall.hub.app.key_store.clone();
    keys.add_storage().unwrap();
    let opened = saphan_hub::sealing::StorageKeys::new(keys.open_storage().unwrap());
    let wrapped = rewrap::all(&opened, &*hall.hub.store).await.unwrap();
    assert!(format!("{wrapped:?}").contains('1'), "{wrapped:?}");
    let hall = hall.restart().await;
    let kept = saphan_hub::store::QueryIndex::queries(&*hall.hub.store, &[place]).await.unwrap();
    assert!(kept[0].text.contains("a-code-that-nobody-has"));
}

#[tokio::test]
async fn who_is_an_auditor_no_more_is_not_answered() {
    let hall = Hall::new().await;
    hall.search(json!({})).await;
    let roles = [Role::System].into();
    let system = System { id: hall.auditor.id.clone(), transport: TransportKind::Pull, roles };
    hall.hub.apply([Change::Changed(Entry::System(system))]).await;
    hall.ask("search", &json!({})).await.problem(ProblemCode::Forbidden);
}
