//! `saphan-hub shard`: the log ends, and another one begins.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, HubKey, is_shard_name};
use tokio::sync::watch;

use super::{ConfigArguments, change, run};
use crate::app::Opened;
use crate::config::Config;
use crate::keys::{KeyStore, KeyUse};
use crate::shards::beginning::closed_for;
use crate::shards::closing::{close, must_be_new, publish, usable_key};
use crate::shards::{Shards, name, origin};
use crate::store::sqlite::SqliteStore;

mod abandon;

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
        /// The log cannot be closed: the store is an old copy, and there is no newer one. Nothing is appended to it any more; the next
        /// one begins with the largest checkpoint of it that is published or given, and says how much of it is left. The registry
        /// changes, acknowledgements and erasures of the lost part that are published are logged again. What else was accepted in it
        /// is lost: senders have receipts, and must send again.
        #[arg(long)]
        abandon: bool,
        /// A checkpoint of the log that somebody has, a signed note or a message's file *.saphan.json; may be repeated.
        #[arg(long, value_name = "FILE", requires = "abandon")]
        checkpoint: Vec<PathBuf>,
        #[command(flatten)]
        config: ConfigArguments,
    },
}

pub(super) fn shard(command: &ShardCommand) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        ShardCommand::Prepare { next, config } => prepare(next, &run::load(&config.config)?),
        ShardCommand::Open { abandon, checkpoint, config } => {
            let config = run::load(&config.config)?;
            let Some(_lock) = run::lock(&config)? else {
                bail!("{} is in use by a hub process; stop it first", config.hub.data_dir.display());
            };
            run::log_to_stderr();
            match abandon {
                false => run::runtime()?.block_on(open(&config)),
                true => run::runtime()?.block_on(abandon::abandon(&config, checkpoint)),
            }
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

async fn open(config: &Config) -> anyhow::Result<()> {
    let next = config.origin();
    let store = SqliteStore::open(&config.store_file()).await?;
    let closed = closed_for(&store).await?;
    let shards = Shards::read(&store).await?;
    store.close().await?;
    let shards = shards.context("the hub has not begun its log yet: `serve` begins it")?;
    let before = &shards.present().origin;
    if *before == next {
        println!(
            "the hub is in the log {next} already; nothing was done. To go on in another one, set log.shard first"
        );
        return Ok(());
    }
    if closed.is_none() {
        must_be_new(config, &shards, &next).await?;
        let mut as_before = config.clone();
        name(before).clone_into(&mut as_before.log.shard);
        let opened = opened(&as_before).await?;
        let closed = close(&as_before, &opened.app, &next).await;
        finish(opened).await?;
        closed?;
    }
    // Opening it begins the log that the last one was closed for.
    let opened = opened(config).await?;
    publish(&opened.app).await;
    finish(opened).await?;
    println!("{before} is closed for ever; the hub goes on in {next}");
    Ok(())
}

async fn opened(config: &Config) -> anyhow::Result<Opened> {
    let (_stop, stopping) = watch::channel(false);
    run::open(config, stopping).await
}

async fn finish(opened: Opened) -> anyhow::Result<()> {
    drop(opened.app);
    opened.writer.await?;
    Ok(())
}
