//! `saphan-hub shard`: the log ends, and another one begins.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use saphan_schemas::leaf::ShardEvent;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, HubKey, RegistryState, is_shard_name};
use tokio::sync::watch;

use super::{ConfigArguments, change, run};
use crate::app::{App, Opened};
use crate::config::Config;
use crate::keys::{KeyStore, KeyUse};
use crate::ledger::Draft;
use crate::publication::PublishedLog;
use crate::shards::beginning::closed_for;
use crate::shards::{Shards, name, origin};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;
use crate::witnesses::rounds;

#[derive(Debug, Subcommand)]
pub(super) enum ShardCommand {
    /// Make and register the key of the next log, and print it: witnesses must know it before that log begins, and systems learn it
    /// ahead. Works on a running hub and on a stopped one.
    Prepare {
        /// The name of the next shard, e.g. 2027h1.
        #[arg(value_name = "NAME")]
        next: String,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Close the log and begin the one that `log.shard` names. Nothing that was accepted is lost: what waits for delivery, cases and
    /// message ids go on. The hub must be stopped. Killed in the middle, it is finished by the same command or by `serve`.
    Open {
        #[command(flatten)]
        config: ConfigArguments,
    },
}

pub(super) fn shard(command: &ShardCommand) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        ShardCommand::Prepare { next, config } => prepare(next, &run::load(&config.config)?),
        ShardCommand::Open { config } => {
            let config = run::load(&config.config)?;
            let Some(_lock) = run::lock(&config)? else {
                bail!("{} is in use by a hub process; stop it first", config.hub.data_dir.display());
            };
            run::runtime()?.block_on(open(&config))
        }
    }
}

fn prepare(next: &str, config: &Config) -> anyhow::Result<()> {
    if !is_shard_name(next) {
        bail!("the name of a shard is 1 to 63 of a-z, 0-9 and '-'");
    }
    let next = origin(&config.hub.id, next);
    let key = register(config, &next)?;
    println!("{key}");
    Ok(())
}

/// The key of the log that comes next: the one that is registered, or a new one.
fn register(config: &Config, next: &str) -> anyhow::Result<VerifierKey> {
    if config.origin() == next {
        bail!("{next} is the log that the hub is in; name the next one");
    }
    let store = KeyStore { origin: next.to_owned(), ..config.key_store() };
    let mut prepared = None;
    change::write(config, |registry| {
        if let Some(known) = usable_key(&store, registry, next)? {
            prepared = Some(known);
            return Ok(Vec::new());
        }
        // The file first: a key that the registry has and that is not here signs nothing.
        let HubKey::Log { vkey } = store.add(KeyUse::Log)? else { bail!("the key is none of a log") };
        prepared = Some(vkey.clone());
        Ok(vec![Change::Added(Entry::HubKey(HubKey::Log { vkey }))])
    })?;
    eprintln!("keep a copy of the new file in {} apart from this machine", config.hub.data_dir.display());
    prepared.context("no key was made")
}

/// A key of that log that the registry has and that is here.
fn usable_key(store: &KeyStore, registry: &RegistryState, log: &str) -> anyhow::Result<Option<VerifierKey>> {
    let here = store.open()?.logs.keys;
    let mut known = registry.keys_of_log(log);
    Ok(known.find(|vkey| here.iter().any(|signer| signer.verifier_key() == *vkey)).cloned())
}

async fn open(config: &Config) -> anyhow::Result<()> {
    let next = config.origin();
    let store = SqliteStore::open(&config.store_file()).await?;
    let closed = closed_for(&store).await?;
    let shards = Shards::from_stored(store.shards().await?);
    store.close().await?;
    let shards = shards.context("the hub has not begun its log yet: `serve` begins it")?;
    let before = shards.present();
    if before.origin == next {
        println!(
            "the hub is in the log {next} already; nothing was done. To go on in another one, set log.shard first"
        );
        return Ok(());
    }
    if closed.is_none() {
        must_be_new(config, &shards, &next).await?;
        close(config, &before.origin, &next).await?;
    }
    // Opening it begins the log that the last one was closed for.
    let (_stop, stopping) = watch::channel(false);
    let opened = run::open(config, stopping).await?;
    publish(&opened).await;
    finish(opened).await?;
    println!("{} is closed for ever; the hub goes on in {next}", before.origin);
    Ok(())
}

/// A log that began once is never begun again: the store would be an old copy of the one that began it.
async fn must_be_new(config: &Config, shards: &Shards, next: &str) -> anyhow::Result<()> {
    if shards.of_origin(next).is_some() {
        bail!("the hub had a log {next} before; log.shard must be a name that was never used");
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

/// Ends the log `before`, with its last checkpoint published and brought before witnesses as far as they answer.
async fn close(config: &Config, before: &str, next: &str) -> anyhow::Result<()> {
    let mut as_before = config.clone();
    name(before).clone_into(&mut as_before.log.shard);
    if as_before.origin() != before {
        bail!("the data are of the log {before}, which is none of the hub {}", config.hub.id);
    }
    let (_stop, stopping) = watch::channel(false);
    let opened = run::open(&as_before, stopping).await?;
    let added = make_ready(&as_before, &opened, next).await;
    let closed = match added {
        Ok(()) => {
            let event = ShardEvent::Closed { next: next.to_owned() };
            let appended = opened.app.ledger.append(Draft::Shard(Box::new(event))).await;
            appended.context("the log's last entry cannot be written")
        }
        Err(error) => Err(error),
    };
    if closed.is_ok() {
        publish(&opened).await;
    }
    finish(opened).await?;
    closed.map(|_| ())
}

/// Registers the key of the next log, and asks witnesses whether they have seen anything of that one: once this log is closed for it,
/// there is no way back.
async fn make_ready(config: &Config, opened: &Opened, next: &str) -> anyhow::Result<()> {
    let app = &opened.app;
    let store = KeyStore { origin: next.to_owned(), ..config.key_store() };
    add_key(config, app, &store, next).await?;
    let keys = store.open()?.signing(&app.registry.state(), next)?;
    match &app.witnesses {
        Some(witnesses) => rounds::before_the_first_entry(witnesses, &keys).await,
        None => Ok(()),
    }
}

async fn add_key(config: &Config, app: &App, store: &KeyStore, next: &str) -> anyhow::Result<()> {
    if usable_key(store, &app.registry.state(), next)?.is_some() {
        return Ok(());
    }
    let operators = config.key_store().open_operators()?;
    let operator = change::operator(&app.registry.state(), &operators)?;
    let key = store.add(KeyUse::Log)?;
    eprintln!(
        "made the key of the next log; keep a copy of the new file in {} apart from this machine",
        config.hub.data_dir.display()
    );
    let entry = change::sign_as_operator(config, operator, Change::Added(Entry::HubKey(key)))?;
    app.registry.change(&[entry], &[], change::now(), &app.ledger, &*app.store).await?;
    Ok(())
}

/// Brings the newest checkpoint before the witnesses and publishes it. What fails here the running hub does.
async fn publish(opened: &Opened) {
    let app = &opened.app;
    if let Some(witnesses) = &app.witnesses
        && let Err(error) = rounds::first(app, witnesses).await
    {
        eprintln!("a witness has not cosigned: {error}");
    }
    let Some((publication, published)) = &app.publication else { return };
    let heads = (app.newest_checkpoint(), app.cosigned().map(|cosigned| (cosigned.size, cosigned.text.clone())));
    let done = publication.publish(&*app.store, app.shards.present(), *published, &heads.0, heads.1.as_ref()).await;
    if let Err(error) = done {
        eprintln!("not published yet: {error}");
    }
}

async fn finish(opened: Opened) -> anyhow::Result<()> {
    drop(opened.app);
    opened.writer.await?;
    Ok(())
}
