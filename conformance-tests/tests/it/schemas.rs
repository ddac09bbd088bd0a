//! A schema changes while agencies exchange messages, with the real programs.

use saphan_cli::log_check::{HttpLog, check};
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_examples::local::hub::HubProgram;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minor_version_reaches_running_connectors_and_the_log_that_tells_of_it_checks() {
    let world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let body = bodies(1).unwrap().remove(0);
    sender.send(world.message(body.clone()).unwrap()).await.unwrap();
    let mut newer: Value = serde_json::from_slice(&body).unwrap();
    newer["channel"] = "COUNTER".into();
    let newer = serde_json::to_vec(&newer).unwrap();
    sender.send(world.message(newer.clone()).unwrap()).await.unwrap_err();
    let url = format!("{}/v1/schemas/application.submitted@1", world.hub.url());
    let old = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let mut text: Value = serde_json::from_str(&old).unwrap();
    text["properties"]["channel"] = json!({ "type": "string", "enum": ["COUNTER", "WEB"] });
    let file = world.folder.path().join("application.submitted@1.json");
    std::fs::write(&file, text.to_string()).unwrap();
    world.hub.operate(&["schema", "publish", &file.display().to_string()]).await.unwrap();
    sender.send(world.message(newer).unwrap()).await.unwrap();
    sender.send(world.message(body).unwrap()).await.unwrap();
    let log = HttpLog::new(world.hub.address()).unwrap();
    let report = check(&log, &world.trust.log, &()).await.unwrap();
    assert_eq!(report.leaves.messages, 3);
}
