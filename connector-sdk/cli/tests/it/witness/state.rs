//! The state folder: what is written before it is said, and when it is not used.

use std::path::{Path, PathBuf};

use saphan_cli::witness::Witness;
use saphan_cli::witness::folder::{StateError, StateFolder};
use saphan_cli::witness::log::Refusal;
use saphan_schemas::log::NoteSigner;

use super::history::{History, log};

fn folder(path: &Path, log: &NoteSigner) -> PathBuf {
    let path = path.join("state");
    let mut folder = StateFolder::create(&path, "w.example/1").unwrap();
    folder.add_log(log.verifier_key().clone()).unwrap();
    path
}

fn record(state: &Path) -> PathBuf {
    let mut notes = std::fs::read_dir(state.join("logs")).unwrap().map(|file| file.unwrap().path());
    notes.find(|path| path.extension().is_some_and(|extension| extension == "note")).unwrap()
}

#[test]
fn a_witness_goes_on_where_it_was() {
    let (temporary, log, history) = (tempfile::tempdir().unwrap(), log("l"), History::new("a", 0, 50));
    let state = folder(temporary.path(), &log);
    let mut old = 0;
    for size in [3, 10, 50] {
        let witness = Witness::open(&state).unwrap();
        assert_eq!(
            witness.add_checkpoint(&history.request(size, size, &log), 5),
            Err(Refusal::OtherSize { size: old })
        );
        witness.add_checkpoint(&history.request(old, size, &log), 5).unwrap();
        old = size;
    }
}

#[test]
fn what_was_cosigned_is_on_disk_when_it_is_said() {
    let (temporary, log, history) = (tempfile::tempdir().unwrap(), log("l"), History::new("a", 0, 50));
    let state = folder(temporary.path(), &log);
    let witness = Witness::open(&state).unwrap();
    let line = witness.add_checkpoint(&history.request(0, 10, &log), 5).unwrap();
    assert_eq!(std::fs::read_to_string(record(&state)).unwrap(), format!("{}{line}", history.checkpoint(10, &log)));
}

#[test]
fn what_cannot_be_written_is_not_cosigned() {
    let (temporary, log, history) = (tempfile::tempdir().unwrap(), log("l"), History::new("a", 0, 50));
    let state = folder(temporary.path(), &log);
    let witness = Witness::open(&state).unwrap();
    witness.add_checkpoint(&history.request(0, 10, &log), 5).unwrap();
    let before = std::fs::read(record(&state)).unwrap();
    // In the way of the new record.
    let draft = record(&state).with_extension("new");
    std::fs::create_dir(&draft).unwrap();
    assert_eq!(witness.add_checkpoint(&history.request(10, 20, &log), 5), Err(Refusal::Unsaved));
    assert_eq!(std::fs::read(record(&state)).unwrap(), before);
    std::fs::remove_dir(&draft).unwrap();
    assert!(witness.add_checkpoint(&history.request(10, 20, &log), 5).is_ok());
}

#[test]
fn when_it_is_not_known_what_is_on_disk_no_more_is_cosigned_until_a_restart() {
    let (temporary, log, history) = (tempfile::tempdir().unwrap(), log("l"), History::new("a", 0, 50));
    let state = folder(temporary.path(), &log);
    let witness = Witness::open(&state).unwrap();
    witness.add_checkpoint(&history.request(0, 10, &log), 5).unwrap();
    let (path, kept) = (record(&state), std::fs::read(record(&state)).unwrap());
    // The draft can be written, and not take its place.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(witness.add_checkpoint(&history.request(10, 20, &log), 5), Err(Refusal::Halted));
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, kept).unwrap();
    assert_eq!(witness.add_checkpoint(&history.request(10, 20, &log), 5), Err(Refusal::Halted));
    drop(witness);
    assert!(Witness::open(&state).unwrap().add_checkpoint(&history.request(10, 20, &log), 5).is_ok());
}

#[test]
fn a_damaged_state_is_an_error_and_never_a_new_beginning() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 8] = [
        ("record missing", |state| std::fs::remove_file(record(state)).unwrap()),
        ("record empty", |state| std::fs::write(record(state), "").unwrap()),
        ("record cut", |state| {
            let text = std::fs::read_to_string(record(state)).unwrap();
            std::fs::write(record(state), &text[..text.len() - 20]).unwrap();
        }),
        ("record without the cosignature", |state| {
            let text = std::fs::read_to_string(record(state)).unwrap();
            let end = text.rfind('—').unwrap();
            std::fs::write(record(state), &text[..end]).unwrap();
        }),
        ("record of another size", |state| {
            let text = std::fs::read_to_string(record(state)).unwrap();
            std::fs::write(record(state), text.replace("l\n10\n", "l\n9\n")).unwrap();
        }),
        ("list empty", |state| std::fs::write(state.join("witness.json"), "").unwrap()),
        ("key missing", |state| std::fs::remove_file(state.join("key.pem")).unwrap()),
        ("key of another", |state| {
            let other = state.with_file_name("other");
            drop(StateFolder::create(&other, "w.example/1").unwrap());
            std::fs::rename(other.join("key.pem"), state.join("key.pem")).unwrap();
        }),
    ];
    let (log, history) = (log("l"), History::new("a", 0, 50));
    for (what, damage) in damages {
        let temporary = tempfile::tempdir().unwrap();
        let state = folder(temporary.path(), &log);
        Witness::open(&state).unwrap().add_checkpoint(&history.request(0, 10, &log), 5).unwrap();
        damage(&state);
        let refused = Witness::open(&state);
        assert!(matches!(refused, Err(StateError::Damaged { .. } | StateError::Key(_))), "{what}: {refused:?}");
    }
}

#[test]
fn a_half_written_record_beside_the_good_one_changes_nothing() {
    let (temporary, log, history) = (tempfile::tempdir().unwrap(), log("l"), History::new("a", 0, 50));
    let state = folder(temporary.path(), &log);
    Witness::open(&state).unwrap().add_checkpoint(&history.request(0, 10, &log), 5).unwrap();
    std::fs::write(record(&state).with_extension("new"), "l\n2").unwrap();
    assert!(Witness::open(&state).unwrap().add_checkpoint(&history.request(10, 20, &log), 5).is_ok());
}

#[test]
fn a_folder_has_one_process_at_a_time() {
    let (temporary, log) = (tempfile::tempdir().unwrap(), log("l"));
    let state = folder(temporary.path(), &log);
    let witness = Witness::open(&state).unwrap();
    assert!(matches!(Witness::open(&state), Err(StateError::InUse { .. })));
    assert!(matches!(StateFolder::take(&state), Err(StateError::InUse { .. })));
    drop(witness);
    assert!(Witness::open(&state).is_ok());
}

#[test]
fn a_log_that_left_the_list_and_comes_back_goes_on_from_its_record() {
    let (temporary, log, history) = (tempfile::tempdir().unwrap(), log("l"), History::new("a", 0, 50));
    let state = folder(temporary.path(), &log);
    Witness::open(&state).unwrap().add_checkpoint(&history.request(0, 10, &log), 5).unwrap();
    let list = std::fs::read_to_string(state.join("witness.json")).unwrap();
    std::fs::write(state.join("witness.json"), list.replace(&format!("\"{}\"", log.verifier_key()), "")).unwrap();
    let witness = Witness::open(&state).unwrap();
    assert_eq!(witness.add_checkpoint(&history.request(10, 20, &log), 5), Err(Refusal::UnknownLog));
    drop(witness);
    assert!(StateFolder::take(&state).unwrap().add_log(log.verifier_key().clone()).unwrap());
    let witness = Witness::open(&state).unwrap();
    assert_eq!(witness.add_checkpoint(&history.request(0, 20, &log), 5), Err(Refusal::OtherSize { size: 10 }));
}
