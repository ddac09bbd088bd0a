//! `saphan-hub registry apply`, and how an operator's command changes the registry.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::Signer;
use saphan_schemas::problem::ProblemDocument;
use saphan_schemas::registry::{Change, RegistryClaims, RegistryState, Root, Schema};
use tokio::sync::watch;

use super::run;
use crate::config::Config;
use crate::keys::HubKeys;
use crate::registry::{Registry, RegistryFile, changes_for};
use crate::store::sqlite::SqliteStore;

pub(super) fn apply(file: &Path, config: &Path) -> anyhow::Result<()> {
    let config = run::load(config)?;
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let file = RegistryFile::parse(&text).with_context(|| format!("{}", file.display()))?;
    let catalogue = Catalogue::embedded()?;
    let schemas = catalogue.schemas().map(|schema| Schema { id: schema.id.clone(), sha256: schema.sha256 });
    let applied = write(&config, |state| Ok(changes_for(state, file, schemas)?))?;
    println!("{applied} registry entries written");
    Ok(())
}

/// Signs, with the operator's key, the changes that are to be made to the state of the moment, and writes them, whether the hub
/// runs or not. Returns how many.
pub(super) fn write(
    config: &Config,
    changes: impl FnOnce(&RegistryState) -> anyhow::Result<Vec<Change>>,
) -> anyhow::Result<usize> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    run::runtime()?.block_on(async {
        let operator = HubKeys::read_operator(&config.hub.data_dir)?;
        match run::lock(config)? {
            Some(_lock) => write_here(config, &*operator, changes).await,
            None => write_to_running_hub(config, &*operator, changes).await,
        }
    })
}

async fn write_here(
    config: &Config,
    operator: &dyn Signer,
    changes: impl FnOnce(&RegistryState) -> anyhow::Result<Vec<Change>>,
) -> anyhow::Result<usize> {
    let (_stop, stopping) = watch::channel(false);
    let opened = run::open(config, stopping).await?;
    let app = &opened.app;
    let entries = sign_all(config, operator, changes(&app.registry.state())?)?;
    let applied = app.registry.change(&entries, now(), &app.ledger, &*app.store).await?;
    drop(opened.app);
    opened.writer.await?;
    Ok(applied)
}

/// A running hub holds the log's head in memory, so it writes; the registry itself is read from the store.
async fn write_to_running_hub(
    config: &Config,
    operator: &dyn Signer,
    changes: impl FnOnce(&RegistryState) -> anyhow::Result<Vec<Change>>,
) -> anyhow::Result<usize> {
    let store = SqliteStore::open(&config.store_file()).await?;
    let registry = Registry::new(Root { hub: config.hub.id.clone(), operator: *operator.public() });
    registry.catch_up(&store).await?;
    store.close().await?;
    let entries = sign_all(config, operator, changes(&registry.state())?)?;
    for chunk in entries.chunks(ENTRIES_AT_ONCE) {
        post(config, operator, chunk).await?;
    }
    Ok(entries.len())
}

/// Entries are in an order in which each can be applied, so every beginning of the list is a valid registry.
async fn post(config: &Config, operator: &dyn Signer, entries: &[String]) -> anyhow::Result<()> {
    let (method, path) = ("POST", "/v1/registry");
    let token = AuthClaims {
        iss: config.hub.id.to_string(),
        aud: config.hub.id.clone(),
        jti: MessageId::new(),
        iat: now(),
        htm: method.into(),
        htu: path.into(),
    };
    // The hub listens on loopback; a proxy of the environment is not on the way.
    let response = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .post(format!("http://{}{path}", config.hub.listen))
        .bearer_auth(Signed::sign(token, operator)?.as_str())
        .json(&serde_json::json!({ "entries": entries }))
        .send()
        .await
        .with_context(|| format!("the hub holds the data folder but does not answer on {}", config.hub.listen))?;
    if response.status().is_success() {
        return Ok(());
    }
    let problem: ProblemDocument = response.json().await.context("the hub's answer is not a problem document")?;
    bail!("the hub refused: {}; {}", problem.title, problem.detail.unwrap_or_default());
}

fn sign_all(config: &Config, operator: &dyn Signer, changes: Vec<Change>) -> anyhow::Result<Vec<String>> {
    changes.into_iter().map(|change| sign(config, operator, change)).collect()
}

fn sign(config: &Config, operator: &dyn Signer, change: Change) -> anyhow::Result<String> {
    let claims = RegistryClaims {
        iss: config.hub.id.to_string(),
        aud: config.hub.id.clone(),
        iat: now(),
        jti: MessageId::new(),
        change,
        invitation: None,
    };
    Ok(Signed::sign(claims, operator)?.as_str().to_owned())
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// An entry takes up to 15 KiB, and a request up to 1 MiB.
const ENTRIES_AT_ONCE: usize = 64;
