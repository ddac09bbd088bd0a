//! The end of a log: its last entry names the next one, whose key its registry has.

use anyhow::{Context as _, bail};
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::Signed;
use saphan_schemas::leaf::ShardEvent;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, RegistryClaims, RegistryState};

use super::{Shards, name};
use crate::app::App;
use crate::config::Config;
use crate::keys::{KeyStore, KeyUse};
use crate::ledger::Draft;
use crate::publication::{self, PublishedLog};
use crate::witnesses::{keep_newest, rounds};

/// A log that began once is never begun again: the store would be an old copy of the one that began it.
///
/// # Errors
/// The store had a log of this origin, or one is published.
pub async fn must_be_new(config: &Config, shards: &Shards, next: &str) -> anyhow::Result<()> {
    if shards.of_origin(next).is_some() {
        bail!("the hub had a log {next} before; log.shard must be a name that was never used");
    }
    if PublishedLog::is_missing(&config.log.publish) {
        return Ok(());
    }
    let Some(published) = PublishedLog::open(&config.log.publish, name(next))? else { return Ok(()) };
    if published.checkpoint().await?.is_some() || published.has_tiles().await? {
        bail!(
            "a log {next} is published in {} already: this store is an old copy of one that has begun it, or the name was used before",
            published.place()
        );
    }
    Ok(())
}

/// Logs begin in the order in which their first keys were registered: by that order whoever verifies offline tells whether a key was
/// revoked before a log or behind it.
///
/// # Errors
/// A log was begun whose key was registered later.
pub fn must_follow(registry: &RegistryState, shards: &Shards, next: &str) -> anyhow::Result<()> {
    let logs = registry.logs();
    let passed_over = logs.iter().skip_while(|log| **log != next).find(|log| shards.of_origin(log).is_some());
    match passed_over {
        Some(begun) => bail!(
            "the key of {next} was registered before that of {begun}, which has begun: it was passed over, and cannot follow any more. \
             Set log.shard to another name"
        ),
        None => Ok(()),
    }
}

/// Ends the present log of a hub that serves nobody. The key of the next log is registered in it; its last checkpoint is brought
/// before witnesses and published, as far as they answer.
///
/// # Errors
/// Then the log is as open as before; or the store failed, and the next start tells.
pub async fn close(config: &Config, app: &App, next: &str) -> anyhow::Result<()> {
    must_follow(&app.registry.state(), &app.shards, next)?;
    let store = KeyStore { origin: next.to_owned(), ..config.key_store() };
    add_key(config, app, &store, next).await?;
    let keys = store.open()?.signing(&app.registry.state(), next)?;
    // Once this log is closed for the next, there is no way back.
    if let Some(witnesses) = &app.witnesses {
        rounds::before_the_first_entry(witnesses, &keys).await?;
    }
    let event = ShardEvent::Closed { next: next.to_owned() };
    app.ledger.append(Draft::Shard(Box::new(event))).await.context("the log's last entry cannot be written")?;
    publish(app).await;
    Ok(())
}

/// A key of that log that the registry has and that is here.
///
/// # Errors
/// The keys that are here cannot be read.
pub fn usable_key(store: &KeyStore, registry: &RegistryState, log: &str) -> anyhow::Result<Option<VerifierKey>> {
    let here = store.open()?.logs.keys;
    let mut known = registry.keys_of_log(log);
    Ok(known.find(|vkey| here.iter().any(|signer| signer.verifier_key() == *vkey)).cloned())
}

async fn add_key(config: &Config, app: &App, store: &KeyStore, next: &str) -> anyhow::Result<()> {
    let now = app.clock.now_ms() / 1000;
    if let Some(entry) = new_key(config, store, &app.registry.state(), next, now)? {
        app.registry.change(&[entry], &[], now, &app.ledger, &*app.store).await?;
    }
    Ok(())
}

/// Makes a key of that log, unless the registry has one that is here; gives the operator's entry that registers it. `now` is the
/// time in seconds since 1970.
///
/// # Errors
/// Keys that are here cannot be read, or none of them is the operator's.
pub fn new_key(
    config: &Config,
    store: &KeyStore,
    registry: &RegistryState,
    next: &str,
    now: u64,
) -> anyhow::Result<Option<String>> {
    if usable_key(store, registry, next)?.is_some() {
        return Ok(None);
    }
    let operators = config.key_store().open_operators()?;
    let operator =
        operators.operator(registry)?.context("none of the operator's keys is here that the registry has")?;
    // The file first: a key that the registry has and that is not here signs nothing.
    let key = store.add(KeyUse::Log)?;
    let claims = RegistryClaims {
        iss: config.hub.id.to_string(),
        aud: config.hub.id.clone(),
        iat: now,
        jti: MessageId::new(),
        change: Change::Added(Entry::HubKey(key)),
        invitation: None,
    };
    let entry = Signed::sign(claims, &**operator)?.as_str().to_owned();
    tracing::warn!(folder = %config.hub.data_dir.display(), "made the key of the next log; keep a copy of its file apart from this machine");
    Ok(Some(entry))
}

/// Brings the newest checkpoint before the witnesses and publishes it. What fails here a running hub does, or an audit finds missing;
/// the next log rests on the checkpoint in any case.
pub async fn publish(app: &App) {
    if let Some(witnesses) = &app.witnesses
        && let Err(error) = rounds::first(app, witnesses).await
    {
        tracing::error!(error = &error as &dyn std::error::Error, "a witness has not cosigned");
    }
    if let Some(witnesses) = &app.witnesses {
        keep_newest(app, witnesses).await;
    }
    if let Err(error) = publication::once(app).await {
        tracing::error!(error = &error as &dyn std::error::Error, "the log's last entries are not published yet");
    }
}
