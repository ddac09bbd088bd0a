//! Commits: all or nothing, on the head that they were built on.

use saphan_hub::store::{Asker, Batch, Effect, LoggedEntry, MessageState, NewEntry, Store, StoreCounts, StoreError};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::MessageId;
use saphan_schemas::log::TileHash;

use super::log_writer::{LogWriter, claims_of, first_log, message_of, office};

pub(super) async fn a_store_that_was_never_written_has_nothing(store: &dyn Store) {
    assert_eq!(store.head().await.unwrap(), None);
    assert!(store.messages(MessageId::new()).await.unwrap().is_empty());
    assert!(store.outcomes(Asker::Request, &[0, 1]).await.unwrap().is_empty());
    assert_eq!(store.not_addressed(&office(), &[7]).await.unwrap(), Some(7));
    assert!(store.entries(0, 256).await.unwrap().is_empty());
    assert!(store.hashes(&first_log(), 0, 0, 256).await.unwrap().is_empty());
    assert!(store.registry_entries(0).await.unwrap().is_empty());
    assert!(store.known(Asker::Request, &[]).await.unwrap().is_empty());
    assert_eq!(store.checkpoint(0).await.unwrap(), None);
    assert_eq!(store.acknowledgement(Asker::Request, &office(), MessageId::new()).await.unwrap(), None);
    assert_eq!(store.counts().await.unwrap(), StoreCounts::default());
    assert_eq!(store.expire(u64::MAX).await.unwrap(), 0);
}

pub(super) async fn what_was_committed_is_read_back(store: &dyn Store) {
    let mut log = LogWriter::new();
    let message = LogWriter::message("one");
    let other = LogWriter::entry("a refusal".into(), Effect::None);
    let batch = log.batch(vec![other.clone(), message.clone()]);
    store.commit(&batch).await.unwrap();
    assert_eq!(store.head().await.unwrap(), Some(batch.head.clone()));
    assert_eq!(store.checkpoint(2).await.unwrap(), Some(batch.head.checkpoint));
    assert_eq!(store.entries(0, 256).await.unwrap(), [other.leaf.clone(), message.leaf.clone()]);
    assert_eq!(store.hashes(&first_log(), 0, 0, 256).await.unwrap(), [other.hash, message.hash]);
    let written = message_of(&message);
    let [record] = &*store.messages(written.claims.jti).await.unwrap() else { panic!("not one record") };
    assert_eq!((record.index, record.state), (1, MessageState::Accepted));
    assert_eq!((&record.sender, &record.recipient), (&written.claims.iss, &written.claims.aud));
    assert_eq!((&record.code, record.acknowledgement), (&None, None));
    assert_eq!(store.receipt(record.index).await.unwrap().as_ref(), Some(&written.receipt));
    let [known] = &*store.known(Asker::Request, &[(&written.claims.iss, written.claims.jti)]).await.unwrap() else {
        panic!("not known")
    };
    assert_eq!(
        (&known.sender, known.id, known.content, known.index),
        (&written.claims.iss, written.claims.jti, written.content, 1)
    );
    assert!(store.outcomes(Asker::Request, &[1]).await.unwrap().is_empty(), "nobody said anything of it");
    for (recipient, places, not_addressed) in [
        (&written.claims.aud, &[1][..], None),
        (&written.claims.aud, &[], None),
        (&written.claims.aud, &[1, 0], Some(0)),
        (&written.claims.aud, &[1, u64::MAX], Some(u64::MAX)),
        (&written.claims.iss, &[1], Some(1)),
    ] {
        assert_eq!(store.not_addressed(recipient, places).await.unwrap(), not_addressed, "{places:?}");
    }
}

pub(super) async fn a_trial_write_changes_nothing(store: &dyn Store) {
    store.probe().await.unwrap();
    assert_eq!(store.head().await.unwrap(), None);
    let mut log = LogWriter::new();
    let batch = log.batch(vec![LogWriter::message("one")]);
    store.commit(&batch).await.unwrap();
    store.probe().await.unwrap();
    assert_eq!(store.head().await.unwrap(), Some(batch.head));
    assert_eq!(store.entries(0, 256).await.unwrap().len(), 1);
}

pub(super) async fn a_batch_on_another_head_is_refused_and_nothing_written(store: &dyn Store) {
    let mut log = LogWriter::new();
    let early = log.batch_apart(vec![LogWriter::message("early")]);
    let first = log.batch(vec![LogWriter::message("first"), LogWriter::message("second")]);
    let mut ahead = log.batch_apart(vec![LogWriter::message("ahead")]);
    // Nothing is there yet.
    assert!(matches!(store.commit(&ahead).await, Err(StoreError::HeadMoved { size: 0 })));
    store.commit(&first).await.unwrap();
    assert!(matches!(store.commit(&early).await, Err(StoreError::HeadMoved { size: 2 })));
    assert!(matches!(store.commit(&first).await, Err(StoreError::HeadMoved { size: 2 })));
    ahead.first += 1;
    assert!(matches!(store.commit(&ahead).await, Err(StoreError::HeadMoved { size: 2 })));
    unchanged(store, &first, &[&early, &ahead]).await;
}

pub(super) async fn a_batch_that_fails_in_its_middle_leaves_nothing(store: &dyn Store) {
    let mut log = LogWriter::new();
    let message = LogWriter::message("first");
    let first = log.batch(vec![message.clone()]);
    store.commit(&first).await.unwrap();
    // Its second message has an id that its sender used before; what stands before and after it is good.
    let again = LogWriter::message_with("again", |new| claims_of(new).jti = message_of(&message).claims.jti);
    let registry = LogWriter::entry("a registry entry".into(), Effect::Registry);
    let broken = log.batch_apart(vec![LogWriter::message("before"), registry, again, LogWriter::message("after")]);
    assert!(matches!(store.commit(&broken).await, Err(StoreError::Failed { .. })));
    unchanged(store, &first, &[&broken]).await;
    // The store goes on.
    log.commit(store, vec![LogWriter::message("next")]).await;
    assert_eq!(store.counts().await.unwrap().outbox_pull, 2);
}

pub(super) async fn ids_are_unique_for_a_sender(store: &dyn Store) {
    let mut log = LogWriter::new();
    let id = MessageId::new();
    let of = |sender: &str| {
        LogWriter::message_with(sender, |message| {
            claims_of(message).jti = id;
            claims_of(message).iss = sender.parse().unwrap();
        })
    };
    log.commit(store, vec![of("th.a/one"), of("th.b/two")]).await;
    let senders: Vec<_> = store.messages(id).await.unwrap().iter().map(|record| record.sender.to_string()).collect();
    assert_eq!(senders, ["th.a/one", "th.b/two"]);
    let (one, three) = ("th.a/one".parse().unwrap(), "th.c/three".parse().unwrap());
    let known = store.known(Asker::Request, &[(&three, id), (&one, id), (&one, MessageId::new())]).await.unwrap();
    assert_eq!(known.iter().map(|known| known.index).collect::<Vec<_>>(), [0]);
    let twice = log.batch_apart(vec![of("th.c/three"), of("th.c/three")]);
    assert!(matches!(store.commit(&twice).await, Err(StoreError::Failed { .. })));
    assert!(store.known(Asker::Request, &[(&three, id)]).await.unwrap().is_empty());
}

pub(super) async fn ranges_are_cut_at_the_end_of_the_log(store: &dyn Store) {
    let mut log = LogWriter::new();
    let entries: Vec<_> = (0..10).map(|number| LogWriter::entry(number.to_string(), Effect::None)).collect();
    log.commit(store, entries.clone()).await;
    let leaf = |at: usize| entries[at].leaf.clone();
    assert_eq!(store.entries(3, 2).await.unwrap(), [leaf(3), leaf(4)]);
    assert_eq!(store.entries(9, 5).await.unwrap(), [leaf(9)]);
    assert_eq!(store.hashes(&first_log(), 0, 8, 5).await.unwrap(), [entries[8].hash, entries[9].hash]);
    assert!(store.entries(10, 5).await.unwrap().is_empty());
    assert!(store.entries(u64::MAX, 5).await.unwrap().is_empty());
    assert!(store.entries(0, 0).await.unwrap().is_empty());
    assert!(store.hashes(&first_log(), 1, 0, 5).await.unwrap().is_empty());
}

pub(super) async fn every_size_that_was_signed_has_its_checkpoint(store: &dyn Store) {
    let mut log = LogWriter::new();
    let first = log.batch(vec![LogWriter::message("a"), LogWriter::message("b")]);
    let second = log.batch(vec![LogWriter::message("c")]);
    for batch in [&first, &second] {
        store.commit(batch).await.unwrap();
    }
    assert_eq!(store.checkpoint(2).await.unwrap(), Some(first.head.checkpoint));
    assert_eq!(store.checkpoint(3).await.unwrap(), Some(second.head.checkpoint.clone()));
    assert_eq!(store.checkpoint(1).await.unwrap(), None, "nobody signed that size");
    assert_eq!(store.head().await.unwrap(), Some(second.head));
}

pub(super) async fn registry_entries_are_found_among_the_others(store: &dyn Store) {
    let mut log = LogWriter::new();
    let registry = |text: &str| LogWriter::entry(text.into(), Effect::Registry);
    log.commit(store, vec![registry("a"), LogWriter::message("m"), registry("b")]).await;
    log.commit(store, vec![LogWriter::entry("r".into(), Effect::None), registry("c")]).await;
    let logged = |index, text: &str| LoggedEntry { index, leaf: text.into() };
    let all = [logged(0, "a"), logged(2, "b"), logged(4, "c")];
    assert_eq!(store.registry_entries(0).await.unwrap(), all);
    assert_eq!(store.registry_entries(1).await.unwrap(), all[1..]);
    assert_eq!(store.registry_entries(4).await.unwrap(), all[2..]);
    assert!(store.registry_entries(5).await.unwrap().is_empty());
}

pub(super) async fn tile_hashes_are_kept_level_by_level(store: &dyn Store) {
    let mut log = LogWriter::new();
    let entries = |count: usize| -> Vec<NewEntry> {
        (0..count).map(|number| LogWriter::entry(number.to_string(), Effect::None)).collect()
    };
    let mut expected: Vec<Sha256Hash> = Vec::new();
    for count in [255, 1, 600] {
        let batch = log.batch(entries(count));
        expected.extend(batch.tile_hashes.iter().map(|tile: &TileHash| {
            assert_eq!(tile.level, 1);
            tile.hash
        }));
        store.commit(&batch).await.unwrap();
    }
    assert_eq!(expected.len(), 856 / 256);
    assert_eq!(store.hashes(&first_log(), 1, 0, 256).await.unwrap(), expected);
    assert_eq!(store.hashes(&first_log(), 1, 1, 1).await.unwrap(), expected[1..2]);
    assert!(store.hashes(&first_log(), 2, 0, 256).await.unwrap().is_empty());
}

/// That the store holds `last` and nothing of `refused`.
async fn unchanged(store: &dyn Store, last: &Batch, refused: &[&Batch]) {
    assert_eq!(store.head().await.unwrap().as_ref(), Some(&last.head));
    let leaves: Vec<_> = last.entries.iter().map(|entry| entry.leaf.clone()).collect();
    assert_eq!(store.entries(0, 256).await.unwrap(), leaves);
    assert_eq!(store.counts().await.unwrap().outbox_pull, leaves.len() as u64);
    assert!(store.registry_entries(0).await.unwrap().is_empty());
    for batch in refused {
        let signed = store.checkpoint(batch.head.range.size()).await.unwrap();
        assert_ne!(signed.as_ref(), Some(&batch.head.checkpoint));
        let new = batch.entries.iter().filter(|entry| matches!(entry.effect, Effect::Message(_))).map(message_of);
        for message in
            new.filter(|message| !last.entries.iter().any(|entry| message_of(entry).claims.jti == message.claims.jti))
        {
            assert!(store.messages(message.claims.jti).await.unwrap().is_empty());
        }
    }
}
