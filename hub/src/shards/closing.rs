//! The end of a log: its last entry names the next one, whose key its registry has.

use std::sync::Arc;

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
use crate::publication::PublishedLog;
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
    let published = PublishedLog::open(&config.log.publish, name(next))?;
    if let Some(published) = published
        && published.checkpoint().await?.is_some()
    {
        bail!(
            "a log {next} is published in {} already: this store is an old copy of one that has begun it, or the name was used before",
            published.place()
        );
    }
    Ok(())
}

/// Ends the present log of a hub that serves nobody. The key of the next log is registered in it; its last checkpoint is brought
/// before witnesses and published, as far as they answer.
///
/// # Errors
/// Then the log is as open as before; or the store failed, and the next start tells.
pub async fn close(config: &Config, app: &App, next: &str) -> anyhow::Result<()> {
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
    let registry = app.registry.state();
    if usable_key(store, &registry, next)?.is_some() {
        return Ok(());
    }
    let operators = config.key_store().open_operators()?;
    let operator =
        operators.operator(&registry)?.context("none of the operator's keys is here that the registry has")?;
    // The file first: a key that the registry has and that is not here signs nothing.
    let key = store.add(KeyUse::Log)?;
    let claims = RegistryClaims {
        iss: app.hub.to_string(),
        aud: app.hub.clone(),
        iat: app.clock.now_ms() / 1000,
        jti: MessageId::new(),
        change: Change::Added(Entry::HubKey(key)),
        invitation: None,
    };
    let entry = Signed::sign(claims, &**operator)?.as_str().to_owned();
    app.registry.change(&[entry], &[], app.clock.now_ms() / 1000, &app.ledger, &*app.store).await?;
    tracing::warn!(folder = %config.hub.data_dir.display(), "made the key of the next log; keep a copy of its file apart from this machine");
    Ok(())
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
    let Some((publication, published)) = &app.publication else { return };
    let heads = (app.newest_checkpoint(), app.cosigned().map(|cosigned| (cosigned.size, cosigned.text.clone())));
    let publication = Arc::clone(publication);
    // First those before it, to their ends: what the next log begins with must be there for whoever reads that.
    for (shard, size) in app.shards.closed() {
        if let Err(error) = publication.beside(name(&shard.origin)).complete(&*app.store, shard, size).await {
            tracing::error!(error = &error as &dyn std::error::Error, "an earlier log is not published to its end yet");
            return;
        }
    }
    let done = publication.publish(&*app.store, app.shards.present(), *published, &heads.0, heads.1.as_ref()).await;
    if let Err(error) = done {
        tracing::error!(error = &error as &dyn std::error::Error, "the log's last entries are not published yet");
    }
}
