//! The demo, as its users run it.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should end its test")]

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use saphan_cli::log_check::{self, FolderLog};
use saphan_cli::message_check::{TrustedKeys, check_message};
use saphan_examples::agencies::ONCE_ONLY;
use saphan_examples::applicants::numbers;
use saphan_examples::applications::{Plan, Story};
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_examples::registry;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::evidence_bundle::EvidenceBundle;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Policy, decode_bundle};
use saphan_schemas::message::MessageFile;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::web::application::FORM;
use crate::web::client::Client;

async fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo")).args(arguments).kill_on_drop(true).output().await.unwrap()
}

/// Standard output must be one JSON object and nothing else.
fn result(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_complete(result: &Value, transport: &str, applications: usize) {
    // The seed does not matter here: counts follow from the stories, which come in a fixed order.
    let plan = Plan::new(0, applications).unwrap();
    let withdrawn = plan.count(Story::Withdrawn);
    assert_eq!(result["transport"], transport);
    assert_eq!(result["tls"], true);
    assert_eq!(result["applications"], applications);
    let messages = plan.messages() + once_only(result);
    for count in ["messages_accepted", "delivered", "acknowledged"] {
        assert_eq!(result[count], messages, "{count}");
    }
    assert_eq!(result["messages_refused"], 0);
    assert_eq!(result["decided"], applications - withdrawn);
    assert_eq!(result["withdrawn"], withdrawn);
    assert_eq!(result["log_verified"], true);
    assert!(result["log_size"].as_u64().unwrap() as usize > messages);
    let audit =
        json!({ "verdict": "holds", "entries": result["log_size"], "cosignatures": 1, "bundle_verified": true });
    assert_eq!(result["audit"], audit);
    assert!(result["seconds"].as_f64().unwrap() > 0.0);
}

/// Nobody hands in a paper, and nothing is fetched twice. Answers how many messages that takes.
fn once_only(result: &Value) -> usize {
    let procedures: Vec<Procedure> = serde_json::from_value(result["procedures"].clone()).unwrap();
    let services: Vec<&str> = procedures.iter().map(|one| one.service.as_str()).collect();
    assert_eq!(services, ONCE_ONLY.map(|mandate| mandate.service));
    for one in &procedures {
        assert_eq!((one.papers_now, one.evidence_reused), (0, 0), "{}", one.service);
        assert_eq!(one.evidence_fetched, one.papers_before, "{}", one.service);
        assert!(one.offices_saved > 1 && one.seconds_to_decision > 0.0, "{}", one.service);
    }
    assert_eq!(result["second_application_fetched"], 0);
    let messages = |service: &str, evidence: usize| {
        let fee = ["th.bma.food-premises-licence", "th.dlt.driving-licence-renewal"].contains(&service);
        let consent = ["th.dcy.child-support-grant", "th.dlt.driving-licence-renewal"].contains(&service);
        // Application, complete case, status and decision; with a fee also that it is due, paid, and that all is done.
        evidence + 4 + if fee { 3 } else { 0 } + usize::from(consent)
    };
    let asked_and_answered = procedures.iter().map(|one| messages(&one.service, 2 * one.evidence_fetched));
    // The first applicant comes back; who gave the evidence is told.
    asked_and_answered.sum::<usize>() + messages(&procedures[0].service, procedures[0].papers_before)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Procedure {
    service: String,
    papers_before: usize,
    papers_now: usize,
    evidence_fetched: usize,
    evidence_reused: usize,
    offices_saved: usize,
    seconds_to_decision: f64,
}

#[tokio::test]
async fn two_dozen_applications_end_as_their_stories_say_over_the_embedded_transport() {
    assert_complete(&result(&demo(&["--json"]).await), "pull", 24);
}

#[tokio::test]
async fn the_same_works_through_rabbitmq() {
    if let Err(missing) = RabbitNode::installed() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
        eprintln!("NOT CHECKED: {missing}");
        return;
    }
    assert_complete(&result(&demo(&["--json", "--rabbitmq", "--applications", "8"]).await), "amqp", 8);
}

#[tokio::test]
async fn an_export_holds_all_that_a_stranger_needs_to_check_everything_offline() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&["--json", "--applications", "5", "--export", folder.path().to_str().unwrap()]).await;
    let result = result(&output);

    let text = |path: &Path| fs::read_to_string(folder.path().join(path)).unwrap();
    let vkey = text(Path::new("log/vkey")).trim_end().parse().unwrap();
    let mut keys =
        TrustedKeys::new(serde_json::from_str(&text(Path::new("keys/hub.jwks.json"))).unwrap(), vkey).unwrap();
    for entry in fs::read_dir(folder.path().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "hub.jwks.json" {
            keys.add_sender(serde_json::from_str(&text(&path)).unwrap()).unwrap();
        }
    }
    let mut messages = 0;
    for entry in fs::read_dir(folder.path().join("messages")).unwrap() {
        let path = entry.unwrap().path();
        let report = check_message(&serde_json::from_str::<MessageFile>(&text(&path)).unwrap(), &keys, None);
        assert!(report.verified, "{:?}", report.checks);
        let id = report.message.unwrap().id;
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("{id}.saphan.json"));
        messages += 1;
    }
    let policy = Policy::parse(text(Path::new("policy")).as_bytes()).unwrap();
    let (cosigned, witnessed) = policy.verify(&text(Path::new("log/checkpoint.cosigned"))).unwrap();
    assert_eq!((cosigned.checkpoint().size, witnessed.by.len()), (result["log_size"].as_u64().unwrap(), 1));
    let bundle: EvidenceBundle = serde_json::from_str(&text(Path::new("evidence.json"))).unwrap();
    assert_eq!(bundle.verify(keys.log()).unwrap().messages.len(), 1);
    let log = FolderLog::new(folder.path().join("log"));
    let report = log_check::check(&log, keys.log(), &()).await.unwrap();
    let (size, delivered) = (result["log_size"].as_u64().unwrap(), result["delivered"].as_u64().unwrap());
    assert_eq!((report.size, report.leaves.messages), (size, delivered));
    // What was sent to the hub's own system nobody else has received.
    assert_eq!(messages + to_the_hub(&folder.path().join("log")), delivered);
}

/// How many messages of an exported log were sent to the hub's own system.
fn to_the_hub(log: &Path) -> u64 {
    let mut messages = 0;
    let mut folders = vec![log.join("tile/entries")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bundle = fs::read(&path).unwrap();
            let of_a_partial_bundle = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let is_partial = path.parent().unwrap().extension().is_some();
            let width = if is_partial { of_a_partial_bundle } else { 256 };
            for entry in decode_bundle(&bundle, width).unwrap() {
                if let Leaf::Message { envelope, .. } = Leaf::parse(entry).unwrap() {
                    let envelope = UnverifiedEnvelope::parse(&envelope).unwrap();
                    messages += u64::from(envelope.claims().aud.as_str() == registry::ONCE_ONLY);
                }
            }
        }
    }
    messages
}

#[tokio::test]
async fn people_get_a_summary_with_a_verified_message_and_where_to_look() {
    let output = demo(&["--applications", "1"]).await;
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["1 applications: 1 approved", "Once only", "application.submitted", "ok     proof", "Where to look"] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn an_export_is_never_mixed_with_what_a_folder_holds_already() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let output = demo(&["--export", folder.path().to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is not empty"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_export_that_cannot_be_written_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("export");
    for (path, why) in [(file.to_str().unwrap(), "is not a folder"), (below.to_str().unwrap(), "cannot make")] {
        let output = demo(&["--export", path]).await;
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(why) && !told.contains("the log"), "{told}");
    }
}

#[tokio::test]
async fn with_json_what_runs_on_is_told_on_standard_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(["--json", "--keep", "--applications", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = command.kill_on_drop(true).spawn().unwrap();
    let mut told = BufReader::new(demo.stderr.take().unwrap()).lines();
    let hub = async { while !told.next_line().await.unwrap().unwrap().starts_with("  hub         https://") {} };
    timeout(PATIENCE, hub).await.expect("it says where the hub is");
    let mut output = BufReader::new(demo.stdout.take().unwrap()).lines();
    let object: Value = serde_json::from_str(&output.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(object["applications"], 1);
}

#[tokio::test]
async fn with_portal_the_page_is_shown_and_people_whom_the_registers_know_can_apply() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(["--json", "--portal", "--applications", "1"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo = command.kill_on_drop(true).spawn().unwrap();
    let mut told = BufReader::new(demo.stderr.take().unwrap()).lines();
    let page = async {
        loop {
            if let Some(address) = told.next_line().await.unwrap().unwrap().strip_prefix("  page        ") {
                return address.trim_end_matches('/').to_owned();
            }
        }
    };
    let address = timeout(PATIENCE, page).await.expect("it says where the page is");
    let client = Client::new(&address);
    client.get("/en/sign-in").await.has("Thai citizen");
    // The last of the procedures is the driving licence.
    client.post("/en/sign-in", &[("person", "3")]).await;
    client.get("/en/trace").await.has("Evidence provided: Driving licence");
    let path = "/en/services/th.dlt.driving-licence-renewal/apply";
    let form = client.get(path).await;
    let id = form.markup().value_of("application").unwrap().to_owned();
    let number = numbers::driving_licence(1);
    let own = [("application", id.as_str()), ("/licence_number", number.as_str())];
    let pairs: Vec<_> = own.into_iter().chain(FORM.iter().copied()).collect();
    let review = client.post(path, &pairs).await.location;
    client.get(&review).await;
    let sent = client.post(&review, &[("consent", "yes")]).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let case = sent.location;
    // All of it was fetched for this person before.
    let due = client.until(&case, "Pay 505 baht").await;
    assert_eq!(due.text.matches("Proven by what is there from before").count(), 3);
    client.get(&format!("{case}/fee")).await.has("no money is taken");
    assert_eq!(client.post(&format!("{case}/fee"), &[]).await.status, 303);
    client.until(&case, "The decision").await;
}

#[tokio::test]
async fn a_wrong_option_is_wrong_use() {
    assert_eq!(demo(&["--applications", "0"]).await.status.code(), Some(2));
}

/// Long enough for a slow machine; only a demo that never says it takes as long.
const PATIENCE: Duration = Duration::from_secs(300);
