//! `saphan-hub keys`: the hub's own keys.

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use saphan_schemas::keys::KeyId;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, EntryId, HubKey, HubKeyId};

use super::{ConfigArguments, registry, run};
use crate::keys::{KeyStore, KeyUse};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make another key and sign with it from now on. The one before stays good until it is revoked: a new receipt key takes
    /// the place of the old one, a new log key signs beside it.
    Rotate {
        /// What it signs.
        #[arg(value_enum)]
        usage: Usage,
        /// Take up this receipt key, which is in a token that the configuration names, instead of making one.
        #[arg(long, value_name = "KID")]
        existing: Option<KeyId>,
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
        KeysCommand::Rotate { usage, existing, config } => rotate(*usage, *existing, config),
        KeysCommand::Revoke { usage, key, config } => revoke(*usage, key, config),
    }
}

fn rotate(usage: Usage, existing: Option<KeyId>, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let store = config.key_store();
    // The key first: one that the registry has and the hub has not would stop it.
    let key = match (usage, existing) {
        (Usage::Receipts, None) => store.add(KeyUse::Receipts)?,
        (Usage::Receipts, Some(kid)) => receipt_key(&store, kid)?,
        (Usage::Log, None) => store.add(KeyUse::Log)?,
        (Usage::Log, Some(_)) => bail!("--existing is for receipt keys; a log key is a file always"),
    };
    let id = key.id();
    registry::write(&config, |_| Ok(vec![Change::Added(Entry::HubKey(key))]))?;
    println!("{id}");
    if existing.is_some() {
        return Ok(());
    }
    eprintln!("keep a copy of the new file in {} apart from this machine", config.hub.data_dir.display());
    Ok(())
}

/// A key that the hub can open already.
fn receipt_key(store: &KeyStore, kid: KeyId) -> anyhow::Result<HubKey> {
    let keys = store.open()?.receipts;
    let key = keys.iter().find(|key| key.public().id() == kid);
    let key = key.with_context(|| format!("{kid} is none of this hub's keys; name its token in [keys] receipts"))?;
    Ok(HubKey::Receipts { jwk: *key.public() })
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
