//! `saphan-hub shard open --abandon`: the store is an old copy, and the hub goes on in another log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::TlogProof;
use saphan_schemas::message::MessageFile;
use tokio::sync::watch;

use super::finish;
use crate::cli::{change, run};
use crate::config::Config;
use crate::publication::size_of;
use crate::shards::Shards;
use crate::shards::abandoning::give_up;
use crate::shards::closing::publish;
use crate::shards::taking_over::TakenOver;
use crate::store::sqlite::SqliteStore;

pub(super) async fn abandon(config: &Config, checkpoints: &[PathBuf]) -> anyhow::Result<()> {
    let given: Vec<_> = checkpoints.iter().map(|path| checkpoint(path)).collect::<Result<_, _>>()?;
    let next = config.origin();
    let store = SqliteStore::open(&config.store_file()).await?;
    let shards = Shards::read(&store).await?;
    let shards = shards.context("the hub has not begun its log yet: there is nothing to abandon")?;
    let before = shards.present().origin.clone();
    let is_new = before != next;
    let lost = match is_new {
        true => Some(give_up(config, &store, &shards, &next, &given, change::now()).await?),
        false => None,
    };
    store.close().await?;
    let (_stop, stopping) = watch::channel(false);
    // Both were verified.
    let size = |checkpoint: &str| size_of(checkpoint).unwrap_or_default();
    let (last, kept) = lost.as_ref().map_or((0, 0), |lost| (size(&lost.last), size(&lost.abandoned.kept)));
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
