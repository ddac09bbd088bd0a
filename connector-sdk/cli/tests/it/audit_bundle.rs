//! `saphan audit message` and `saphan audit bundle`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use saphan_schemas::commitment::Salt;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::evidence_bundle::{Body, EvidenceBundle};
use saphan_schemas::ids::{CaseId, SystemId};
use saphan_schemas::json::parse_typed;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Cosigner, NoteSigner, SignedCheckpoint, SignedNote};
use saphan_schemas::receipt::UnverifiedReceipt;
use saphan_schemas::registry::{Change, Entry, EntryId, Member, System, TransportKind, just_a_system};
use serde_json::{Value, json};

use crate::ledger::{AGREEMENT, Ledger, NOW, RECEIVER, SENDER, Sent, claims, write_files};
use crate::program::{Ended, saphan};

/// A log with messages, and a folder with its files and those of the messages.
struct Site {
    ledger: Ledger,
    folder: tempfile::TempDir,
}

impl Site {
    fn of(ledger: Ledger) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path(), &ledger.files());
        for index in ledger.messages.keys() {
            let file = serde_json::to_vec(&ledger.file(*index)).unwrap();
            std::fs::write(folder.path().join(format!("{index}.saphan.json")), file).unwrap();
        }
        Self { ledger, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn make(&self, more: &[&str]) -> Ended {
        let arguments = ["--json", "audit", "message", ".", "--vkey", "vkey", "--out", "bundle.json"];
        saphan(self.path(), arguments.into_iter().chain(more.iter().copied()))
    }

    fn verify(&self) -> Value {
        let ended = saphan(self.path(), ["--json", "audit", "bundle", "bundle.json", "--vkey", "vkey"]);
        let told = ended.json();
        assert_eq!(ended.code, i32::from(told["verdict"]["holds"] != true), "{told}");
        told["files"][0].clone()
    }

    fn file(&self) -> PathBuf {
        self.path().join("bundle.json")
    }

    /// What a verifier says that shares no code with the program.
    fn other_verifier_accepts(&self) -> bool {
        let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance-tests/verifier");
        // Debian's, for which the package of its one dependency is made.
        let mut python = Command::new("/usr/bin/python3");
        let arguments = ["-B", verifier, "bundle", "vkey", "bundle.json", "--json"];
        let ended = python.current_dir(self.path()).args(arguments).output().unwrap();
        let told = serde_json::from_slice::<Value>(&ended.stdout);
        let told = told.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ended.stderr)));
        assert_eq!(ended.status.success(), told["holds"] == true, "{told}");
        ended.status.success()
    }

    fn bundle(&self) -> EvidenceBundle {
        parse_typed(&std::fs::read(self.file()).unwrap()).unwrap()
    }
}

#[test]
fn one_file_proves_a_message_to_somebody_who_trusts_the_logs_key_and_nothing_else() {
    let site = Site::of(Ledger::with_messages(3));
    let index = *site.ledger.messages.keys().nth(1).unwrap();
    let made = site.make(&["--message", &format!("{index}.saphan.json")]);
    assert_eq!(made.code, 0, "{}", made.err);
    let mode = std::fs::metadata(site.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a body is about somebody");
    // Nothing else is needed.
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["bundle.json", "vkey"] {
        std::fs::copy(site.path().join(name), elsewhere.path().join(name)).unwrap();
    }
    let ended = saphan(elsewhere.path(), ["--json", "audit", "bundle", "bundle.json", "--vkey", "vkey"]);
    assert_eq!(ended.code, 0, "{}", ended.out);
    let told = ended.json()["files"][0].clone();
    let message = &told["proven"]["messages"][0];
    let sent = &site.ledger.messages[&index];
    assert_eq!(message["index"], index);
    assert_eq!(message["envelope"], json!(sent.envelope.claims()));
    assert_eq!(message["key"], site.ledger.key(SENDER).public().id().to_string());
    assert_eq!(message["agreement"]["id"], AGREEMENT);
    assert_eq!(message["body"], json!({ "is": "shown", "bytes": sent.body.len() }));
    assert_eq!((&message["receipt"], &message["schema_text"]), (&json!(true), &json!(true)));
    assert_eq!(message["acknowledgement"]["outcome"], "processed");
    assert_eq!(told["not_shown"], json!(["omissions", "one-log"]));
    let thai = saphan(elsewhere.path(), ["audit", "bundle", "bundle.json", "--vkey", "vkey", "--lang", "th"]);
    assert!(thai.out.contains("ถูกต้องทั้งหมด"), "{}", thai.out);
}

#[test]
fn a_bundle_holds_what_its_messages_rest_on_and_nothing_of_others() {
    let mut ledger = Ledger::with_messages(2);
    let own = ledger.size();
    // Somebody who has no part in it.
    let id: SystemId = "th.xyz/other".parse().unwrap();
    let member = Member { id: id.member(), name_th: "อื่น".into(), name_en: "Other".into() };
    ledger.change(Change::Added(Entry::Member(member)));
    let system = System { id: id.clone(), transport: TransportKind::Pull, roles: just_a_system() };
    ledger.change(Change::Added(Entry::System(system)));
    ledger.register(id.as_str(), SigningKey::generate().unwrap().0);
    let index = ledger.send(r#"{"later":1}"#);
    ledger.acknowledge(&[index]);
    let site = Site::of(ledger);
    assert_eq!(site.make(&["--message", &index.to_string()]).code, 0);
    let bundle = site.bundle();
    let places: Vec<u64> = bundle.entries.iter().map(|entry| entry.index).collect();
    let others: Vec<u64> = (own..index).collect();
    assert!(!others.is_empty() && others.iter().all(|other| !places.contains(other)), "{places:?}");
    let others: Vec<&u64> = site.ledger.messages.keys().filter(|other| **other != index).collect();
    assert!(others.iter().all(|other| !places.contains(other)), "{places:?}");
}

#[test]
fn a_case_is_proven_with_all_its_messages_and_without_what_they_said_if_that_is_nobodys_business() {
    let mut ledger = Ledger::with_messages(2);
    let case = CaseId::new();
    let of_the_case = ["{\"number\":7}", "{\"number\":8}", "{\"number\":9}"].map(|body| {
        let salt = Salt::generate().unwrap();
        let claims = EnvelopeClaims { case: Some(case), ..claims(&salt, body.as_bytes()) };
        let envelope = Signed::sign(claims, ledger.key(SENDER)).unwrap();
        ledger.accept(Sent { envelope, salt, body: body.into() })
    });
    ledger.acknowledge(&of_the_case);
    let site = Site::of(ledger);
    let case = case.to_string();
    let files: Vec<String> = of_the_case.iter().map(|index| format!("{index}.saphan.json")).collect();
    let mut arguments = vec!["--case", &case, "--without-bodies"];
    for file in &files {
        arguments.extend(["--message", file]);
    }
    assert_eq!(site.make(&arguments).code, 0);
    let told = site.verify();
    let messages = told["proven"]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|message| message["body"]["is"] == "not-shown" && message["receipt"] == true));
    assert_eq!(told["not_shown"], json!(["omissions", "one-log", "content"]));
    let text = std::fs::read_to_string(site.file()).unwrap();
    assert!(!text.contains("\"body\"") && !text.contains("\"salt\""));
}

#[test]
fn a_message_stays_proven_after_its_body_was_erased_and_after_its_key_and_agreement_were_revoked() {
    let mut ledger = Ledger::with_messages(1);
    let index = *ledger.messages.keys().next().unwrap();
    let key = ledger.key(SENDER).public().id();
    ledger.change(Change::Revoked(EntryId::Key(key)));
    ledger.change(Change::Revoked(EntryId::Agreement(AGREEMENT.parse().unwrap())));
    let erasure = ledger.push(&Leaf::Erasure { ts: NOW * 1000, index, basis: "pdpa-s33".parse().unwrap(), log: None });
    let site = Site::of(ledger);
    let id = site.ledger.messages[&index].envelope.claims().jti.to_string();
    assert_eq!(site.make(&["--message", &id]).code, 0);
    let message = site.verify()["proven"]["messages"][0].clone();
    assert_eq!(message["body"], json!({ "is": "erased", "index": erasure, "basis": "pdpa-s33" }));
    // Whoever has the bytes can still show them.
    std::fs::remove_file(site.file()).unwrap();
    assert_eq!(site.make(&["--message", &format!("{index}.saphan.json")]).code, 0);
    assert_eq!(site.verify()["proven"]["messages"][0]["body"]["is"], "shown");
}

#[test]
fn what_is_not_there_or_not_of_this_log_is_told() {
    let site = Site::of(Ledger::with_messages(1));
    for (message, told) in [
        ("0", "the log has no message at place 0"),
        ("01a20f07-7834-7004-bf25-bd1e5f981394", "the log has no message 01a20f07"),
        ("nothing.json", "nothing.json"),
    ] {
        let ended = site.make(&["--message", message]);
        assert_eq!(ended.code, 2, "{}", ended.out);
        assert!(ended.json()["error"]["what"].as_str().unwrap().contains(told), "{}", ended.out);
    }
    let other = Site::of(Ledger::with_messages(1));
    let index = *other.ledger.messages.keys().next().unwrap();
    let foreign = other.path().join(format!("{index}.saphan.json"));
    let ended = site.make(&["--message", foreign.to_str().unwrap()]);
    assert_eq!(ended.code, 2, "{}", ended.out);
    assert!(!site.file().exists());
    let index = index.to_string();
    assert_eq!(site.make(&["--message", &index]).code, 0);
    assert_eq!(site.make(&["--message", &index]).code, 2, "what is there is not overwritten");
    let changed = std::fs::read_to_string(site.file()).unwrap().replacen("saphan-evidence@1", "saphan-evidence@2", 1);
    std::fs::write(site.file(), changed).unwrap();
    let ended = saphan(site.path(), ["audit", "bundle", "bundle.json", "--vkey", "vkey"]);
    assert_eq!(ended.code, 2, "{}", ended.out);
}

/// A change of a bundle, and the name of what it is.
type Tampering = (&'static str, fn(&mut Value, &Ledger));

fn entry_with<'v>(bundle: &'v mut Value, text: &str) -> &'v mut Value {
    let entries = bundle["entries"].as_array_mut().unwrap();
    entries.iter_mut().find(|entry| entry["leaf"].as_str().unwrap().contains(text)).unwrap()
}

fn replace(value: &mut Value, from: &str, to: &str) {
    let text = value.as_str().unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    *value = text.replacen(from, to, 1).into();
}

fn remove_entries_with(bundle: &mut Value, is_it: impl Fn(&str) -> bool) {
    let entries = bundle["entries"].as_array_mut().unwrap();
    let before = entries.len();
    entries.retain(|entry| !is_it(entry["leaf"].as_str().unwrap()));
    assert!(entries.len() < before, "nothing was removed");
}

/// Whether a leaf is the registry's, with this in what was signed.
fn registry_says(leaf: &str, what: &str) -> bool {
    let Ok(Leaf::Registry { entry, .. }) = Leaf::parse(leaf.as_bytes()) else { return false };
    let payload = entry.split('.').nth(1).unwrap();
    String::from_utf8(saphan_schemas::b64::decode_url(payload).unwrap()).unwrap().contains(what)
}

const TAMPERINGS: &[Tampering] = &[
    ("changed-checkpoint", |bundle, _| {
        let text = bundle["checkpoint"].as_str().unwrap();
        let size = text.lines().nth(1).unwrap().to_owned();
        replace(
            &mut bundle["checkpoint"],
            &format!("\n{size}\n"),
            &format!("\n{}\n", size.parse::<u64>().unwrap() + 1),
        );
    }),
    ("changed-leaf", |bundle, _| replace(&mut entry_with(bundle, "\"message\"")["leaf"], "\"ts\":1", "\"ts\":2")),
    ("changed-leaf", |bundle, _| {
        let proof = entry_with(bundle, "\"message\"")["proof"].as_array_mut().unwrap();
        proof.swap(0, 1);
    }),
    ("changed-leaf", |bundle, _| drop(entry_with(bundle, "\"message\"")["proof"].as_array_mut().unwrap().pop())),
    ("reordered-entries", |bundle, _| bundle["entries"].as_array_mut().unwrap()[1..].reverse()),
    ("reordered-entries", |bundle, _| {
        let entries = bundle["entries"].as_array_mut().unwrap();
        let last = entries.last().unwrap().clone();
        entries.push(last);
    }),
    ("missing-entries", |bundle, _| drop(bundle["entries"].as_array_mut().unwrap().remove(0))),
    ("missing-entries", |bundle, _| remove_entries_with(bundle, |leaf| leaf.starts_with(r#"{"t":"message""#))),
    ("missing-entries", |bundle, _| bundle["messages"] = json!([])),
    ("unknown-key", |bundle, _| {
        remove_entries_with(bundle, |leaf| registry_says(leaf, r#""kind":"key""#) && registry_says(leaf, SENDER));
        remove_entries_with(bundle, |leaf| registry_says(leaf, r#""action":"signed""#));
    }),
    ("false-registry-change", |bundle, _| {
        remove_entries_with(bundle, |leaf| registry_says(leaf, r#""kind":"key""#) && registry_says(leaf, RECEIVER));
    }),
    ("not-allowed", |bundle, _| remove_entries_with(bundle, |leaf| registry_says(leaf, r#""action":"signed""#))),
    ("wrong-schema", |bundle, _| remove_entries_with(bundle, |leaf| registry_says(leaf, r#""kind":"schema""#))),
    ("wrong-schema", |bundle, _| replace(&mut bundle["schemas"][0], "title", "titel")),
    ("changed-body", |bundle, _| {
        bundle["messages"][0]["body"] = saphan_schemas::b64::encode_std(r#"{"number":9}"#).into();
    }),
    ("changed-body", |bundle, ledger| {
        let other = ledger.messages.values().next_back().unwrap();
        bundle["messages"][0]["salt"] = other.salt.to_text().into();
    }),
    ("changed-body", |bundle, _| drop(bundle["messages"][0].as_object_mut().unwrap().remove("salt"))),
    ("changed-receipt", |bundle, ledger| {
        let other = *ledger.messages.keys().next_back().unwrap();
        bundle["messages"][0]["receipt"] = ledger.evidence(other).0.into();
    }),
    ("changed-receipt", |bundle, _| {
        let receipt = UnverifiedReceipt::parse(bundle["messages"][0]["receipt"].as_str().unwrap()).unwrap();
        let forger = SigningKey::generate().unwrap().0;
        let forged = Signed::sign(receipt.claims().clone(), &forger).unwrap();
        bundle["messages"][0]["receipt"] = forged.as_str().into();
    }),
];

#[test]
fn each_tampering_with_a_bundle_has_its_name_and_another_verifier_finds_it_too() {
    let site = Site::of(Ledger::with_messages(2));
    let index = site.ledger.messages.keys().next().unwrap();
    assert_eq!(site.make(&["--message", &format!("{index}.saphan.json")]).code, 0);
    let good = std::fs::read(site.file()).unwrap();
    assert_eq!(site.verify()["verdict"]["holds"], true);
    assert!(site.other_verifier_accepts());
    for (number, (class, tamper)) in TAMPERINGS.iter().enumerate() {
        let mut bundle: Value = serde_json::from_slice(&good).unwrap();
        tamper(&mut bundle, &site.ledger);
        std::fs::write(site.file(), serde_json::to_vec(&bundle).unwrap()).unwrap();
        let verdict = site.verify()["verdict"].clone();
        assert_eq!(
            (&verdict["holds"], &verdict["class"]),
            (&json!(false), &json!(class)),
            "number {number}: {verdict}"
        );
        assert!(!site.other_verifier_accepts(), "number {number}: {verdict}");
    }
}

#[test]
fn another_logs_key_proves_nothing() {
    let site = Site::of(Ledger::with_messages(1));
    let index = site.ledger.messages.keys().next().unwrap().to_string();
    assert_eq!(site.make(&["--message", &index]).code, 0);
    std::fs::write(site.path().join("vkey"), Ledger::new().vkey().to_string()).unwrap();
    assert_eq!(site.verify()["verdict"]["class"], "changed-checkpoint");
}

#[test]
fn no_single_bit_of_a_bundle_can_be_flipped_unnoticed() {
    let site = Site::of(Ledger::with_messages(2));
    let index = site.ledger.messages.keys().next().unwrap();
    assert_eq!(site.make(&["--message", &format!("{index}.saphan.json")]).code, 0);
    let (good, bundle, vkey) = (std::fs::read(site.file()).unwrap(), site.bundle(), site.ledger.vkey());
    let proven = bundle.verify(vkey).unwrap();
    assert!(matches!(proven.messages[0].body, Body::Shown { .. }));
    // Every 7th bit, which is each bit of a byte in turn.
    for bit in (0..good.len() * 8).step_by(7) {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(other) = parse_typed::<EvidenceBundle>(&flipped) else { continue };
        assert!(other == bundle || other.verify(vkey).is_err(), "bit {bit} of {}", good.len() * 8);
    }
}

#[test]
fn whom_a_policy_names_must_have_cosigned_the_checkpoint_of_a_bundle() {
    let site = Site::of(Ledger::with_messages(1));
    let index = site.ledger.messages.keys().next().unwrap().to_string();
    let cosigner = Cosigner::from_pkcs8("w.example", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    std::fs::write(site.path().join("policy"), format!("witness w {}\nquorum w\n", cosigner.key())).unwrap();
    let verify = || {
        let more = ["--policy", "policy"];
        let arguments = ["--json", "audit", "bundle", "bundle.json", "--vkey", "vkey"];
        saphan(site.path(), arguments.into_iter().chain(more)).json()["files"][0].clone()
    };
    assert_eq!(site.make(&["--message", &index]).code, 0);
    assert_eq!(verify()["verdict"]["class"], "too-few-witnesses");
    // A log that is cosigned serves that too.
    let plain = site.ledger.checkpoint();
    let signed = SignedCheckpoint::parse_and_verify(&plain, site.ledger.vkey()).unwrap();
    let mut note: SignedNote = plain.parse().unwrap();
    note.add_line(cosigner.cosign(&signed, NOW)).unwrap();
    std::fs::write(site.path().join("checkpoint.cosigned"), note.to_string()).unwrap();
    std::fs::remove_file(site.file()).unwrap();
    assert_eq!(site.make(&["--message", &index]).code, 0);
    let told = verify();
    assert_eq!((&told["verdict"]["holds"], &told["witnesses"]), (&json!(true), &json!(["w"])));
    assert_eq!(told["not_shown"], json!(["omissions", "content"]));
    let changed = std::fs::read_to_string(site.file()).unwrap().replacen("w.example ", "v.example ", 1);
    std::fs::write(site.file(), changed).unwrap();
    assert_eq!(verify()["verdict"]["class"], "too-few-witnesses");
}
