//! Timestamps from a real hub to an auditor who trusts an authority: over HTTP, from static files, and in one file.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use saphan_conformance::programs;
use saphan_conformance::world::World;
use saphan_connector::Receive;
use saphan_examples::local::hub::{HubOptions, HubProgram};
use saphan_schemas::log::Stamped;
use saphan_schemas::registry::TransportKind;
use saphan_timestamps::REPLY_MEDIA_TYPE;
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::agency::done;
use crate::killing::{LONGEST_RUN, Load};
use crate::patience::{in_time, reaches};

/// An authority behind HTTP; its address.
async fn serve(authority: Arc<TestAuthority>) -> String {
    let answer = move |request: Bytes| {
        let authority = Arc::clone(&authority);
        async move {
            let reply = spawn_blocking(move || authority.reply(&request).unwrap()).await.unwrap();
            ([(CONTENT_TYPE, REPLY_MEDIA_TYPE)], reply)
        }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A hub with an authority that stamps its log each second, and an auditor with the authority's certificate.
struct Stage {
    world: World,
    folder: TempDir,
}

impl Stage {
    async fn start() -> Self {
        let (authority, folder) = (Arc::new(TestAuthority::new(KeyKind::Rsa).unwrap()), TempDir::new().unwrap());
        std::fs::copy(authority.pem(), folder.path().join("ca.pem")).unwrap();
        let settings = vec![
            ("SAPHAN_HUB__LOG__PUBLISH", folder.path().join("log").display().to_string()),
            ("SAPHAN_HUB__TIMESTAMPS__AUTHORITY", folder.path().join("ca.pem").display().to_string()),
            ("SAPHAN_HUB__TIMESTAMPS__URL", serve(authority).await),
            ("SAPHAN_HUB__TIMESTAMPS__EVERY_SECONDS", "1".to_owned()),
        ];
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let options = |registry| HubOptions { settings, ..HubOptions::new(program, registry) };
        let world = World::start_with(TransportKind::Pull, options).await.unwrap();
        let key = reqwest::get(format!("{}/v1/log/vkey", world.hub.url())).await.unwrap().text().await.unwrap();
        std::fs::write(folder.path().join("vkey"), key).unwrap();
        Self { world, folder }
    }

    /// The largest checkpoint that is published with its timestamp.
    fn stamped(&self) -> u64 {
        let page = std::fs::read(self.folder.path().join("log/main").join(Stamped::page_path(0))).unwrap_or_default();
        Stamped::parse_page(&page).ok().and_then(|page| page.last().copied()).map_or(0, |stamped| stamped.size)
    }

    async fn saphan(&self, arguments: &str) -> Value {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        done(self.folder.path(), &arguments).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_learns_from_an_authority_by_when_a_message_existed_while_the_hub_runs_and_when_it_is_gone() {
    let mut stage = Stage::start().await;
    let mut load = Load::start(&stage.world, Receive::Pull).await;
    load.go_on(LONGEST_RUN).await;
    let receipts = load.finish().await;
    let last = receipts.iter().map(|receipt| receipt.index).max().unwrap();
    reaches("stamped entries", last + 1, async || stage.stamped()).await;

    let url = stage.world.hub.url().to_owned();
    let audit = "--vkey vkey --timestamp-authority ca.pem";
    let told = stage.saphan(&format!("audit log {url} {audit} --state online")).await;
    let online = &told["timestamps"];
    assert!(online["held"].as_u64().unwrap() >= 1 && online["newest"]["size"].as_u64().unwrap() > last, "{told}");
    assert_eq!(online["gaps"], Value::Array(Vec::new()), "{told}");
    stage.world.hub.stop().await.unwrap();

    // Static files are all that is left.
    let told = stage.saphan(&format!("audit log log/main {audit} --state offline")).await;
    assert_eq!((&told["verdict"]["holds"], &told["timestamps"]["gaps"]), (&true.into(), &online["gaps"]), "{told}");
    stage.saphan(&format!("audit message log/main --vkey vkey --message {last} --out bundle.json")).await;
    let told = stage.saphan(&format!("audit bundle bundle.json {audit}")).await;
    let proven = &told["files"][0]["timestamps"][0]["proven"];
    let logged = told["files"][0]["proven"]["messages"][0]["logged_at"].as_u64().unwrap() / 1000;
    assert!(proven["time"].as_u64().unwrap() >= logged, "{told}");

    let verifier = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("verifier");
    let mut python = Command::new("/usr/bin/python3");
    let arguments = ["bundle", "vkey", "bundle.json", "--timestamp-authority", "ca.pem", "--json"];
    let other = python.arg("-B").arg(verifier).args(arguments).current_dir(stage.folder.path()).kill_on_drop(true);
    let other = in_time(other.output(), || "the verifier does not end".to_owned()).await.unwrap();
    let other: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!((&other["holds"], &other["timestamps"][0]["time"]), (&true.into(), &proven["time"]), "{other}");
}
