//! `saphan trust`.

use crate::hub::FakeHub;
use crate::ledger::{HUB, Ledger};
use crate::program::saphan_beside;

#[tokio::test]
async fn the_hubs_keys_are_fetched_once_and_that_they_are_its_own_word_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::new()).await;
    let ended = saphan_beside(folder.path(), ["trust", hub.url(), "--out", "t.json"]).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("trust on first use"), "{}", ended.out);
    let file = std::fs::read_to_string(folder.path().join("t.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["hub"], HUB);
    assert_eq!(file["vkey"], hub.held().ledger.vkey().to_string());

    let again = saphan_beside(folder.path(), ["--json", "trust", hub.url(), "--out", "t.json"]).await;
    assert_eq!(again.code, 2, "an existing trust file must not change");
    let other = saphan_beside(folder.path(), ["--json", "trust", hub.url(), "--out", "u.json"]).await;
    assert_eq!(other.json()["trust"], file);
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_told_apart_from_an_address_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::new()).await;
    let url = hub.url().to_owned();
    hub.stop().await;
    assert_eq!(saphan_beside(folder.path(), ["trust", url.as_str()]).await.code, 3);
    assert_eq!(saphan_beside(folder.path(), ["trust", "http://hub.example"]).await.code, 2);
    assert!(!folder.path().join("trust.json").exists());
}
