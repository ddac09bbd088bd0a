//! The log changes under connectors that run, with the real programs.

use saphan_cli::log_check::{HttpLog, check};
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::Receive;
use saphan_examples::local::hub::HubProgram;
use serde_json::Value;
use tempfile::TempDir;

use crate::admin::noting;
use crate::agency::done;
use crate::patience::{LIMIT, all_handled};

#[tokio::test(flavor = "multi_thread")]
async fn connectors_that_run_go_on_in_the_next_log_and_an_auditor_follows() {
    let mut world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    let outside = TempDir::new().unwrap();
    let audit = async |world: &World| -> Value {
        let (vkey, url) = (world.trust.log.to_string(), world.hub.url().to_owned());
        let told = done(outside.path(), &["audit", "log", &url, "--vkey", &vkey, "--state", "state"]).await;
        assert_eq!(told["verdict"]["holds"], true, "{told}");
        told
    };
    let old = world.trust.log.name().to_owned();
    let (hub, shard) = old.rsplit_once('/').unwrap();
    let next = format!("{hub}/next");

    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let mut sent = Vec::new();
    let mut bodies = bodies(6).unwrap().into_iter();
    // These wait, over the change, for a receiver that is not there yet.
    for body in bodies.by_ref().take(2) {
        sent.push(sender.send(world.message(body).unwrap()).await.unwrap().id());
    }
    assert_eq!(audit(&world).await["log"]["origin"], old);

    world.hub.stop().await.unwrap();
    let config = world.hub.folder().join("hub/hub.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let changed = text.replace(&format!("shard = \"{shard}\""), "shard = \"next\"");
    assert_ne!(changed, text);
    std::fs::write(&config, changed).unwrap();
    let refused = world.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("saphan-hub shard open"), "{refused}");
    world.hub.operate(&["shard", "open"]).await.unwrap();
    world.hub.restart().await.unwrap();

    // The sender has run all the time, and the receiver trusts what it trusted before.
    let first = sender.send(world.message(bodies.next().unwrap()).unwrap()).await.unwrap();
    assert_eq!(first.receipt().log, next);
    sent.push(first.id());
    let receiver = world.connector(&world.receiver().unwrap()).unwrap().receive(Receive::Pull);
    let (receiver, handled) = noting(receiver, |message| message.id()).await;
    for body in bodies {
        sent.push(sender.send(world.message(body).unwrap()).await.unwrap().id());
    }
    all_handled(&handled, &sent).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished, "all is acknowledged");
    let mut arrived = handled.borrow().clone();
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent, "each once");

    let told = audit(&world).await;
    assert_eq!((told["log"]["origin"].as_str(), &told["log"]["earlier"][0]), (Some(&*next), &Value::from(&*old)));
    assert_eq!(told["log"]["leaves"]["processed"], sent.len(), "those of the old log too");
    let vkey = reqwest::get(format!("{}/v1/log/vkey", world.hub.url())).await.unwrap().text().await.unwrap();
    let newest = HttpLog::new(world.hub.address()).unwrap();
    let report = check(&newest, &vkey.trim_end().parse().unwrap(), &()).await.unwrap();
    assert_eq!((report.origin, report.earlier), (next.clone(), vec![old.clone()]));

    // A message of the old log, with its acknowledgement in the new one, for somebody who knows the first key only.
    let (first, url) = (sent[0].to_string(), world.hub.url().to_owned());
    let make = ["audit", "message", &url, "--vkey", vkey.trim_end(), "--message", &first, "--out", "evidence.json"];
    done(outside.path(), &make).await;
    let trusted = world.trust.log.to_string();
    let told = done(outside.path(), &["audit", "bundle", "evidence.json", "--vkey", &trusted]).await;
    let message = &told["files"][0]["proven"]["messages"][0];
    assert_eq!(
        (&message["log"], &message["acknowledgement"]["log"]),
        (&Value::from(old), &Value::from(next)),
        "{told}"
    );
    world.stop().await.unwrap();
}
