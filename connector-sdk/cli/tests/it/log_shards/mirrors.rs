//! Mirrors that serve what no files hold: other bytes each time, or bytes without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saphan_cli::log_audit::audit;
use saphan_cli::log_audit::state::AuditState;
use saphan_cli::log_check::{LogSource, SourceError, SourceFuture, TamperClass};
use saphan_schemas::leaf::{Abandoned, Leaf, MAX_LEAF_BYTES};
use saphan_schemas::log::{Checkpoint, LogRebuilder, encode_bundle, leaf_hash};
use saphan_schemas::registry::{Change, Entry, HubKey};

use super::Files;
use super::begun::stranger;
use crate::ledger::{Ledger, NOW, ORIGIN, new_signer};

/// What it answers: a shard, and a path in its log.
type Answer = dyn Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync;

#[derive(Clone)]
struct Mirror {
    shard: String,
    answer: Arc<Answer>,
}

impl Mirror {
    fn new(shard: &str, answer: impl Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self { shard: shard.to_owned(), answer: Arc::new(answer) }
    }

    /// One that serves a log as it is.
    fn of(shard: &str, files: Files) -> Self {
        Self::new(shard, move |_, path| files.get(path).cloned())
    }
}

impl LogSource for Mirror {
    fn fetch<'a>(&'a self, path: &'a str) -> SourceFuture<'a> {
        Box::pin(async move { (self.answer)(&self.shard, path).ok_or(SourceError::NotFound) })
    }

    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>> {
        Some(Box::new(Self { shard: shard.to_owned(), ..self.clone() }))
    }
}

#[tokio::test]
async fn nobody_is_accused_by_a_mirror_that_shows_another_first_entry_each_time() {
    let mut honest = Ledger::with_messages(3);
    let (left, kept) = (honest.leaves.len(), honest.checkpoint());
    honest.send("{}");
    let (trusted, size) = (honest.files(), honest.size());
    for _ in 0..3 {
        honest.send("{}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut state = AuditState::open(folder.path(), honest.vkey()).await.unwrap();
    audit(&Mirror::of("2026h2", trusted.clone()), &mut state, &()).await.unwrap().verdict.unwrap();

    // A log of the mirror's own that registers the honest key too, under hashes of the honest log as far as something is left.
    let mut evil = Ledger::new();
    let vkey = honest.vkey().clone();
    let registered = evil.change(Change::Added(Entry::HubKey(HubKey::Log { vkey }))) as usize;
    let mut shown = honest.leaves[..left].to_vec();
    shown.extend([&b"x"[..], b"y"].map(<[u8]>::to_vec));
    let mut tree = LogRebuilder::new();
    shown.iter().for_each(|leaf| drop(tree.push_entry(leaf).unwrap()));
    let checkpoint = evil.checkpoint_of(tree.size(), tree.root());
    let hashes: Vec<u8> = shown.iter().flat_map(|leaf| *leaf_hash(leaf).as_bytes()).collect();
    (shown[0], shown[1]) = (evil.leaves[0].clone(), evil.leaves[registered].clone());
    let mut at_first = hashes.clone();
    at_first[..32].copy_from_slice(leaf_hash(&shown[0]).as_bytes());
    let entries = encode_bundle(&shown).unwrap();
    let [tile, bundle] = ["0", "entries"].map(|kind| format!("tile/{kind}/000.p/{}", shown.len()));
    let next = evil.into_next_after(stranger(), honest.checkpoint(), Some(Abandoned { kept, key: None })).files();
    let asked = AtomicUsize::new(0);
    let mirror = Mirror::new("2027h1", move |shard, path| match shard {
        "2027h1" => next.get(path).cloned(),
        _ if path == "checkpoint" => Some(checkpoint.clone().into_bytes()),
        _ if path == bundle => Some(entries.clone()),
        _ if path == tile && asked.fetch_add(1, Ordering::Relaxed) == 0 => Some(at_first.clone()),
        _ if path == tile => Some(hashes.clone()),
        _ => None,
    });
    let finding = audit(&mirror, &mut state, &()).await.unwrap().verdict.unwrap_err();
    assert_eq!(finding.class(), TamperClass::ChangedCheckpoint, "{finding}");
    assert!(!folder.path().join("evidence").exists(), "{finding}");
    let again = audit(&Mirror::of("2026h2", trusted), &mut state, &()).await.unwrap();
    assert_eq!((again.since.unwrap().size, again.verdict.unwrap().size), (size, size), "nothing was given up");
}

#[tokio::test]
async fn of_a_log_without_end_that_nobody_signed_no_more_is_read_than_a_registry_may_have() {
    let honest = Ledger::with_messages(1);
    let folder = tempfile::tempdir().unwrap();
    let mut state = AuditState::open(folder.path(), honest.vkey()).await.unwrap();
    audit(&Mirror::of("2026h2", honest.files()), &mut state, &()).await.unwrap().verdict.unwrap();
    // Its last checkpoint is not signed by its first key, so its entries would have to tell who else may.
    let endless = Checkpoint::new(ORIGIN.to_owned(), 1 << 50, leaf_hash(b"x")).sign(&new_signer()).unwrap();
    let next = Ledger::new().into_next_after(stranger(), endless.clone(), None).files();
    let filler = Leaf::Registry { ts: NOW * 1000, entry: "x".repeat(MAX_LEAF_BYTES - 100) }.to_bytes();
    let mut leaves = vec![filler; 256];
    leaves[0].clone_from(&honest.leaves[0]);
    let hashes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf_hash(leaf).as_bytes()).collect();
    let entries = encode_bundle(&leaves).unwrap();
    let mirror = Mirror::new("2027h1", move |shard, path| match shard {
        "2027h1" => next.get(path).cloned(),
        _ if path == "checkpoint" => Some(endless.clone().into_bytes()),
        _ if path.starts_with("tile/entries/") => Some(entries.clone()),
        _ if path.starts_with("tile/0/") => Some(hashes.clone()),
        _ => None,
    });
    let failure = audit(&mirror, &mut state, &()).await.unwrap_err();
    assert!(failure.to_string().contains("more than 256 MiB"), "{failure}");
}
