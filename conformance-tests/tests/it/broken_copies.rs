//! A long log of a real hub and the one in which it went on, with what can be made of them, broken in every way: two verifiers that
//! share no code must tell the same of each copy. The other one is `verifier/`, written in Python from the contract alone.

mod bundles;
mod copies;
mod flips;
mod odd;
mod pairs;
mod real_log;
mod shard_bundles;
mod shards;
mod stamps;
mod two_faults;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use saphan_cli::log_check::{FolderLog, LogSource, check};
use saphan_schemas::evidence_bundle::EvidenceBundle;
use saphan_schemas::json::parse_typed;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::VerifierKey;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use self::bundles::{BrokenFile, Part};
use self::copies::{Broken, by_anybody, by_the_hub};
use self::real_log::{Files, NEXT, RealLog, Size, shard};
use self::stamps::Timestamped;
use self::two_faults::two_faults;
use crate::agency::{done, saphan};
use crate::patience::in_time;

/// A folder with the log in `log`, its key in `log/vkey`, keys in `keys`, and messages beside them. In `hub` are this log as it was closed
/// and the next one, by their shards, and the key of the next one, `hub/vkey`; messages of both are `both-*.json`.
struct Export {
    folder: TempDir,
}

impl Export {
    fn of(log: &RealLog) -> Self {
        let export = Self { folder: TempDir::new().unwrap() };
        write(&log.files, &export.path("log"));
        std::fs::write(export.path("log/vkey"), format!("{}\n", log.vkey)).unwrap();
        std::fs::create_dir(export.path("keys")).unwrap();
        for (name, keys) in &log.key_sets {
            std::fs::write(export.path("keys").join(name), keys).unwrap();
        }
        write(&log.ended, &export.path("hub").join(shard(&log.origin)));
        write(&log.next.files, &export.path("hub").join(NEXT));
        std::fs::write(export.path("hub/vkey"), format!("{}\n", log.next.vkey)).unwrap();
        let of_both =
            log.next.kept.iter().enumerate().map(|(number, message)| (format!("both-{number}.json"), message));
        let of_this = log.kept.iter().enumerate().map(|(number, message)| (format!("{number}.json"), message));
        for (name, message) in of_this.chain(of_both) {
            std::fs::write(export.path(&name), serde_json::to_vec(message).unwrap()).unwrap();
        }
        export
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// What the other verifier says: `holds`, or a class.
    async fn other_verifier(&self, arguments: &[&str]) -> String {
        class(&self.told_by_the_other(arguments).await)
    }

    /// The same of each file among these arguments, in one process.
    async fn other_verifier_on_each(&self, arguments: &[&str]) -> Vec<String> {
        self.told_on_each(arguments).await.iter().map(class).collect()
    }

    /// All that the other verifier says.
    async fn told_by_the_other(&self, arguments: &[&str]) -> Value {
        let [told] = self.told_on_each(arguments).await.try_into().unwrap();
        told
    }

    /// What a script beside this file says with that verifier: a line for each that it is given. It runs in a folder of the export.
    async fn script(
        &self,
        name: &str,
        folder: &str,
        arguments: &[&str],
        lines: impl Iterator<Item = String>,
    ) -> Vec<String> {
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/broken_copies");
        let mut python = Command::new(PYTHON);
        python.args(["-B", "-W", "ignore", &format!("{scripts}/{name}"), VERIFIER]).args(arguments);
        python.current_dir(self.path(folder)).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        let mut stdin = python.stdin.take().unwrap();
        let asking = async move {
            for line in lines {
                stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            }
        };
        let (output, ()) = tokio::join!(python.wait_with_output(), asking);
        let output = output.unwrap();
        assert!(output.status.success(), "{name} ended with {}", output.status);
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    async fn told_on_each(&self, arguments: &[&str]) -> Vec<Value> {
        let mut python = Command::new(PYTHON);
        let command = python.args(["-B", VERIFIER]).args(arguments).arg("--json").current_dir(self.folder.path());
        let ended = in_time(command.kill_on_drop(true).output(), || "the verifier does not end".to_owned()).await;
        let Output { status, stdout, stderr } = ended.unwrap();
        let told: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&stdout).into_iter().collect();
        let told = told.unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&stdout)));
        let all_hold = told.iter().all(|told| told["holds"] == true);
        assert_eq!(status.success(), all_hold, "{told:?} {}", String::from_utf8_lossy(&stderr));
        told
    }
}

/// What the program says of a log: `holds`, or a class.
async fn verdict(log: &dyn LogSource, vkey: &VerifierKey) -> String {
    match check(log, vkey, &()).await {
        Ok(_) => HOLDS.to_owned(),
        Err(error) => error.class().unwrap_or_else(|| panic!("no verdict: {error}")).name().to_owned(),
    }
}

/// The verdict in what the other verifier says of one thing.
fn class(told: &Value) -> String {
    if told["holds"] == true { HOLDS.to_owned() } else { told["class"].as_str().unwrap().to_owned() }
}

/// Writes a log into a folder of its own.
fn write(files: &Files, folder: &Path) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What was expected, and what both said.
#[derive(Default)]
struct Verdicts {
    classes: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Verdicts {
    fn note(&mut self, name: &str, class: &str, own: &str, other: &str) {
        *self.classes.entry(class.to_owned()).or_default() += 1;
        if own != class || other != class {
            self.wrong.push(format!("{name}: {class}, but {own} and {other}"));
        }
    }

    fn agree(&self, what: &str) {
        let copies: usize = self.classes.values().sum();
        assert!(self.wrong.is_empty(), "{} of {copies} {what}:\n{}", self.wrong.len(), self.wrong.join("\n"));
        println!("{copies} {what}: {:?}", self.classes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_verifiers_give_each_broken_copy_of_a_log_of_ten_thousand_entries_its_name() {
    let log = RealLog::of(Size { entries: 10_000, batch: 500, next: 520 }).await;
    let export = Export::of(&log);
    logs(&log, &export).await;
    histories(&log, &export).await;
    pairs::pairs(&log, &export).await;
    shards::shards(&log, &export).await;
    shard_bundles::bundles(&log, &export).await;
    evidence(&log, &export).await;
    messages(&export).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_verifiers_say_the_same_of_ten_thousand_single_bits_flipped_in_logs_and_bundles() {
    let small = RealLog::of(Size { entries: 1, batch: 6, next: 12 }).await;
    let large = RealLog::of(Size { entries: 1, batch: 230, next: 20 }).await;
    let export = Export::of(&large);
    let (stamped, _) = over_both_logs(&large, &export).await;
    flips::flipped_bits([&small, &large], &export, stamped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_verifiers_say_the_same_of_each_member_that_is_odd() {
    odd::odd_members().await;
}

async fn logs(log: &RealLog, export: &Export) {
    let both = async |files: &Files| {
        let copy = TempDir::new_in(export.folder.path()).unwrap();
        write(files, copy.path());
        let other = ["log", copy.path().to_str().unwrap(), "--vkey", "log/vkey"];
        let published = FolderLog::new(copy.path());
        tokio::join!(verdict(&published, &log.vkey), export.other_verifier(&other))
    };
    let mut verdicts = Verdicts::default();
    let whole = [("as it was published", log.ended.clone()), ("signed again", log.signed(&log.leaves))];
    let whole = whole.map(|(name, files)| Broken { name, class: HOLDS, files });
    let broken = by_anybody(&log.ended).into_iter().chain(by_the_hub(log)).chain(two_faults(log));
    for Broken { name, class, files } in whole.into_iter().chain(broken) {
        let (own, other) = both(&files).await;
        verdicts.note(name, class, &own, &other);
    }
    verdicts.agree(&format!("logs of {} entries", log.leaves.len()));
}

/// What one log alone does not show: another history than before, and less than before.
async fn histories(log: &RealLog, export: &Export) {
    let audit = ["audit", "log", "shown", "--vkey", "log/vkey", "--state", "state"];
    let shows = |files: &Files| {
        let _ = std::fs::remove_dir_all(export.path("shown"));
        write(files, &export.path("shown"));
    };
    shows(&log.files);
    done(export.folder.path(), &audit).await;
    let shorter = log.signed(&log.leaves[..log.leaves.len() - 300]);
    let other = log.signed(&two_messages_exchanged(log));
    let mut verdicts = Verdicts::default();
    for (name, class, files) in [("less than before", "rollback", shorter), ("another history", "fork", other)] {
        shows(&files);
        let (code, told) = saphan(export.folder.path(), &audit).await;
        assert_eq!(code, 1, "{told}");
        let other = export.other_verifier(&["log", "shown", "--vkey", "log/vkey", "--older", "log/checkpoint"]).await;
        verdicts.note(name, class, told["verdict"]["class"].as_str().unwrap(), &other);
    }
    verdicts.agree("histories");
}

/// Two messages have changed places, and each place has kept its time: nothing but what was known before shows it.
fn two_messages_exchanged(log: &RealLog) -> Vec<Vec<u8>> {
    let mut leaves = log.leaves.clone();
    let messages = log.messages();
    for (place, other) in [(messages[5], messages[6]), (messages[6], messages[5])] {
        let Leaf::Message { schema, envelope, .. } = log.leaf(other) else { panic!("a message") };
        leaves[place] = Leaf::Message { ts: log.leaf(place).ts(), schema, envelope }.to_bytes();
    }
    leaves
}

/// A bundle of messages of one log with a timestamp behind them, in `evidence.json`.
async fn of_one_log(log: &RealLog, export: &Export) -> (Timestamped, Value) {
    let mut stamped = Timestamped::new(export, "ca.pem");
    stamped.publish(export, "log", &log.origin, &log.leaves[..log.messages()[500]]);
    (stamped, bundle(export, "log", "log/vkey", &["0.json", "1.json"]).await)
}

/// A bundle of messages of both logs, with a timestamp behind those of each, in `evidence.json`.
async fn over_both_logs(log: &RealLog, export: &Export) -> (Timestamped, Value) {
    let mut stamped = Timestamped::new(export, "ca.pem");
    stamped.publish(export, &format!("hub/{}", shard(&log.origin)), &log.origin, &log.leaves);
    let next = &log.next;
    stamped.publish(export, &format!("hub/{NEXT}"), next.vkey.name(), &next.leaves[..next.leaves.len() - 5]);
    let messages = ["both-0.json", "both-1.json", "both-2.json", "both-3.json"];
    (stamped, bundle(export, &format!("hub/{NEXT}"), "hub/vkey", &messages).await)
}

async fn bundle(export: &Export, log: &str, vkey: &str, messages: &[&str]) -> Value {
    let messages: Vec<&str> = messages.iter().flat_map(|message| ["--message", message]).collect();
    let _ = std::fs::remove_file(export.path("evidence.json"));
    let made = ["audit", "message", log, "--vkey", vkey, "--out", "evidence.json"];
    done(export.folder.path(), &[&made, &messages[..]].concat()).await;
    export.json("evidence.json")
}

async fn evidence(log: &RealLog, export: &Export) {
    let (stamped, good) = of_one_log(log, export).await;
    let mut broken = bundles::bundles(&good, Part::Newest);
    broken.extend(bundles::registries(&good, Part::Newest));
    broken.extend(stamps::timestamps(&good, Part::Newest, &stamped));
    evidence_of("evidence bundles", &good, broken, export, &stamped, &[("log/vkey", &log.vkey)]).await;

    let (stamped, good) = over_both_logs(log, export).await;
    must_be_about_both_logs(&good, log);
    let mut broken = bundles::registries(&good, Part::Earlier);
    broken.extend(bundles::changes_of_the_log(&good, &log.next.vkey));
    for part in [Part::Earlier, Part::Newest] {
        broken.extend(bundles::bundles(&good, part));
        broken.extend(stamps::timestamps(&good, part, &stamped));
    }
    let keys = [("log/vkey", &log.vkey), ("hub/vkey", &log.next.vkey)];
    evidence_of("evidence bundles over both logs", &good, broken, export, &stamped, &keys).await;
}

/// That the messages of the first log are acknowledged in the next one, where one of them is erased too.
fn must_be_about_both_logs(good: &Value, log: &RealLog) {
    let bundle: EvidenceBundle = serde_json::from_value(good.clone()).unwrap();
    let proven = bundle.verify(&log.vkey).unwrap();
    let acknowledged = proven.messages.iter().map(|message| message.acknowledgement.as_ref().unwrap().log.as_deref());
    let next = Some(log.next.vkey.name());
    assert_eq!(acknowledged.collect::<Vec<_>>(), [next, next, None, None]);
    let leaves = bundle.entries.iter().map(|entry| Leaf::parse(entry.leaf.as_bytes()).unwrap());
    let erased = leaves.filter(|leaf| matches!(leaf, Leaf::Erasure { log: Some(of), .. } if *of == log.origin));
    assert_eq!(erased.count(), 1);
}

/// Both verifiers on a bundle and broken copies of it, for who trusts one of these keys.
async fn evidence_of(
    what: &str,
    good: &Value,
    broken: Vec<BrokenFile>,
    export: &Export,
    stamped: &Timestamped,
    keys: &[(&str, &VerifierKey)],
) {
    let whole = BrokenFile { name: "as it was made", class: HOLDS, file: good.clone() };
    let all: Vec<BrokenFile> = std::iter::once(whole).chain(broken).collect();
    let names: Vec<String> = (0..all.len()).map(|number| format!("broken-{number}.json")).collect();
    for (BrokenFile { file, .. }, name) in all.iter().zip(&names) {
        std::fs::write(export.path(name), serde_json::to_vec(file).unwrap()).unwrap();
    }
    let mut verdicts = Verdicts::default();
    for (key, vkey) in keys {
        let files = names.iter().map(String::as_str);
        let asked = ["bundle", key, "--timestamp-authority", "ca.pem"].into_iter().chain(files).collect::<Vec<_>>();
        let others = export.other_verifier_on_each(&asked).await;
        assert_eq!(others.len(), all.len());
        for (BrokenFile { name, class, file }, other) in all.iter().zip(others) {
            let bundle: EvidenceBundle = parse_typed(&serde_json::to_vec(file).unwrap()).unwrap();
            let own = bundle.verify(vkey).map_or_else(|fault| fault.class(), |proven| stamped.judge(&proven));
            verdicts.note(&format!("{name} ({key})"), class, own, &other);
        }
    }
    verdicts.agree(what);
}

async fn messages(export: &Export) {
    let (good, another) = (export.json("0.json"), export.json("1.json"));
    let mut verdicts = Verdicts::default();
    let whole = BrokenFile { name: "as it was kept", class: HOLDS, file: good.clone() };
    for BrokenFile { name, class, file } in std::iter::once(whole).chain(bundles::messages(&good, &another)) {
        std::fs::write(export.path("broken.json"), serde_json::to_vec(&file).unwrap()).unwrap();
        let (code, told) = saphan(export.folder.path(), &["verify", "broken.json", "--trust", "."]).await;
        // It names each step that failed, and no class.
        assert_eq!(code == 0, class == HOLDS, "{name}: {told}");
        let other = export.other_verifier(&["message", ".", "broken.json"]).await;
        verdicts.note(name, class, class, &other);
    }
    verdicts.agree("message files");
}

const HOLDS: &str = "holds";
const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier");
/// Debian's, for which the package of the verifier's one dependency is made.
const PYTHON: &str = "/usr/bin/python3";
