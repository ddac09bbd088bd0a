//! `saphan audit log --watch`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use axum::Router;
use axum::extract;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch::Sender;

use super::Followed;
use crate::ledger::Ledger;
use crate::program::{PROGRAM, saphan};

/// A monitor, and the objects that it prints, one after each audit.
struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(followed: &Followed, more: &[&str]) -> Self {
        Self::start_at("log", followed, more)
    }

    fn start_at(log: &str, followed: &Followed, more: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(followed.path())
            .args(["--json", "audit", "log", log, "--vkey", "vkey", "--state", "state"]);
        command.args(["--watch", "1"]).args(more).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// The next audit that ends this way.
    fn until(&mut self, holds: impl Into<Value>) -> Value {
        let holds = holds.into();
        loop {
            let told = self.next();
            if told["verdict"]["holds"] == holds {
                return told;
            }
        }
    }

    /// Stops it as a supervisor does; gives its exit code.
    fn stop(mut self) -> i32 {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Watch {
    /// A test that fails leaves no monitor behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The verdicts that the alarm was given.
fn alarms(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("alarms")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_alarm_is_raised_once_for_a_verdict_and_again_after_the_log_held() {
    let mut ledger = Ledger::with_messages(3);
    let followed = Followed::new(&ledger);
    let good = ledger.files();
    let mut bad = good.clone();
    bad.get_mut("tile/entries/000.p/15").unwrap()[50] ^= 1;
    let mut watch = Watch::start(&followed, &["--alarm", "tee -a alarms", "--metrics", "metrics.prom"]);
    assert_eq!(watch.until(true)["entries_checked"], ledger.size());
    for round in 1..=2 {
        replace(&followed, &bad);
        watch.until(false);
        watch.until(false);
        watch.until(false);
        assert_eq!(alarms(followed.path()).len(), round);
        let metrics = std::fs::read_to_string(followed.path().join("metrics.prom")).unwrap();
        let fault = format!("saphan_audit_fault{{log=\"{}\",class=\"changed-leaf\"}} 1", crate::ledger::ORIGIN);
        assert!(metrics.contains(&fault), "{metrics}");
        replace(&followed, &good);
        watch.until(true);
    }
    let told = alarms(followed.path()).remove(0);
    assert_eq!((&told["verdict"]["class"], &told["since"]["size"]), (&json!("changed-leaf"), &json!(ledger.size())));
    ledger.send("{}");
    replace(&followed, &ledger.files());
    while watch.until(true)["log"]["size"] != ledger.size() {}
    let metrics = std::fs::read_to_string(followed.path().join("metrics.prom")).unwrap();
    assert!(metrics.contains(&format!("}} {}\n", ledger.size())) && !metrics.contains("leaf\"} 1"), "{metrics}");
    assert_eq!(watch.stop(), 0);
}

/// Puts files in the place of others one by one, as the monitor reads all the while.
fn replace(followed: &Followed, files: &std::collections::BTreeMap<String, Vec<u8>>) {
    let log = followed.path().join("log");
    crate::ledger::write_files(&followed.path().join("next"), files);
    // The checkpoint comes last: it says that the rest is there.
    for path in files.keys().filter(|path| *path != "checkpoint").map(String::as_str).chain(["checkpoint"]) {
        std::fs::create_dir_all(log.join(path).parent().unwrap()).unwrap();
        std::fs::rename(followed.path().join("next").join(path), log.join(path)).unwrap();
    }
}

#[test]
fn a_watch_that_is_stopped_while_the_log_does_not_hold_says_so_with_its_exit_code() {
    let ledger = Ledger::with_messages(3);
    let followed = Followed::new(&ledger);
    let mut files = ledger.files();
    files.get_mut("tile/entries/000.p/15").unwrap()[50] ^= 1;
    followed.shows(&files);
    let mut watch = Watch::start(&followed, &["--alarm", "false"]);
    watch.until(false);
    assert_eq!(watch.next()["verdict"]["holds"], false, "an alarm that fails ends nothing");
    assert_eq!(watch.stop(), 1);
}

#[test]
fn a_log_that_stays_away_is_an_alarm_when_patience_ends() {
    let ledger = Ledger::with_messages(3);
    let followed = Followed::new(&ledger);
    followed.holds();
    // A folder in the place of a file cannot be read, which is not a verdict.
    let checkpoint = followed.path().join("log/checkpoint");
    std::fs::remove_file(&checkpoint).unwrap();
    std::fs::create_dir(&checkpoint).unwrap();
    let mut watch = Watch::start(&followed, &["--alarm", "tee -a alarms", "--patience", "1"]);
    // One second after the first audit patience has ended.
    for _ in 0..4 {
        let told = watch.next();
        assert_eq!((&told["verdict"]["holds"], &told["error"]["side"]), (&json!(null), &json!("hub")), "{told}");
    }
    assert_eq!(alarms(followed.path()).len(), 1);
    std::fs::remove_dir(&checkpoint).unwrap();
    std::fs::write(&checkpoint, ledger.checkpoint()).unwrap();
    watch.until(true);
    assert_eq!(watch.stop(), 0);
}

/// A mirror that takes every request, and can leave one file without an answer.
struct Mirror {
    url: String,
    silent: Sender<Option<&'static str>>,
}

#[derive(Clone)]
struct Served {
    files: BTreeMap<String, Vec<u8>>,
    silent: Sender<Option<&'static str>>,
}

impl Mirror {
    async fn start(files: BTreeMap<String, Vec<u8>>, silent: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/log", listener.local_addr().unwrap());
        let silent = Sender::new(silent);
        let served = Served { files, silent: silent.clone() };
        let router = Router::new().route("/log/{*path}", get(file)).with_state(served);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, silent }
    }
}

async fn file(extract::State(served): extract::State<Served>, extract::Path(path): extract::Path<String>) -> Response {
    let Served { files, silent } = served;
    silent.subscribe().wait_for(|silent| *silent != Some(&*path)).await.unwrap();
    match files.get(&path) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

const STANDS_STILL: &str = "the audit has not ended, and has checked no entry for 1 s";

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_does_not_answer_is_an_alarm_while_the_audit_waits_and_again_after_the_log_was_had() {
    let ledger = Ledger::with_messages(3);
    let followed = Followed::new(&ledger);
    let mirror = Mirror::start(ledger.files(), Some("checkpoint")).await;
    let more = ["--alarm", "tee -a alarms", "--metrics", "metrics.prom", "--patience", "1"];
    let mut watch = Watch::start_at(&mirror.url, &followed, &more);
    let metrics = || std::fs::read_to_string(followed.path().join("metrics.prom")).unwrap();
    let reached = |reached| format!("saphan_audit_reached{{log=\"{}\"}} {reached}\n", crate::ledger::ORIGIN);
    for round in 1..=2 {
        let told = watch.until(Value::Null);
        assert_eq!((&told["error"]["what"], &told["error"]["side"]), (&json!(STANDS_STILL), &json!("hub")), "{told}");
        assert!(metrics().contains(&reached(0)), "{}", metrics());
        // The audit that waited gets its answer, and ends.
        mirror.silent.send_replace(None);
        assert_eq!(watch.next()["verdict"]["holds"], true);
        assert_eq!(alarms(followed.path()).len(), round);
        assert!(metrics().contains(&reached(1)), "{}", metrics());
        mirror.silent.send_replace(Some("checkpoint"));
    }
    assert_eq!(alarms(followed.path())[0]["error"]["what"], STANDS_STILL);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_has_checked_entries_and_waits_for_the_others_is_an_alarm_and_no_verdict() {
    let ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    let mirror = Mirror::start(ledger.files(), Some("tile/entries/002.p/100")).await;
    let mut watch = Watch::start_at(&mirror.url, &followed, &["--alarm", "tee -a alarms", "--patience", "1"]);
    assert_eq!(watch.next()["error"]["what"], STANDS_STILL);
    assert_eq!(watch.stop(), 3);
    assert_eq!(alarms(followed.path()).len(), 1, "a watch that is stopped waits for its alarm");
}

#[test]
fn an_alarm_needs_a_watch() {
    let folder = tempfile::tempdir().unwrap();
    let ended = saphan(folder.path(), ["audit", "log", ".", "--state", "s", "--alarm", "true"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--watch"), "{}", ended.err);
}
