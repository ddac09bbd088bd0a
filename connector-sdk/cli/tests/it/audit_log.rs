//! `saphan audit log`: following a log from audit to audit.

mod classes;
mod interrupted;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::b64;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Checkpoint, SignedNote, VerifierKey, verify_consistency};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::hub::FakeHub;
use crate::ledger::{Ledger, NOW, RECEIVER, SENDER, new_signer, write_files};
use crate::program::{Ended, saphan, saphan_beside};

/// A folder with a log in `log`, its key in `vkey`, and the state of its auditor in `state`.
struct Followed {
    folder: tempfile::TempDir,
}

impl Followed {
    fn new(ledger: &Ledger) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vkey"), ledger.vkey().to_string()).unwrap();
        let followed = Self { folder };
        followed.shows(&ledger.files());
        followed
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// From now on the log has these files and no others.
    fn shows(&self, files: &BTreeMap<String, Vec<u8>>) {
        let log = self.path().join("log");
        if log.exists() {
            std::fs::remove_dir_all(&log).unwrap();
        }
        write_files(&log, files);
    }

    fn run(&self, more: &[&str]) -> Ended {
        let arguments = ["audit", "log", "log", "--vkey", "vkey", "--state", "state"];
        saphan(self.path(), arguments.into_iter().chain(more.iter().copied()))
    }

    fn audit(&self) -> (i32, Value) {
        let ended = self.run(&["--json"]);
        (ended.code, ended.json())
    }

    /// An audit that finds that everything holds; gives how many entries were new.
    fn holds(&self) -> u64 {
        let (code, told) = self.audit();
        assert_eq!((code, &told["verdict"]), (0, &json!({ "holds": true })), "{told}");
        told["entries_checked"].as_u64().unwrap()
    }

    /// An audit that finds something of this class.
    fn finds(&self, class: &str) -> Value {
        let (code, told) = self.audit();
        assert_eq!((code, &told["verdict"]["class"]), (1, &json!(class)), "{told}");
        told
    }
}

/// The files of a log in whose history two messages stand in each other's place.
fn swapped(ledger: &mut Ledger, one: usize, other: usize) -> BTreeMap<String, Vec<u8>> {
    ledger.leaves.swap(one, other);
    let files = ledger.files();
    ledger.leaves.swap(one, other);
    files
}

#[test]
fn an_audit_goes_on_where_the_last_one_ended() {
    let mut ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    assert_eq!(followed.holds(), 612);
    assert_eq!(followed.holds(), 0, "nothing is new");
    let before = ledger.size();
    let message = ledger.send("{}");
    ledger.acknowledge(&[message, 12]);
    ledger.rotate_receipt_key();
    followed.shows(&ledger.files());
    let (code, told) = followed.audit();
    assert_eq!((code, &told["entries_checked"]), (0, &json!(3)), "{told}");
    assert_eq!(told["since"]["size"], before);
    let leaves = &told["log"]["leaves"];
    assert_eq!(
        (&leaves["messages"], &leaves["registry"], &leaves["processed"]),
        (&json!(601), &json!(11), &json!(102))
    );
    assert_eq!(told["log"]["root"], saphan(followed.path(), ["--json", "log", "check", "log"]).json()["log"]["root"]);
    for _ in 0..300 {
        ledger.send("{}");
    }
    followed.shows(&ledger.files());
    assert_eq!(followed.holds(), 300);
}

#[test]
fn a_later_acknowledgement_is_held_against_a_message_of_an_earlier_audit() {
    let mut ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    followed.holds();
    ledger.acknowledge(&[3]);
    followed.shows(&ledger.files());
    let told = followed.finds("false-acknowledgement");
    assert_eq!(told["verdict"]["entry"], ledger.size() - 1, "{told}");
}

#[test]
fn what_an_earlier_audit_saw_is_acknowledged_by_its_receiver_alone_in_one_way_and_erased_as_a_message() {
    let said = |index, outcome, code: Option<&str>| Acknowledged {
        index,
        outcome,
        code: code.map(|code| code.parse().unwrap()),
    };
    let processed = |index| said(index, Outcome::Processed, None);
    let erasure = |index| Leaf::Erasure { ts: NOW * 1000, index, basis: "pdpa".parse().unwrap(), log: None };
    let grows = |class: Option<&str>, more: &dyn Fn(&mut Ledger) -> u64| {
        let mut ledger = Ledger::with_messages(400);
        let followed = Followed::new(&ledger);
        followed.holds();
        let index = more(&mut ledger);
        followed.shows(&ledger.files());
        match class {
            Some(class) => assert_eq!(followed.finds(class)["verdict"]["entry"], index),
            None => assert!(followed.holds() > 0),
        }
    };
    grows(None, &|ledger| ledger.acknowledge_as(RECEIVER, vec![processed(12), processed(200)]));
    grows(None, &|ledger| ledger.push(&erasure(200)));
    grows(Some("false-acknowledgement"), &|ledger| {
        ledger.acknowledge_as(RECEIVER, vec![said(12, Outcome::Rejected, Some("unreadable"))])
    });
    grows(Some("false-acknowledgement"), &|ledger| ledger.acknowledge_as(SENDER, vec![processed(200)]));
    grows(Some("false-erasure"), &|ledger| ledger.push(&erasure(3)));
}

#[tokio::test]
async fn a_state_folder_of_the_format_before_is_audited_from_the_start_and_remembers_what_the_log_showed() {
    let ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    followed.holds();
    let file = SqliteConnectOptions::new().filename(followed.path().join("state/audit.db"));
    let before = "DROP TABLE statement; DROP TABLE settled; UPDATE log SET format = 1; \
        CREATE TABLE statement (entry INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, receiver TEXT) STRICT; \
        CREATE TABLE settled (message INTEGER PRIMARY KEY, entry INTEGER NOT NULL, outcome TEXT NOT NULL) STRICT";
    let mut connection = file.connect().await.unwrap();
    sqlx::raw_sql(before).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    followed.shows(&Ledger::with_messages(3).files());
    assert_ne!(followed.audit().0, 0, "it is another log");
    followed.shows(&ledger.files());
    let (code, told) = followed.audit();
    assert_eq!((code, &told["entries_checked"]), (0, &json!(612)), "{told}");
    assert_eq!(told["since"]["size"], 612, "{told}");
    assert_eq!(followed.holds(), 0);
}

#[tokio::test]
async fn a_state_folder_of_a_format_to_come_is_left_alone() {
    let ledger = Ledger::with_messages(3);
    let followed = Followed::new(&ledger);
    followed.holds();
    let file = SqliteConnectOptions::new().filename(followed.path().join("state/audit.db"));
    let mut connection = file.connect().await.unwrap();
    sqlx::raw_sql("UPDATE log SET format = 3").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (code, told) = followed.audit();
    assert_eq!(code, 2, "{told}");
    assert!(told["error"]["what"].as_str().unwrap().contains("the format 3"), "{told}");
}

#[test]
fn a_message_that_an_earlier_audit_saw_is_not_taken_again() {
    let mut ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    followed.holds();
    let again = ledger.messages[&20].clone();
    let index = ledger.accept(again);
    followed.shows(&ledger.files());
    let told = followed.finds("duplicated-entries");
    assert_eq!(told["verdict"]["entry"], index, "{told}");
}

#[test]
fn two_histories_are_a_fork_and_both_checkpoints_are_kept() {
    for messages in [40, 600] {
        let mut ledger = Ledger::with_messages(messages);
        let followed = Followed::new(&ledger);
        followed.holds();
        let before = ledger.checkpoint();
        let other = swapped(&mut ledger, 20, 21);
        // Of the same size first, then a longer one.
        followed.shows(&other);
        followed.finds("fork");
        ledger.leaves.swap(20, 21);
        for _ in 0..20 {
            ledger.send("{}");
        }
        followed.shows(&ledger.files());
        let told = followed.finds("fork");
        let evidence = followed.path().join(told["verdict"]["evidence"].as_str().unwrap());
        assert_eq!(std::fs::read_to_string(evidence.join("before")).unwrap(), before);
        assert_eq!(std::fs::read_to_string(evidence.join("shown")).unwrap(), ledger.checkpoint());
        let proof = std::fs::read_to_string(evidence.join("proof")).unwrap();
        let mut proof: Vec<_> = proof.lines().map(hash).collect();
        let (other, before, shown) = (proof.remove(0), read(&before), read(&ledger.checkpoint()));
        assert_ne!(other, before.root);
        verify_consistency(before.size, other, shown.size, shown.root, &proof).unwrap();
        assert_eq!(told["since"]["size"], messages + 12, "what was trusted stays");
    }
}

fn read(checkpoint: &str) -> Checkpoint {
    let note: SignedNote = checkpoint.parse().unwrap();
    note.text().parse().unwrap()
}

fn hash(line: &str) -> Sha256Hash {
    Sha256Hash::from_bytes(b64::decode_std(line).unwrap().try_into().unwrap())
}

#[test]
fn a_log_that_signed_two_histories_is_never_whole_again() {
    let mut ledger = Ledger::with_messages(40);
    let followed = Followed::new(&ledger);
    followed.holds();
    let good = ledger.files();
    ledger.send("{}");
    let (size, mut forged) = (ledger.size(), ledger.files());
    forged.insert("checkpoint".into(), ledger.checkpoint_of(size, Sha256Hash::of(b"another tree")).into_bytes());
    followed.shows(&forged);
    followed.finds("changed-checkpoint");
    followed.shows(&good);
    followed.finds("rollback");
    ledger.send("{}");
    followed.shows(&ledger.files());
    followed.finds("fork");
}

#[test]
fn a_log_that_shows_less_than_it_had_shown_is_rolled_back() {
    let mut ledger = Ledger::with_messages(40);
    let before = ledger.files();
    ledger.send("{}");
    let followed = Followed::new(&ledger);
    followed.holds();
    followed.shows(&before);
    let told = followed.finds("rollback");
    assert!(followed.path().join(told["verdict"]["evidence"].as_str().unwrap()).join("shown").exists());
    followed.shows(&ledger.files());
    assert_eq!(followed.holds(), 0, "what was trusted stayed");
}

#[tokio::test]
async fn a_hubs_log_is_followed_over_http_and_a_hub_that_is_away_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::with_messages(300)).await;
    let (url, vkey) = (hub.url().to_owned(), hub.held().ledger.vkey().to_string());
    let arguments = ["--json", "audit", "log", &url, "--vkey", &vkey, "--state", "state"];
    let first = saphan_beside(folder.path(), arguments).await;
    assert_eq!((first.code, &first.json()["entries_checked"]), (0, &json!(312)));
    hub.held().ledger.send("{}");
    let second = saphan_beside(folder.path(), arguments).await;
    assert_eq!((second.code, &second.json()["entries_checked"]), (0, &json!(1)));
    hub.stop().await;
    let away = saphan_beside(folder.path(), arguments).await;
    assert_eq!((away.code, &away.json()["error"]["side"]), (3, &json!("hub")));
}

#[test]
fn a_verdict_is_told_in_thai_too() {
    let ledger = Ledger::with_messages(10);
    let followed = Followed::new(&ledger);
    let ended = followed.run(&["--lang", "th"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("ถูกต้องทั้งหมด") && ended.out.contains("22"), "{}", ended.out);
    followed.shows(&Ledger::with_messages(10).files());
    let ended = followed.run(&["--lang", "th"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    for words in ["บันทึกนี้ไม่ถูกต้อง", "changed-checkpoint", "22 รายการ"]
    {
        assert!(ended.out.contains(words), "{words}: {}", ended.out);
    }
}

#[test]
fn a_state_folder_belongs_to_one_log_and_key() {
    let (ledger, other) = (Ledger::with_messages(10), Ledger::with_messages(10));
    let followed = Followed::new(&ledger);
    followed.holds();
    std::fs::write(followed.path().join("vkey"), other.vkey().to_string()).unwrap();
    followed.shows(&other.files());
    let (code, told) = followed.audit();
    assert_eq!((code, &told["error"]["side"]), (2, &json!("caller")), "{told}");
    assert!(told["error"]["what"].as_str().unwrap().contains(&ledger.vkey().to_string()), "{told}");
}

#[test]
fn a_damaged_state_folder_is_no_verdict() {
    let ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    followed.holds();
    let file = followed.path().join("state/audit.db");
    let good = std::fs::read(&file).unwrap();
    let sum = ledger.leaves.first().unwrap();
    let registered = good.windows(sum.len()).position(|bytes| bytes == sum).unwrap();
    let place = good.windows(8).position(|bytes| bytes == b"\"levels\"").unwrap();
    for at in [3, registered + 9, place + 20] {
        let mut damaged = good.clone();
        // In a hash this gives another hash.
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        std::fs::write(&file, damaged).unwrap();
        let (code, told) = followed.audit();
        assert_eq!((code, &told["error"]["side"]), (2, &json!("caller")), "{at}: {told}");
        assert!(told["error"]["what"].as_str().unwrap().contains("damaged"), "{told}");
    }
    std::fs::write(&file, good).unwrap();
    assert_eq!(followed.holds(), 0);
}

#[test]
fn a_state_folder_follows_a_rotation_of_the_logs_key() {
    let mut ledger = Ledger::with_messages(40);
    let followed = Followed::new(&ledger);
    followed.holds();
    let bind = |key: &VerifierKey| std::fs::write(followed.path().join("vkey"), key.to_string()).unwrap();
    // While both keys sign, who trusts the old one comes past the place where the new one is registered.
    let new = ledger.add_log_key();
    while ledger.size() < 300 {
        ledger.send("{}");
    }
    bind(&new);
    followed.shows(&ledger.files());
    assert_eq!(followed.audit().0, 2, "nothing that is trusted registers it yet");
    bind(ledger.vkey());
    followed.holds();
    ledger.use_second_log_key_only();
    ledger.send("{}");
    followed.shows(&ledger.files());
    followed.finds("changed-checkpoint");
    bind(new_signer().verifier_key());
    assert_eq!(followed.audit().0, 2, "a key that the log does not register");
    bind(&new);
    assert_eq!(followed.holds(), 1);
    assert_eq!(followed.holds(), 0);
}

#[test]
fn a_key_that_signed_nothing_binds_no_state_folder() {
    let (ledger, other) = (Ledger::with_messages(3), Ledger::with_messages(3));
    let followed = Followed::new(&ledger);
    std::fs::write(followed.path().join("vkey"), other.vkey().to_string()).unwrap();
    followed.finds("changed-checkpoint");
    std::fs::write(followed.path().join("vkey"), ledger.vkey().to_string()).unwrap();
    followed.holds();
}

#[tokio::test]
async fn a_state_folder_that_lost_a_message_is_no_verdict() {
    let ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    followed.holds();
    let file = SqliteConnectOptions::new().filename(followed.path().join("state/audit.db"));
    let mut connection = file.connect().await.unwrap();
    sqlx::raw_sql("DELETE FROM statement WHERE entry = 20").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (code, told) = followed.audit();
    assert_eq!(code, 2, "{told}");
    assert!(told["error"]["what"].as_str().unwrap().contains("the list of messages"), "{told}");
}

#[test]
fn everything_is_audited_again_when_asked_for() {
    let ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    followed.holds();
    // An audit that goes on does not look at old bundles again; one from the start does.
    let mut files = ledger.files();
    files.get_mut("tile/entries/000").unwrap()[100] ^= 1;
    followed.shows(&files);
    assert_eq!(followed.holds(), 0);
    let ended = followed.run(&["--json", "--from-start"]);
    assert_eq!((ended.code, &ended.json()["verdict"]["class"]), (1, &json!("changed-leaf")));
    followed.shows(&ledger.files());
    let ended = followed.run(&["--json", "--from-start"]);
    assert_eq!((ended.code, &ended.json()["entries_checked"]), (0, &json!(612)));
}

#[test]
fn what_is_no_log_is_no_verdict_until_there_was_one() {
    let ledger = Ledger::with_messages(3);
    let followed = Followed::new(&ledger);
    let mut files = ledger.files();
    files.remove("checkpoint");
    followed.shows(&files);
    assert_eq!(followed.audit().0, 2);
    followed.shows(&ledger.files());
    followed.holds();
    followed.shows(&files);
    followed.finds("missing-file");
}
