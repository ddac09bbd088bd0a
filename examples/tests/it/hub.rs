//! The private hub.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should end its test")]

use std::path::Path;

use saphan_connector::trust;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProcessError, HubProgram};
use saphan_examples::registry;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::registry::TransportKind;

fn program() -> HubProgram {
    HubProgram { program: env!("CARGO_BIN_EXE_demo").into(), args: vec!["hub".to_owned()] }
}

fn registry_file() -> String {
    registry::of_the_examples(TransportKind::Pull, |_| Some(*SigningKey::generate().unwrap().0.public()))
        .unwrap()
        .to_toml()
        .unwrap()
}

async fn start() -> HubProcess {
    HubProcess::start(HubOptions::new(program(), registry_file())).await.unwrap()
}

/// What the hub says about itself: its keys, which live in its folder.
async fn identity(hub: &HubProcess) -> String {
    let trust = trust::fetch(hub.url()).await.unwrap();
    format!("{} {:?} {}", trust.hub, trust.receipts, trust.vkey)
}

#[tokio::test]
async fn a_hub_that_stopped_in_order_comes_back_on_the_same_port_as_the_same_hub() {
    let mut hub = start().await;
    let before = (hub.url().to_owned(), identity(&hub).await);
    hub.stop().await.unwrap();
    assert_eq!(hub.pid(), None);
    hub.restart().await.unwrap();
    assert_eq!((hub.url().to_owned(), identity(&hub).await), before);
}

#[tokio::test]
async fn a_killed_hub_comes_back_too() {
    let mut hub = start().await;
    let (pid, before) = (hub.pid(), identity(&hub).await);
    hub.kill().await.unwrap();
    assert!(trust::fetch(hub.url()).await.is_err(), "it is down");
    hub.restart().await.unwrap();
    assert_eq!(identity(&hub).await, before);
    assert_ne!(hub.pid(), pid);
}

#[tokio::test]
async fn a_running_hub_uses_memory_and_processor_time_and_leaves_nothing_when_dropped() {
    let hub = start().await;
    assert!(hub.rss_bytes().unwrap() > 1024 * 1024);
    assert!(hub.cpu_seconds().unwrap() >= 0.0);
    let (folder, process) = (hub.folder().to_owned(), format!("/proc/{}", hub.pid().unwrap()));
    assert!(Path::new(&process).exists());
    drop(hub);
    assert!(!Path::new(&process).exists());
    assert!(!folder.exists());
}

#[tokio::test]
async fn what_the_hub_says_about_a_bad_registry_file_reaches_the_caller() {
    let hub = start().await;
    let refused = hub.apply("[[member]]\nid = \"th.x\"\n").await.unwrap_err();
    let HubProcessError::Command { command: "registry apply", says, .. } = &refused else { panic!("{refused}") };
    assert!(says.contains("name_th"), "{says}");
}
