//! `saphan trust`.

use serde_json::json;

use crate::hub::FakeHub;
use crate::ledger::{HUB, Ledger, SENDER};
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
    assert_eq!(file["broker"], "amqps://broker.test/saphan");
    assert!(file["operator"].is_object(), "the one who vouches for later keys");

    let again = saphan_beside(folder.path(), ["--json", "trust", hub.url(), "--out", "t.json"]).await;
    assert_eq!(again.code, 2, "an existing trust file must not change");
    let other = saphan_beside(folder.path(), ["--json", "trust", hub.url(), "--out", "u.json"]).await;
    assert_eq!(other.json()["trust"], file);
}

#[tokio::test]
async fn renewing_adds_the_keys_that_the_operator_signed_and_a_message_under_a_new_key_then_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::new()).await;
    let renew = ["trust", hub.url(), "--renew"];
    assert_eq!(saphan_beside(folder.path(), ["trust", hub.url()]).await.code, 0);
    let unchanged = saphan_beside(folder.path(), renew).await;
    assert_eq!((unchanged.code, unchanged.out.contains("has all keys")), (0, true), "{}", unchanged.out);

    let file = {
        let mut held = hub.held();
        held.ledger.rotate_receipt_key();
        let index = held.ledger.send(r#"{"a":1}"#);
        std::fs::write(folder.path().join("keys.jwks.json"), json!(held.ledger.system_keys(SENDER)).to_string())
            .unwrap();
        held.ledger.file(index)
    };
    std::fs::write(folder.path().join("m.saphan.json"), json!(file).to_string()).unwrap();
    let verify = ["verify", "m.saphan.json", "--trust", "trust.json", "--sender-keys", "keys.jwks.json"];
    assert_eq!(saphan_beside(folder.path(), verify).await.code, 1, "the receipt's key is not trusted yet");
    let renewed = saphan_beside(folder.path(), renew).await;
    assert_eq!(
        (renewed.code, renewed.out.contains("added or revoked since")),
        (0, true),
        "{}{}",
        renewed.out,
        renewed.err
    );
    let verified = saphan_beside(folder.path(), verify).await;
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[tokio::test]
async fn a_trust_file_without_the_operators_key_cannot_be_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::new()).await;
    let mut bundle = hub.held().ledger.trust();
    bundle.operator = None;
    std::fs::write(folder.path().join("trust.json"), json!(bundle).to_string()).unwrap();
    let ended = saphan_beside(folder.path(), ["trust", hub.url(), "--renew"]).await;
    assert_eq!((ended.code, ended.err.contains("operator's key")), (2, true), "{}", ended.err);
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
