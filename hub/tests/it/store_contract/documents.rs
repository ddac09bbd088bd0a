//! What the store knows of documents and of the keys of what is sealed.

use saphan_hub::sealing::{Binding, DataKey, StorageKey, StorageKeys};
use saphan_hub::store::{Begun, DocumentId, DocumentState, NewDocument, NewPart, Part, Quota, Store, Unfinished};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;

use super::log_writer::{LogWriter, archive, office};

const fn quota(unfinished: u32) -> Quota {
    Quota { unfinished, uncited_bytes: u64::MAX }
}

fn portal() -> SystemId {
    "th.dga/portal".parse().unwrap()
}

fn keys() -> StorageKeys {
    StorageKeys::new([StorageKey::generate(1).unwrap()])
}

/// A document of ten bytes under this name, with a key.
fn document(name: &str, uploader: SystemId, keys: &StorageKeys) -> NewDocument {
    let (id, key) = (DocumentId::generate().unwrap(), DataKey::generate().unwrap());
    let binding = Binding::new("test", &[id.as_bytes()]);
    NewDocument {
        id,
        commit: Sha256Hash::of(name.as_bytes()),
        uploader,
        len: 10,
        media_type: "application/pdf".into(),
        chunk: 65536,
        salt: key.seal(&Binding::new("salt", &[]), &[7; 32]).unwrap(),
        key: keys.wrap(&key, &binding).unwrap(),
        binding,
        now: 1000,
    }
}

fn part(document: &NewDocument, number: u32, position: u64, len: u64) -> NewPart {
    let part = Part { number, position, len, prefix: [number as u8; 7] };
    NewPart { document: document.id, part, now: 2000 + u64::from(number) }
}

async fn upload(store: &dyn Store, new: &NewDocument) {
    assert_eq!(store.begin_upload(new, quota(10)).await.unwrap(), Begun::Yes);
    assert!(store.add_part(&part(new, 0, 0, 10)).await.unwrap());
    assert!(store.complete_upload(new.id).await.unwrap());
}

pub(super) async fn an_upload_grows_part_by_part_and_is_complete_once(store: &dyn Store) {
    let new = document("a", portal(), &keys());
    assert!(store.upload(new.commit, &portal()).await.unwrap().is_none());
    assert_eq!(store.begin_upload(&new, quota(10)).await.unwrap(), Begun::Yes);
    for (part, goes_on) in [
        (part(&new, 0, 1, 4), false),
        (part(&new, 0, 0, 4), true),
        (part(&new, 1, 0, 4), false),
        (part(&new, 1, 4, 7), false),
    ] {
        assert_eq!(store.add_part(&part).await.unwrap(), goes_on, "{part:?}");
    }
    assert!(!store.complete_upload(new.id).await.unwrap(), "bytes are missing");
    assert!(store.add_part(&part(&new, 1, 4, 6)).await.unwrap());
    let record = store.upload(new.commit, &portal()).await.unwrap().unwrap();
    assert_eq!((record.id, record.len, record.received), (new.id, 10, 10));
    assert_eq!((record.state, &record.key, &record.salt), (DocumentState::Received, &new.key, &new.salt));
    assert_eq!((&*record.media_type, record.chunk), ("application/pdf", 65536));
    assert_eq!(store.parts(new.id).await.unwrap(), [part(&new, 0, 0, 4).part, part(&new, 1, 4, 6).part]);
    assert!(store.readable(new.commit, &portal()).await.unwrap().is_none());
    assert!(store.complete_upload(new.id).await.unwrap());
    assert!(!store.complete_upload(new.id).await.unwrap());
    assert_eq!(store.readable(new.commit, &portal()).await.unwrap().unwrap().id, new.id);
    let again = document("a", portal(), &keys());
    assert_eq!(store.begin_upload(&again, quota(10)).await.unwrap(), Begun::Complete);
    store.refuse_upload(new.id).await.unwrap();
    assert!(store.readable(new.commit, &portal()).await.unwrap().is_some(), "what is complete is not refused");
}

pub(super) async fn an_upload_that_begins_anew_leaves_the_one_before_without_a_key(store: &dyn Store) {
    let keys = keys();
    let (first, second) = (document("a", portal(), &keys), document("a", portal(), &keys));
    assert_eq!(store.begin_upload(&first, quota(1)).await.unwrap(), Begun::Yes);
    assert!(store.add_part(&part(&first, 0, 0, 4)).await.unwrap());
    assert_eq!(store.begin_upload(&second, quota(1)).await.unwrap(), Begun::Yes, "it does not count beside itself");
    let record = store.upload(first.commit, &portal()).await.unwrap().unwrap();
    assert_eq!((record.id, record.received), (second.id, 0));
    assert!(!store.add_part(&part(&first, 1, 4, 6)).await.unwrap());
    assert_eq!(store.left_over(10).await.unwrap(), [first.id]);
    store.forget_document(second.id).await.unwrap();
    store.forget_document(first.id).await.unwrap();
    assert_eq!(store.left_over(10).await.unwrap(), []);
    assert_eq!(store.parts(first.id).await.unwrap(), []);
    assert!(store.upload(first.commit, &portal()).await.unwrap().is_some(), "only what was refused is forgotten");
}

pub(super) async fn unfinished_uploads_are_counted_for_each_system(store: &dyn Store) {
    let keys = keys();
    let [a, b, c] = ["a", "b", "c"].map(|name| document(name, portal(), &keys));
    assert_eq!(store.begin_upload(&a, quota(2)).await.unwrap(), Begun::Yes);
    assert_eq!(store.begin_upload(&b, quota(2)).await.unwrap(), Begun::Yes);
    assert_eq!(store.begin_upload(&c, quota(2)).await.unwrap(), Begun::TooMany);
    assert_eq!(store.begin_upload(&document("c", office(), &keys), quota(2)).await.unwrap(), Begun::Yes);
    store.refuse_upload(a.id).await.unwrap();
    assert_eq!(store.begin_upload(&c, quota(2)).await.unwrap(), Begun::Yes);
}

pub(super) async fn abandoned_and_received_uploads_are_found(store: &dyn Store) {
    let keys = keys();
    let [untouched, touched, received, complete] = ["a", "b", "c", "d"].map(|name| document(name, portal(), &keys));
    for new in [&untouched, &touched, &received] {
        assert_eq!(store.begin_upload(new, quota(10)).await.unwrap(), Begun::Yes);
    }
    assert!(store.add_part(&part(&touched, 0, 0, 4)).await.unwrap());
    assert!(store.add_part(&part(&received, 0, 0, 10)).await.unwrap());
    upload(store, &complete).await;
    let found = async |which| {
        let records = store.unfinished(which, 10).await.unwrap();
        records.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(found(Unfinished::Abandoned(1000)).await, []);
    assert_eq!(found(Unfinished::Abandoned(1001)).await, [untouched.id]);
    assert_eq!(found(Unfinished::Abandoned(2001)).await, [untouched.id, touched.id]);
    assert_eq!(found(Unfinished::Received).await, [received.id]);
}

pub(super) async fn the_parties_of_a_message_that_cites_a_document_may_read_it(store: &dyn Store) {
    let new = document("a", portal(), &keys());
    upload(store, &new).await;
    assert!(store.readable(new.commit, &office()).await.unwrap().is_none());
    let cites = |message: &mut saphan_hub::store::NewMessage| message.documents = vec![new.commit; 2];
    LogWriter::new().commit(store, vec![LogWriter::message("other"), LogWriter::message_with("a", cites)]).await;
    for (system, reads) in [(portal(), true), (office(), true), (archive(), false)] {
        assert_eq!(store.readable(new.commit, &system).await.unwrap().is_some(), reads, "{system}");
    }
    assert!(store.readable(Sha256Hash::of(b"b"), &office()).await.unwrap().is_none());
}

pub(super) async fn keys_are_wrapped_again_and_what_was_destroyed_stays_so(store: &dyn Store) {
    let (first, second) = (StorageKey::generate(1).unwrap(), StorageKey::generate(2).unwrap());
    let (old, new) = (first.id(), second.id());
    let keys = StorageKeys::new([first]);
    let [kept, refused] = ["a", "b"].map(|name| document(name, portal(), &keys));
    for document in [&kept, &refused] {
        assert_eq!(store.begin_upload(document, quota(10)).await.unwrap(), Begun::Yes);
    }
    assert_eq!(store.wrapped_otherwise(old, 10).await.unwrap(), []);
    let mut stored = store.wrapped_otherwise(new, 10).await.unwrap();
    assert_eq!((stored.len(), &stored[0].binding, &stored[0].wrapped), (2, &kept.binding, &kept.key));
    store.refuse_upload(refused.id).await.unwrap();
    let keys = StorageKeys::new([second]);
    for key in &mut stored {
        key.wrapped = keys.wrap(&DataKey::generate().unwrap(), &key.binding).unwrap();
    }
    store.wrap_again(&stored).await.unwrap();
    assert_eq!(store.wrapped_otherwise(old, 10).await.unwrap(), stored[..1]);
    assert_eq!(store.storage_keys().await.unwrap(), [new]);
    assert_eq!(store.upload(kept.commit, &portal()).await.unwrap().unwrap().key, stored[0].wrapped);
}
