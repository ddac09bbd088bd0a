//! A long log of a real hub, with what can be made of it, broken in every way: two verifiers that share no code must tell the same of
//! each copy. The other one is `verifier/`, written in Python from the contract alone.

mod bundles;
mod copies;
mod flips;
mod real_log;
mod shard_bundles;
mod shards;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use saphan_cli::log_check::{FolderLog, check};
use saphan_schemas::evidence_bundle::{EvidenceBundle, Proven};
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::{Checkpoint, LogRebuilder, Stamped};
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use saphan_timestamps::{Authorities, Timestamp, TimestampFault};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use self::bundles::BrokenFile;
use self::copies::{Broken, by_anybody, by_the_hub};
use self::real_log::{Files, RealLog};
use crate::agency::{done, saphan};
use crate::patience::in_time;

/// A folder with the log in `log`, its key in `log/vkey`, keys in `keys`, and messages beside them.
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
        for (number, message) in log.kept.iter().enumerate() {
            std::fs::write(export.path(&format!("{number}.json")), serde_json::to_vec(message).unwrap()).unwrap();
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
        let told = self.told_by_the_other(arguments).await;
        if told["holds"] == true { HOLDS.to_owned() } else { told["class"].as_str().unwrap().to_owned() }
    }

    /// All that the other verifier says.
    async fn told_by_the_other(&self, arguments: &[&str]) -> Value {
        let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier");
        // Debian's, for which the package of its one dependency is made.
        let mut python = Command::new("/usr/bin/python3");
        let command = python.args(["-B", verifier]).args(arguments).arg("--json").current_dir(self.folder.path());
        let ended = in_time(command.kill_on_drop(true).output(), || "the verifier does not end".to_owned()).await;
        let Output { status, stdout, stderr } = ended.unwrap();
        let told: Value = serde_json::from_slice(&stdout).unwrap_or_else(|_| {
            panic!("{arguments:?}: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
        });
        assert_eq!(status.success(), told["holds"] == true, "{told}");
        told
    }
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
    let log = RealLog::of(10_000).await;
    let export = Export::of(&log);
    logs(&log, &export).await;
    histories(&log, &export).await;
    shards::shards(&log, &export).await;
    shard_bundles::bundles(&log, &export).await;
    shards::closed_in_full(&log, &export).await;
    evidence(&log, &export).await;
    messages(&export).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_verifiers_say_the_same_of_ten_thousand_single_bits_flipped_in_logs_and_bundles() {
    // So many that there is a checkpoint for the authority to stamp, behind the messages.
    let log = RealLog::of(1_000).await;
    let export = Export::of(&log);
    let (stamped, _) = bundle(&log, &export).await;
    flips::flipped_bits(&log, &export, stamped).await;
}

async fn logs(log: &RealLog, export: &Export) {
    let both = async |files: &Files| {
        let copy = TempDir::new_in(export.folder.path()).unwrap();
        write(files, copy.path());
        let other = ["log", copy.path().to_str().unwrap(), "--vkey", "log/vkey"];
        let own = async {
            match check(&FolderLog::new(copy.path()), &log.vkey, &()).await {
                Ok(_) => HOLDS.to_owned(),
                Err(error) => error.class().unwrap_or_else(|| panic!("no verdict: {error}")).name().to_owned(),
            }
        };
        tokio::join!(own, export.other_verifier(&other))
    };
    let mut verdicts = Verdicts::default();
    let whole = [("as it was published", log.files.clone()), ("signed again", log.signed(&log.leaves))];
    let whole = whole.map(|(name, files)| Broken { name, class: HOLDS, files });
    for Broken { name, class, files } in whole.into_iter().chain(by_anybody(&log.files)).chain(by_the_hub(log)) {
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
    let mut swapped = log.leaves.clone();
    let messages = log.messages();
    swapped.swap(messages[5], messages[6]);
    let other = log.signed(&swapped);
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

/// A bundle of two messages with a timestamp, in `evidence.json`.
async fn bundle(log: &RealLog, export: &Export) -> (Timestamped, Value) {
    let stamped = Timestamped::publish(log, export);
    let made = ["audit", "message", "log", "--vkey", "log/vkey", "--message", "0.json", "--message", "1.json"];
    let made: Vec<&str> = made.into_iter().chain(["--out", "evidence.json"]).collect();
    done(export.folder.path(), &made).await;
    (stamped, export.json("evidence.json"))
}

async fn evidence(log: &RealLog, export: &Export) {
    let (stamped, good) = bundle(log, export).await;
    let mut verdicts = Verdicts::default();
    let whole = BrokenFile { name: "as it was made", class: HOLDS, file: good.clone() };
    let broken = bundles::bundles(&good).into_iter().chain(bundles::timestamps(&good, &stamped));
    for BrokenFile { name, class, file } in std::iter::once(whole).chain(broken) {
        let bytes = serde_json::to_vec(&file).unwrap();
        std::fs::write(export.path("broken.json"), &bytes).unwrap();
        let bundle: EvidenceBundle = parse_typed(&bytes).unwrap();
        let own = bundle.verify(&log.vkey).map_or_else(|fault| fault.class(), |proven| stamped.judge(&proven));
        let other = ["bundle", "log/vkey", "broken.json", "--timestamp-authority", "ca.pem"];
        let other = export.other_verifier(&other).await;
        verdicts.note(name, class, own, &other);
    }
    verdicts.agree("evidence bundles");
}

/// A checkpoint of the log that an authority stamped, and the authority.
struct Timestamped {
    authority: TestAuthority,
    text: Vec<u8>,
}

impl Timestamped {
    /// Puts a timestamp beside the log, behind the messages that bundles are made of.
    fn publish(log: &RealLog, export: &Export) -> Self {
        let authority = TestAuthority::new(KeyKind::Rsa).unwrap();
        let size = log.messages()[500];
        let mut rebuilder = LogRebuilder::new();
        for leaf in &log.leaves[..size] {
            rebuilder.push_entry(leaf).unwrap();
        }
        let size = size as u64;
        let text = Checkpoint::new(log.origin.clone(), size, rebuilder.root()).to_note_text().into_bytes();
        let mut files = Files::new();
        files.insert(Stamped::page_path(0), Stamped::to_page(&[Stamped { size, time: 1 }]).into_bytes());
        files.insert(Stamped::token_path(size), authority.token(&text).unwrap());
        write(&files, &export.path("log"));
        std::fs::copy(authority.pem(), export.path("ca.pem")).unwrap();
        Self { authority, text }
    }

    /// What the tokens of a bundle are, of which all else holds.
    fn judge(&self, proven: &Proven) -> &'static str {
        self.verify(proven).map_or_else(|fault| fault.class(), |_| HOLDS)
    }

    /// What the token of a bundle proves, of which all else holds.
    fn verify(&self, proven: &Proven) -> Result<Timestamp, TimestampFault> {
        let trusted = Authorities::from_pem(&std::fs::read(self.authority.pem()).unwrap()).unwrap();
        assert_eq!(proven.stamped.len(), 1);
        let tree = &proven.stamped[0];
        Timestamp::of(&tree.token, tree.text.as_bytes(), tree.logged, &trusted)
    }
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
