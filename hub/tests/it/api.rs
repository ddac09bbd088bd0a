//! The description of the API, and that it is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use saphan_schemas::problem::ProblemCode;
use serde_json::Value;

use crate::harness::TestHub;

#[test]
fn the_api_description_is_the_one_that_was_reviewed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openapi.json");
    let now = saphan_hub::http::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        now == reviewed,
        "the API changed; look at what changed, then write it down with \
         `UPDATE_SNAPSHOTS=1 cargo test -p saphan-hub --test it the_api_description`"
    );
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = serde_json::to_value(saphan_hub::http::openapi()).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn the_hub_serves_its_description_and_every_path_in_it_answers() {
    let hub = TestHub::with("[cases]\nsystem = \"th.dga/once-only\"\n").await;
    hub.submit(&hub.world.message()).await.accepted();
    let document: Value = hub.get("/openapi.json").await.json(200);
    assert_eq!(document["openapi"], "3.1.0");
    let invitation = hub.invite(&hub.world.office.id, 60).await.id().unwrap().to_string();
    let mut seen = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let answer = hub.call_with("", &method, &filled(path, &invitation), &Value::Null).await;
            let caller = operation["tags"][0].as_str().unwrap();
            match caller {
                "anyone" if path == "/v1/join" => drop(answer.problem(ProblemCode::RequestMalformed)),
                // This hub has no witnesses.
                "anyone" if path.ends_with("/checkpoint.cosigned") => drop(answer.problem(ProblemCode::NotFound)),
                // Nor an authority for timestamps.
                "anyone" if path.contains("/timestamps/") => drop(answer.problem(ProblemCode::NotFound)),
                "anyone" | "operations" => assert_eq!(answer.status, 200, "{method} {path}"),
                // Without a body that could hold the problem.
                "systems" if method == "HEAD" => assert_eq!(answer.status, ProblemCode::TokenMissing.status()),
                "systems" | "portals" if ["/v1/messages", "/v1/applications"].contains(&&**path) => {
                    drop(answer.problem(ProblemCode::EnvelopeMissing))
                }
                "systems" | "portals" | "operators and systems" | "operators and auditors" | "auditors" => {
                    drop(answer.problem(ProblemCode::TokenMissing))
                }
                "broker" => assert_eq!((answer.status, answer.text()), (200, "deny"), "{path}"),
                other => panic!("{path} is for {other}, whom nobody knows"),
            }
            seen.insert(caller.to_owned());
        }
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

/// The path with values that exist.
fn filled(path: &str, invitation: &str) -> String {
    path.replace("/invitations/{id}", &format!("/invitations/{invitation}"))
        .replace("/services/{id}", "/services/th.dlt.driving-licence-renewal")
        .replace("/evidence-types/{id}", "/evidence-types/th.dopa.identity")
        .replace("{id}", "application.withdrawn@1")
        .replace("{shard}", "main")
        .replace("{member}", "th.dga")
        .replace("{system}", "portal")
        .replace("{*path}", "entries/000.p/1")
        .replace("{path}", "entries/000.p/1")
        .replace("{jti}", "019ab5c0-3f00-7c3a-9d51-5a0f3d1c2b7e")
}
