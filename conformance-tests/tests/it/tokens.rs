//! A hub and an agency whose keys never leave their tokens, with the real programs.

use std::ffi::OsStr;
use std::path::Path;

use saphan_conformance::programs;
use saphan_examples::agencies::licences;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::{portal, registry};
use saphan_keys::testing::{MODULE, PIN, SOFTHSM2_CONF, SoftToken};
use saphan_schemas::ids::CaseId;
use saphan_schemas::receipt::UnverifiedReceipt;
use saphan_schemas::registry::TransportKind;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::agency::{join, saphan_with};
use crate::patience::in_time;

/// A token of its own in a folder, with the file that holds its PIN.
struct Token {
    folder: TempDir,
    config: String,
    pin_file: String,
}

impl Token {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = SoftToken::make(folder.path()).unwrap().config().display().to_string();
        let pin_file = folder.path().join("pin");
        saphan_keys::file::write_new(&pin_file, &format!("{PIN}\n")).unwrap();
        Self { config, pin_file: pin_file.display().to_string(), folder }
    }

    fn key<'a>(&'a self, label: &'a str) -> [&'a str; 8] {
        ["--pkcs11-module", MODULE, "--token", "saphan", "--token-key", label, "--pin-file", &self.pin_file]
    }

    async fn saphan(&self, folder: &Path, arguments: &[&str]) -> Value {
        let (code, told) = saphan_with(&[(SOFTHSM2_CONF, OsStr::new(&self.config))], folder, arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {told}");
        told
    }
}

/// A hub of whose process SoftHSM sees `token`.
async fn hub(token: &Token) -> HubProcess {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let registry = registry::of_the_examples(TransportKind::Pull, |_| None).unwrap().to_toml().unwrap();
    let mut options = HubOptions::new(program, registry);
    options.settings.push((SOFTHSM2_CONF, token.config.clone()));
    HubProcess::start(options).await.unwrap()
}

/// Lets the hub sign receipts with a new key in its token, as the operator's guide says. Answers with the key's name.
async fn receipts_from(token: &Token, hub: &mut HubProcess) -> String {
    let made = token.saphan(token.folder.path(), &[&["keys", "new"], &token.key("receipts")[..]].concat()).await;
    let kid = made["kid"].as_str().unwrap().to_owned();
    let config = hub.folder().join("hub/hub.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let source = made["key"].as_str().unwrap().strip_prefix("key = ").unwrap();
    std::fs::write(&config, text.replace("\nreceipts = []", &format!("\nreceipts = [{source}]"))).unwrap();
    hub.restart().await.unwrap();
    let mut command = Command::new(programs::saphan_hub().unwrap());
    command.args(["keys", "rotate", "receipts", "--existing", &kid, "--config"]).arg(&config);
    let output = command.env(SOFTHSM2_CONF, &token.config).kill_on_drop(true).output();
    let output = in_time(output, || "saphan-hub keys rotate does not end".to_owned()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_from_a_key_in_a_token_to_a_receipt_from_a_key_in_a_token() {
    let (operator, agency) = (Token::new(), Token::new());
    let mut hub = hub(&operator).await;
    let receipts = receipts_from(&operator, &mut hub).await;

    let _licensing = join(&hub, licences::MANDATE.system).await;
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let code = hub.invite(&portal::SYSTEM.parse().unwrap()).await.unwrap();
    let joined = agency.saphan(folder, &[&["join", hub.url(), &code], &agency.key("portal")[..]].concat()).await;
    assert!(!folder.join("saphan.key.pem").exists(), "the key is in the token only");
    agency.saphan(folder, &["agreements", "sign", "--all"]).await;
    assert_eq!(agency.saphan(folder, &["doctor"]).await["works"], true);
    let sent = send(&agency, folder).await;
    let receipt = UnverifiedReceipt::parse(sent["receipt"].as_str().unwrap()).unwrap();
    assert_eq!(receipt.kid().to_string(), receipts);

    // Another key in the same token takes over.
    let rotated = agency.saphan(folder, &["keys", "rotate", "--token-key", "portal 2"]).await;
    assert_eq!(rotated["old_kid"], joined["kid"]);
    let config = folder.join("saphan.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let lines =
        text.lines().map(|line| if line.starts_with("key = ") { rotated["key"].as_str().unwrap() } else { line });
    std::fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    agency.saphan(folder, &["keys", "revoke", rotated["old_kid"].as_str().unwrap()]).await;
    assert_eq!(send(&agency, folder).await["state"], "accepted");

    let log = std::fs::read_to_string(hub.log_file()).unwrap();
    assert!(!log.contains(PIN), "the PIN is in the hub's log");
}

async fn send(agency: &Token, folder: &Path) -> Value {
    let body = r#"{"withdrawn_at":"2026-11-24T09:30:00+07:00","withdrawn_by":"APPLICANT","reason":"NO_LONGER_NEEDED"}"#;
    std::fs::write(folder.join("body.json"), body).unwrap();
    let mandate = licences::MANDATE;
    let case = CaseId::new().to_string();
    let to = ["--to", mandate.system, "--type", "application.withdrawn", "--service", mandate.service];
    let why = ["--purpose", mandate.purpose, "--legal-basis", mandate.law, "--case", &case];
    agency.saphan(folder, &[&["send", "body.json"], &to[..], &why[..]].concat()).await
}
