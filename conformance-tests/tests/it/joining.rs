//! From an invitation to the first receipt, with the real programs, as an agency does it.

use std::time::Duration;

use saphan_examples::agencies::licences;
use saphan_examples::portal;
use saphan_schemas::ids::SystemId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::agency::{done, hub, join, saphan};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_invitation_to_the_first_receipt_it_takes_less_than_a_minute() {
    let hub = hub().await;
    // The other party joined before; what counts is how long the portal takes.
    let _licensing = join(&hub, licences::MANDATE.system).await;
    let receipt = timeout(Duration::from_secs(60), async {
        let portal = join(&hub, portal::SYSTEM).await;
        let body =
            r#"{"withdrawn_at":"2026-11-24T09:30:00+07:00","withdrawn_by":"APPLICANT","reason":"NO_LONGER_NEEDED"}"#;
        std::fs::write(portal.path().join("body.json"), body).unwrap();
        let case = saphan_schemas::ids::CaseId::new().to_string();
        let mandate = licences::MANDATE;
        let arguments = [
            "send",
            "body.json",
            "--to",
            mandate.system,
            "--type",
            "application.withdrawn",
            "--service",
            mandate.service,
            "--purpose",
            mandate.purpose,
            "--legal-basis",
            mandate.law,
            "--case",
            &case,
        ];
        done(portal.path(), &arguments).await
    });
    let receipt = receipt.await.expect("joining and sending took over a minute");
    assert_eq!(receipt["state"], "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_joined_rotates_its_key_and_goes_on_after_the_old_one_is_revoked() {
    let hub = hub().await;
    let folder = join(&hub, portal::SYSTEM).await;
    let rotated = done(folder.path(), &["keys", "rotate", "--valid-days", "90"]).await;
    let (new, old) = (rotated["kid"].as_str().unwrap(), rotated["old_kid"].as_str().unwrap());
    assert_ne!(new, old);
    done(folder.path(), &["keys", "revoke", old]).await;
    let agreements = done(folder.path(), &["agreements", "list"]).await;
    assert!(!agreements["agreements"].as_array().unwrap().is_empty(), "the new key is good");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let system: SystemId = portal::SYSTEM.parse().unwrap();
    let set: Value =
        reqwest::get(format!("{}/v1/systems/{system}/keys", hub.url())).await.unwrap().json().await.unwrap();
    let revoked = |kid: &str| {
        let keys = set["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == kid).unwrap()["revoked"].is_u64()
    };
    assert_eq!((revoked(old), revoked(new)), (true, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_was_used_or_is_wrong_joins_nobody_and_says_whom_to_ask() {
    let hub = hub().await;
    let code = hub.invite(&portal::SYSTEM.parse().unwrap()).await.unwrap();
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    done(first.path(), &["join", hub.url(), &code]).await;
    let (exit, told) = saphan(second.path(), &["join", hub.url(), &code]).await;
    assert_eq!((exit, &told["error"]["side"]), (1, &"caller".into()), "{told}");
    let wrong = "0000-0000-0000-0000-0000-0000-0000-0000";
    let (exit, told) = saphan(second.path(), &["join", hub.url(), wrong]).await;
    assert_eq!(exit, 1, "{told}");
    assert!(told["error"]["what"].as_str().unwrap().contains("invitation"), "{told}");
    assert!(!second.path().join("saphan.toml").exists());
    // The same key may ask again: its first answer may have been lost.
    for name in ["saphan.toml", "trust.json"] {
        std::fs::remove_file(first.path().join(name)).unwrap();
    }
    done(first.path(), &["join", hub.url(), &code]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_was_cut_off_between_its_two_files_is_repeated_and_one_that_is_complete_is_not() {
    let hub = hub().await;
    let code = hub.invite(&portal::SYSTEM.parse().unwrap()).await.unwrap();
    let folder = TempDir::new().unwrap();
    done(folder.path(), &["join", hub.url(), &code]).await;
    let trust = std::fs::read_to_string(folder.path().join("trust.json")).unwrap();
    std::fs::remove_file(folder.path().join("saphan.toml")).unwrap();
    done(folder.path(), &["join", hub.url(), &code]).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("trust.json")).unwrap(), trust);
    // One that says other keys is of another connection, or came on another way than through the hub.
    std::fs::remove_file(folder.path().join("saphan.toml")).unwrap();
    let other = trust.replacen(r#""hub": "hub.local""#, r#""hub": "hub.other""#, 1);
    assert_ne!(other, trust);
    std::fs::write(folder.path().join("trust.json"), &other).unwrap();
    let (exit, told) = saphan(folder.path(), &["join", hub.url(), &code]).await;
    assert_eq!((exit, told["error"]["what"].as_str().unwrap().contains("says other keys")), (2, true), "{told}");
    assert_eq!(std::fs::read_to_string(folder.path().join("trust.json")).unwrap(), other);
    std::fs::remove_file(folder.path().join("trust.json")).unwrap();
    done(folder.path(), &["join", hub.url(), &code]).await;
    let (exit, told) = saphan(folder.path(), &["join", hub.url(), &code]).await;
    assert_eq!((exit, told["error"]["what"].as_str().unwrap().contains("exists already")), (2, true), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_is_repeated_when_its_key_was_revoked_fails_and_asks_for_another_invitation() {
    let hub = hub().await;
    let code = hub.invite(&portal::SYSTEM.parse().unwrap()).await.unwrap();
    let folder = TempDir::new().unwrap();
    let joined = done(folder.path(), &["join", hub.url(), &code]).await;
    done(folder.path(), &["keys", "revoke", joined["kid"].as_str().unwrap()]).await;
    std::fs::remove_file(folder.path().join("saphan.toml")).unwrap();
    let (exit, told) = saphan(folder.path(), &["join", hub.url(), &code]).await;
    assert_eq!((exit, &told["error"]["side"]), (1, &"caller".into()), "{told}");
    assert!(told["error"]["what"].as_str().unwrap().contains("was revoked"), "{told}");
    let advice = told["error"]["advice"].as_str().unwrap();
    assert!(advice.contains("new invitation") && advice.contains("new folder"), "{told}");
    assert!(!folder.path().join("saphan.toml").exists());
}
