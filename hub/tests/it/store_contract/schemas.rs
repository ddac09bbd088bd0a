//! The texts of schemas.

use saphan_hub::store::Store;
use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::digest::Sha256Hash;

pub(super) async fn a_text_is_found_by_its_hash_and_kept_once(store: &dyn Store) {
    let text = |title: &str| {
        SchemaText::parse(&format!(r#"{{"$id":"urn:saphan:schema:test.kept@1","title":"{title}"}}"#)).unwrap()
    };
    let (first, second) = (text("one"), text("ข้อความ"));
    let unknown = Sha256Hash::of(b"unknown");
    assert_eq!(store.schema_texts(&[first.sha256, unknown]).await.unwrap(), []);
    store.keep_schemas(std::slice::from_ref(&first)).await.unwrap();
    store.keep_schemas(&[second.clone(), first.clone()]).await.unwrap();
    let found = store.schema_texts(&[second.sha256, unknown, first.sha256]).await.unwrap();
    assert_eq!(found, [second, first]);
}
