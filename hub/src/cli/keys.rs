//! `saphan-hub keys`: the hub's own keys.

use clap::{Subcommand, ValueEnum};
use saphan_schemas::keys::KeyId;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, EntryId, HubKeyId};

use super::{ConfigArguments, registry, run};
use crate::keys::{HubKeys, KeyUse};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make another key and sign with it from now on. The one before stays good until it is revoked: a new receipt key takes
    /// the place of the old one, a new log key signs beside it.
    Rotate {
        /// What it signs.
        #[arg(value_enum)]
        usage: Usage,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Revoke a key of the hub; never the last one of its use. Its file may be destroyed then.
    Revoke {
        /// What it signs.
        #[arg(value_enum)]
        usage: Usage,
        /// The thumbprint of a receipt key, or a log's verifier key.
        key: String,
        #[command(flatten)]
        config: ConfigArguments,
    },
}

/// What a key of the hub signs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Usage {
    /// Receipts.
    Receipts,
    /// Checkpoints of the log.
    Log,
}

pub(super) fn keys(command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Rotate { usage, config } => rotate(*usage, config),
        KeysCommand::Revoke { usage, key, config } => revoke(*usage, key, config),
    }
}

fn rotate(usage: Usage, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let usage = match usage {
        Usage::Receipts => KeyUse::Receipts,
        Usage::Log => KeyUse::Log,
    };
    // The file first: a key that the registry has and the hub has not would stop it.
    let key = HubKeys::add(&config.hub.data_dir, usage, &config.origin())?;
    let id = key.id();
    registry::write(&config, |_| Ok(vec![Change::Added(Entry::HubKey(key))]))?;
    println!("{id}");
    eprintln!("keep a copy of the new file in {} apart from this machine", config.hub.data_dir.display());
    Ok(())
}

fn revoke(usage: Usage, key: &str, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let id = match usage {
        Usage::Receipts => HubKeyId::Receipts(key.parse::<KeyId>()?),
        Usage::Log => HubKeyId::Log(key.parse::<VerifierKey>()?),
    };
    registry::write(&config, |_| Ok(vec![Change::Revoked(EntryId::HubKey(id))]))?;
    println!("revoked; nothing is signed with it from now on");
    Ok(())
}
