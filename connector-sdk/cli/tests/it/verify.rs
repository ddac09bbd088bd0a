//! `saphan verify`.

use std::path::Path;

use saphan_schemas::b64;
use saphan_schemas::keys::JwkSet;
use saphan_schemas::log::{Cosigner, NoteSigner, SignedCheckpoint, SignedNote};
use serde_json::{Value, json};

use crate::ledger::{Ledger, NOW, SENDER, new_signer};
use crate::program::{Ended, saphan};

/// Five messages and their keys, exported into a folder.
struct Exported {
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Exported {
    fn new() -> Self {
        let (folder, ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(5));
        ledger.export(folder.path());
        Self { folder, ledger }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn message(&self, nth: usize) -> Value {
        let index = *self.ledger.messages.keys().nth(nth).unwrap();
        serde_json::to_value(self.ledger.file(index)).unwrap()
    }

    /// Verifies a changed message.
    fn verify(&self, message: &Value) -> Ended {
        std::fs::write(self.path().join("m.saphan.json"), message.to_string()).unwrap();
        saphan(self.path(), ["--json", "verify", "m.saphan.json", "--trust", "."])
    }

    /// The parts that fail.
    fn failing(&self, message: &Value) -> Vec<String> {
        let ended = self.verify(message);
        assert_eq!(ended.code, 1, "{}", ended.out);
        let ended = ended.json();
        assert_eq!(ended["verified"], false);
        let checks = ended["files"][0]["checks"].as_array().unwrap();
        assert!(checks.len() >= 6, "{checks:?}");
        let failed = checks.iter().filter(|check| check["verdict"] == "failed");
        failed.map(|check| check["part"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn every_exported_message_verifies_against_the_exported_keys() {
    let exported = Exported::new();
    let messages: Vec<_> =
        std::fs::read_dir(exported.path().join("messages")).unwrap().map(|e| e.unwrap().path()).collect();
    let arguments = ["verify", "--trust", "."].map(Into::into).into_iter().chain(messages);
    let ended = saphan(exported.path(), arguments);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.ends_with("5 of 5 messages verified\n"), "{}", ended.out);
}

#[test]
fn each_check_is_shown_with_what_it_means() {
    let exported = Exported::new();
    std::fs::write(exported.path().join("m.saphan.json"), exported.message(2).to_string()).unwrap();
    let ended = saphan(exported.path(), ["verify", "m.saphan.json", "--trust", "."]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in ["envelope", "body", "receipt", "leaf", "checkpoint", "proof"] {
        assert!(ended.out.contains(&format!("  ok      {part:<11} ")), "{part} is not in\n{}", ended.out);
    }
    let json = exported.verify(&exported.message(2)).json();
    assert_eq!(json["files"][0]["message"]["sender"], SENDER);
    assert_eq!(json["files"][0]["message"]["index"], 13);
}

#[test]
fn an_erased_body_leaves_the_rest_standing() {
    let exported = Exported::new();
    let mut message = exported.message(0);
    for member in ["salt", "body"] {
        message.as_object_mut().unwrap().remove(member);
    }
    let ended = exported.verify(&message);
    assert_eq!(ended.code, 0, "{}", ended.out);
    assert_eq!(ended.json()["files"][0]["checks"][1]["verdict"], "absent");
}

#[test]
fn a_changed_body_fails_at_the_commitment_alone() {
    let exported = Exported::new();
    let mut message = exported.message(0);
    message["body"] = json!(b64::encode_std(br#"{"number":9}"#));
    assert_eq!(exported.failing(&message), ["body"]);
}

#[test]
fn an_envelope_with_a_foreign_signature_fails_and_takes_what_rests_on_it() {
    let exported = Exported::new();
    let (mut message, other) = (exported.message(0), exported.message(1));
    let signature = other["envelope"].as_str().unwrap().rsplit_once('.').unwrap().1.to_owned();
    let signed = message["envelope"].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
    message["envelope"] = json!(format!("{signed}.{signature}"));
    assert_eq!(exported.failing(&message), ["envelope", "body", "receipt", "proof"]);
}

#[test]
fn the_receipt_or_proof_of_another_message_fails() {
    let exported = Exported::new();
    let (mut message, other) = (exported.message(0), exported.message(1));
    message["receipt"] = other["receipt"].clone();
    assert_eq!(exported.failing(&message), ["receipt"]);
    message = exported.message(0);
    message["proof"] = other["proof"].clone();
    assert_eq!(exported.failing(&message), ["proof"]);
}

#[test]
fn a_changed_receipt_fails() {
    let exported = Exported::new();
    let mut message = exported.message(0);
    let receipt = message["receipt"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = receipt.split('.').collect();
    let claims = String::from_utf8(b64::decode_url(parts[1]).unwrap()).unwrap();
    let changed = claims.replace(r#""index":11"#, r#""index":12"#);
    assert_ne!(claims, changed);
    message["receipt"] = json!(format!("{}.{}.{}", parts[0], b64::encode_url(changed), parts[2]));
    assert_eq!(exported.failing(&message), ["receipt"]);
}

#[test]
fn a_changed_proof_fails_at_the_changed_part() {
    let exported = Exported::new();
    let proof = exported.message(0)["proof"].as_str().unwrap().to_owned();
    let size = exported.ledger.size();
    let extra = proof.lines().nth(1).unwrap();
    let prefix = String::from_utf8(b64::decode_std(extra.strip_prefix("extra ").unwrap()).unwrap()).unwrap();
    let later = format!("extra {}", b64::encode_std(prefix.replacen("\"ts\":1", "\"ts\":2", 1)));
    let other_root = b64::encode_std([7; 32]);
    for (from, to, expected) in [
        ("index 11\n".to_owned(), "index 12\n".to_owned(), vec!["proof"]),
        (format!("\n{size}\n"), format!("\n{}\n", size + 1), vec!["checkpoint", "proof"]),
        (extra.to_owned(), later, vec!["leaf", "proof"]),
        (proof.lines().nth(3).unwrap().to_owned(), other_root, vec!["proof"]),
        ("tlog-proof@v1".to_owned(), "tlog-proof@v2".to_owned(), vec!["leaf", "checkpoint", "proof"]),
    ] {
        let mut message = exported.message(0);
        let changed = proof.replacen(&from, &to, 1);
        assert_ne!(changed, proof, "{from}");
        message["proof"] = json!(changed);
        assert_eq!(exported.failing(&message), expected, "{from}");
    }
}

#[test]
fn another_logs_key_or_an_unknown_sender_fails() {
    let exported = Exported::new();
    let other = new_signer();
    std::fs::write(exported.path().join("log/vkey"), other.verifier_key().to_string()).unwrap();
    assert_eq!(exported.failing(&exported.message(0)), ["checkpoint", "proof"]);
    let exported = Exported::new();
    std::fs::remove_file(exported.path().join("keys/th.dga__portal.jwks.json")).unwrap();
    assert_eq!(exported.failing(&exported.message(0)), ["envelope", "body", "receipt"]);
}

#[test]
fn a_key_that_was_revoked_before_the_message_was_accepted_does_not_count() {
    let exported = Exported::new();
    let path = exported.path().join("keys/th.dga__portal.jwks.json");
    let mut keys: JwkSet = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (revoked, code) in [(crate::ledger::NOW + 1, 0), (crate::ledger::NOW - 1, 1)] {
        keys.keys[0].revoked = Some(revoked);
        std::fs::write(&path, serde_json::to_vec(&keys).unwrap()).unwrap();
        assert_eq!(exported.verify(&exported.message(0)).code, code);
    }
}

#[test]
fn the_keys_can_be_given_one_by_one() {
    let exported = Exported::new();
    let path = exported.path();
    std::fs::write(path.join("m.saphan.json"), exported.message(0).to_string()).unwrap();
    let vkey = exported.ledger.vkey().to_string();
    let given = |vkey: &str, hub: &str| {
        let keys = ["--hub-keys", "keys/hub.jwks.json", "--sender-keys", "keys/th.dga__portal.jwks.json"];
        let rest = ["--vkey", vkey, "--hub", hub];
        saphan(path, ["verify", "m.saphan.json"].into_iter().chain(keys).chain(rest))
    };
    assert_eq!(given(&vkey, "hub.local").code, 0);
    assert_eq!(given("log/vkey", "hub.local").code, 0);
    let other = given("log/vkey", "hub.example");
    assert_eq!(other.code, 2);
    assert!(other.err.contains("hub.local, not of hub.example"), "{}", other.err);
}

#[test]
fn what_cannot_be_read_is_told_apart_from_what_does_not_hold() {
    let exported = Exported::new();
    let path = exported.path();
    std::fs::write(path.join("good.saphan.json"), exported.message(0).to_string()).unwrap();
    std::fs::write(path.join("bad.saphan.json"), "{}").unwrap();
    for file in ["bad.saphan.json", "none.saphan.json"] {
        let ended = saphan(path, ["--json", "verify", "good.saphan.json", file, "--trust", "."]);
        assert_eq!(ended.code, 2, "{}", ended.out);
        let ended = ended.json();
        assert_eq!((&ended["held"], &ended["files"][0]["verified"]), (&json!(1), &json!(true)));
        assert!(ended["files"][1]["error"].is_string(), "{ended}");
    }
    for trust in ["none", "messages"] {
        let ended = saphan(path, ["verify", "good.saphan.json", "--trust", trust]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
    }
    assert_eq!(saphan(path, ["verify", "good.saphan.json"]).code, 2);
}

#[test]
fn a_policys_witnesses_must_have_cosigned_a_tree_with_the_message() {
    let exported = Exported::new();
    let cosigner = Cosigner::from_pkcs8("w.example", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    std::fs::write(exported.path().join("policy"), format!("witness w {}\nquorum w\n", cosigner.key())).unwrap();
    let verify = |message: &Value| {
        std::fs::write(exported.path().join("m.saphan.json"), message.to_string()).unwrap();
        let arguments = ["--json", "verify", "m.saphan.json", "--trust", ".", "--policy", "policy"];
        let told = saphan(exported.path(), arguments).json()["files"][0].clone();
        (told["verified"].clone(), told["checks"].as_array().unwrap().last().unwrap().clone())
    };
    let message = exported.message(0);
    let (verified, last) = verify(&message);
    assert_eq!((&verified, &last["part"], &last["verdict"]), (&json!(false), &json!("witnesses"), &json!("failed")));
    let cosigned = |message: &Value| {
        let proof = message["proof"].as_str().unwrap().to_owned();
        let (head, note) = proof.split_once("\n\n").unwrap();
        let signed = SignedCheckpoint::parse_and_verify(note, exported.ledger.vkey()).unwrap();
        let mut note: SignedNote = note.parse().unwrap();
        note.add_line(cosigner.cosign(&signed, NOW)).unwrap();
        format!("{head}\n\n{note}")
    };
    let with = |proof: String| {
        let mut message = message.clone();
        message["cosigned_proof"] = proof.into();
        verify(&message)
    };
    let good = cosigned(&message);
    let (verified, last) = with(good.clone());
    assert_eq!((&verified, &last["verdict"]), (&json!(true), &json!("ok")), "{last}");
    assert!(last["says"].as_str().unwrap().contains("cosigned by w"), "{last}");
    for broken in [good.replacen("w.example", "v.example", 1), cosigned(&exported.message(1)), String::new()] {
        assert_eq!(with(broken).0, false);
    }
}
