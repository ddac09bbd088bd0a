//! `saphan-hub keys`: the hub's own keys.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use saphan_schemas::keys::{KeyId, PublicKey, Signer};
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, EntryId, HubKey, HubKeyId};

use super::{ConfigArguments, change, run};
use crate::keys::KeyUse;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make another key and sign with it from now on. The one before stays good until it is revoked: a new receipt key or key of
    /// the operator takes the place of the old one, a new log key signs beside it.
    Rotate {
        /// What it signs.
        #[arg(value_enum)]
        usage: Usage,
        /// Take up this key for receipts or of the operator, which is where the configuration says, instead of making one.
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
        /// The thumbprint of a key for receipts or of the operator, or a log's verifier key.
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
    /// Registry entries.
    Operator,
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
    // The key first: one that the registry has and that is not here signs nothing.
    let key = match (usage, existing) {
        (Usage::Receipts, None) => store.add(KeyUse::Receipts)?,
        (Usage::Receipts, Some(kid)) => HubKey::Receipts { jwk: existing_key(&store.open()?.receipts, kid)? },
        (Usage::Operator, None) => store.add(KeyUse::Operator)?,
        (Usage::Operator, Some(kid)) => HubKey::Operator { jwk: existing_key(&store.open_operators()?, kid)? },
        (Usage::Log, None) => store.add(KeyUse::Log)?,
        (Usage::Log, Some(_)) => bail!("--existing is for keys that may be in a token; a log key is a file always"),
    };
    let id = key.id();
    change::write(&config, |_| Ok(vec![Change::Added(Entry::HubKey(key))]))?;
    println!("{id}");
    if existing.is_some() {
        return Ok(());
    }
    eprintln!("keep a copy of the new file in {} apart from this machine", config.hub.data_dir.display());
    Ok(())
}

/// A key that can be opened already.
fn existing_key(keys: &[Arc<dyn Signer>], kid: KeyId) -> anyhow::Result<PublicKey> {
    let key = keys.iter().find(|key| key.public().id() == kid);
    let key = key.with_context(|| format!("{kid} is none of this hub's keys; name its token in [keys]"))?;
    Ok(*key.public())
}

fn revoke(usage: Usage, key: &str, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let id = match usage {
        Usage::Receipts => HubKeyId::Receipts(key.parse::<KeyId>()?),
        Usage::Log => HubKeyId::Log(key.parse::<VerifierKey>()?),
        Usage::Operator => HubKeyId::Operator(key.parse::<KeyId>()?),
    };
    change::write(&config, |_| Ok(vec![Change::Revoked(EntryId::HubKey(id))]))?;
    println!("revoked; nothing is signed with it from now on");
    Ok(())
}
