//! The hub's own keys: rotated with an overlap, revoked, and what was signed before stays valid.

use saphan_hub::keys::{KeyStore, KeyUse};
use saphan_schemas::keys::{JwkSet, KeyId, SigningKey};
use saphan_schemas::log::{SignedCheckpoint, VerifierKey};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::receipt::UnverifiedReceipt;
use saphan_schemas::registry::{Change, Entry, EntryId, HubKey, HubKeyId};
use saphan_schemas::trust::{EndedKey, TrustBundle, TrustEntries};

use crate::harness::{Evidence, LogCopy, TestHub};

/// Makes another key in the hub's folder and registers it, as `saphan-hub keys rotate` does.
async fn rotate(hub: &TestHub, usage: KeyUse) -> HubKeyId {
    let key = hub.app.key_store.add(usage).unwrap();
    let id = key.id();
    hub.apply([Change::Added(Entry::HubKey(key))]).await;
    id
}

async fn revoke(hub: &TestHub, id: HubKeyId) {
    hub.apply([Change::Revoked(EntryId::HubKey(id))]).await;
}

fn signed_with(evidence: &Evidence) -> KeyId {
    UnverifiedReceipt::parse(&evidence.receipt).unwrap().kid()
}

fn standing(hub: &TestHub) -> (KeyId, VerifierKey) {
    let state = hub.app.registry.state();
    (state.receipt_keys().standing().next().unwrap().id(), state.log_keys().standing().next().unwrap().clone())
}

#[tokio::test]
async fn a_new_receipt_key_signs_at_once_and_old_receipts_stay_verifiable_after_the_old_one_is_revoked() {
    let hub = TestHub::new().await;
    let old_message = hub.world.message();
    let old = hub.submit(&old_message).await.accepted();
    let HubKeyId::Receipts(kid) = rotate(&hub, KeyUse::Receipts).await else { panic!() };
    let message = hub.world.message();
    let new = hub.submit(&message).await.accepted();
    assert_eq!((signed_with(&new), signed_with(&old) == kid), (kid, false));
    revoke(&hub, HubKeyId::Receipts(signed_with(&old))).await;
    hub.verify(&old_message, &old).await;
    hub.verify(&message, &new).await;
    let published: JwkSet = hub.get("/v1/keys").await.json(200);
    let revoked: Vec<_> = published.keys.iter().map(|key| (key.kid == kid, key.revoked.is_some())).collect();
    assert_eq!(revoked, [(false, true), (true, false)]);
}

#[tokio::test]
async fn during_the_overlap_every_checkpoint_is_signed_by_both_log_keys_and_then_by_the_new_one_alone() {
    let hub = TestHub::new().await;
    let (_, old) = standing(&hub);
    let HubKeyId::Log(new) = rotate(&hub, KeyUse::Log).await else { panic!() };
    hub.submit(&hub.world.message()).await.accepted();
    let checkpoint = hub.get("/v1/log/checkpoint").await;
    for key in [&old, &new] {
        SignedCheckpoint::parse_and_verify(checkpoint.text(), key).unwrap();
    }
    let bundle: TrustBundle = hub.get("/v1/trust").await.json(200);
    assert_eq!((bundle.vkey, bundle.more_vkeys), (new.clone(), vec![old.clone()]));
    revoke(&hub, HubKeyId::Log(old.clone())).await;
    let message = hub.world.message();
    let evidence = hub.submit(&message).await.accepted();
    hub.verify(&message, &evidence).await;
    let checkpoint = hub.get("/v1/log/checkpoint").await;
    SignedCheckpoint::parse_and_verify(checkpoint.text(), &old).unwrap_err();
    // The whole log rebuilds under the new key, of which it serves the verifier.
    LogCopy::fetch(&hub).await;
}

#[tokio::test]
async fn a_restart_signs_with_the_keys_of_the_registry_and_needs_no_file_of_a_revoked_one() {
    let hub = TestHub::new().await;
    let (receipts, log) = standing(&hub);
    rotate(&hub, KeyUse::Receipts).await;
    rotate(&hub, KeyUse::Log).await;
    revoke(&hub, HubKeyId::Receipts(receipts)).await;
    revoke(&hub, HubKeyId::Log(log)).await;
    let before = standing(&hub);
    for name in ["receipts.pem", "log.pem"] {
        std::fs::remove_file(hub.data_folder().join(name)).unwrap();
    }
    let hub = hub.stop().await.start().await;
    assert_eq!(standing(&hub), before);
    let message = hub.world.message();
    let evidence = hub.submit(&message).await.accepted();
    assert_eq!(signed_with(&evidence), before.0);
    hub.verify(&message, &evidence).await;
}

#[tokio::test]
async fn the_last_key_of_a_use_and_a_key_that_is_none_of_the_hubs_cannot_be_revoked() {
    let hub = TestHub::new().await;
    let (receipts, log) = standing(&hub);
    for (id, words) in [
        (HubKeyId::Receipts(receipts), "last key"),
        (HubKeyId::Log(log), "last key"),
        (HubKeyId::Receipts(hub.world.portal.key.id()), "does not exist"),
    ] {
        let problem = hub.change_registry([Change::Revoked(EntryId::HubKey(id))]).await;
        let problem = problem.problem(ProblemCode::RegistryEntryInvalid);
        assert!(problem.detail.as_ref().unwrap().contains(words), "{problem:?}");
    }
}

#[tokio::test]
async fn a_registered_key_whose_file_is_missing_leaves_the_one_before_it_in_use() {
    let hub = TestHub::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let key = KeyStore::new(elsewhere.path(), hub.app.origin.clone()).add(KeyUse::Receipts).unwrap();
    let (before, _) = standing(&hub);
    hub.apply([Change::Added(Entry::HubKey(key))]).await;
    assert_eq!(signed_with(&hub.submit(&hub.world.message()).await.accepted()), before);
}

#[tokio::test]
async fn a_log_key_whose_file_is_missing_signs_nothing_and_the_others_go_on_also_after_a_restart() {
    let hub = TestHub::new().await;
    let (_, before) = standing(&hub);
    let HubKeyId::Log(lost) = rotate(&hub, KeyUse::Log).await else { panic!() };
    let id = u32::from_be_bytes(*lost.key_id());
    let file = hub.data_folder().join(format!("log-{id:08x}.pem"));
    std::fs::remove_file(file).unwrap();
    let hub = hub.stop().await.start().await;
    hub.submit(&hub.world.message()).await.accepted();
    let checkpoint = hub.get("/v1/log/checkpoint").await;
    SignedCheckpoint::parse_and_verify(checkpoint.text(), &before).unwrap();
    SignedCheckpoint::parse_and_verify(checkpoint.text(), &lost).unwrap_err();
}

#[tokio::test]
async fn a_key_file_that_does_not_open_is_passed_over_unless_the_registry_may_have_its_key() {
    let hub = TestHub::new().await;
    let folder = hub.data_folder().to_owned();
    rotate(&hub, KeyUse::Receipts).await;
    let HubKeyId::Log(log) = rotate(&hub, KeyUse::Log).await else { panic!() };
    // As a rotation left them that broke off, under a passphrase that this hub does not have.
    let (elsewhere, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = secret.path().join("secret");
    saphan_keys::file::write_new(&secret, "other").unwrap();
    let protected = KeyStore::new(elsewhere.path(), hub.app.origin.clone());
    let protected = KeyStore { passphrase_file: Some(secret), ..protected };
    for usage in [KeyUse::Receipts, KeyUse::Log, KeyUse::Operator] {
        protected.add(usage).unwrap();
    }
    for entry in std::fs::read_dir(elsewhere.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.join("receipts-of-march.pem"), "no key").unwrap();
    let hub = hub.stop().await.start().await;
    hub.submit(&hub.world.message()).await.accepted();
    SignedCheckpoint::parse_and_verify(hub.get("/v1/log/checkpoint").await.text(), &log).unwrap();

    let file = folder.join(format!("log-{:08x}.pem", u32::from_be_bytes(*log.key_id())));
    std::fs::write(&file, "no key").unwrap();
    let site = hub.stop().await;
    let error = site.try_open().await.err().unwrap().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_key_of_another_log_is_refused() {
    let hub = TestHub::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let key = KeyStore::new(elsewhere.path(), "hub.other/log/main".into()).add(KeyUse::Log).unwrap();
    let problem = hub.change_registry([Change::Added(Entry::HubKey(key))]).await;
    let problem = problem.problem(ProblemCode::RegistryEntryInvalid);
    assert!(problem.detail.as_ref().unwrap().contains(&hub.app.origin), "{problem:?}");
}

#[tokio::test]
async fn an_operators_key_is_rotated_with_an_overlap_and_once_revoked_changes_nothing_any_more() {
    let mut hub = TestHub::new().await;
    let old = HubKeyId::Operator(hub.operator.public().id());
    let problem = hub.change_registry([Change::Revoked(EntryId::HubKey(old.clone()))]).await;
    let problem = problem.problem(ProblemCode::RegistryEntryInvalid);
    assert!(problem.detail.as_ref().unwrap().contains("last key"), "{problem:?}");

    let (new, _) = SigningKey::generate().unwrap();
    hub.apply([Change::Added(Entry::HubKey(HubKey::Operator { jwk: *new.public() }))]).await;
    rotate(&hub, KeyUse::Receipts).await;
    let bundle: TrustBundle = hub.get("/v1/trust").await.json(200);
    assert_eq!((bundle.operator, bundle.more_operators), (Some(*new.public()), vec![*hub.operator.public()]));

    let first = std::mem::replace(&mut hub.operator, new);
    revoke(&hub, old).await;
    rotate(&hub, KeyUse::Receipts).await;
    hub.operator = first;
    let (kid, _) = standing(&hub);
    let refused = hub.change_registry([Change::Revoked(EntryId::HubKey(HubKeyId::Receipts(kid)))]).await;
    refused.problem(ProblemCode::KeyUnknown);
    // A restart folds the same.
    let hub = hub.stop().await.start().await;
    assert_eq!(standing(&hub).0, kid);
}

#[tokio::test]
async fn a_key_that_the_hub_still_signs_with_is_not_revoked_though_another_is_registered() {
    let hub = TestHub::new().await;
    let kid = hub.app.ledger.keys().borrow().receipts.public().id();
    // The file of this one is not here.
    let elsewhere = HubKey::Receipts { jwk: *SigningKey::generate().unwrap().0.public() };
    hub.apply([Change::Added(Entry::HubKey(elsewhere))]).await;
    let revoked = || Change::Revoked(EntryId::HubKey(HubKeyId::Receipts(kid)));
    let problem = hub.change_registry([revoked()]).await.problem(ProblemCode::RegistryEntryInvalid);
    assert!(problem.detail.unwrap().contains("the hub still signs with this key"));
    rotate(&hub, KeyUse::Receipts).await;
    hub.apply([revoked()]).await;
    let trust = hub.get("/v1/trust").await.json::<TrustBundle>(200);
    let end = EndedKey { key: HubKeyId::Receipts(kid), index: hub.size() - 1, log: None };
    assert_eq!(trust.ended, [end], "who joins now knows where it ended");
}

#[tokio::test]
async fn the_log_keys_that_the_hub_signs_with_are_not_all_revoked_in_one_request() {
    let hub = TestHub::new().await;
    let (_, old) = standing(&hub);
    let HubKeyId::Log(second) = rotate(&hub, KeyUse::Log).await else { panic!() };
    let third = hub.app.key_store.add(KeyUse::Log).unwrap();
    let end = |vkey: &VerifierKey| Change::Revoked(EntryId::HubKey(HubKeyId::Log(vkey.clone())));
    let all = [Change::Added(Entry::HubKey(third)), end(&old), end(&second)];
    hub.change_registry(all).await.problem(ProblemCode::RegistryEntryInvalid);
    hub.apply([end(&old)]).await;
    hub.submit(&hub.world.message()).await.accepted();
    hub.stop().await.start().await;
}

#[tokio::test]
async fn who_knows_the_operators_key_can_follow_to_the_new_keys() {
    let hub = TestHub::new().await;
    let before = hub.get("/v1/trust").await.json::<TrustBundle>(200);
    rotate(&hub, KeyUse::Receipts).await;
    rotate(&hub, KeyUse::Log).await;
    let TrustEntries { entries } = hub.get("/v1/trust/entries").await.json(200);
    let followed = before.trust().follow(&entries).unwrap();
    let (receipts, log) = standing(&hub);
    assert!(followed.receipts.iter().any(|key| key.id() == receipts), "{followed:?}");
    assert_eq!(followed.more_logs, [log]);
}
