//! `saphan keys rotate` and `saphan keys revoke`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::keys::{KeyId, SigningKey};
use serde_json::json;

use crate::commands::{membership_failure, start_failure};
use crate::config::{Config, read_key};
use crate::files::{self, Readers};
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,

    /// How long the new key is to be valid; without it, until it is revoked
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3660))]
    valid_days: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// The key's thumbprint, as `saphan keys show` prints it
    #[arg(value_name = "KID")]
    kid: KeyId,

    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

/// Each step may be repeated: a rotation that was cut off goes on where it stopped.
pub(super) async fn rotate(arguments: RotateArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let path = config.key_file().to_owned();
    let old = config.key_id();
    let next = beside(&path, "next");
    let key = if next.exists() { read_key(&next)? } else { make(&next)? };
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    let keys = membership.keys().await.map_err(|error| membership_failure(&error))?;
    if keys.iter().all(|registered| registered.kid != key.id()) {
        let until = arguments.valid_days.map(|days| now() + u64::from(days) * 86_400);
        membership.add_key(*key.public(), None, until).await.map_err(|error| membership_failure(&error))?;
    }
    let kept = beside(&path, &old.to_string());
    // At every moment there is a key at `path`.
    match std::fs::hard_link(&path, &kept) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Failure::unwritable(&kept, &error)),
        _ => std::fs::rename(&next, &path).map_err(|error| Failure::unwritable(&path, &error))?,
    }
    let text = format!(
        "the new key is registered and in {}; the old one is in {}\n\n  new  {}\n  old  {old}\n\nStart the programs that use it \
         again; when all have, revoke the old one:\n  saphan keys revoke {old}\n",
        path.display(),
        kept.display(),
        key.id(),
    );
    let json = json!({ "kid": key.id(), "old_kid": old, "key": path, "old_key": kept });
    Ok(Outcome { exit: Exit::Done, text, json })
}

pub(super) async fn revoke(arguments: RevokeArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let last = config.key_id() == arguments.kid;
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    membership.revoke_key(arguments.kid).await.map_err(|error| membership_failure(&error))?;
    let mut text = format!("{} is revoked: it signs nothing from now on\n", arguments.kid);
    if last {
        text.push_str("It was the key of this configuration; to go on, ask the hub's operator for an invitation.\n");
    }
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "revoked": arguments.kid }) })
}

fn make(path: &Path) -> Result<SigningKey, Failure> {
    let (key, pem) = SigningKey::generate()
        .map_err(|error| Failure::machine(format!("cannot make a key: {error}"), "Try again."))?;
    files::write_new(path, pem.as_bytes(), Readers::Owner)?;
    Ok(key)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
