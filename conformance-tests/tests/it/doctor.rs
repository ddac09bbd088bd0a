//! `saphan doctor` finds what is wrong with a connection, and whose side it is on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use saphan_examples::agencies::licences;
use serde_json::Value;

use crate::agency::{done, hub, join, saphan};

/// The steps that fail or warn, with their verdict and side.
async fn complaints(folder: &Path) -> (i32, Vec<(String, String, String)>) {
    let (exit, told) = saphan(folder, &["doctor"]).await;
    let text = |check: &Value, member: &str| check[member].as_str().unwrap_or_default().to_owned();
    let checks = told["checks"].as_array().unwrap_or_else(|| panic!("{told}"));
    let complaints = checks.iter().filter(|check| check["verdict"] != "ok" && check["verdict"] != "skipped");
    (exit, complaints.map(|check| (text(check, "step"), text(check, "verdict"), text(check, "side"))).collect())
}

fn complaint(step: &str, verdict: &str, side: &str) -> Vec<(String, String, String)> {
    vec![(step.to_owned(), verdict.to_owned(), side.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_works_has_no_fault_and_each_fault_is_named_with_its_side() {
    let mut hub = hub().await;
    let folder = join(&hub, licences::MANDATE.system).await;
    let path = folder.path();
    let told = done(path, &["doctor"]).await;
    assert_eq!((&told["works"], told["checks"].as_array().unwrap().len()), (&Value::Bool(true), 12), "{told}");
    // The other members have not signed, so nothing is in force yet.
    assert_eq!(complaints(path).await, (0, complaint("agreements", "warning", "hub")));

    let key = path.join("saphan.key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (exit, found) = complaints(path).await;
    assert_eq!((exit, &found[..1]), (1, &complaint("private key", "failed", "caller")[..]));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    // Its operator gave the hub other keys.
    hub.operate(&["keys", "rotate", "log"]).await.unwrap();
    hub.operate(&["keys", "rotate", "receipts"]).await.unwrap();
    assert_eq!(complaints(path).await.1[0], complaint("identity", "warning", "caller")[0]);
    done(path, &["trust", hub.url(), "--renew"]).await;
    assert_eq!(complaints(path).await, (0, complaint("agreements", "warning", "hub")));

    // Trust of another hub.
    let trust = fs::read_to_string(path.join("trust.json")).unwrap();
    let other = crate::agency::hub().await;
    let elsewhere = join(&other, licences::MANDATE.system).await;
    fs::copy(elsewhere.path().join("trust.json"), path.join("trust.json")).unwrap();
    assert_eq!(complaints(path).await, (1, complaint("identity", "failed", "hub")));
    fs::write(path.join("trust.json"), trust).unwrap();

    let kid = done(path, &["keys", "show", "saphan.key.pem"]).await["kid"].as_str().unwrap().to_owned();
    done(path, &["keys", "revoke", &kid]).await;
    assert_eq!(complaints(path).await, (1, complaint("key", "failed", "caller")));

    hub.stop().await.unwrap();
    assert_eq!(complaints(path).await, (1, complaint("connection", "failed", "hub")));
}
