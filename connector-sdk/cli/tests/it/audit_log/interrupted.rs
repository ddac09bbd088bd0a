//! Audits that end in the middle.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use saphan_cli::log_audit::state::AuditState;
use saphan_cli::log_audit::{Audit, AuditFailure, audit};
use saphan_cli::log_check::{LogSource, Progress, SourceError, SourceFuture};
use serde_json::json;
use tokio::sync::Notify;

use super::{Followed, swapped};
use crate::ledger::Ledger;
use crate::program::killed_at;

/// A log in memory that notes what is fetched, and may stop in the middle.
struct Source {
    files: BTreeMap<String, Vec<u8>>,
    fetched: Mutex<Vec<String>>,
    /// This file cannot be had for now.
    fails: Option<&'static str>,
    /// The first answer for this file is spoilt.
    spoilt_once: Option<&'static str>,
    /// After so many files no answer comes.
    stalls_after: usize,
    stalled: Notify,
}

impl Source {
    fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        let fetched = Mutex::default();
        Self { files, fetched, fails: None, spoilt_once: None, stalls_after: usize::MAX, stalled: Notify::new() }
    }

    fn fetched(&self) -> Vec<String> {
        self.fetched.lock().unwrap().clone()
    }
}

impl LogSource for Source {
    fn fetch<'a>(&'a self, path: &'a str) -> SourceFuture<'a> {
        let (number, first) = {
            let mut fetched = self.fetched.lock().unwrap();
            let first = !fetched.iter().any(|before| before == path);
            fetched.push(path.to_owned());
            (fetched.len(), first)
        };
        Box::pin(async move {
            if number > self.stalls_after {
                self.stalled.notify_one();
                std::future::pending::<()>().await;
            }
            match self.files.get(path) {
                _ if self.fails == Some(path) => Err(SourceError::Status { status: 503 }),
                Some(bytes) if first && self.spoilt_once == Some(path) => Ok(vec![7; bytes.len()]),
                Some(bytes) => Ok(bytes.clone()),
                None => Err(SourceError::NotFound),
            }
        })
    }

    fn beside(&self, _: &str) -> Option<Box<dyn LogSource>> {
        None
    }
}

async fn audited(folder: &Path, ledger: &Ledger, source: &Source) -> Result<Audit, AuditFailure> {
    let mut state = AuditState::open(folder, ledger.vkey()).await.unwrap();
    audit(source, &mut state, &()).await
}

#[tokio::test]
async fn only_what_is_new_is_fetched_again() {
    let (folder, mut ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    let source = Source::new(ledger.files());
    audited(folder.path(), &ledger, &source).await.unwrap().verdict.unwrap();
    assert_eq!(
        source.fetched().len(),
        9,
        "every file once, and who came before is in the first: {:?}",
        source.fetched()
    );
    ledger.send("{}");
    let source = Source::new(ledger.files());
    let audit = audited(folder.path(), &ledger, &source).await.unwrap();
    assert_eq!((audit.entries, audit.verdict.unwrap().size), (1, 613));
    let bundles: Vec<_> = source.fetched().into_iter().filter(|path| path.starts_with("tile/entries/")).collect();
    assert_eq!(bundles, ["tile/entries/002.p/101"]);
    assert!(!source.fetched().iter().any(|path| path == "tile/0/000" || path == "tile/0/001"));
}

#[tokio::test]
async fn an_interrupted_first_audit_goes_on_where_it_was() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    let mut source = Source::new(ledger.files());
    source.fails = Some("tile/entries/002.p/100");
    let failed = audited(folder.path(), &ledger, &source).await;
    assert!(matches!(failed, Err(AuditFailure::Log(_))), "{failed:?}");
    let source = Source::new(ledger.files());
    let audit = audited(folder.path(), &ledger, &source).await.unwrap();
    assert!(audit.since.is_none(), "nothing was trusted");
    assert_eq!((audit.entries, audit.verdict.unwrap().leaves.messages), (100, 600));
    assert!(!source.fetched().iter().any(|path| path == "tile/entries/001"), "{:?}", source.fetched());
}

/// The entries that an audit said it has checked.
#[derive(Default)]
struct Heard(AtomicU64);

impl Progress for Heard {
    fn checked(&self, entries: u64) {
        self.0.fetch_add(entries, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn what_is_fetched_and_does_not_hold_is_no_progress() {
    let ledger = Ledger::with_messages(600);
    // Every bundle is there; the hashes beside the second are not, or those beside the first are wrong.
    for (fails, spoilt_once, checked) in
        [(None, None, 612), (Some("tile/0/001"), None, 256), (None, Some("tile/0/000"), 0)]
    {
        let (folder, heard) = (tempfile::tempdir().unwrap(), Heard::default());
        let mut state = AuditState::open(folder.path(), ledger.vkey()).await.unwrap();
        let mut source = Source::new(ledger.files());
        (source.fails, source.spoilt_once) = (fails, spoilt_once);
        let audited = audit(&source, &mut state, &heard).await;
        assert_eq!(audited.is_err(), fails.is_some(), "{audited:?}");
        assert!(source.fetched().iter().any(|path| path == "tile/entries/002.p/100"));
        assert_eq!(heard.0.into_inner(), checked, "{fails:?} {spoilt_once:?}");
    }
}

#[tokio::test]
async fn what_an_interrupted_audit_saw_counts_only_under_a_signed_root() {
    let (folder, mut ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    // The mirror shows another order of two messages, tiles and all, under the right checkpoint; and then is gone.
    let mut files = swapped(&mut ledger, 300, 301);
    files.insert("checkpoint".into(), ledger.checkpoint().into_bytes());
    let mut source = Source::new(files.clone());
    source.fails = Some("tile/entries/002.p/100");
    assert!(audited(folder.path(), &ledger, &source).await.is_err());
    let whole = Source::new(ledger.files());
    let audit = audited(folder.path(), &ledger, &whole).await.unwrap();
    assert_eq!((audit.entries, audit.verdict.unwrap().size), (612, 612), "it was looked at again from the start");
    // Had the mirror stayed, its root would have told.
    let other = tempfile::tempdir().unwrap();
    let found = audited(other.path(), &ledger, &Source::new(files)).await.unwrap().verdict.unwrap_err();
    assert_eq!(found.class().name(), "changed-checkpoint");
}

#[tokio::test]
async fn what_was_shown_during_an_interrupted_audit_binds_the_log() {
    let (folder, mut ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    let mut source = Source::new(ledger.files());
    source.fails = Some("tile/entries/002.p/100");
    assert!(audited(folder.path(), &ledger, &source).await.is_err());
    let other = Source::new(swapped(&mut ledger, 20, 21));
    let found = audited(folder.path(), &ledger, &other).await.unwrap().verdict.unwrap_err();
    assert_eq!(found.class().name(), "fork");
    ledger.leaves.truncate(500);
    let less = Source::new(ledger.files());
    let found = audited(folder.path(), &ledger, &less).await.unwrap().verdict.unwrap_err();
    assert_eq!(found.class().name(), "rollback");
}

#[tokio::test]
async fn an_audit_that_is_stopped_anywhere_leaves_a_state_that_the_next_goes_on_from() {
    let (folder, mut ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    for round in 0..3 {
        for stalls_after in 0..14 {
            let mut source = Source::new(ledger.files());
            source.stalls_after = stalls_after;
            let mut state = AuditState::open(folder.path(), ledger.vkey()).await.unwrap();
            tokio::select! {
                audit = audit(&source, &mut state, &()) => drop(audit.unwrap().verdict.unwrap()),
                () = source.stalled.notified() => {}
            }
        }
        let audit = audited(folder.path(), &ledger, &Source::new(ledger.files())).await.unwrap();
        assert_eq!(audit.since.unwrap().size, ledger.size(), "round {round}");
        let report = audit.verdict.unwrap();
        assert_eq!(report.leaves.messages + 12, report.size, "round {round}");
        for _ in 0..150 {
            ledger.send("{}");
        }
    }
}

#[tokio::test]
async fn a_fork_is_not_hidden_by_a_source_that_answers_differently_at_different_times() {
    let (folder, mut ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    audited(folder.path(), &ledger, &Source::new(ledger.files())).await.unwrap().verdict.unwrap();
    // Of the entries behind the last full bundle, which are fetched again.
    ledger.leaves.swap(520, 521);
    ledger.send("{}");
    let mut source = Source::new(ledger.files());
    source.spoilt_once = Some("tile/0/002.p/101");
    let found = audited(folder.path(), &ledger, &source).await.unwrap().verdict.unwrap_err();
    assert_eq!(found.class().name(), "changed-tile", "what would show the fork was not to be had");
    let found = audited(folder.path(), &ledger, &Source::new(ledger.files())).await.unwrap().verdict.unwrap_err();
    assert_eq!(found.class().name(), "fork");
}

#[test]
fn a_process_that_is_killed_leaves_a_state_that_the_next_audit_goes_on_from() {
    let ledger = Ledger::with_messages(600);
    let followed = Followed::new(&ledger);
    for path in ledger.files().into_keys().filter(|path| path != "vkey") {
        killed_at(
            followed.path(),
            &format!("log/{path}"),
            &["audit", "log", "log", "--vkey", "vkey", "--state", "state"],
        );
        followed.holds();
        let (code, told) = followed.audit();
        assert_eq!((code, &told["log"]["leaves"]["messages"]), (0, &json!(600)), "{told}");
        std::fs::remove_dir_all(followed.path().join("state")).unwrap();
    }
}

#[tokio::test]
async fn two_audits_never_use_one_state_folder() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(1));
    let _state = AuditState::open(folder.path(), ledger.vkey()).await.unwrap();
    let error = AuditState::open(folder.path(), ledger.vkey()).await.err().unwrap();
    assert!(error.to_string().contains("in use"), "{error}");
}
