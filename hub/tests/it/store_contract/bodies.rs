//! Bodies: written sealed or not at all, kept for a time, erased.

use std::sync::Arc;

use saphan_hub::sealing::{SealError, StorageKeys};
use saphan_hub::store::{Asker, Effect, NewMessage, Store, StoreError};
use saphan_schemas::commitment::Salt;

use super::log_writer::{LogWriter, claims_of, lease, message_of};

fn until(until: u64) -> impl FnOnce(&mut NewMessage) {
    move |message| message.until = Some(until)
}

fn erasure(index: u64) -> saphan_hub::store::NewEntry {
    LogWriter::entry(format!("erasure of {index}"), Effect::Erasure { index })
}

pub(super) async fn a_body_is_read_as_it_was_written_with_its_own_salt(store: &dyn Store) {
    let mut log = LogWriter::new();
    let bodies = ["", "one", "two"];
    let messages: Vec<_> = bodies
        .iter()
        .zip(1..)
        .map(|(body, salt)| LogWriter::message_with(body, |message| message.salt = Salt::from_bytes([salt; 32])))
        .collect();
    log.commit(store, messages.clone()).await;
    let contents = store.cases().contents(&[2, 0, 1, 9]).await.unwrap();
    assert_eq!(contents.len(), 3);
    for (content, message) in contents.iter().zip(&messages) {
        let written = message_of(message);
        assert_eq!((&content.salt, &content.body), (&written.salt, &written.body));
        assert_eq!(content.leaf, message.leaf);
    }
}

pub(super) async fn without_keys_no_body_is_written_or_read(store: &dyn Store) {
    let mut log = LogWriter::new();
    log.commit(store, vec![LogWriter::message("one")]).await;
    store.seal_with(Arc::new(StorageKeys::default()));
    let batch = log.batch_apart(vec![LogWriter::message("two")]);
    assert!(matches!(store.commit(&batch).await, Err(StoreError::Seal(SealError::NoKey))));
    assert!(matches!(store.cases().contents(&[0]).await, Err(StoreError::Seal(SealError::KeyMissing { .. }))));
    log.commit(store, vec![LogWriter::entry("no message".into(), Effect::None)]).await;
}

pub(super) async fn bodies_are_due_at_their_time_those_that_wait_longest_first(store: &dyn Store) {
    let mut log = LogWriter::new();
    let kept = LogWriter::message("kept");
    let later = LogWriter::message_with("later", until(300));
    let sooner = LogWriter::message_with("sooner", until(200));
    log.commit(store, vec![kept, later, sooner]).await;
    assert!(store.bodies_due(199, 10).await.unwrap().is_empty());
    assert_eq!(store.bodies_due(300, 10).await.unwrap(), [2, 1]);
    assert_eq!(store.bodies_due(300, 1).await.unwrap(), [2]);
    store.keep_bodies(&[2, 7], 400).await.unwrap();
    assert_eq!(store.bodies_due(399, 10).await.unwrap(), [1]);
    assert_eq!(store.bodies_due(u64::MAX, 10).await.unwrap(), [1, 2]);
}

pub(super) async fn an_erased_body_is_gone_and_known_to_be(store: &dyn Store) {
    let mut log = LogWriter::new();
    let messages = ["one", "two"].map(|body| LogWriter::message_with(body, until(100)));
    let [first, second] = messages.clone();
    log.commit(store, vec![first, second]).await;
    log.commit(store, vec![LogWriter::message("beside it"), erasure(0)]).await;
    assert_eq!(store.erasures(Asker::Ledger, &[0, 1, 5]).await.unwrap(), [(0, 3)]);
    let contents = store.cases().contents(&[0, 1]).await.unwrap();
    assert_eq!(contents.iter().map(|content| content.index).collect::<Vec<_>>(), [1]);
    assert_eq!(store.bodies_due(100, 10).await.unwrap(), [1]);
    let written = message_of(&messages[0]);
    assert_eq!(store.messages(written.claims.jti).await.unwrap()[0].erased, Some(3));
    assert_eq!(store.receipt(0).await.unwrap().as_ref(), Some(&written.receipt));
    let [gone, kept, entry] = &*store.bodies(&[0, 1, 2, 3]).await.unwrap() else { panic!("not three messages") };
    assert_eq!((gone.index, gone.erased, &gone.leaf), (0, Some(3), &messages[0].leaf));
    assert_eq!((kept.index, kept.erased, kept.undelivered), (1, None, true));
    assert_eq!((entry.index, entry.reused_by.len()), (2, 0));
    assert!(store.wipe().await.unwrap(), "nobody reads");
    assert_eq!(lease(store, "a", (0, 10), 10).await, [(1, 0), (2, 0)], "what has no body is not delivered");
}

pub(super) async fn an_erasure_that_is_not_committed_erases_nothing(store: &dyn Store) {
    let mut log = LogWriter::new();
    let message = LogWriter::message("one");
    log.commit(store, vec![message.clone()]).await;
    let again = LogWriter::message_with("again", |new| claims_of(new).jti = message_of(&message).claims.jti);
    let broken = log.batch_apart(vec![erasure(0), again]);
    assert!(matches!(store.commit(&broken).await, Err(StoreError::Failed { .. })));
    assert_eq!(store.cases().contents(&[0]).await.unwrap().len(), 1);
    assert!(store.erasures(Asker::Request, &[0]).await.unwrap().is_empty());
}
