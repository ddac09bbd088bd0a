//! The program: `saphan witness init`, `add-log`, `show`, `serve`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use saphan_schemas::log::CosignerKey;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::history::{History, log};
use crate::program::{Ended, PROGRAM, saphan};

/// A witness that serves.
pub(super) struct Serving {
    pub(super) url: String,
    child: Child,
    /// Kept open: the program writes to it.
    _err: Lines<BufReader<ChildStderr>>,
}

impl Serving {
    /// Starts it, and waits until it listens.
    pub(super) async fn start(folder: &Path) -> Self {
        let mut command = Command::new(PROGRAM);
        command.current_dir(folder).args(["--json", "witness", "serve", "--listen", "127.0.0.1:0"]);
        command.env_remove("SAPHAN_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        while let Some(line) = err.next_line().await.unwrap() {
            if let Some(address) = line.strip_prefix("listening on ") {
                return Self { url: format!("{address}/add-checkpoint"), child, _err: err };
            }
            said.push(line);
        }
        panic!("it did not listen: {said:?}")
    }

    /// As nobody would wish.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// As a supervisor stops it.
    async fn stop(self) -> Ended {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let mut ended = self.child.wait_with_output().await.unwrap();
        ended.stderr.clear();
        Ended::new(ended)
    }
}

#[tokio::test]
async fn a_witness_is_made_asked_stopped_and_shown() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (folder, one, two) = (tempfile::tempdir().unwrap(), log("hub.local/log/main"), log("hub.local/log/next"));
    std::fs::write(folder.path().join("vkey"), format!("{}\n", one.verifier_key())).unwrap();
    let made = saphan(folder.path(), ["--json", "witness", "init", "--name", "w.example/1", "--log", "vkey"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let key: CosignerKey = made.json()["key"].as_str().unwrap().parse().unwrap();
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("saphan-witness"), mode("saphan-witness/key.pem")), (0o700, 0o600));
    let two = two.verifier_key().to_string();
    for added in [true, false] {
        let again = saphan(folder.path(), ["--json", "witness", "add-log", &two]);
        assert_eq!(again.json()["added"], added);
    }

    let serving = Serving::start(folder.path()).await;
    let history = History::new("a", 0, 20);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(&serving.url).body(history.request(0, 20, &one)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let note = format!("{}{}", history.checkpoint(20, &one), answer.text().await.unwrap());
    let note: saphan_schemas::log::SignedNote = note.parse().unwrap();
    assert!(note.verify_cosignature(&key).is_ok());
    let shared = saphan(folder.path(), ["witness", "serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(shared.code, 2);
    assert!(shared.err.contains("in use by another process (on your side)"), "{}", shared.err);
    let ended = serving.stop().await;
    assert_eq!(ended.code, 0);
    assert_eq!(ended.json()["key"], key.to_string());

    let shown = saphan(folder.path(), ["--json", "witness", "show"]).json();
    assert_eq!(shown["key"], key.to_string());
    assert_eq!(shown["logs"][0], serde_json::json!({ "origin": "hub.local/log/main", "size": 20 }));
    assert_eq!(shown["logs"][1]["size"], 0);
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let bad_name = saphan(folder.path(), ["witness", "init", "--name", "a b"]);
    assert_eq!(bad_name.code, 2);
    assert!(!folder.path().join("saphan-witness").exists());
    let bad_log = saphan(folder.path(), ["witness", "init", "--name", "w", "--log", "a+b"]);
    assert!(bad_log.err.contains("a+b is not the key of a log"), "{}", bad_log.err);
    let none = saphan(folder.path(), ["witness", "serve"]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("saphan witness init"), "{}", none.err);
    assert_eq!(saphan(folder.path(), ["witness", "init", "--name", "w"]).code, 0);
    let twice = saphan(folder.path(), ["witness", "init", "--name", "w"]);
    assert_eq!(twice.code, 2);
    assert!(twice.err.contains("holds a witness already"), "{}", twice.err);
    std::fs::remove_file(folder.path().join("saphan-witness/key.pem")).unwrap();
    assert!(saphan(folder.path(), ["witness", "init", "--name", "w"]).err.contains("holds a witness already"));
    assert_eq!(saphan(folder.path(), ["witness", "serve", "--listen", "127.0.0.1:0"]).code, 2);
}

#[test]
fn a_lost_record_is_told_with_the_advice_not_to_repair_it() {
    let (folder, log) = (tempfile::tempdir().unwrap(), log("hub.local/log/main").verifier_key().to_string());
    assert_eq!(saphan(folder.path(), ["witness", "init", "--name", "w", "--log", log.as_str()]).code, 0);
    let logs = folder.path().join("saphan-witness/logs");
    std::fs::remove_dir_all(&logs).unwrap();
    let refused = saphan(folder.path(), ["--json", "witness", "serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.code, 2);
    let error = &refused.json()["error"];
    assert!(error["what"].as_str().unwrap().contains("the record of a log is missing"), "{error}");
    assert_eq!(error["side"], "machine");
    assert!(error["advice"].as_str().unwrap().contains("Do not repair it by hand"), "{error}");
}
