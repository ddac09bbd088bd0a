//! What is stored of documents: nothing that can be read, nothing that can be changed unnoticed.

use std::sync::Arc;

use saphan_hub::documents::storage::Storage;
use saphan_schemas::problem::ProblemCode;

use crate::harness::{Document, FaultyObjects, Site, TestHub};

const MIB: usize = 1 << 20;

/// A hub on objects that the test has in its hands.
async fn hub_on_objects() -> (TestHub, Arc<FaultyObjects>) {
    let mut site = Site::new("");
    let objects = Arc::new(FaultyObjects::default());
    site.storage = Some(Storage::new(Arc::clone(&objects) as _, ""));
    let hub = site.start().await;
    hub.apply(hub.world.changes()).await;
    (hub, objects)
}

#[tokio::test]
async fn nothing_of_a_document_stands_in_storage_or_store_as_it_is() {
    let hub = TestHub::new().await;
    let mut document = Document::pdf(MIB);
    let words = b"the citizen's own words, which nobody else reads";
    document.bytes[1000..1000 + words.len()].copy_from_slice(words);
    assert_eq!(hub.put(&hub.world.portal, &document).await.status, 201);
    let mut folders = vec![hub.data_folder().to_path_buf()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for secret in [&words[..], document.salt.as_bytes()] {
                assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 5, "keys, store and parts were looked at");
}

#[tokio::test]
async fn a_changed_a_moved_and_a_shortened_part_are_found_out() {
    let (hub, objects) = hub_on_objects().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(9 * MIB));
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let names = objects.names().await;
    assert_eq!(names.len(), 3);
    let (first, second) = (objects.bytes(&names[0]).await, objects.bytes(&names[1]).await);
    let mut changed = first.clone();
    changed[7] ^= 1;
    objects.replace(&names[0], changed).await;
    hub.read(portal, &document).await.problem(ProblemCode::DocumentDamaged);
    let untouched = hub.read_range(portal, &document, "bytes=1000000-1000003").await;
    assert_eq!(untouched.body, document.bytes[1_000_000..1_000_004], "other chunks are as they were");
    objects.replace(&names[0], second.clone()).await;
    hub.read(portal, &document).await.problem(ProblemCode::DocumentDamaged);
    objects.replace(&names[0], first.clone()).await;
    objects.replace(&names[1], first).await;
    assert!(hub.read_breaks_off(portal, &document).await, "swapped");
    objects.replace(&names[1], second[..second.len() - 20].to_vec()).await;
    assert!(hub.read_breaks_off(portal, &document).await, "shortened");
    objects.replace(&names[1], second).await;
    assert!(hub.read(portal, &document).await.body == document.bytes);
}

#[tokio::test]
async fn a_full_storage_is_told_what_was_confirmed_is_kept_and_the_upload_goes_on() {
    let (hub, objects) = hub_on_objects().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(9 * MIB));
    assert_eq!(hub.put_piece(portal, &document, 0..4 * MIB).await.status, 202);
    objects.set_full(true);
    hub.put_piece(portal, &document, 4 * MIB..9 * MIB).await.problem(ProblemCode::StorageFull);
    hub.put(portal, &Document::pdf(100)).await.problem(ProblemCode::StorageFull);
    assert_eq!(hub.look(portal, &document).await.header("upload-offset"), Some("4194304"));
    hub.accept(&hub.world.message()).await;
    objects.set_full(false);
    assert_eq!(hub.put_piece(portal, &document, 4 * MIB..9 * MIB).await.status, 201);
    assert!(hub.read(portal, &document).await.body == document.bytes);
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_confirmed_and_the_upload_goes_on() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(2 * MIB));
    assert_eq!(hub.put_piece(portal, &document, 0..MIB).await.status, 202);
    hub.store.set_down(true);
    hub.put_piece(portal, &document, MIB..2 * MIB).await.problem(ProblemCode::HubUnavailable);
    hub.store.set_down(false);
    assert_eq!(hub.put_piece(portal, &document, MIB..2 * MIB).await.status, 201);
}

#[tokio::test]
async fn after_a_rotation_the_old_storage_key_can_go() {
    let hub = TestHub::new().await;
    let (portal, before, after) = (&hub.world.portal, Document::pdf(MIB), Document::pdf(MIB));
    assert_eq!(hub.put(portal, &before).await.status, 201);
    let keys = &hub.app.key_store;
    let old = keys.storage_ids().unwrap();
    let new = keys.add_storage().unwrap().id();
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), old);
    hub.keep_up().await;
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), [new]);
    keys.remove_storage(old[0]).unwrap();
    let hub = hub.stop().await.start().await;
    let portal = &hub.world.portal;
    assert!(hub.read(portal, &before).await.body == before.bytes);
    assert_eq!(hub.put(portal, &after).await.status, 201);
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), [new]);
}

#[tokio::test]
async fn a_storage_key_whose_file_goes_too_early_is_kept_until_nothing_is_wrapped_with_it() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(MIB));
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let keys = &hub.app.key_store;
    let old = keys.storage_ids().unwrap();
    let new = keys.add_storage().unwrap().id();
    keys.remove_storage(old[0]).unwrap();
    hub.keep_up().await;
    assert!(hub.read(portal, &document).await.body == document.bytes);
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), [new]);
}

#[tokio::test]
async fn a_hub_whose_storage_key_is_gone_does_not_start_and_says_which() {
    let hub = TestHub::new().await;
    assert_eq!(hub.put(&hub.world.portal, &Document::pdf(100)).await.status, 201);
    let keys = hub.app.key_store.clone();
    let id = keys.storage_ids().unwrap()[0];
    keys.remove_storage(id).unwrap();
    let site = hub.stop().await;
    let error = site.try_open().await.err().unwrap().to_string();
    assert!(error.contains(&format!("storage-{id}.key")), "{error}");
}

#[tokio::test]
async fn the_folder_of_an_older_hub_gets_a_storage_key_at_its_first_start() {
    let site = Site::new("");
    let keys = site.config.key_store();
    keys.remove_storage(keys.storage_ids().unwrap()[0]).unwrap();
    let hub = site.start().await;
    assert_eq!(hub.app.key_store.storage_ids().unwrap().len(), 1);
}
