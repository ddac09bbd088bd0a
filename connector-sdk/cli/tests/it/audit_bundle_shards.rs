//! Evidence bundles of a hub that has had several logs.

mod abandoned;

use std::path::Path;
use std::process::Command;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::evidence_bundle::EvidenceBundle;
use saphan_schemas::json::parse_typed;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Checkpoint, Cosigner, LogRebuilder, NoteSigner, SignedCheckpoint, SignedNote, Stamped};
use saphan_schemas::registry::{Change, EntryId};
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use serde_json::{Value, json};

use crate::ledger::{Ledger, NOW, ORIGIN, RECEIVER, SENDER, new_key, write_files};
use crate::program::{Ended, saphan};

const NEXT: &str = "hub.local/log/2027h1";
const THIRD: &str = "hub.local/log/2027h2";

/// The folders of a hub's logs, as it publishes them, with the key of each beside them.
struct Hub(tempfile::TempDir);

impl Hub {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn shows(&self, log: &str, ledger: &Ledger) {
        write_files(&self.path().join(log), &ledger.files());
        self.write(&format!("vkey-{log}"), format!("{}\n", ledger.vkey()));
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    /// Makes a bundle from this log and those before it.
    fn make(&self, log: &str, more: &[&str]) -> Ended {
        let _ = std::fs::remove_file(self.path().join("bundle.json"));
        let vkey = format!("vkey-{log}");
        let arguments = ["--json", "audit", "message", log, "--vkey", &vkey, "--out", "bundle.json"];
        saphan(self.path(), arguments.into_iter().chain(more.iter().copied()))
    }

    /// What two verifiers say that share no code, who trust the key of this log: what one of them told.
    fn verify(&self, log: &str, more: &[&str]) -> Value {
        let vkey = format!("vkey-{log}");
        let arguments = ["--json", "audit", "bundle", "bundle.json", "--vkey", &vkey];
        let ended = saphan(self.path(), arguments.into_iter().chain(more.iter().copied()));
        let told = ended.json()["files"][0].clone();
        let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance-tests/verifier");
        // Debian's, for which the package of its one dependency is made.
        let mut python = Command::new("/usr/bin/python3");
        let arguments = ["-B", verifier, "bundle", &vkey, "bundle.json", "--json"];
        let other = python.current_dir(self.path()).args(arguments).args(more).output().unwrap();
        let other: Value = serde_json::from_slice(&other.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&other.stderr)));
        let verdict = (&told["verdict"]["holds"], &told["verdict"]["class"]);
        assert_eq!(verdict, (&other["holds"], &other["class"]), "{told} {other}");
        told
    }

    fn bundle(&self) -> EvidenceBundle {
        parse_typed(&std::fs::read(self.path().join("bundle.json")).unwrap()).unwrap()
    }
}

fn acknowledged(index: u64) -> Vec<Acknowledged> {
    vec![Acknowledged { index, outcome: Outcome::Processed, code: None }]
}

fn erased(index: u64, log: Option<&str>) -> Leaf {
    Leaf::Erasure { ts: NOW * 1000, index, basis: "pdpa-s33".parse().unwrap(), log: log.map(ToOwned::to_owned) }
}

/// Closes the log, shows it, and goes on in the next.
fn go_on(hub: &Hub, mut ledger: Ledger, next: &str) -> Ledger {
    let signer = ledger.prepare(next);
    ledger.close(next);
    hub.shows(ledger.vkey().name().rsplit_once('/').unwrap().1, &ledger);
    let previous = ledger.checkpoint();
    ledger.into_next(signer, previous)
}

#[test]
fn messages_of_any_log_are_proven_with_what_later_logs_say_of_them_to_whoever_trusts_the_key_of_one() {
    let hub = Hub::new();
    let mut ledger = Ledger::with_messages(2);
    let settled = *ledger.messages.keys().next().unwrap();
    let (late, open) = (ledger.send(r#"{"late":1}"#), ledger.send(r#"{"open":1}"#));
    hub.write("late.saphan.json", serde_json::to_vec(&ledger.file(late)).unwrap());
    let mut ledger = go_on(&hub, ledger, NEXT);
    let said = ledger.acknowledge_in(Some(ORIGIN), RECEIVER, acknowledged(late));
    let gone = ledger.push(&erased(settled, Some(ORIGIN)));
    let new = ledger.send(r#"{"new":1}"#);
    ledger.acknowledge_in(Some(NEXT), RECEIVER, acknowledged(new));
    // About another message, whose index is that of one in the bundle.
    while ledger.size() <= late {
        ledger.send("{}");
    }
    ledger.acknowledge_in(Some(NEXT), RECEIVER, acknowledged(new + 2));
    hub.write("new.saphan.json", serde_json::to_vec(&ledger.file(new)).unwrap());
    hub.shows("2027h1", &ledger);

    let (settled, open) = (format!("2026h2:{settled}"), format!("2026h2:{open}"));
    let arguments = ["late.saphan.json", &settled, &open, "new.saphan.json"];
    let arguments: Vec<&str> = arguments.iter().flat_map(|message| ["--message", message]).collect();
    let made = hub.make("2027h1", &arguments);
    assert_eq!(made.code, 0, "{}{}", made.err, made.out);
    for key in ["2026h2", "2027h1"] {
        let told = hub.verify(key, &[]);
        assert_eq!(told["verdict"]["holds"], true, "{told}");
        let proven = &told["proven"];
        assert_eq!((&proven["origin"], &proven["earlier"][0]["origin"]), (&json!(NEXT), &json!(ORIGIN)));
        let messages = proven["messages"].as_array().unwrap();
        let logs: Vec<_> = messages.iter().map(|message| message["log"].as_str().unwrap()).collect();
        assert_eq!(logs, [ORIGIN, ORIGIN, ORIGIN, NEXT]);
        assert_eq!(messages[0]["body"], json!({ "is": "erased", "log": NEXT, "index": gone, "basis": "pdpa-s33" }));
        assert_eq!(messages[0]["acknowledgement"].get("log"), None, "{told}");
        let by_the_next = json!({ "log": NEXT, "index": said, "outcome": "processed", "code": null });
        assert_eq!(messages[1]["acknowledgement"], by_the_next);
        assert_eq!((&messages[1]["receipt"], &messages[1]["body"]["is"]), (&json!(true), &json!("shown")));
        assert_eq!(messages[2]["acknowledgement"], Value::Null);
        assert_eq!((&messages[3]["receipt"], &messages[3]["index"]), (&json!(true), &json!(new)));
    }
    let text = saphan(hub.path(), ["audit", "bundle", "bundle.json", "--vkey", "vkey-2026h2"]).out;
    assert!(text.contains(&format!("processed, entry {said} ({NEXT})")), "{text}");
    // The old log alone shows it without what came later.
    assert_eq!(hub.make("2026h2", &["--message", "late.saphan.json"]).code, 0);
    let told = hub.verify("2026h2", &[]);
    assert_eq!(told["proven"]["messages"][0]["acknowledgement"], Value::Null);
    assert_eq!(
        hub.verify("2027h1", &[])["verdict"]["class"],
        "changed-checkpoint",
        "it shows nothing of that key's log"
    );
    for (message, what) in [("2027h1:3", "at place 3 of 2027h1"), ("2026h2:900", "at place 900 of 2026h2")] {
        let ended = hub.make("2026h2", &["--message", message]);
        assert!(ended.code == 2 && ended.out.contains(what), "{}", ended.out);
    }
}

#[test]
fn what_a_message_of_a_later_log_rests_on_is_taken_from_all_logs_before_it() {
    let hub = Hub::new();
    let mut ledger = Ledger::with_messages(1);
    let first_key = ledger.key(SENDER).public().id();
    ledger.register(SENDER, new_key());
    ledger.rotate_receipt_key();
    let mut ledger = go_on(&hub, ledger, NEXT);
    ledger.change(Change::Revoked(EntryId::Key(first_key)));
    ledger.rotate_receipt_key();
    let mut ledger = go_on(&hub, ledger, THIRD);
    let index = ledger.send(r#"{"third":1}"#);
    hub.write("third.saphan.json", serde_json::to_vec(&ledger.file(index)).unwrap());
    hub.shows("2027h2", &ledger);
    let made = hub.make("2027h2", &["--message", "third.saphan.json"]);
    assert_eq!(made.code, 0, "{}{}", made.err, made.out);
    for key in ["2026h2", "2027h1", "2027h2"] {
        let told = hub.verify(key, &[]);
        assert_eq!(told["verdict"]["holds"], true, "{told}");
        let message = &told["proven"]["messages"][0];
        assert_eq!(message["key"], ledger.key(SENDER).public().id().to_string());
    }
    let bundle = hub.bundle();
    let others: Vec<u64> = bundle.earlier[0].entries.iter().map(|entry| entry.index).collect();
    assert!(!others.contains(&11), "the message of somebody's business: {others:?}");
    let mut short = serde_json::to_value(&bundle).unwrap();
    short["earlier"].as_array_mut().unwrap().remove(1);
    hub.write("bundle.json", serde_json::to_vec(&short).unwrap());
    assert_eq!(hub.verify("2027h2", &[])["verdict"]["class"], "misplaced-entry", "a log between is missing");
}

#[test]
fn one_cosigned_checkpoint_that_covers_all_about_the_messages_is_enough() {
    let hub = Hub::new();
    let cosigner = Cosigner::from_pkcs8("w.example", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    hub.write("policy", format!("witness w {}\nquorum w\n", cosigner.key()));
    let ledger = Ledger::with_messages(2);
    let first = ledger.messages.keys().next().unwrap().to_string();
    let first = format!("2026h2:{first}");
    let mut ledger = go_on(&hub, ledger, NEXT);
    let new = ledger.send("{}").to_string();
    hub.shows("2027h1", &ledger);
    let policy = ["--policy", "policy"];
    let prove = |messages: &[&str]| {
        let arguments: Vec<&str> = messages.iter().flat_map(|message| ["--message", *message]).collect();
        assert_eq!(hub.make("2027h1", &arguments).code, 0);
        hub.verify("2027h1", &policy)
    };
    assert_eq!(prove(&[&first])["verdict"]["class"], "too-few-witnesses");
    let cosign = |log: &str| {
        let folder = hub.path().join(log);
        let plain = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
        let vkey = std::fs::read_to_string(folder.join("vkey")).unwrap().trim_end().parse().unwrap();
        let signed = SignedCheckpoint::parse_and_verify(&plain, &vkey).unwrap();
        let mut note: SignedNote = plain.parse().unwrap();
        note.add_line(cosigner.cosign(&signed, NOW)).unwrap();
        hub.write(&format!("{log}/checkpoint.cosigned"), note.to_string());
    };
    cosign("2026h2");
    let told = prove(&[&first]);
    assert_eq!((&told["verdict"]["holds"], &told["witnesses"]), (&json!(true), &json!(["w"])));
    assert_eq!(prove(&[&first, &new])["verdict"]["class"], "too-few-witnesses", "the second message is not covered");
    cosign("2027h1");
    assert_eq!(prove(&[&first, &new])["verdict"]["holds"], true);
}

#[test]
fn what_no_timestamp_of_its_own_log_covers_one_of_the_next_log_does() {
    let hub = Hub::new();
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    std::fs::copy(authority.pem(), hub.path().join("ca.pem")).unwrap();
    let mut ledger = Ledger::with_messages(2);
    let early = *ledger.messages.keys().next().unwrap();
    let stamped_at = ledger.size();
    let late = ledger.send(r#"{"late":1}"#);
    let stamp = |log: &str, ledger: &Ledger, size: u64| {
        let mut rebuilder = LogRebuilder::new();
        for leaf in &ledger.leaves[..usize::try_from(size).unwrap()] {
            rebuilder.push_entry(leaf).unwrap();
        }
        let text = Checkpoint::new(ledger.vkey().name().to_owned(), size, rebuilder.root()).to_note_text();
        let page = Stamped::to_page(&[Stamped { size, time: 1 }]).into_bytes();
        let files =
            [(Stamped::page_path(0), page), (Stamped::token_path(size), authority.token(text.as_bytes()).unwrap())];
        write_files(&hub.path().join(log), &files.into());
    };
    stamp("2026h2", &ledger, stamped_at);
    let ledger = go_on(&hub, ledger, NEXT);
    stamp("2027h1", &ledger, 1);
    hub.shows("2027h1", &ledger);
    let (early, late) = (format!("2026h2:{early}"), format!("2026h2:{late}"));
    let sizes = |messages: &[&str]| {
        let arguments: Vec<&str> = messages.iter().flat_map(|message| ["--message", *message]).collect();
        let made = hub.make("2027h1", &arguments);
        assert_eq!(made.code, 0, "{}{}", made.err, made.out);
        let told = hub.verify("2027h1", &["--timestamp-authority", "ca.pem"]);
        assert_eq!(told["verdict"]["holds"], true, "{told}");
        let stamps = told["timestamps"].as_array().unwrap();
        stamps.iter().map(|stamp| (stamp["log"].clone(), stamp["size"].clone())).collect::<Vec<_>>()
    };
    let (in_the_old, in_the_new) = ((json!(ORIGIN), json!(stamped_at)), (json!(NEXT), json!(1)));
    assert_eq!(sizes(&[&early]), std::slice::from_ref(&in_the_old));
    assert_eq!(sizes(&[&late]), std::slice::from_ref(&in_the_new));
    assert_eq!(sizes(&[&early, &late]), [in_the_old, in_the_new]);
}

#[test]
fn no_single_bit_of_a_bundle_over_two_logs_can_be_flipped_unnoticed() {
    let hub = Hub::new();
    let mut ledger = Ledger::with_messages(1);
    let late = ledger.send("{}");
    hub.write("late.saphan.json", serde_json::to_vec(&ledger.file(late)).unwrap());
    let old_key = ledger.vkey().clone();
    let mut ledger = go_on(&hub, ledger, NEXT);
    ledger.acknowledge_in(Some(ORIGIN), RECEIVER, acknowledged(late));
    let new = ledger.send("{}").to_string();
    hub.shows("2027h1", &ledger);
    assert_eq!(hub.make("2027h1", &["--message", "late.saphan.json", "--message", &new]).code, 0);
    let (good, bundle) = (std::fs::read(hub.path().join("bundle.json")).unwrap(), hub.bundle());
    // Every 11th bit, which is each bit of a byte in turn, for whoever trusts the one key or the other.
    for (number, bit) in (0..good.len() * 8).step_by(11).enumerate() {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(other) = parse_typed::<EvidenceBundle>(&flipped) else { continue };
        let key = if number % 2 == 0 { &old_key } else { ledger.vkey() };
        assert!(other == bundle || other.verify(key).is_err(), "bit {bit} of {}", good.len() * 8);
    }
}
