//! Timestamps beside a log and in evidence bundles: two programs that share no code judge them alike.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use saphan_schemas::b64;
use saphan_schemas::log::{Checkpoint, LogRebuilder, Stamped};
use saphan_timestamps::testing::{Forgery, KeyKind, TIMESTAMPS, TestAuthority};
use saphan_timestamps::{Authorities, Token};
use serde_json::{Value, json};

use crate::ledger::{Ledger, NOW, ORIGIN, write_files};
use crate::program::{Ended, saphan};

/// A log with timestamps, and those who verify it.
struct Site {
    ledger: Ledger,
    authority: TestAuthority,
    stamps: BTreeMap<u64, Vec<u8>>,
    folder: tempfile::TempDir,
}

impl Site {
    /// The checkpoints of these sizes have timestamps.
    fn with(ledger: Ledger, sizes: &[u64]) -> Self {
        let authority = TestAuthority::new(KeyKind::P256).unwrap();
        let stamps = sizes.iter().map(|size| (*size, authority.token(&text(&ledger, *size)).unwrap())).collect();
        let site = Self { ledger, authority, stamps, folder: tempfile::tempdir().unwrap() };
        std::fs::copy(site.authority.pem(), site.path().join("ca.pem")).unwrap();
        site.show();
        site
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the log as it is now.
    fn show(&self) {
        let mut files = self.ledger.files();
        let all: Vec<Stamped> = self.stamps.keys().map(|size| Stamped { size: *size, time: NOW }).collect();
        for (page, stamped) in all.chunks(256).enumerate() {
            files.insert(Stamped::page_path(page as u64), Stamped::to_page(stamped).into_bytes());
        }
        for (size, token) in &self.stamps {
            files.insert(Stamped::token_path(*size), token.clone());
        }
        write_files(self.path(), &files);
    }

    fn audit(&self, more: &[&str]) -> (i32, Value) {
        let arguments = ["--json", "audit", "log", ".", "--vkey", "vkey", "--state", "state"];
        let ended = saphan(self.path(), arguments.into_iter().chain(AUTHORITY).chain(more.iter().copied()));
        (ended.code, ended.json())
    }

    fn make(&self, places: &[u64]) -> Value {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        let messages = places.iter().flat_map(|place| ["--message", place.as_str()]);
        let arguments = ["--json", "audit", "message", ".", "--vkey", "vkey", "--out", "bundle.json"];
        // It replaces no file.
        let _ = std::fs::remove_file(self.path().join("bundle.json"));
        let made = saphan(self.path(), arguments.into_iter().chain(messages));
        assert_eq!(made.code, 0, "{}{}", made.out, made.err);
        serde_json::from_slice(&std::fs::read(self.path().join("bundle.json")).unwrap()).unwrap()
    }

    fn verify(&self, more: &[&'static str]) -> Ended {
        let arguments = ["audit", "bundle", "bundle.json", "--vkey", "vkey"];
        saphan(self.path(), arguments.into_iter().chain(more.iter().copied()))
    }

    /// What both programs say of a bundle: `holds`, or a class.
    fn judge(&self, bundle: &Value) -> [String; 2] {
        std::fs::write(self.path().join("bundle.json"), serde_json::to_vec(bundle).unwrap()).unwrap();
        let ended = self.verify(&["--json", AUTHORITY[0], AUTHORITY[1]]);
        let own = ended.json()["files"][0]["verdict"].clone();
        assert_eq!(ended.code, i32::from(own["holds"] != true), "{own}");
        let other = self.other_verifier();
        [(&own, &own["class"]), (&other, &other["class"])].map(|(told, class)| {
            if told["holds"] == true { "holds".to_owned() } else { class.as_str().unwrap().to_owned() }
        })
    }

    fn other_verifier(&self) -> Value {
        let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance-tests/verifier");
        // Debian's, for which the package of its one dependency is made.
        let mut python = Command::new("/usr/bin/python3");
        let arguments = ["-B", verifier, "bundle", "vkey", "bundle.json", "--json"].into_iter().chain(AUTHORITY);
        let ended = python.current_dir(self.path()).args(arguments).output().unwrap();
        let told = serde_json::from_slice(&ended.stdout);
        told.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ended.stderr)))
    }
}

/// What a timestamp for this size is over.
fn text(ledger: &Ledger, size: u64) -> Vec<u8> {
    text_of(ORIGIN, ledger, size)
}

fn text_of(origin: &str, ledger: &Ledger, size: u64) -> Vec<u8> {
    let mut rebuilder = LogRebuilder::new();
    for leaf in &ledger.leaves[..size as usize] {
        rebuilder.push_entry(leaf).unwrap();
    }
    Checkpoint::new(origin.into(), size, rebuilder.root()).to_note_text().into_bytes()
}

fn encoded(token: &[u8]) -> Value {
    b64::encode_std(token).into()
}

const AUTHORITY: [&str; 2] = ["--timestamp-authority", "ca.pem"];

#[test]
fn a_bundle_shows_by_when_its_messages_existed_and_both_verifiers_say_the_same() {
    let ledger = Ledger::with_messages(300);
    let places: Vec<u64> = ledger.messages.keys().copied().collect();
    let site = Site::with(ledger, &[12, 13, 200, 290, 305]);
    // The first message is in the tree of 12 entries, the others in that of 290.
    let bundle = site.make(&[places[0], places[250], places[251]]);
    let sizes: Vec<_> = bundle["timestamps"].as_array().unwrap().iter().map(|stamp| stamp["size"].clone()).collect();
    assert_eq!(sizes, [json!(12), json!(290)]);
    let told = site.verify(&["--json", AUTHORITY[0], AUTHORITY[1]]).json()["files"][0].clone();
    assert_eq!(told["verdict"]["holds"], true, "{told}");
    let proven = &told["timestamps"][1]["proven"];
    assert_eq!(proven["authority"], "CN=Test tsa,O=Test");
    let other = site.other_verifier();
    let expected = json!({ "log": ORIGIN, "size": 290, "time": proven["time"], "authority": "Test tsa" });
    assert_eq!(other["timestamps"][1], expected);
    let words = site.verify(&AUTHORITY).out;
    assert_eq!(words.matches("existed by").count(), 3, "{words}");
    assert!(words.contains("(CN=Test tsa,O=Test)"), "{words}");

    // Whoever names no authority is told that nobody looked.
    let unchecked = site.verify(&["--json"]).json()["files"][0].clone();
    assert_eq!(unchecked["timestamps"][0], json!({ "log": ORIGIN, "size": 12, "proven": null }));
    assert_eq!(unchecked["not_shown"], json!(["omissions", "one-log", "content", "reception", "time"]));
    assert!(site.verify(&["--lang", "th"]).out.contains("ยังไม่ได้ตรวจ"));
    assert_eq!(site.make(&[places[299]])["timestamps"], Value::Null, "no timestamp is behind the last message");
}

#[test]
fn each_broken_timestamp_in_a_bundle_has_its_name_with_both_verifiers() {
    let ledger = Ledger::with_messages(300);
    let places: Vec<u64> = ledger.messages.keys().copied().collect();
    let site = Site::with(ledger, &[12, 290]);
    let good = site.make(&[places[0], places[250]]);
    assert_eq!(site.judge(&good), ["holds", "holds"]);
    let (over, authority) = (text(&site.ledger, 290), &site.authority);
    let forge = |time, usage| encoded(&authority.forge(&over, Forgery { time, usage }).unwrap());
    let foreign = TestAuthority::new(KeyKind::P256).unwrap();
    let token = site.stamps[&290].clone();
    let end = token.len() - 1;
    let changed = |at: usize, to: u8| {
        let mut token = token.clone();
        token[at] ^= to;
        encoded(&token)
    };
    // Its tag, its length and its century: a hash before it may hold the first two.
    let time = token.windows(4).position(|begins| begins == b"\x18\x0f20").unwrap() + 5;
    let mut tampered: Vec<(&str, Value)> = vec![
        ("untrusted-timestamp", encoded(&foreign.token(&over).unwrap())),
        ("other-timestamp", encoded(&site.stamps[&12])),
        ("other-timestamp", encoded(&authority.token(b"something else").unwrap())),
        ("changed-timestamp", changed(end, 1)),
        ("changed-timestamp", changed(time, 1)),
        ("malformed-timestamp", encoded(&token[..end])),
        ("malformed-timestamp", encoded(&[&token[..], b"\0"].concat())),
        ("malformed-timestamp", encoded(b"")),
        ("malformed-timestamp", changed(0, 1)),
        ("malformed-timestamp", "*".into()),
        ("expired-timestamp", forge("20200101000000Z", TIMESTAMPS)),
        ("expired-timestamp", forge("20991231235959.5Z", TIMESTAMPS)),
        ("malformed-timestamp", forge("20200101000060Z", TIMESTAMPS)),
        ("malformed-timestamp", forge("20200101000000.10Z", TIMESTAMPS)),
        ("malformed-timestamp", forge("202001010000Z", TIMESTAMPS)),
        ("early-timestamp", encoded(&authority.token_at(&over, NOW - 601).unwrap())),
        ("holds", encoded(&authority.token_at(&over, NOW - 600).unwrap())),
    ];
    for usage in ["", "timeStamping", "critical,timeStamping,codeSigning", "critical,codeSigning"] {
        tampered.push(("not-for-timestamps", forge("20200101000000Z", usage)));
    }
    for (number, (class, token)) in tampered.into_iter().enumerate() {
        let mut bundle = good.clone();
        bundle["timestamps"][1]["token"] = token;
        assert_eq!(site.judge(&bundle), [class, class], "number {number}");
    }
    type Tampering = fn(&mut Value);
    let trees: [Tampering; 7] = [
        |stamps| stamps[1]["root"] = stamps[0]["root"].clone(),
        |stamps| stamps[1]["size"] = 289.into(),
        |stamps| stamps[1]["size"] = 100_000.into(),
        |stamps| drop(stamps[1]["proof"].as_array_mut().unwrap().pop()),
        |stamps| stamps[1]["proof"].as_array_mut().unwrap().swap(0, 1),
        |stamps| stamps.as_array_mut().unwrap().swap(0, 1),
        |stamps| {
            let first = stamps[0].clone();
            stamps.as_array_mut().unwrap().insert(0, first);
        },
    ];
    for (number, tamper) in trees.into_iter().enumerate() {
        let mut bundle = good.clone();
        tamper(&mut bundle["timestamps"]);
        assert_eq!(site.judge(&bundle), ["other-timestamp"; 2], "number {number}");
    }
    let mut of_later = good;
    of_later["messages"].as_array_mut().unwrap().remove(0);
    assert_eq!(site.judge(&of_later), ["other-timestamp"; 2], "the message is behind the first one");
}

#[test]
fn an_audit_checks_the_timestamps_that_are_new_and_says_where_some_are_missing() {
    let mut site = Site::with(Ledger::with_messages(300), &[20, 300]);
    // All entries are of the same moment, long before the first timestamp.
    let (code, told) = site.audit(&[]);
    assert_eq!((code, &told["verdict"]["holds"]), (0, &json!(true)), "{told}");
    let found = told["timestamps"].clone();
    assert_eq!((&found["held"], &found["checked"], &found["newest"]["size"]), (&json!(2), &json!(2), &json!(300)));
    let gap = json!([{ "from": null, "until": found["gaps"][0]["until"], "entry": 0, "entries": 20 }]);
    assert_eq!(found["gaps"], gap);
    assert!(found["gaps"][0]["until"].as_u64().unwrap() > NOW);
    let patient = ["--from-start", "--timestamp-gap", "1000000000"];
    assert_eq!(site.audit(&patient).1["timestamps"]["gaps"], json!([]));

    // Nothing new; then entries of later hours, and one timestamp.
    let nothing = json!({ "held": 2, "checked": 0, "newest": null, "gaps": [] });
    assert_eq!(site.audit(&[]).1["timestamps"], nothing);
    let refusal = |hours: u64| saphan_schemas::leaf::Leaf::Refusal {
        ts: (NOW + hours * 3600) * 1000,
        code: "agreement-missing".parse().unwrap(),
        env: saphan_schemas::digest::Sha256Hash::of(b"envelope"),
        nonce: format!("{hours:032x}"),
    };
    let size = site.ledger.size();
    for hours in [1, 2, 5] {
        site.ledger.push(&refusal(hours));
    }
    site.show();
    let told = site.audit(&[]).1;
    let waiting = &told["timestamps"]["gaps"][0];
    assert_eq!((&waiting["until"], &waiting["entry"]), (&Value::Null, &json!(300)), "{told}");
    site.stamps.insert(size + 2, site.authority.token(&text(&site.ledger, size + 2)).unwrap());
    site.show();
    let told = site.audit(&[]).1;
    assert_eq!((&told["timestamps"]["held"], &told["timestamps"]["gaps"]), (&json!(3), &json!([])), "{told}");
    let words =
        saphan(site.path(), ["audit", "log", ".", "--vkey", "vkey", "--state", "other"].into_iter().chain(AUTHORITY));
    assert!(words.out.contains("no timestamp"), "{}", words.out);
    assert!(words.out.contains(&format!("{} entries (CN=Test tsa,O=Test)", size + 2)), "{}", words.out);
}

#[test]
fn an_audit_names_what_is_wrong_with_a_timestamp_and_trusts_the_entries_all_the_same() {
    let site = Site::with(Ledger::with_messages(300), &[20, 300]);
    let size = site.ledger.size();
    let foreign = TestAuthority::new(KeyKind::P256).unwrap().token(&text(&site.ledger, 300)).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(site.path().join(name), bytes).unwrap();
    for (bytes, class) in [
        (foreign.as_slice(), "untrusted-timestamp"),
        (site.stamps[&20].as_slice(), "other-timestamp"),
        (b"", "malformed-timestamp"),
    ] {
        write("timestamps/300", bytes);
        let (code, told) = site.audit(&[]);
        assert_eq!((code, &told["verdict"]["class"]), (1, &json!(class)), "{told}");
        assert_eq!((&told["verdict"]["file"], &told["timestamps"]), (&json!("timestamps/300"), &Value::Null));
    }
    for (time, class) in [(NOW - 601, json!("early-timestamp")), (NOW - 600, Value::Null)] {
        write("timestamps/300", &site.authority.token_at(&text(&site.ledger, 300), time).unwrap());
        let told = site.audit(&["--from-start"]).1;
        assert_eq!(told["verdict"]["class"], class, "{told}");
    }
    std::fs::remove_file(site.path().join("timestamps/300")).unwrap();
    assert_eq!(site.audit(&[]).1["verdict"]["class"], "missing-file");
    write("timestamps/pages/0", b"20 1\n20 1\n");
    assert_eq!(site.audit(&[]).1["verdict"]["class"], "malformed-file");
    // The entries were trusted at the first audit, and one timestamp is not checked before the log has it.
    site.show();
    write("timestamps/pages/0", format!("20 1\n300 1\n{} 1\n", size + 1).as_bytes());
    let (code, told) = site.audit(&[]);
    assert_eq!((code, &told["since"]["size"], &told["timestamps"]["held"]), (0, &json!(size), &json!(2)), "{told}");
    let without = saphan(site.path(), ["--json", "audit", "log", ".", "--vkey", "vkey", "--state", "state"]);
    assert_eq!(without.json()["timestamps"], Value::Null);
}

#[test]
fn timestamps_that_were_there_are_missed() {
    let mut site = Site::with(Ledger::with_messages(300), &[20, 200, 300]);
    assert_eq!(site.audit(&[]).1["timestamps"]["held"], 3);
    site.stamps.remove(&300);
    site.show();
    let (code, told) = site.audit(&[]);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("missing-timestamps")), "{told}");
    assert_eq!(told["verdict"]["file"], "timestamps/pages/0");
    assert_eq!(told["verdict"]["reason"], "2 timestamps are listed, and 3 were before");
    std::fs::remove_file(site.path().join("timestamps/pages/0")).unwrap();
    assert_eq!(site.audit(&[]).1["verdict"]["reason"], "0 timestamps are listed, and 3 were before");
    site.stamps.insert(300, site.authority.token(&text(&site.ledger, 300)).unwrap());
    site.show();
    assert_eq!(site.audit(&[]).0, 0);
}

#[test]
fn an_audit_over_a_change_of_the_log_checks_the_timestamps_of_each() {
    let next = "hub.local/log/2027h1";
    let mut old = Ledger::with_messages(300);
    let (key, signer) = (old.vkey().to_string(), old.prepare(next));
    old.close(next);
    let (end, before, previous) = (old.size(), old.files(), old.checkpoint());
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    let token = |origin: &str, ledger: &Ledger, size| authority.token_at(&text_of(origin, ledger, size), NOW).unwrap();
    let of_old = [20, end].map(|size| (size, token(ORIGIN, &old, size)));
    let new = old.into_next(signer, previous);
    let of_new = [(1, token(next, &new, 1))];
    let folder = tempfile::tempdir().unwrap();
    let show = |name: &str, files: &BTreeMap<String, Vec<u8>>, stamps: &[(u64, Vec<u8>)]| {
        let mut files = files.clone();
        let page: Vec<Stamped> = stamps.iter().map(|(size, _)| Stamped { size: *size, time: NOW }).collect();
        files.insert(Stamped::page_path(0), Stamped::to_page(&page).into_bytes());
        files.extend(stamps.iter().map(|(size, token)| (Stamped::token_path(*size), token.clone())));
        write_files(&folder.path().join(name), &files);
    };
    std::fs::copy(authority.pem(), folder.path().join("ca.pem")).unwrap();
    show("2027h1", &new.files(), &of_new);
    let audit = |more: &[&str]| {
        let fixed = ["audit", "log", "2027h1", "--vkey", key.as_str(), "--state", "state"];
        saphan(folder.path(), fixed.into_iter().chain(AUTHORITY).chain(more.iter().copied()))
    };

    // One of the first log is another's: the audit does not go on from there.
    show("2026h2", &before, &[of_old[0].clone(), (end, of_old[0].1.clone())]);
    for _ in 0..2 {
        let told = audit(&["--json"]).json();
        assert_eq!(told["verdict"]["class"], "other-timestamp", "{told}");
        assert_eq!(told["verdict"]["file"], json!(Stamped::token_path(end)));
    }
    show("2026h2", &before, &of_old);
    let told = audit(&["--json"]).json();
    assert_eq!(told["verdict"]["holds"], true, "{told}");
    let found = &told["timestamps"];
    assert_eq!((&found["held"], &found["newest"]["size"], &found["gaps"]), (&json!(1), &json!(1), &json!([])));
    let earlier = &found["earlier"][0];
    assert_eq!(
        (&earlier["log"], &earlier["held"], &earlier["newest"]["size"]),
        (&json!(ORIGIN), &json!(2), &json!(end))
    );
    assert_eq!(audit(&["--json"]).json()["timestamps"]["earlier"], Value::Null, "it was told");
    let words = saphan(
        folder.path(),
        ["audit", "log", "2027h1", "--vkey", key.as_str(), "--state", "other"].into_iter().chain(AUTHORITY),
    );
    assert_eq!(words.out.matches("existed by").count(), 2, "{}", words.out);
    assert!(words.out.contains(ORIGIN), "{}", words.out);
}

#[test]
fn a_copy_of_a_log_has_its_timestamps() {
    let site = Site::with(Ledger::with_messages(300), &[20, 300]);
    let later = format!("20 1\n300 1\n{} 1\n", site.ledger.size() + 1);
    std::fs::write(site.path().join("timestamps/pages/0"), later).unwrap();
    let ended = saphan(site.path(), ["log", "check", ".", "--vkey", "vkey", "--export", "copy"]);
    assert_eq!(ended.code, 0, "{}", ended.out);
    let audit = ["--json", "audit", "log", "copy", "--vkey", "vkey", "--state", "state"];
    let told = saphan(site.path(), audit.into_iter().chain(AUTHORITY)).json();
    assert_eq!(told["timestamps"]["held"], 2, "{told}");
    assert_eq!(std::fs::read(site.path().join("copy/timestamps/pages/0")).unwrap(), b"20 1\n300 1\n");
}

#[test]
fn the_authoritys_own_certificate_is_enough_for_both_verifiers() {
    let ledger = Ledger::with_messages(300);
    let places: Vec<u64> = ledger.messages.keys().copied().collect();
    let site = Site::with(ledger, &[290]);
    let bundle = site.make(&[places[250]]);
    std::fs::copy(site.authority.own_pem(), site.path().join("ca.pem")).unwrap();
    assert_eq!(site.judge(&bundle), ["holds", "holds"]);
    assert_eq!(site.audit(&[]).1["timestamps"]["held"], 1);
    std::fs::copy(TestAuthority::new(KeyKind::P256).unwrap().own_pem(), site.path().join("ca.pem")).unwrap();
    assert_eq!(site.judge(&bundle), ["untrusted-timestamp"; 2]);
}

#[test]
fn an_authority_must_be_a_file_with_certificates() {
    let site = Site::with(Ledger::with_messages(1), &[]);
    std::fs::write(site.path().join("nobody.pem"), "nobody").unwrap();
    for name in ["nobody.pem", "nowhere.pem"] {
        let ended = saphan(site.path(), ["audit", "log", ".", "--vkey", "vkey", "--state", "s", AUTHORITY[0], name]);
        assert_eq!(ended.code, 2, "{}", ended.out);
        assert!(ended.err.contains(name), "{}", ended.err);
    }
}

/// Reads lines of a bit and a class, and prints those that another verifier of tokens says otherwise.
const COMPARE: &str = "\
import sys
sys.path.insert(0, sys.argv[1])
import timestamps
from faults import Fault
token, trusted = open('token', 'rb').read(), timestamps.authorities(open('ca.pem', 'rb').read())
for bit, expected in (line.split() for line in open('flips')):
    flipped = bytearray(token)
    flipped[int(bit) // 8] ^= 1 << int(bit) % 8
    try:
        found = timestamps.check(bytes(flipped), b'text', trusted) and 'holds'
    except Fault as fault:
        found = fault.kind
    if found != expected:
        print(bit, expected, found)
";

#[test]
fn both_verifiers_say_the_same_of_a_token_with_any_bit_flipped() {
    for kind in [KeyKind::P256, KeyKind::Rsa] {
        let authority = TestAuthority::new(kind).unwrap();
        let folder = authority.pem().parent().unwrap().to_owned();
        let trusted = Authorities::from_pem(&std::fs::read(authority.pem()).unwrap()).unwrap();
        let token = authority.token(b"text").unwrap();
        let mut flips = String::new();
        // Every 7th bit, which is each bit of a byte in turn.
        for bit in (0..token.len() * 8).step_by(7) {
            let mut flipped = token.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let verified = Token::parse(&flipped).and_then(|token| token.verify(b"text", &trusted));
            let class = verified.map_or_else(|fault| fault.class(), |_| "holds");
            flips.push_str(&format!("{bit} {class}\n"));
        }
        std::fs::write(folder.join("flips"), flips).unwrap();
        std::fs::write(folder.join("token"), &token).unwrap();
        let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance-tests/verifier");
        let mut python = Command::new("/usr/bin/python3");
        let compared =
            python.args(["-B", "-W", "ignore", "-c", COMPARE, verifier]).current_dir(&folder).output().unwrap();
        assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
        assert_eq!(String::from_utf8_lossy(&compared.stdout), "", "{kind:?}");
    }
}
