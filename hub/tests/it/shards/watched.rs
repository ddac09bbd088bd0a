//! What auditors and an authority for timestamps see of several logs.

use saphan_schemas::log::{SignedCheckpoint, Stamped};
use saphan_schemas::registry::TransportKind;
use saphan_timestamps::Token;
use serde_json::{Value, json};

use super::{FIRST, NEXT, said};
use crate::audit::{proven, registration};
use crate::harness::{Behaviour, FakeAuthority, LogCopy, Party, TestHub, eventually, sign_token};

pub(super) async fn auditor(hub: &TestHub) -> Party {
    let auditor = Party::new("th.oag/audit", TransportKind::Pull);
    hub.apply(registration(&auditor)).await;
    auditor
}

async fn ask(hub: &TestHub, auditor: &Party, call: &str, body: Value) -> Value {
    hub.call(auditor, "POST", &format!("/v1/audit/{call}"), &body).await.json(200)
}

#[tokio::test]
async fn a_search_goes_over_all_logs_and_names_the_log_of_each_entry() {
    let hub = TestHub::new().await;
    let auditor = auditor(&hub).await;
    let [first, second] = [hub.world.message(), hub.world.message()];
    let [first_at, second_at] = [hub.accept(&first).await, hub.accept(&second).await];
    let hub = hub.go_on_in("next").await;
    let new_at = hub.accept(&hub.world.message()).await;
    let recorded = hub.acknowledge(&hub.world.office, &said(&hub, Some(FIRST), &[(first_at, None)])).await;
    let acknowledged_at = recorded.json::<Value>(201)["index"].clone();

    let page = ask(&hub, &auditor, "search", json!({ "filter": { "kind": "message" }, "limit": 2 })).await;
    let found = |page: &Value| {
        let rows = page["rows"].as_array().unwrap().iter();
        rows.map(|row| (row["log"].clone(), row["index"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(found(&page), [(json!(NEXT), json!(new_at)), (json!(FIRST), json!(second_at))]);
    let before = &page["next"];
    let page =
        ask(&hub, &auditor, "search", json!({ "filter": { "kind": "message" }, "limit": 2, "before": before })).await;
    assert_eq!(found(&page), [(json!(FIRST), json!(first_at))]);
    let row = &page["rows"][0];
    assert_eq!(
        (&row["outcome"], &row["acknowledgement"], &row["acknowledgement_log"]),
        (&json!("processed"), &acknowledged_at, &json!(NEXT)),
        "{row}"
    );

    let timeline = ask(&hub, &auditor, "timeline", json!({ "id": first.id() })).await;
    let last = timeline["moments"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["log"], &last["entry"]), (&json!(NEXT), &acknowledged_at), "{timeline}");
    assert_eq!(timeline["message"]["index"], json!(first_at));

    // The index is of all logs: after the next change it goes on, and is not made again.
    let hub = hub.go_on_in("third").await;
    let page = ask(&hub, &auditor, "search", json!({ "filter": { "kind": "message" } })).await;
    assert_eq!(page["rows"].as_array().unwrap().len(), 3);
}

async fn exported(hub: &TestHub, auditor: &Party, body: &Value) -> reqwest::Response {
    let path = "/v1/audit/export";
    let token = sign_token(hub.token(auditor.id.as_str(), "POST", path), &auditor.key);
    let request = reqwest::Client::new().post(hub.at(path)).bearer_auth(token).header("accept", "application/jsonl");
    request.json(body).send().await.unwrap()
}

/// The lines of an export.
pub(super) async fn export(hub: &TestHub, auditor: &Party, body: Value) -> Vec<Value> {
    let text = exported(hub, auditor, &body).await.error_for_status().unwrap().text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_export_of_an_earlier_log_shows_it_as_it_ended() {
    let hub = TestHub::new().await;
    let auditor = auditor(&hub).await;
    let [done, late] = [hub.accept(&hub.world.message()).await, hub.accept(&hub.world.message()).await];
    assert_eq!(hub.acknowledge(&hub.world.office, &said(&hub, Some(FIRST), &[(done, None)])).await.status, 201);
    let vkey = hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
    let hub = hub.go_on_in("next").await;
    assert_eq!(hub.acknowledge(&hub.world.office, &said(&hub, Some(FIRST), &[(late, None)])).await.status, 201);
    hub.accept(&hub.world.message()).await;

    let lines = export(&hub, &auditor, json!({ "filter": { "kind": "message" }, "log": FIRST })).await;
    let head = &lines[0]["export"];
    assert_eq!((&head["log"], &head["query_log"]), (&json!(FIRST), &json!(NEXT)));
    let text = head["checkpoint"].as_str().unwrap();
    let checkpoint = SignedCheckpoint::parse_and_verify(text, &vkey).unwrap().into_checkpoint();
    assert_eq!(checkpoint, LogCopy::fetch_at(&hub, "/v1/logs/main").await.checkpoint);
    let rows = &lines[1..lines.len() - 1];
    let told: Vec<_> = rows.iter().map(|line| (line["row"]["index"].as_u64(), &line["row"]["outcome"])).collect();
    let unacknowledged = json!("unacknowledged");
    assert_eq!(
        told,
        [(Some(late), &unacknowledged), (Some(late + 1), &Value::Null), (Some(done), &json!("processed")),],
        "what the next log says of a message is not in it"
    );
    rows.iter().for_each(|line| proven(line, &checkpoint));

    let filter = json!({ "filter": { "outcome": "unacknowledged" }, "log": FIRST });
    let lines = export(&hub, &auditor, filter).await;
    let rows: Vec<_> = lines.iter().filter_map(|line| line["row"]["index"].as_u64()).collect();
    assert_eq!(rows, [late], "the search knows it as processed");
    let present = export(&hub, &auditor, json!({ "filter": { "kind": "message" }, "log": NEXT })).await;
    assert_eq!((&present[0]["export"]["log"], &present[0]["export"]["query_log"]), (&json!(NEXT), &Value::Null));
    let other = exported(&hub, &auditor, &json!({ "filter": {}, "log": "hub.local/log/other" })).await;
    assert_eq!(other.status().as_u16(), 404);
}

#[tokio::test]
async fn an_export_is_of_the_present_log_and_each_row_is_proven_in_it() {
    let hub = TestHub::new().await;
    let auditor = auditor(&hub).await;
    let old = hub.accept(&hub.world.message()).await;
    let hub = hub.go_on_in("next").await;
    let index = hub.accept(&hub.world.message()).await;
    // About a message of the earlier log, and then about one of this log.
    for (log, index) in [(FIRST, old), (NEXT, index)] {
        assert_eq!(hub.acknowledge(&hub.world.office, &said(&hub, Some(log), &[(index, None)])).await.status, 201);
    }
    let lines = export(&hub, &auditor, json!({ "filter": { "kind": "message" } })).await;
    let head = &lines[0]["export"];
    let vkey = hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
    let checkpoint = SignedCheckpoint::parse_and_verify(head["checkpoint"].as_str().unwrap(), &vkey).unwrap();
    assert_eq!((&head["log"], checkpoint.checkpoint().origin.as_str()), (&json!(NEXT), NEXT));
    let rows: Vec<_> = lines.iter().filter_map(|line| line["row"]["index"].as_u64()).collect();
    assert_eq!(rows, [index + 2, index], "the acknowledgement that the message cites, and the message");
    let row = &lines[2]["row"];
    assert_eq!((&row["acknowledgement"], &row["log"]), (&json!(index + 2), &Value::Null), "{row}");
    proven(&lines[1], checkpoint.checkpoint());
}

#[tokio::test]
async fn each_log_has_its_own_timestamps_and_its_end_gets_one_when_the_authority_is_there() {
    let authority = FakeAuthority::start(Behaviour::Good).await;
    let place = tempfile::tempdir().unwrap();
    let settings = format!(
        "[log]\npublish = \"{}\"\n[timestamps]\nurl = \"{}\"\nauthority = \"{}\"\ntimeout_seconds = 60\n",
        place.path().display(),
        authority.url,
        authority.pem().display()
    );
    let hub = TestHub::with(&settings).await;
    authority.follow(&hub.clock);
    let list = async |hub: &TestHub, path: &str| {
        let page = hub.get(&format!("{path}/timestamps/pages/0")).await;
        if page.status == 404 { Vec::new() } else { Stamped::parse_page(page.text().as_bytes()).unwrap() }
    };
    eventually(async || list(&hub, "/v1/log").await.len() == 1).await;
    let old = list(&hub, "/v1/log").await;
    authority.behave(Behaviour::Fails(503));
    let hub = hub.go_on_in("next").await;
    let failed = "saphan_timestamp_failures_total{reason=\"status\"} 1";
    eventually(async || hub.get("/metrics").await.text().contains(failed)).await;
    assert_eq!(list(&hub, "/v1/logs/main").await, old);
    authority.behave(Behaviour::Good);
    hub.clock.advance(600);
    eventually(async || list(&hub, "/v1/logs/main").await.len() == 2).await;
    let new = list(&hub, "/v1/log").await;
    assert_eq!((new[0].size, new.len()), (hub.size(), 1));
    let of_main = list(&hub, "/v1/logs/main").await;
    let end = LogCopy::fetch_at(&hub, "/v1/logs/main").await.size();
    assert_eq!((of_main[0], of_main[1].size), (old[0], end));
    assert_eq!(list(&hub, "/v1/logs/next").await, new);
    for (path, stamped) in [("/v1/logs/main", of_main[0]), ("/v1/logs/main", of_main[1]), ("/v1/log", new[0])] {
        let token = hub.get(&format!("{path}/timestamps/{}", stamped.size)).await;
        let text = LogCopy::fetch_at(&hub, path).await.text_at(stamped.size);
        let proven = Token::parse(&token.body).unwrap().verify(text.as_bytes(), &authority.trusted()).unwrap();
        assert_eq!(proven.time, stamped.time);
    }
    let published = || std::fs::read(place.path().join("main").join(Stamped::page_path(0))).unwrap_or_default();
    eventually(async || published() == Stamped::to_page(&of_main).into_bytes()).await;
    assert!(place.path().join("main").join(Stamped::token_path(end)).is_file());

    // Once: what is new later is not of this log.
    hub.accept(&hub.world.message()).await;
    hub.clock.advance(3600);
    eventually(async || list(&hub, "/v1/log").await.len() == 2).await;
    let hub = hub.stop().await.start().await;
    hub.clock.advance(3600);
    hub.accept(&hub.world.message()).await;
    eventually(async || list(&hub, "/v1/log").await.len() == 3).await;
    assert_eq!(list(&hub, "/v1/logs/main").await, of_main);
}
