//! How a case is watched, and by whom.

use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::harness::in_time;

/// The ids and the bodies of server-sent events.
fn events(text: &str) -> Vec<(u64, Value)> {
    let of = |event: &str| {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((field("id:")?.parse().unwrap(), serde_json::from_str(field("data:")?).unwrap()))
    };
    text.split("\n\n").filter_map(of).collect()
}

#[tokio::test]
async fn a_portal_watches_a_case_until_it_ends_and_can_come_back_to_where_it_was() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let path = format!("/v1/cases/{id}/events");
    let watching = stage.hub.call(&stage.portal, "GET", &path, &Value::Null);
    let going_on = async {
        stage.provide_all().await;
        stage.receive(&stage.authority, "case.submitted").await;
        stage.withdraw(id).await;
    };
    let (seen, ()) = in_time(async { tokio::join!(watching, going_on) }).await;
    assert_eq!(seen.header("content-type"), Some("text/event-stream"));
    let all = events(seen.text());
    let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (0..all.len() as u64).collect::<Vec<_>>());
    let names: Vec<_> = all.iter().map(|(_, event)| event["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], *names.last().unwrap()), ("submitted", "withdrawn"));
    assert!(names.contains(&"handed-over"));
    assert_eq!(all.last().unwrap().1["now"]["status"], "WITHDRAWN");
    let rest = stage.hub.watch(&stage.portal, &path, 3).await;
    assert_eq!(events(rest.text()).first().map(|(id, _)| *id), Some(4));
}

#[tokio::test]
async fn a_look_at_a_case_that_has_not_changed_costs_nothing() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    stage.until(id, |case| case["events"] == 4).await;
    let path = format!("/v1/cases/{id}");
    let first = stage.hub.call(&stage.portal, "GET", &path, &Value::Null).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(stage.hub.call_if_changed(&stage.portal, &path, &tag).await.status, 304);
    stage.provide(&stage.registry).await;
    stage.until(id, |case| case["events"] == 5).await;
    assert_eq!(stage.hub.call_if_changed(&stage.portal, &path, &tag).await.status, 200);
}

#[tokio::test]
async fn only_its_parties_see_a_case() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    for path in [format!("/v1/cases/{id}"), format!("/v1/cases/{id}/events")] {
        // The authority has it only once it is complete.
        for party in [&stage.stranger, &stage.registry, &stage.authority] {
            stage.hub.call(party, "GET", &path, &Value::Null).await.problem(ProblemCode::NotFound);
        }
        stage.hub.get(&path).await.problem(ProblemCode::TokenMissing);
    }
    stage.provide_all().await;
    stage.until(id, |case| case["handed_over"] == true).await;
    let case: Value = stage.hub.call(&stage.authority, "GET", &format!("/v1/cases/{id}"), &Value::Null).await.json(200);
    assert_eq!(case["case"], json!(id.to_string()));
    for unknown in ["/v1/cases/0192f0c1-7a30-7c5e-8f53-2b1d0f6f9a11", "/v1/cases/x"] {
        stage.hub.call(&stage.portal, "GET", unknown, &Value::Null).await.problem(ProblemCode::NotFound);
    }
}
