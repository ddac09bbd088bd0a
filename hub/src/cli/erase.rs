//! `saphan-hub erase`.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use saphan_schemas::ids::Code;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::change::{of_running_hub, operator};
use super::{ConfigArguments, run, running};
use crate::config::Config;
use crate::erasing;
use crate::shards::Located;

/// What of the hub's answer is told.
#[derive(Debug, Deserialize)]
struct Copies {
    copies: Vec<u64>,
    #[serde(default)]
    copies_elsewhere: Vec<Copy>,
}

/// A place in another log than that of what was erased.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    log: String,
    index: u64,
}

#[derive(Debug, Args)]
pub(super) struct EraseArguments {
    /// The origin of the log that the messages are in, as their receipts have it; needed once the hub has several.
    #[arg(long, value_name = "ORIGIN")]
    log: Option<String>,
    /// The places of the messages in that log.
    #[arg(required = true, value_name = "INDEX")]
    messages: Vec<u64>,
    /// The code of the legal basis, which the log will show, e.g. pdpa-s33.
    #[arg(long)]
    basis: Code,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn erase(arguments: &EraseArguments) -> anyhow::Result<()> {
    let EraseArguments { log, messages, basis, config } = arguments;
    let log = log.as_deref();
    let config = run::load(&config.config)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    run::runtime()?.block_on(async {
        let (mut copies, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
        for messages in messages.chunks(erasing::AT_ONCE) {
            let found = match run::lock(&config)? {
                Some(_lock) => erase_here(&config, log, messages, basis).await?,
                None => ask_running_hub(&config, log, messages, basis).await?,
            };
            copies.extend(found.copies);
            elsewhere.extend(found.copies_elsewhere);
        }
        println!("{} bodies are erased", messages.len());
        // What a later chunk erased stands no more.
        let copies: Vec<_> = copies.iter().filter(|copy| !messages.contains(copy)).map(u64::to_string).collect();
        if !copies.is_empty() {
            println!("complete cases still hold copies; to erase these too: {}", copies.join(" "));
        }
        for Copy { log, index } in elsewhere {
            println!("a complete case still holds copies; to erase it too: --log {log} {index}");
        }
        Ok(())
    })
}

async fn erase_here(config: &Config, log: Option<&str>, messages: &[u64], basis: &Code) -> anyhow::Result<Copies> {
    let (_stop, stopping) = watch::channel(false);
    let opened = run::open(config, stopping).await?;
    let shards = Arc::clone(&opened.app.shards);
    if log.is_none() && shards.present().number > 0 {
        bail!("--log is missing: the hub has several logs, and each counts from 0; the origin is in the receipts");
    }
    let log = log.unwrap_or(&opened.app.origin).to_owned();
    let erased = erasing::erase_in(&opened.app, &log, messages, basis).await;
    drop(opened.app);
    opened.writer.await?;
    let located = erased?.copies.into_iter().map(|place| {
        let Located { log, index } = shards.located(place);
        Copy { log: log.to_owned(), index }
    });
    let (here, elsewhere): (Vec<_>, Vec<_>) = located.partition(|copy| copy.log == log);
    Ok(Copies { copies: here.into_iter().map(|copy| copy.index).collect(), copies_elsewhere: elsewhere })
}

async fn ask_running_hub(config: &Config, log: Option<&str>, messages: &[u64], basis: &Code) -> anyhow::Result<Copies> {
    let operators = config.key_store().open_operators()?;
    let registry = of_running_hub(config).await?;
    let operator = operator(&registry.state(), &operators)?;
    let body = json!({ "log": log, "messages": messages, "basis": basis });
    running::post(config, operator, "/v1/erasures", &body).await
}
