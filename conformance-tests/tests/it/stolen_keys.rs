//! What an agency sees and does when somebody else had its key, with the real programs.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use saphan_connector::membership::Membership;
use saphan_examples::local::hub::HubProcess;
use saphan_examples::portal;
use saphan_schemas::keys::{KeyId, SigningKey};
use saphan_schemas::trust::TrustBundle;
use serde_json::Value;

use crate::agency::{done, hub, join, saphan};

/// Whoever has the key of a folder.
fn thief(hub: &HubProcess, folder: &Path) -> Membership {
    let key = SigningKey::from_pem(&std::fs::read_to_string(folder.join("saphan.key.pem")).unwrap()).unwrap();
    as_key(hub, folder, key)
}

fn as_key(hub: &HubProcess, folder: &Path, key: SigningKey) -> Membership {
    let trust: TrustBundle = serde_json::from_slice(&std::fs::read(folder.join("trust.json")).unwrap()).unwrap();
    Membership::new(hub.url(), portal::SYSTEM.parse().unwrap(), Arc::new(key), &trust.trust()).unwrap()
}

/// The keys that stand, and those that are revoked, as `saphan keys list` shows them.
async fn listed(folder: &Path) -> (Vec<String>, Vec<String>) {
    let told = done(folder, &["keys", "list"]).await;
    let kids = |wanted: &dyn Fn(&Value) -> bool| {
        let keys = told["keys"].as_array().unwrap().iter().filter(|key| wanted(key));
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    (kids(&|key| key["stands"] == true), kids(&|key| key["revoked"].is_u64()))
}

async fn key_step(folder: &Path) -> Value {
    let told = done(folder, &["doctor"]).await;
    told["checks"].as_array().unwrap().iter().find(|check| check["step"] == "key").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_a_thief_added_are_shown_warned_of_and_all_revoked_at_once() {
    let hub = hub().await;
    let folder = join(&hub, portal::SYSTEM).await;
    let path = folder.path();
    assert_eq!(key_step(path).await["verdict"], "ok");
    let (added, _) = SigningKey::generate().unwrap();
    let (later, _) = SigningKey::generate().unwrap();
    let tomorrow = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 86_400;
    let thief = thief(&hub, path);
    thief.add_key(*added.public(), None, None).await.unwrap();
    thief.add_key(*later.public(), Some(tomorrow), None).await.unwrap();

    let stolen = done(path, &["keys", "rotate"]).await["old_kid"].as_str().unwrap().to_owned();
    let own = done(path, &["keys", "show", "saphan.key.pem"]).await["kid"].as_str().unwrap().to_owned();
    assert_eq!(listed(path).await.0.len(), 4);
    let warned = key_step(path).await;
    assert_eq!(warned["verdict"], "warning", "{warned}");
    let others = [stolen, added.id().to_string(), later.id().to_string()];
    for kid in &others {
        assert!(warned["says"].as_str().unwrap().contains(kid), "{warned}");
    }

    let revoked = done(path, &["keys", "revoke", "--all-others"]).await;
    assert_eq!(revoked["revoked"].as_array().unwrap().len(), 3, "{revoked}");
    let (stand, mut ended) = listed(path).await;
    let mut expected = others.to_vec();
    ended.sort();
    expected.sort();
    assert_eq!((stand, ended), (vec![own], expected));
    assert_eq!(key_step(path).await["verdict"], "ok");
    let (another, _) = SigningKey::generate().unwrap();
    for thief in [thief, as_key(&hub, path, added)] {
        thief.add_key(*another.public(), None, None).await.unwrap_err();
    }
    let again = done(path, &["keys", "revoke", "--all-others"]).await;
    assert_eq!(again["revoked"], serde_json::json!([]));
    let (exit, told) = saphan(path, &["keys", "revoke"]).await;
    assert_eq!(exit, 2, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_was_cut_off_and_whose_key_was_revoked_meanwhile_takes_another_key() {
    let hub = hub().await;
    let folder = join(&hub, portal::SYSTEM).await;
    let path = folder.path();
    let cut_off = done(path, &["keys", "new", "--out", "saphan.key.pem.next"]).await;
    let kid: KeyId = cut_off["kid"].as_str().unwrap().parse().unwrap();
    let membership = thief(&hub, path);
    membership.add_key(serde_json::from_value(cut_off["jwk"].clone()).unwrap(), None, None).await.unwrap();
    membership.revoke_key(kid).await.unwrap();

    let rotated = done(path, &["keys", "rotate"]).await;
    assert_ne!(rotated["kid"], cut_off["kid"]);
    assert!(path.join(format!("saphan.key.pem.{kid}")).exists() && !path.join("saphan.key.pem.next").exists());
    done(path, &["keys", "revoke", rotated["old_kid"].as_str().unwrap()]).await;
    assert_eq!(key_step(path).await["verdict"], "ok", "the new key is good");
}
