//! Filters and pages.

use saphan_schemas::ids::CaseId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::{Hall, places};
use crate::harness::{LogCopy, NOW, SERVICE, sign_token};

#[tokio::test]
async fn each_filter_finds_what_it_names_and_nothing_else() {
    let hall = Hall::new().await;
    let (hub, case) = (&hall.hub, CaseId::new());
    let first = hub.accept(&hall.message_in(case)).await;
    let to_archive = hub.accept(&hub.world.message_to_archive()).await;
    hub.clock.advance(100);
    let refusal = hall.refused().await;
    let rejected = hub.accept(&hub.world.message()).await;
    let acknowledgement = hall.settle(first, None).await;
    let rejection = hall.settle(rejected, Some("not-ours")).await;
    hub.clock.advance(100);
    let open = hub.accept(&hub.world.message()).await;
    let messages = json!({ "kind": "message" });
    for (filter, wanted) in [
        (messages.clone(), vec![open, rejected, to_archive, first]),
        (json!({ "kind": "refusal" }), vec![refusal]),
        (json!({ "kind": "acknowledgement" }), vec![rejection, acknowledgement]),
        (json!({ "kind": "erasure" }), vec![]),
        (json!({ "kind": "shard" }), vec![0]),
        (json!({ "from": "th.dga/portal", "kind": "message" }), vec![open, rejected, to_archive, first]),
        (json!({ "from": "th.dlt/licensing", "kind": "acknowledgement" }), vec![rejection, acknowledgement]),
        (json!({ "to": "th.dopa/archive" }), vec![to_archive]),
        (json!({ "to": "th.dlt/licensing" }), vec![open, rejected, first]),
        (json!({ "system": "th.dopa/archive", "kind": "message" }), vec![to_archive]),
        (json!({ "member": "th.dopa", "kind": "message" }), vec![to_archive]),
        (json!({ "member": "th.dop" }), vec![]),
        (json!({ "type": "application.withdrawn" }), vec![open, rejected, to_archive, first]),
        (json!({ "type": "application.submitted" }), vec![]),
        (json!({ "service": SERVICE }), vec![open, rejected, to_archive, first]),
        (json!({ "service": "th.dlt.nothing" }), vec![]),
        (json!({ "case": case }), vec![first]),
        (json!({ "case": CaseId::new() }), vec![]),
        (json!({ "outcome": "processed" }), vec![first]),
        (json!({ "outcome": "rejected" }), vec![rejected]),
        (json!({ "outcome": "unacknowledged" }), vec![open, to_archive]),
        (json!({ "code": "agreement-missing" }), vec![refusal]),
        (json!({ "code": "not-ours" }), vec![rejected]),
        (json!({ "kind": "message", "since": (NOW + 100) * 1000 }), vec![open, rejected]),
        (json!({ "kind": "message", "since": (NOW + 100) * 1000, "until": (NOW + 200) * 1000 }), vec![rejected]),
        (json!({ "kind": "message", "until": (NOW + 100) * 1000 }), vec![to_archive, first]),
        (json!({ "since": 5, "until": 5 }), vec![]),
        (json!({ "case": case, "outcome": "processed", "to": "th.dlt/licensing", "member": "th.dga" }), vec![first]),
        (json!({ "case": case, "outcome": "rejected" }), vec![]),
        (
            json!({ "from": "th.dga/portal", "to": "th.dlt/licensing", "outcome": "rejected", "code": "not-ours" }),
            vec![rejected],
        ),
    ] {
        assert_eq!(hall.places(filter.clone()).await, wanted, "{filter}");
    }
}

#[tokio::test]
async fn a_row_says_what_the_log_says() {
    let hall = Hall::new().await;
    let (hub, case) = (&hall.hub, CaseId::new());
    let message = hall.message_in(case);
    let index = hub.accept(&message).await;
    hub.clock.advance(3);
    let acknowledgement = hall.settle(index, Some("not-ours")).await;
    let refusal = hall.refused().await;
    let found = hall.search(json!({ "case": case })).await;
    let row = json!({
        "index": index, "at": NOW * 1000, "kind": "message", "id": message.id(), "from": "th.dga/portal",
        "to": "th.dlt/licensing", "type": "application.withdrawn", "service": SERVICE, "case": case,
        "outcome": "rejected", "code": "not-ours", "acknowledgement": acknowledgement,
        "acknowledged_at": (NOW + 3) * 1000,
    });
    assert_eq!(found["rows"], json!([row]));
    let found = hall.search(json!({ "kind": "refusal" })).await;
    let row = json!({ "index": refusal, "at": (NOW + 3) * 1000, "kind": "refusal", "code": "agreement-missing" });
    assert_eq!(found["rows"], json!([row]), "a refusal's leaf says no more");
}

#[tokio::test]
async fn pages_have_no_gaps_and_no_repeats_while_entries_arrive() {
    let hall = Hall::new().await;
    let mut wanted = Vec::new();
    for _ in 0..7 {
        wanted.insert(0, hall.hub.accept(&hall.hub.world.message()).await);
    }
    for limit in [1, 2, 3, 7, 500] {
        let mut found = Vec::new();
        let mut body = json!({ "filter": { "kind": "message", "until": (NOW + 1) * 1000 }, "limit": limit });
        loop {
            let page: Value = hall.ask("search", &body).await.json(200);
            assert!(places(&page).len() <= limit);
            found.extend(places(&page));
            if page["next"].is_null() {
                break;
            }
            body["before"] = page["next"].clone();
            let newer = hall.hub.accept(&hall.hub.world.message()).await;
            assert!(!wanted.contains(&newer));
        }
        let known: Vec<_> = found.iter().copied().filter(|place| wanted.contains(place)).collect();
        assert_eq!(known, wanted, "{limit}");
        assert!(found.is_sorted_by(|one, next| one > next), "{limit}: {found:?}");
        let first = LogCopy::fetch(&hall.hub).await;
        let all: Vec<u64> = (0..first.size()).rev().filter(|place| is_message(&first, *place)).collect();
        wanted = all;
    }
}

fn is_message(log: &LogCopy, place: u64) -> bool {
    matches!(log.leaves[usize::try_from(place).unwrap()], Leaf::Message { .. })
}

#[tokio::test]
async fn nobody_but_an_auditor_may_ask_and_whoever_may_not_leaves_no_entry() {
    let hall = Hall::new().await;
    let hub = &hall.hub;
    let size = hub.size();
    let id = hub.world.message().id();
    for (call, body) in [
        ("search", json!({})),
        ("export", json!({})),
        ("timeline", json!({ "id": id })),
        ("case", json!({ "case": CaseId::new() })),
        ("health", json!({ "since": 0, "until": 60_000, "minutes": 1 })),
    ] {
        let path = format!("/v1/audit/{call}");
        hub.call(&hub.world.portal, "POST", &path, &body).await.problem(ProblemCode::Forbidden);
        let token = sign_token(hub.token(crate::harness::HUB, "POST", &path), &hub.operator);
        let answer = hub.call_with(&format!("Bearer {token}"), "POST", &path, &body).await;
        answer.problem(ProblemCode::KeyUnknown);
        hub.call_with("", "POST", &path, &body).await.problem(ProblemCode::TokenMissing);
    }
    hub.call(&hub.world.portal, "GET", "/v1/audit/queries", &Value::Null).await.problem(ProblemCode::Forbidden);
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_refused_and_leaves_no_entry() {
    let hall = Hall::new().await;
    let size = hall.hub.size();
    let long = "x".repeat(100_000);
    for (call, body) in [
        ("search", json!({ "filter": { "service": long } })),
        ("search", json!({ "filter": { "service": "x".repeat(9_000) } })),
        ("search", json!({ "filter": { "person": "1101700230705" } })),
        ("search", json!({ "filters": {} })),
        ("search", json!({ "filter": { "service": "x' OR 1=1; DROP TABLE entry; --" } })),
        ("search", json!({ "filter": { "code": "%" } })),
        ("search", json!({ "filter": { "system": "th.dga" } })),
        ("search", json!({ "filter": { "kind": "gossip" } })),
        ("search", json!({ "filter": { "outcome": "accepted" } })),
        ("search", json!({ "filter": { "case": "019AB5C0-3F00-7C3A-9D51-5A0F3D1C2B7E" } })),
        ("search", json!({ "filter": { "since": -1 } })),
        ("search", json!({ "filter": { "since": "2026-11-24" } })),
        ("search", json!({ "limit": 0 })),
        ("search", json!({ "limit": 501 })),
        ("search", json!([])),
        ("export", json!({ "filter": {}, "limit": 5 })),
        ("timeline", json!({ "id": "1" })),
        ("timeline", json!({})),
        ("case", json!({ "case": "" })),
        ("health", json!({ "since": 60_000, "until": 0, "minutes": 1 })),
        ("health", json!({ "since": 0, "until": 1_795_543_200_000_u64, "minutes": 60 })),
        ("health", json!({ "since": 0, "until": 86_400_000, "minutes": 1 })),
        ("health", json!({ "since": 0, "until": 60_000, "minutes": 0 })),
    ] {
        hall.ask(call, &body).await.problem(ProblemCode::RequestMalformed);
    }
    let duplicate = r#"{"filter":{"kind":"message","kind":"refusal"}}"#;
    for text in ["", "{", duplicate, "{} {}", "\u{feff}{}"] {
        let token = sign_token(hall.hub.token(hall.auditor.id.as_str(), "POST", "/v1/audit/search"), &hall.auditor.key);
        let request = reqwest::Client::new().post(hall.hub.at("/v1/audit/search")).bearer_auth(token);
        let answer = request.body(text.to_owned()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{text}");
    }
    for query in ["?before=-1", "?limit=0", "?limit=501", "?after=1", "?before=1&before=2"] {
        hall.queries(query).await.problem(ProblemCode::RequestMalformed);
    }
    assert_eq!(hall.hub.size(), size);
}

#[tokio::test]
async fn an_auditor_asks_no_more_than_its_limit_allows() {
    let hub = crate::harness::TestHub::with("[limits]\nmessages_per_second = 2\n").await;
    let hall = Hall::beside(hub).await;
    let mut limited = 0;
    for _ in 0..10 {
        let answer = hall.ask("search", &json!({})).await;
        limited += u32::from(answer.status == 429);
    }
    assert!(limited > 0);
    let log = LogCopy::fetch(&hall.hub).await;
    let queries = log.leaves.iter().filter(|leaf| matches!(leaf, Leaf::Query { .. })).count();
    assert_eq!(queries, 10 - limited as usize, "what was not answered is not in the log");
}

#[tokio::test]
async fn who_finds_all_places_for_searches_taken_is_told_to_come_again() {
    let hall = Hall::new().await;
    let index = hall.hub.accept(&hall.hub.world.message()).await;
    let audit = &hall.hub.app.audit;
    let mine = audit.place_to_search(&hall.auditor.id).await.unwrap();
    hall.ask("search", &json!({ "filter": {} })).await.problem(ProblemCode::HubBusy);
    // It is one auditor's part: another one is answered meanwhile, and so is what is no search.
    let other = crate::harness::Party::new("th.nacc/audit", saphan_schemas::registry::TransportKind::Pull);
    hall.hub.apply(super::registration(&other)).await;
    let answer = hall.hub.call(&other, "POST", "/v1/audit/search", &json!({ "filter": { "kind": "message" } })).await;
    assert_eq!(places(&answer.json(200)), [index]);
    hall.ask("health", &json!({ "since": 0, "until": 60_000, "minutes": 1 })).await.json::<Value>(200);
    drop(mine);
    assert_eq!(hall.places(json!({ "kind": "message" })).await, [index]);
}
