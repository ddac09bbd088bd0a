//! `saphan-hub recover`.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use saphan_schemas::catalogue::Catalogue;

use super::{ConfigArguments, run};
use crate::config::Config;
use crate::keys::KeyStore;
use crate::publication::PublishedLog;
use crate::registry::{self, Registry};
use crate::shards::{self, Shard};
use crate::store::Store as _;
use crate::store::sqlite::{Copies, Recovered, SqliteStore};

#[derive(Debug, Args)]
pub(super) struct RecoverArguments {
    /// Where the log is published as files, a folder or s3://bucket/prefix: entries that the store has lost come from there
    /// [default: log.publish of the configuration].
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn recover(arguments: &RecoverArguments) -> anyhow::Result<()> {
    let config = run::load(&arguments.config.config)?;
    let Some(_lock) = run::lock(&config)? else {
        bail!("{} is in use by a hub process; stop it first", config.hub.data_dir.display());
    };
    let place = arguments.from.as_ref().unwrap_or(&config.log.publish);
    if PublishedLog::is_missing(place) {
        bail!("{place} is not a folder; name the place where the log is published");
    }
    let published = PublishedLog::open(place, &config.log.shard)?;
    run::runtime()?.block_on(recover_from(&config, published.as_ref()))
}

async fn recover_from(config: &Config, published: Option<&PublishedLog>) -> anyhow::Result<()> {
    let store = SqliteStore::open(&config.store_file()).await?;
    // How logs ended is in entries, and none is relied on before it is recovered.
    let mut logs = store.shards().await?;
    if logs.is_empty() {
        logs.push(Shard { number: 0, first: 0, origin: config.origin() });
    }
    for (at, log) in logs.iter().enumerate() {
        let size = logs.get(at + 1).map(|next| next.first.saturating_sub(log.first));
        recover_log(config, &store, log, size, published).await?;
    }
    let (_, root) = registry::opening(&store).await?.context("the log is empty")?;
    let registry = Registry::new(root, Arc::new(Catalogue::embedded().context("the embedded catalogue is broken")?));
    registry.catch_up(&store).await.context("the registry cannot be read from the log")?;
    let state = registry.state();
    println!(
        "the registry follows from it: {} members, {} systems, {} agreements",
        state.members().count(),
        state.systems().count(),
        state.agreements().count()
    );
    store.close().await?;
    Ok(())
}

async fn recover_log(
    config: &Config,
    store: &SqliteStore,
    shard: &Shard,
    size: Option<u64>,
    published: Option<&PublishedLog>,
) -> anyhow::Result<()> {
    let keys = KeyStore { origin: shard.origin.clone(), ..config.key_store() }.open()?;
    let keys: Vec<_> = keys.logs.keys.iter().map(|signer| signer.verifier_key().clone()).collect();
    let published = published.map(|published| published.beside(shards::name(&shard.origin)));
    let checkpoint = match &published {
        Some(published) => published.checkpoint().await?,
        None => None,
    };
    let copies = published.as_ref().map(|published| published as &dyn Copies);
    let recovered = store.recover(shard, size, &keys, checkpoint.as_deref(), copies).await;
    tell(&recovered.with_context(|| format!("the log {}", shard.origin))?);
    Ok(())
}

fn tell(recovered: &Recovered) {
    let Recovered { checkpoint, entries, labels, tile_hashes, head } = recovered;
    println!("the log {} has {} entries with the root of its checkpoint", checkpoint.origin, checkpoint.size);
    if entries.is_empty() && *labels == 0 && *tile_hashes == 0 && !head {
        println!("nothing was damaged; nothing was written");
        return;
    }
    let shown: Vec<String> = entries.iter().take(SHOWN).map(u64::to_string).collect();
    if !shown.is_empty() {
        let more = if entries.len() > SHOWN { " …" } else { "" };
        println!("from the published log: {} entries: {}{more}", entries.len(), shown.join(" "));
        println!(
            "their bodies and receipts, where they were lost too, are not in it: bring them back from a copy of the store"
        );
    }
    println!(
        "made again: hashes or kinds of {labels} entries, {tile_hashes} hashes of tiles{}",
        if *head { ", the head" } else { "" }
    );
}

/// Places that are told one by one.
const SHOWN: usize = 20;
