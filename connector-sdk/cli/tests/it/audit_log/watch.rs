//! `saphan audit log --watch`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

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
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(followed.path())
            .args(["--json", "audit", "log", "log", "--vkey", "vkey", "--state", "state"]);
        command.args(["--watch", "1"]).args(more).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// The next audit that ends this way.
    fn until(&mut self, holds: bool) -> Value {
        loop {
            let told = self.next();
            if told["verdict"]["holds"] == json!(holds) {
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

#[test]
fn an_alarm_needs_a_watch() {
    let folder = tempfile::tempdir().unwrap();
    let ended = saphan(folder.path(), ["audit", "log", ".", "--state", "s", "--alarm", "true"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--watch"), "{}", ended.err);
}
