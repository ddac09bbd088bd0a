//! The hub's disk is lost and only an old copy of its store is left: it goes on in the next log, and everybody can tell what was lost.

use std::path::Path;

use saphan_cli::log_check::{HttpLog, check};
use saphan_conformance::world::bodies;
use saphan_connector::Receive;
use saphan_examples::local::hub::HubProcess;
use saphan_schemas::message::MessageFile;
use serde_json::Value;
use tokio::process::Command;

use super::{Stage, copy};
use crate::admin::{client, everything_is_settled, noting};
use crate::agency::{done, saphan};
use crate::patience::{LIMIT, all_handled, in_time, reaches};

/// Gives the log in the configuration another name.
pub(crate) fn rename_log(hub: &HubProcess, shard: &str, next: &str) {
    let config = hub.folder().join("hub/hub.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let changed = text.replace(&format!("shard = \"{shard}\""), &format!("shard = \"{next}\""));
    assert_ne!(changed, text);
    std::fs::write(&config, changed).unwrap();
}

/// What the verifier in Python says, with files of a folder.
async fn other_verifier(folder: &Path, arguments: &[&str]) -> Value {
    let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier");
    let mut python = Command::new("/usr/bin/python3");
    let command = python.args(["-B", verifier]).args(arguments).arg("--json").current_dir(folder);
    let ended = in_time(command.kill_on_drop(true).output(), || "the verifier does not end".to_owned()).await.unwrap();
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ended.stderr)))
}

/// Makes one file of a message of the log that was given up, and one of the log after it, from the published files; it holds for whoever
/// has the key of either log, by both verifiers. Both messages were acknowledged in the log after it.
async fn are_bundled(folder: &Path, kept: &str, fresh: &str, [old, next]: [&str; 2]) {
    let make = ["audit", "message", "log/next", "--vkey", "next-vkey", "--out", "evidence.json"];
    done(folder, &[&make[..], &["--message", kept, "--message", fresh]].concat()).await;
    for vkey in ["vkey", "next-vkey"] {
        let told = done(folder, &["audit", "bundle", "evidence.json", "--vkey", vkey]).await;
        let proven = told["files"][0]["proven"]["messages"].as_array().unwrap().iter();
        // The log of an acknowledgement is told where it is another one than that of its message.
        let logs = proven.map(|message| (&message["log"], &message["acknowledgement"]));
        let logs: Vec<_> = logs.map(|(log, said)| (log, &said["log"], &said["outcome"])).collect();
        let (old, next, processed) = (old.into(), next.into(), "processed".into());
        assert_eq!(logs, [(&old, &next, &processed), (&next, &Value::Null, &processed)], "{vkey}: {told}");
        let other = other_verifier(folder, &["bundle", vkey, "evidence.json"]).await;
        let told = [&other["holds"], &other["origin"], &other["messages"], &other["earlier"]];
        assert_eq!(told, [&true.into(), &next, &2.into(), &vec![old].into()], "{vkey}: {other}");
    }
}

/// Sends a message again, as whoever has its file can.
async fn send_again(stage: &Stage, file: &MessageFile) -> u16 {
    let (salt, body) = file.opened().unwrap().unwrap();
    let request = client(&stage.world).post(format!("{}/v1/messages", stage.world.hub.url()));
    let request = request.header("Saphan-Envelope", &file.envelope).header("Saphan-Salt", salt.to_text());
    request.header("content-type", "application/json").body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lost_a_part_of_its_log_goes_on_in_the_next_and_everybody_can_tell_what_was_lost() {
    let mut stage = Stage::start().await;
    let old = stage.world.trust.log.name().to_owned();
    let (hub, shard) = old.rsplit_once('/').unwrap();
    let next = format!("{hub}/next");
    let sender = stage.world.connector(&stage.world.sender().unwrap()).unwrap().build().await.unwrap();
    let messages = bodies(5).unwrap().into_iter().map(|body| stage.world.message(body).unwrap());
    let mut messages = messages.collect::<Vec<_>>().into_iter();
    let mut send = async || sender.send(messages.next().unwrap()).await.unwrap();
    let mut sent = vec![send().await.id(), send().await.id()];
    stage.world.hub.stop().await.unwrap();
    let (data, kept) = (stage.data(), stage.outside.path().join("kept"));
    copy(&data, &kept).await;

    // What comes now is lost, and was delivered: also the first two.
    stage.world.hub.restart().await.unwrap();
    let lost = [send().await, send().await];
    sent.extend(lost.iter().map(|accepted| accepted.id()));
    let receiver = stage.world.connector(&stage.world.receiver().unwrap()).unwrap().receive(Receive::Pull);
    let (receiver, handled) = noting(receiver, |message| message.file()).await;
    reaches("messages handled", sent.len() as u64, async || handled.borrow().len() as u64).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    stage.world.hub.operate(&["keys", "rotate", "receipts"]).await.unwrap();
    stage.world.hub.operate(&["registry", "revoke", "agreement", "name-change.applications"]).await.unwrap();
    stage.world.hub.stop().await.unwrap();
    let trusted = stage.audit().await;

    // Keys are kept apart from the store, also those that came later.
    for file in std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "pem") {
            std::fs::copy(&file, kept.join(file.file_name().unwrap())).unwrap();
        }
    }
    std::fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data).await;
    let refused = stage.world.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("shard open --abandon"), "{refused}");
    rename_log(&stage.world.hub, shard, "next");
    let refused = stage.world.hub.operate(&["shard", "open"]).await.unwrap_err().to_string();
    assert!(refused.contains("it is an old copy"), "{refused}");
    let said = stage.world.hub.operate(&["shard", "open", "--abandon"]).await.unwrap();
    assert!(said.contains(&format!("{old} is abandoned: of its {trusted} entries")), "{said}");
    for accepted in &lost {
        assert!(said.contains(&format!("entry {}: {} from ", accepted.index(), accepted.id())), "{said}");
    }
    stage.world.hub.restart().await.unwrap();

    // The sender has run all the time. Who has a message that was lost sends it again, and it is handled once all the same.
    let fresh = send().await;
    assert_eq!(fresh.receipt().log, next);
    let again = handled.borrow().iter().find(|file| file.envelope == lost[0].envelope_text()).unwrap().clone();
    assert_eq!(send_again(&stage, &again).await, 201, "it is new to the log that goes on");
    assert_eq!(send_again(&stage, &again).await, 200);
    let receiver = stage.world.connector(&stage.world.receiver().unwrap()).unwrap().receive(Receive::Pull);
    let (receiver, handled_now) = noting(receiver, |message| message.id()).await;
    all_handled(&handled_now, &[fresh.id()]).await;
    reaches("messages settled", 4, async || settled(&stage).await).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    assert_eq!(*handled_now.borrow(), [fresh.id()], "what was handled before is not handled again");

    let registry = stage.world.hub.operate(&["registry", "show"]).await.unwrap();
    assert!(
        !registry.contains("name-change.applications"),
        "what was revoked in the lost part stays revoked: {registry}"
    );
    let vkey = client(&stage.world).get(format!("{}/v1/log/vkey", stage.world.hub.url())).send().await.unwrap();
    std::fs::write(stage.outside.path().join("next-vkey"), vkey.text().await.unwrap()).unwrap();
    let next_key = std::fs::read_to_string(stage.outside.path().join("next-vkey")).unwrap().trim_end().parse().unwrap();
    let report = check(&HttpLog::new(stage.world.hub.address()).unwrap(), &next_key, &()).await.unwrap();
    let abandoned = &report.abandoned[0];
    assert_eq!((&abandoned.log, abandoned.last), (&old, trusted));
    stage.world.hub.stop().await.unwrap();
    everything_is_settled(&stage.world, 4).await;

    // The files tell all of it, by both verifiers, and to an auditor who had trusted more than is left.
    let audit = ["audit", "log", "log/next", "--vkey", "vkey", "--state", "state"];
    let told = done(stage.outside.path(), &audit).await;
    assert_eq!(told["log"]["abandoned"][0]["kept"], abandoned.kept, "{told}");
    let other = other_verifier(stage.outside.path(), &["log", "log/next", "--vkey", "next-vkey"]).await;
    assert_eq!(
        (&other["holds"], &other["abandoned"][0]["kept"]),
        (&Value::Bool(true), &abandoned.kept.into()),
        "{other}"
    );
    let file = serde_json::to_vec(&again).unwrap();
    std::fs::write(stage.outside.path().join("lost.saphan.json"), file).unwrap();
    let receipts = ["audit", "receipts", "log/next", "--vkey", "next-vkey", "--kept", "lost.saphan.json"];
    let (code, told) = saphan(stage.outside.path(), &receipts).await;
    assert_eq!((code, &told["files"][0]["class"]), (1, &Value::from("lost")), "{told}");
    let (kept, fresh) = (sent[0].to_string(), fresh.id().to_string());
    are_bundled(stage.outside.path(), &kept, &fresh, [&old, &next]).await;
}

/// How many messages of the store are acknowledged.
async fn settled(stage: &Stage) -> u64 {
    use sqlx::ConnectOptions as _;
    let mut store =
        sqlx::sqlite::SqliteConnectOptions::new().filename(stage.world.store_file()).connect().await.unwrap();
    let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM message WHERE state = 2");
    u64::try_from(count.fetch_one(&mut store).await.unwrap()).unwrap()
}
