//! `saphan-hub shard open --abandon`: the store is an old copy, and the hub goes on in another log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::json::parse_typed;
use saphan_schemas::leaf::Abandoned;
use saphan_schemas::log::TlogProof;
use saphan_schemas::message::MessageFile;
use tokio::sync::watch;

use super::finish;
use crate::cli::{change, run};
use crate::config::Config;
use crate::keys::KeyStore;
use crate::publication::size_of;
use crate::registry::{Registry, opening};
use crate::shards::abandoning::find;
use crate::shards::beginning::{Lost, closed_for};
use crate::shards::closing::{must_be_new, must_follow, new_key, publish};
use crate::shards::taking_over::TakenOver;
use crate::shards::{Shards, name};
use crate::store::sqlite::SqliteStore;

pub(super) async fn abandon(config: &Config, checkpoints: &[PathBuf]) -> anyhow::Result<()> {
    let given: Vec<_> = checkpoints.iter().map(|path| checkpoint(path)).collect::<Result<_, _>>()?;
    let next = config.origin();
    let store = SqliteStore::open(&config.store_file()).await?;
    let shards = Shards::read(&store).await?;
    let shards = shards.context("the hub has not begun its log yet: there is nothing to abandon")?;
    let before = shards.present().origin.clone();
    let lost = if before == next { None } else { Some(lost(config, &store, &shards, &next, &given).await?) };
    store.close().await?;
    let (_stop, stopping) = watch::channel(false);
    // Both were verified.
    let size = |checkpoint: &str| size_of(checkpoint).unwrap_or_default();
    let (last, kept) = lost.as_ref().map_or((0, 0), |lost| (size(&lost.last), size(&lost.abandoned.kept)));
    let is_new = lost.is_some();
    // This begins the log, in one commit; what comes then each start does as well.
    let (opened, taken) = run::open_after(config, stopping, lost).await?;
    publish(&opened.app).await;
    finish(opened).await?;
    match is_new {
        true => println!(
            "{before} is abandoned: of its {last} entries {kept} are left, and nothing is ever added to it. The hub goes on in {next}"
        ),
        false => println!("the hub is in the log {next} already"),
    }
    tell(&taken);
    Ok(())
}

async fn lost(
    config: &Config,
    store: &SqliteStore,
    shards: &Shards,
    next: &str,
    given: &[(String, String)],
) -> anyhow::Result<Lost> {
    if let Some((after, _)) = closed_for(store).await? {
        bail!(
            "{} is closed for {after}, as the store has it. Set log.shard = \"{}\" and start the hub; if {after} was begun before, the \
             store has nothing of it, and cannot go on from it: see `Back up and restore` in the operator guide",
            shards.present().origin,
            name(&after)
        );
    }
    must_be_new(config, shards, next).await?;
    let (_, root) = opening(store).await?.context("the log is empty")?;
    let registry = Registry::new(root, Arc::new(Catalogue::embedded()?));
    registry.catch_up(store).await?;
    let registry = registry.state();
    must_follow(&registry, shards, next)?;
    let (last, abandoned) = find(config, store, shards.present(), &registry, given).await?;
    let keys = KeyStore { origin: next.to_owned(), ..config.key_store() };
    let key = new_key(config, &keys, &registry, next, change::now())?;
    Ok(Lost { last: last.text().to_owned(), abandoned: Abandoned { key, ..abandoned } })
}

/// The checkpoint in a file, and what people call the file.
fn checkpoint(path: &Path) -> anyhow::Result<(String, String)> {
    let who = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("{who} cannot be read"))?;
    let text = match parse_typed::<MessageFile>(&bytes) {
        Ok(message) => {
            let proof: TlogProof = message.proof.parse().with_context(|| format!("{who} has no proof"))?;
            proof.checkpoint_text().to_owned()
        }
        Err(_) => String::from_utf8(bytes).with_context(|| format!("{who} is not text"))?,
    };
    Ok((who, text))
}

fn tell(taken: &TakenOver) {
    let TakenOver { again, refused, messages, unknown } = taken;
    println!("from the published part that was lost: {again} statements are logged again, {} are not", refused.len());
    refused.iter().for_each(|(index, why)| println!("  entry {index}: {why}"));
    println!("messages of that part, to be sent again by their senders: {}", messages.len());
    messages.iter().for_each(|(index, what)| println!("  entry {index}: {what}"));
    if !unknown.is_empty() {
        println!("not published, so that nobody can tell what was revoked, erased or accepted there:");
    }
    unknown.iter().for_each(|range| println!("  entries {} to {}", range.start, range.end - 1));
}
