//! `saphan send`.

use std::ffi::OsStr;
use std::path::Path;

use saphan_schemas::keys::SigningKey;
use serde_json::{Value, json};

use crate::hub::FakeHub;
use crate::ledger::{Ledger, RECEIVER, SENDER};
use crate::program::{Ended, saphan, saphan_beside, saphan_beside_with};

/// A folder with a key, a configuration and a body, and a hub that knows the key.
pub(crate) struct Station {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) hub: FakeHub,
}

impl Station {
    /// For this system.
    pub(crate) async fn new(system: &str) -> Self {
        Self::with_key(system, |folder| {
            let made = saphan(folder, ["--json", "keys", "new"]);
            assert_eq!(made.code, 0, "{}", made.err);
            ("key = \"saphan.key.pem\"\n".into(), made.json())
        })
        .await
    }

    /// With a key that `make` makes for the folder; it answers with the settings of the configuration that name it, and with what
    /// `saphan keys new` said.
    pub(crate) async fn with_key(system: &str, make: impl FnOnce(&Path) -> (String, Value)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (settings, made) = make(folder.path());
        let mut ledger = Ledger::new();
        ledger.register_public(system, serde_json::from_value(made["jwk"].clone()).unwrap());
        let hub = FakeHub::start(ledger).await;
        let trusted = saphan_beside(folder.path(), ["trust", hub.url()]).await;
        assert_eq!(trusted.code, 0, "{}", trusted.err);
        configure(folder.path(), system, hub.url(), &settings);
        std::fs::write(folder.path().join("body.json"), BODY).unwrap();
        Self { folder, hub }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn send(&self, more: &[&str]) -> Ended {
        self.send_with(&[], more).await
    }

    /// With more in the program's environment.
    pub(crate) async fn send_with(&self, environment: &[(&str, &OsStr)], more: &[&str]) -> Ended {
        let arguments = SEND.iter().chain(more);
        saphan_beside_with(self.path(), environment, arguments).await
    }
}

async fn send(folder: &Path, more: &[&str]) -> Ended {
    saphan_beside(folder, SEND.iter().chain(more)).await
}

const SEND: [&str; 7] = ["--json", "send", "--to", RECEIVER, "--type", "information.supplied", "body.json"];

/// A ledger that knows the key in the folder as the system's.
fn ledger_for(system: &str, folder: &Path) -> Ledger {
    let key = std::fs::read_to_string(folder.join("saphan.key.pem")).unwrap();
    let mut ledger = Ledger::new();
    ledger.register(system, SigningKey::from_pem(&key).unwrap());
    ledger
}

fn configure(folder: &Path, system: &str, hub: &str, settings: &str) {
    let text =
        format!("system = \"{system}\"\nhub = \"{hub}\"\n{settings}data_dir = \"data\"\ntrust_file = \"trust.json\"\n");
    std::fs::write(folder.join("saphan.toml"), text).unwrap();
}

/// White space that a careless program would lose.
const BODY: &str = "{ \"text\" :\t\"สวัสดี\" }\n";

#[tokio::test]
async fn a_message_is_accepted_and_its_saved_receipt_verifies() {
    let station = Station::new(SENDER).await;
    let case = saphan_schemas::ids::CaseId::new().to_string();
    let ended = station.send(&["--case", &case, "--purpose", "licence-renewal", "--save", "m.saphan.json"]).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let told = ended.json();
    assert_eq!((&told["state"], &told["index"]), (&json!("accepted"), &json!(12)));
    {
        let held = station.hub.held();
        let sent = &held.ledger.messages[&12];
        assert_eq!(sent.body, BODY.as_bytes());
        let claims = sent.envelope.claims();
        assert_eq!(
            (claims.jti.to_string(), claims.case.unwrap().to_string()),
            (told["id"].as_str().unwrap().to_owned(), case)
        );
        assert_eq!(claims.purpose.as_ref().unwrap().as_str(), "licence-renewal");
        let keys = serde_json::to_vec(&held.ledger.system_keys(SENDER)).unwrap();
        std::fs::write(station.path().join("sender.jwks.json"), keys).unwrap();
    }
    let verify = ["verify", "m.saphan.json", "--trust", "trust.json", "--sender-keys", "sender.jwks.json"];
    let verified = saphan(station.path(), verify);
    assert_eq!(verified.code, 0, "{}", verified.out);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_places_and_ends_1() {
    let station = Station::new(SENDER).await;
    station.hub.held().refusing = true;
    let ended = station.send(&[]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    let told = ended.json();
    assert_eq!((&told["state"], &told["problem"]["code"]), (&json!("refused"), &json!("schema-violation")));
    assert_eq!(told["problem"]["errors"][0]["pointer"], "/applicant/name");
    let plain =
        saphan_beside(station.path(), ["send", "--to", RECEIVER, "--type", "information.supplied", "body.json"]);
    let plain = plain.await;
    assert!(plain.out.contains("/applicant/name: a string is expected"), "{}", plain.out);
}

#[tokio::test]
async fn a_message_outlives_an_outage_and_is_sent_once() {
    let Station { folder, hub } = Station::new(SENDER).await;
    let url = hub.url().to_owned();
    hub.stop().await;
    let ended = send(folder.path(), &["--wait", "0"]).await;
    assert_eq!(ended.code, 3, "{}", ended.out);
    let advice = ended.json()["error"]["advice"].as_str().unwrap().to_owned();
    let id = advice.split_ascii_whitespace().skip_while(|word| *word != "--id").nth(1).unwrap().to_owned();

    // Another log under the same address: its keys are not those that are trusted.
    let stranger = FakeHub::start_at(&url, ledger_for(SENDER, folder.path())).await;
    let ended = send(folder.path(), &["--id", &id, "--wait", "5"]).await;
    assert_eq!(ended.code, 3, "{}", ended.out);
    stranger.stop().await;

    let hub = FakeHub::start_at(&url, ledger_for(SENDER, folder.path())).await;
    std::fs::remove_file(folder.path().join("trust.json")).unwrap();
    assert_eq!(saphan_beside(folder.path(), ["trust", hub.url()]).await.code, 0);
    for _ in 0..2 {
        let ended = send(folder.path(), &["--id", &id]).await;
        assert_eq!(ended.code, 0, "{}", ended.out);
        assert_eq!(ended.json()["id"], id.as_str());
    }
    assert_eq!(hub.held().ledger.messages.len(), 1);
    assert_eq!(hub.held().submissions, 1);
}

#[tokio::test]
async fn what_cannot_be_sent_or_read_ends_2_and_nothing_goes_out() {
    let station = Station::new(SENDER).await;
    let path = station.path();
    std::fs::write(path.join("bad.json"), "{\n  \"a\": }\n").unwrap();
    std::fs::write(path.join("bad.toml"), "system = \"th.dga/portal\"\nretries = 3\n").unwrap();
    for (body, config, expected) in [
        ("bad.json", "saphan.toml", "line 2"),
        ("none.json", "saphan.toml", "cannot read none.json"),
        ("body.json", "none.toml", "cannot read none.toml"),
        ("body.json", "bad.toml", "retries"),
    ] {
        let to = ["send", "--to", RECEIVER, "--type", "information.supplied"];
        let ended = saphan_beside(path, to.into_iter().chain(["--config", config, body])).await;
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
        assert!(ended.err.contains(expected), "{expected}: {}", ended.err);
    }
    assert_eq!(station.hub.held().submissions, 0);
}
