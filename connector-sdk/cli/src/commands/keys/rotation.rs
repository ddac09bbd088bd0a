//! `saphan keys rotate` and `saphan keys revoke`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use saphan_connector::membership::Membership;
use saphan_keys::{KeySource, TokenKey};
use saphan_schemas::keys::{KeyId, PublicKey, Signer};
use serde_json::json;

use super::{now, registered};
use crate::commands::{membership_failure, start_failure};
use crate::config::Config;
use crate::key;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,

    /// When the key is in a token: the new key's label. It is made in the same token, unless it is there
    #[arg(long, value_name = "LABEL")]
    token_key: Option<String>,

    /// How long the new key is to be valid; without it, until it is revoked
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3660))]
    valid_days: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// The key's thumbprint, as `saphan keys show` and `saphan keys list` print it
    // One thumbprint in 64 begins with a hyphen.
    #[arg(value_name = "KID", required_unless_present = "all_others", allow_hyphen_values = true)]
    kid: Option<KeyId>,

    /// Revoke every key of the system that stands, but the one of this configuration; lists them first
    #[arg(long, conflicts_with = "kid")]
    all_others: bool,

    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

/// Each step may be repeated: a rotation that was cut off goes on where it stopped.
pub(super) async fn rotate(arguments: RotateArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    match (config.settings().key_source().clone(), arguments.token_key) {
        (KeySource::File(path), None) => rotate_file(config, &path, arguments.valid_days).await,
        (KeySource::Token(token), Some(label)) => rotate_in_token(config, token, label, arguments.valid_days).await,
        (KeySource::File(path), Some(_)) => Err(Failure::caller(
            format!("the key is in the file {}, not in a token", path.display()),
            "Leave out --token-key. To move to a token: `saphan keys new --pkcs11-module …`, and ask the hub's operator for an \
             invitation.",
        )),
        (KeySource::Token(token), None) => Err(Failure::caller(
            format!("the key is in the token {}, and each key there has its own label", token.token),
            "Give the new key's label with --token-key.",
        )),
    }
}

async fn rotate_file(config: Config, path: &Path, valid_days: Option<u32>) -> Result<Outcome, Failure> {
    let old = config.key_id();
    let next = beside(path, "next");
    let passphrase_file = config.settings().key_passphrase_file().map(ToOwned::to_owned);
    let mut key = next_key(passphrase_file.as_deref(), path, &next)?;
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    let mut revoked = None;
    if !register(&membership, key.public(), valid_days).await? {
        // Whoever rotates wants a key that signs from now on, and one that was revoked never comes back: so another takes its place,
        // of which the one who revoked it, or had it, knows nothing. Its file is kept like that of any former key.
        let former = beside(path, &key.public().id().to_string());
        std::fs::rename(&next, &former).map_err(|error| Failure::unwritable(&former, &error))?;
        key = next_key(passphrase_file.as_deref(), path, &next)?;
        register(&membership, key.public(), valid_days).await?;
        revoked = Some(former);
    }
    let key = key.public().id();
    let kept = beside(path, &old.to_string());
    // At every moment there is a key at `path`.
    match std::fs::hard_link(path, &kept) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Failure::unwritable(&kept, &error)),
        _ => std::fs::rename(&next, path).map_err(|error| Failure::unwritable(path, &error))?,
    }
    let mut text = format!(
        "the new key is registered and in {}; the old one is in {}\n\n  new  {}\n  old  {old}\n\nStart the programs that use it \
         again; when all have, revoke the old one:\n  saphan keys revoke {old}\n",
        path.display(),
        kept.display(),
        key,
    );
    if let Some(former) = revoked {
        text.push_str(&format!(
            "\nThe key of the rotation that was cut off has ended: it was revoked, or has expired. It is in {}.\n",
            former.display()
        ));
    }
    let json = json!({ "kid": key, "old_kid": old, "key": path, "old_key": kept });
    Ok(Outcome { exit: Exit::Done, text, json })
}

/// The configuration stays as it is: when to use the new key is for whoever starts the programs.
async fn rotate_in_token(
    config: Config,
    token: TokenKey,
    label: String,
    valid_days: Option<u32>,
) -> Result<Outcome, Failure> {
    let old = config.key_id();
    let next = TokenKey { key: label, ..token };
    let key = *key::open_or_make_in_token(&next)?.public();
    if key.id() == old {
        return Err(Failure::caller("that is the label of the key in use", "Give the new key its own label."));
    }
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    if !register(&membership, &key, valid_days).await? {
        // Labels are given by whoever keeps the token.
        let what = format!("the key of that label, {}, was revoked or has expired", key.id());
        return Err(Failure::caller(what, "Give the new key a label that no key has."));
    }
    let line = key::toml_line(&KeySource::Token(next))?;
    let text = format!(
        "the new key is registered\n\n  new  {}\n  old  {old}\n\nWrite in the configuration\n  {line}\nand start the programs \
         that use it again; when all have, revoke the old one:\n  saphan keys revoke {old}\n",
        key.id(),
    );
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "kid": key.id(), "old_kid": old, "key": line }) })
}

/// The key of a rotation that was cut off, or a new one, protected if the present one is.
fn next_key(passphrase_file: Option<&Path>, path: &Path, next: &Path) -> Result<Arc<dyn Signer>, Failure> {
    if next.exists() {
        return key::open(&KeySource::File(next.into()), passphrase_file);
    }
    let protected = saphan_keys::file::is_protected(path)
        .map_err(|error| Failure::caller(error, "Check the key's file and its permissions."))?;
    let passphrase = if protected { key::of_new_key(true, passphrase_file)? } else { None };
    Ok(Arc::new(key::make(next, passphrase.as_ref())?))
}

/// Registers a key of the system, unless it is; false for one that was, and was revoked or has expired.
async fn register(membership: &Membership, key: &PublicKey, valid_days: Option<u32>) -> Result<bool, Failure> {
    let keys = membership.keys().await.map_err(|error| membership_failure(&error))?;
    if let Some(registered) = keys.iter().find(|registered| registered.kid == key.id()) {
        return Ok(registered.stands_at(now()));
    }
    let until = valid_days.map(|days| now() + u64::from(days) * 86_400);
    membership.add_key(*key, None, until).await.map_err(|error| membership_failure(&error))?;
    Ok(true)
}

pub(super) async fn revoke(arguments: RevokeArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    // The arguments are one or the other.
    let Some(kid) = arguments.kid else { return registered::revoke_all_others(config).await };
    let last = config.key_id() == kid;
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    membership.revoke_key(kid).await.map_err(|error| membership_failure(&error))?;
    let mut text = format!("{kid} is revoked: it signs nothing from now on\n");
    if last {
        text.push_str("It was the key of this configuration; to go on, ask the hub's operator for an invitation.\n");
    }
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "revoked": kid }) })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}
