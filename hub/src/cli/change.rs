//! How an operator's command changes the registry, or looks at it, whether the hub runs or not.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use saphan_schemas::catalogue::{Catalogue, SchemaText};
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::Signer;
use saphan_schemas::registry::{Change, Entry, RegistryClaims, RegistryState};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::watch;

use super::{run, running};
use crate::app::new_root;
use crate::config::Config;
use crate::keys::Found;
use crate::registry::{ChangeError, Registry, opening};
use crate::store::sqlite::SqliteStore;

/// Changes, and texts of schemas of which some may be new to the hub.
pub(super) struct Changes {
    pub(super) author: Author,
    pub(super) changes: Vec<Change>,
    pub(super) texts: Vec<SchemaText>,
}

/// Who signs changes.
pub(super) enum Author {
    /// The operator.
    Operator,
    /// The hub's own system.
    System(SystemId, Arc<dyn Signer>),
}

/// Nothing of a change was written, and nothing of it will be. Of other errors this is not known: an answer may be lost.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotWritten(pub(super) String);

/// Signs, with the operator's key, the changes that are to be made to the state of the moment, and writes them, whether the hub
/// runs or not. Returns how many.
pub(super) fn write(
    config: &Config,
    changes: impl FnOnce(&RegistryState) -> anyhow::Result<Vec<Change>>,
) -> anyhow::Result<usize> {
    write_with_texts(config, |registry| {
        Ok(Changes { author: Author::Operator, changes: changes(&registry.state())?, texts: Vec::new() })
    })
}

/// The same, with texts of schemas.
pub(super) fn write_with_texts(
    config: &Config,
    changes: impl FnOnce(&Registry) -> anyhow::Result<Changes>,
) -> anyhow::Result<usize> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    run::runtime()?.block_on(async {
        let operators = config.key_store().open_operators()?;
        match run::lock(config)? {
            Some(_lock) => write_here(config, &operators, changes).await,
            None => write_to_running_hub(config, &operators, changes).await,
        }
    })
}

async fn write_here(
    config: &Config,
    operators: &Found<Arc<dyn Signer>>,
    changes: impl FnOnce(&Registry) -> anyhow::Result<Changes>,
) -> anyhow::Result<usize> {
    let (_stop, stopping) = watch::channel(false);
    let opened = run::open(config, stopping).await?;
    let app = &opened.app;
    let operator = operator(&app.registry.state(), operators)?;
    let Changes { author, changes, texts } = changes(&app.registry)?;
    let entries = sign_all(config, operator, &author, &changes)?;
    let texts: Vec<_> = texts.into_iter().map(|text| text.text.to_string()).collect();
    let applied = app.registry.change(&entries, &texts, now(), &app.ledger, &*app.store).await.map_err(told)?;
    drop(opened.app);
    opened.writer.await?;
    Ok(applied)
}

/// A running hub holds the log's head in memory, so it writes; the registry itself is read from the store.
async fn write_to_running_hub(
    config: &Config,
    operators: &Found<Arc<dyn Signer>>,
    changes: impl FnOnce(&Registry) -> anyhow::Result<Changes>,
) -> anyhow::Result<usize> {
    let registry = of_running_hub(config).await?;
    let operator = operator(&registry.state(), operators)?;
    let Changes { author, changes, texts } = changes(&registry)?;
    if changes.is_empty() {
        // Texts that the registry names already, and that the hub has lost.
        let catalogue = registry.catalogue();
        let here = |text: &&SchemaText| catalogue.schema(&text.id).is_some_and(|known| known.sha256 == text.sha256);
        let lost: Vec<_> = texts.iter().filter(|text| !here(text)).collect();
        if !lost.is_empty() {
            post(config, operator, &author, &[], lost).await?;
        }
    }
    // They are in an order in which each can be applied, so every beginning of the list is a valid registry.
    for chunk in changes.chunks(ENTRIES_AT_ONCE) {
        let named = |text: &&SchemaText| chunk.iter().any(|change| names(change, text));
        post(config, operator, &author, chunk, texts.iter().filter(named).collect()).await?;
    }
    Ok(changes.len())
}

/// The registry of a hub that runs, as its store has it.
pub(super) async fn of_running_hub(config: &Config) -> anyhow::Result<Registry> {
    let store = SqliteStore::open(&config.store_file()).await?;
    let (_, root) = opening(&store).await?.context("the hub has not begun its log yet; try again")?;
    let registry = Registry::new(root, Arc::new(Catalogue::embedded()?));
    registry.catch_up(&store).await?;
    store.close().await?;
    Ok(registry)
}

/// The newest of the operator's keys that is here.
pub(super) fn operator<'a>(
    registry: &RegistryState,
    operators: &'a Found<Arc<dyn Signer>>,
) -> anyhow::Result<&'a dyn Signer> {
    Ok(&**operators
        .operator(registry)?
        .context("none of the operator's keys is here that the registry has; [keys] operator names where it is")?)
}

async fn post(
    config: &Config,
    operator: &dyn Signer,
    author: &Author,
    changes: &[Change],
    texts: Vec<&SchemaText>,
) -> anyhow::Result<()> {
    let entries = sign_all(config, operator, author, changes)?;
    let texts: Vec<&str> = texts.iter().map(|text| &*text.text).collect();
    let body = json!({ "entries": entries, "schemas": texts });
    running::post::<IgnoredAny>(config, operator, "/v1/registry", &body).await.map(|_| ())
}

fn names(change: &Change, text: &SchemaText) -> bool {
    match change {
        Change::Added(Entry::Schema(schema)) | Change::Changed(Entry::Schema(schema)) => schema.sha256 == text.sha256,
        _ => false,
    }
}

/// A refusal with its places, each on a line.
fn told(error: ChangeError) -> anyhow::Error {
    let places = match &error {
        ChangeError::Schema(refusal) => refusal.findings().iter().map(|finding| format!("\n  {finding}")).collect(),
        _ => String::new(),
    };
    // These are found before the first entry goes to the log.
    let refused =
        matches!(error, ChangeError::Malformed { .. } | ChangeError::Rejected { .. } | ChangeError::Schema(_));
    let told = format!("{}{places}", super::told(&error.into()));
    if refused { NotWritten(told).into() } else { anyhow::Error::msg(told) }
}

/// Looks at the registry and its schemas, whether the hub runs or not; a hub that never ran has the catalogue it is built with.
pub(super) fn read<T>(config: &Config, look: impl FnOnce(&Registry) -> anyhow::Result<T>) -> anyhow::Result<T> {
    run::runtime()?.block_on(async {
        let embedded = Arc::new(Catalogue::embedded()?);
        let store = SqliteStore::open(&config.store_file()).await?;
        let begun = opening(&store).await?;
        let root = match begun {
            Some((_, root)) => root,
            None => new_root(config, &config.key_store().open()?)?,
        };
        let registry = Registry::new(root, embedded);
        registry.catch_up(&store).await?;
        store.close().await?;
        look(&registry)
    })
}

fn sign_all(
    config: &Config,
    operator: &dyn Signer,
    author: &Author,
    changes: &[Change],
) -> anyhow::Result<Vec<String>> {
    let (issuer, signer) = match author {
        Author::Operator => (config.hub.id.to_string(), operator),
        Author::System(system, signer) => (system.to_string(), &**signer),
    };
    changes.iter().map(|change| sign(config, &issuer, signer, change.clone())).collect()
}

fn sign(config: &Config, issuer: &str, signer: &dyn Signer, change: Change) -> anyhow::Result<String> {
    let claims = RegistryClaims {
        iss: issuer.to_owned(),
        aud: config.hub.id.clone(),
        iat: now(),
        jti: MessageId::new(),
        change,
        invitation: None,
    };
    Ok(Signed::sign(claims, signer)?.as_str().to_owned())
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// An entry takes up to 15 KiB, and a request up to 1 MiB.
const ENTRIES_AT_ONCE: usize = 64;
