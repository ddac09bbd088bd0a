//! An auditor with nothing but the `saphan` program: searching, exporting, and checking what was said. The hub is killed meanwhile.

use std::path::Path;
use std::process::Output;

use futures_util::StreamExt as _;
use futures_util::stream;
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_examples::local::hub::{HubProcess, HubProgram};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::admin::metric;
use crate::agency::{done, saphan};
use crate::patience::{in_time, reaches};

const AUDITOR: &str = "th.oag/audit";
const REGISTRATION: &str = "[[member]]\nid = \"th.oag\"\nname_th = \"ผู้ตรวจสอบ\"\nname_en = \"Audit\"\n\
    [[system]]\nid = \"th.oag/audit\"\ntransport = \"pull\"\nroles = [\"auditor\"]\n";

/// The auditor's folder.
pub(crate) async fn admitted(hub: &HubProcess) -> TempDir {
    hub.apply(REGISTRATION).await.unwrap();
    let folder = TempDir::new().unwrap();
    let code = hub.invite(&AUDITOR.parse().unwrap()).await.unwrap();
    done(folder.path(), &["join", hub.url(), &code]).await;
    folder
}

async fn found(folder: &Path, filter: &[&str]) -> Vec<Value> {
    let arguments = [&["audit", "search", "--limit", "100000"], filter].concat();
    done(folder, &arguments).await["rows"].as_array().unwrap().clone()
}

/// What a verifier says that shares no code with the program.
async fn other_verifier(folder: &Path, arguments: &[&str]) -> Value {
    let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier");
    let mut python = Command::new("/usr/bin/python3");
    let command = python.args(["-B", verifier]).args(arguments).arg("--json").current_dir(folder);
    let ended = in_time(command.kill_on_drop(true).output(), || "the verifier does not end".to_owned()).await;
    let Output { stdout, stderr, .. } = ended.unwrap();
    serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_finds_all_that_was_exchanged_though_the_hub_is_killed_and_each_row_is_proven() {
    let mut world =
        World::start_unlimited(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    let auditor = admitted(&world.hub).await;
    let folder = auditor.path();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let messages: Vec<_> = bodies(MESSAGES).unwrap().into_iter().map(|body| world.message(body).unwrap()).collect();
    let mut sending = stream::iter(messages.into_iter().map(|message| sender.send(message))).buffer_unordered(64);
    let (mut accepted, mut last) = (0, 0);
    for killed in 1..=KILLS {
        // At another moment of a round of the index each time.
        while accepted < MESSAGES * killed / (KILLS + 1) {
            let sent = in_time(sending.next(), || "nothing is accepted".to_owned()).await.unwrap().unwrap();
            (accepted, last) = (accepted + 1, last.max(sent.index()));
        }
        world.hub.kill().await.unwrap();
        world.hub.restart().await.unwrap();
    }
    while let Some(sent) = in_time(sending.next(), || "nothing is accepted".to_owned()).await {
        last = last.max(sent.unwrap().index());
    }
    drop(sending);
    // A search does not wait for ever until the index has all.
    reaches("indexed entries", last + 1, async || metric(&world, "saphan_audit_indexed").await).await;
    let rows = found(folder, &["--kind", "message"]).await;
    assert_eq!(rows.len(), MESSAGES);
    let places: Vec<u64> = rows.iter().map(|row| row["index"].as_u64().unwrap()).collect();
    assert!(places.is_sorted_by(|one, next| one > next));
    assert_eq!(found(folder, &["--outcome", "unacknowledged", "--member", "th.dga"]).await.len(), MESSAGES);
    assert_eq!(found(folder, &["--outcome", "processed"]).await, Vec::<Value>::new());
    let first = rows.last().unwrap()["id"].as_str().unwrap();
    assert_eq!(rows.iter().filter(|row| row["id"] == first).count(), 1);

    for name in ["found.jsonl", "found.csv"] {
        let told = done(folder, &["audit", "search", "--kind", "message", "--export", name]).await;
        assert_eq!(told["export"]["rows"], json!(MESSAGES), "{told}");
    }
    let address = format!("{}/v1/log/", world.hub.url());
    done(folder, &["log", "check", &address, "--vkey", &world.trust.log.to_string(), "--export", "log"]).await;
    world.stop().await.unwrap();

    // From here on without the hub.
    let vkey = world.trust.log.to_string();
    std::fs::write(folder.join("vkey"), format!("{vkey}\n")).unwrap();
    for name in ["found.jsonl", "found.csv"] {
        done(folder, &["audit", "verify-export", name, "--vkey", "vkey"]).await;
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), text.replacen("th.dga/", "th.dgb/", 1)).unwrap();
        let (code, told) = saphan(folder, &["audit", "verify-export", name, "--vkey", "vkey"]).await;
        assert_eq!((code, &told["verdict"]["holds"]), (1, &json!(false)), "{name}: {told}");
    }
    let own = done(folder, &["log", "check", "log", "--vkey", "vkey"]).await;
    let other = other_verifier(folder, &["log", "log", "--vkey", "vkey"]).await;
    assert_eq!((&other["holds"], &other["queries"]), (&json!(true), &own["log"]["leaves"]["queries"]), "{other}");
    assert!(other["queries"].as_u64().unwrap() >= 5, "{other}");
}

#[tokio::test]
async fn a_system_that_may_not_audit_is_told_so() {
    let world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    let folder = crate::agency::join(&world.hub, saphan_examples::portal::SYSTEM).await;
    let (code, told) = saphan(folder.path(), &["audit", "search"]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told["error"]["advice"].as_str().unwrap().contains("auditor"), "{told}");
    let (code, _) = saphan(folder.path(), &["audit", "search", "--export", "found.jsonl"]).await;
    assert!(code == 1 && !folder.path().join("found.jsonl").exists(), "no half a file is left");
}

const MESSAGES: usize = 600;
const KILLS: usize = 4;
