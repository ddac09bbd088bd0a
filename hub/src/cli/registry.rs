//! `saphan-hub registry apply`, and how an operator's command changes the registry.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::Signer;
use saphan_schemas::registry::{Change, RegistryClaims, RegistryState, Schema};
use serde_json::json;
use tokio::sync::watch;

use super::{run, running};
use crate::config::Config;
use crate::registry::{Registry, RegistryFile, changes_for, opening};
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
        let operator = config.key_store().open_operator()?;
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
    let (_, root) = opening(&store).await?.context("the hub has not begun its log yet; try again")?;
    let registry = Registry::new(root);
    registry.catch_up(&store).await?;
    store.close().await?;
    let entries = sign_all(config, operator, changes(&registry.state())?)?;
    // They are in an order in which each can be applied, so every beginning of the list is a valid registry.
    for chunk in entries.chunks(ENTRIES_AT_ONCE) {
        running::post(config, operator, "/v1/registry", &json!({ "entries": chunk })).await?;
    }
    Ok(entries.len())
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
