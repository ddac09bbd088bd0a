//! `saphan-hub erase`.

use std::collections::BTreeSet;

use clap::Args;
use saphan_schemas::ids::Code;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::change::{of_running_hub, operator};
use super::{ConfigArguments, run, running};
use crate::config::Config;
use crate::erasing;

/// What of the hub's answer is told.
#[derive(Debug, Deserialize)]
struct Copies {
    copies: Vec<u64>,
}

#[derive(Debug, Args)]
pub(super) struct EraseArguments {
    /// The places of the messages in the log.
    #[arg(required = true, value_name = "INDEX")]
    messages: Vec<u64>,
    /// The code of the legal basis, which the log will show, e.g. pdpa-s33.
    #[arg(long)]
    basis: Code,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn erase(arguments: &EraseArguments) -> anyhow::Result<()> {
    let EraseArguments { messages, basis, config } = arguments;
    let config = run::load(&config.config)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    run::runtime()?.block_on(async {
        let mut copies = BTreeSet::new();
        for messages in messages.chunks(erasing::AT_ONCE) {
            copies.extend(match run::lock(&config)? {
                Some(_lock) => erase_here(&config, messages, basis).await?,
                None => ask_running_hub(&config, messages, basis).await?,
            });
        }
        println!("{} bodies are erased", messages.len());
        // What a later chunk erased stands no more.
        let copies: Vec<_> = copies.iter().filter(|copy| !messages.contains(copy)).map(u64::to_string).collect();
        if !copies.is_empty() {
            println!("complete cases still hold copies; to erase these too: {}", copies.join(" "));
        }
        Ok(())
    })
}

async fn erase_here(config: &Config, messages: &[u64], basis: &Code) -> anyhow::Result<Vec<u64>> {
    let (_stop, stopping) = watch::channel(false);
    let opened = run::open(config, stopping).await?;
    let erased = erasing::erase(&opened.app, messages, basis).await;
    drop(opened.app);
    opened.writer.await?;
    Ok(erased?.copies)
}

async fn ask_running_hub(config: &Config, messages: &[u64], basis: &Code) -> anyhow::Result<Vec<u64>> {
    let operators = config.key_store().open_operators()?;
    let registry = of_running_hub(config).await?;
    let operator = operator(&registry.state(), &operators)?;
    let body = json!({ "messages": messages, "basis": basis });
    let Copies { copies } = running::post(config, operator, "/v1/erasures", &body).await?;
    Ok(copies)
}
