//! What auditors asked.

use saphan_hub::store::{Effect, KeptQuery, KeyPlace, NewEntry, NewQuery, Store};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::leaf_hash;

use super::log_writer::LogWriter;

fn query(salt: &Salt, text: &str) -> NewEntry {
    let (leaf, commit) = (format!("a query: {text}").into_bytes(), Sha256Hash::of(text.as_bytes()));
    let query = NewQuery { commit, salt: salt.clone(), text: text.to_owned() };
    NewEntry { hash: leaf_hash(&leaf), leaf, effect: Effect::Query(Box::new(query)) }
}

pub(super) async fn a_query_is_kept_with_its_entry_or_not_at_all(store: &dyn Store) {
    let (mut log, salt) = (LogWriter::new(), Salt::generate().unwrap());
    log.commit(store, vec![LogWriter::message("{}"), query(&salt, "who?"), query(&salt, "why?")]).await;
    let kept = |index, text: &str| KeptQuery { index, salt: salt.clone(), text: text.to_owned() };
    assert_eq!(store.queries(&[2, 0, 1, 7]).await.unwrap(), [kept(1, "who?"), kept(2, "why?")]);
    assert!(store.queries(&[]).await.unwrap().is_empty());
    let message = LogWriter::message("{}");
    log.commit(store, vec![message.clone()]).await;
    // The same message again: the batch fails.
    let failing = log.batch_apart(vec![query(&salt, "when?"), message]);
    assert!(store.commit(&failing).await.is_err());
    assert!(store.queries(&[4, 5]).await.unwrap().is_empty());
}

pub(super) async fn queries_are_wrapped_again_with_everything_else(store: &dyn Store) {
    let (mut log, salt) = (LogWriter::new(), Salt::generate().unwrap());
    log.commit(store, vec![query(&salt, "who?")]).await;
    let [used] = store.storage_keys().await.unwrap()[..] else { panic!("one storage key") };
    assert!(store.wrapped_otherwise(used, 9).await.unwrap().is_empty());
    let other = saphan_hub::sealing::StorageKey::generate(9).unwrap().id();
    let found = store.wrapped_otherwise(other, 9).await.unwrap();
    assert_eq!(found.iter().map(|key| key.place).collect::<Vec<_>>(), [KeyPlace::Query(0)]);
    let mut damaged = found;
    damaged[0].wrapped.sealed.ciphertext[0] ^= 1;
    store.wrap_again(&damaged).await.unwrap();
    assert!(store.queries(&[0]).await.unwrap().is_empty(), "what does not open hides nothing else");
}
