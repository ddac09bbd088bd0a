//! `saphan-hub keys`: the hub's own keys.

mod storage;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use saphan_schemas::keys::KeyId;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::{Change, Entry, EntryId, HubKey, HubKeyId};

use super::change::NotWritten;
use super::{ConfigArguments, change, run};
use crate::config::Config;
use crate::keys::KeyUse;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make another key and sign with it from now on. The one before stays good until it is revoked: a new receipt key or key of
    /// the operator takes the place of the old one, a new log key signs beside it. A new storage key wraps the keys of bodies and
    /// documents from then on, and within a minute those of before.
    Rotate {
        /// What it signs.
        #[arg(value_enum)]
        usage: Usage,
        /// Take up this key for receipts or of the operator, which is where the configuration says, instead of making one.
        // One thumbprint in 64 begins with a hyphen.
        #[arg(long, value_name = "KID", allow_hyphen_values = true)]
        existing: Option<KeyId>,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Revoke a key of the hub; never the last one of its use. Its file may be destroyed then; that of a storage key is destroyed by
    /// this, with the hub stopped, once nothing needs it.
    Revoke {
        /// What it signs.
        #[arg(value_enum)]
        usage: Usage,
        /// The thumbprint of a key for receipts or of the operator, a log's verifier key, or the name of a storage key.
        #[arg(allow_hyphen_values = true)]
        key: String,
        #[command(flatten)]
        config: ConfigArguments,
    },
}

/// What a key of the hub is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Usage {
    /// Receipts.
    Receipts,
    /// Checkpoints of the log.
    Log,
    /// Registry entries.
    Operator,
    /// Nothing: it wraps the keys that bodies and documents are encrypted with.
    Storage,
}

pub(super) fn keys(command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Rotate { usage, existing, config } => rotate(*usage, *existing, config),
        KeysCommand::Revoke { usage, key, config } => revoke(*usage, key, config),
    }
}

fn rotate(usage: Usage, existing: Option<KeyId>, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let Some(kid) = existing else { return rotate_to_new(usage, &config) };
    let store = config.key_store();
    let keys = match usage {
        Usage::Receipts => store.open()?.receipts,
        Usage::Operator => store.open_operators()?,
        Usage::Log | Usage::Storage => {
            bail!("--existing is for keys that may be in a token; keys of the log and of the storage are files always")
        }
    };
    let key =
        keys.named(kid)?.with_context(|| format!("{kid} is none of this hub's keys; name its token in [keys]"))?;
    let jwk = *key.public();
    let key = if let Usage::Operator = usage { HubKey::Operator { jwk } } else { HubKey::Receipts { jwk } };
    change::write(&config, |_| Ok(vec![Change::Added(Entry::HubKey(key))]))?;
    println!("{kid}");
    Ok(())
}

fn rotate_to_new(usage: Usage, config: &Config) -> anyhow::Result<()> {
    let store = config.key_store();
    let usage = match usage {
        Usage::Receipts => KeyUse::Receipts,
        Usage::Log => KeyUse::Log,
        Usage::Operator => KeyUse::Operator,
        Usage::Storage => return storage::rotate(config),
    };
    let mut added = None;
    let written = change::write(config, |registry| {
        // When all that it takes to register it is there: a key that is not registered only stands in the way. Yet the file first:
        // a key that the registry has and that is not here signs nothing.
        store.check(usage, registry)?;
        let key = store.add(usage)?;
        added = Some(key.clone());
        Ok(vec![Change::Added(Entry::HubKey(key))])
    });
    let Some(key) = added else { return written.map(|_| ()) };
    match written {
        Ok(_) => {
            println!("{}", key.id());
            eprintln!("keep a copy of the new file in {} apart from this machine", config.hub.data_dir.display());
            Ok(())
        }
        Err(error) if error.is::<NotWritten>() => match store.remove(&key) {
            Ok(()) => Err(error),
            Err(kept) => Err(error.context(format!("the file of the new key stays: {kept}"))),
        },
        Err(error) => Err(error.context(format!(
            "whether the new key {} was registered is not known, so its file stays; `saphan-hub registry show` tells",
            key.id()
        ))),
    }
}

fn revoke(usage: Usage, key: &str, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let id = match usage {
        Usage::Receipts => HubKeyId::Receipts(key.parse::<KeyId>()?),
        Usage::Log => HubKeyId::Log(key.parse::<VerifierKey>()?),
        Usage::Operator => HubKeyId::Operator(key.parse::<KeyId>()?),
        Usage::Storage => return storage::revoke(key.parse()?, &config),
    };
    change::write(&config, |_| Ok(vec![Change::Revoked(EntryId::HubKey(id))]))?;
    println!("revoked; nothing is signed with it from now on");
    Ok(())
}
