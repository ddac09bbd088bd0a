//! The keys to verify with, from the files that the arguments name.

use std::path::{Path, PathBuf};

use saphan_schemas::keys::JwkSet;
use saphan_schemas::log::VerifierKey;

use super::VerifyArguments;
use crate::commands::log::{read_vkey, read_vkey_file};
use crate::files;
use crate::message_check::{NotTrustedKeys, TrustedKeys};
use crate::outcome::Failure;
use crate::trust_file;

pub(super) fn load(arguments: &VerifyArguments) -> Result<TrustedKeys, Failure> {
    let (mut keys, mut senders) = match (&arguments.trust, &arguments.hub_keys, &arguments.vkey) {
        (Some(folder), _, _) if folder.is_dir() => {
            (hub(&folder.join(HUB_KEYS), read_vkey_file(&folder.join(VKEY))?)?, senders_in(&folder.join(KEYS))?)
        }
        (Some(file), _, _) => (TrustedKeys::from_trust(trust_file::read(file)?.trust()), Vec::new()),
        (None, Some(file), Some(vkey)) => (hub(file, read_vkey(vkey)?)?, Vec::new()),
        // clap asks for one of the two ways before it comes here.
        _ => return Err(Failure::caller("nothing to trust was given", "Give --trust, or --hub-keys and --vkey.")),
    };
    senders.extend_from_slice(&arguments.sender_keys);
    for path in senders {
        keys.add_sender(files::read_json(&path, WHAT)?).map_err(|error| fault(&path, &error))?;
    }
    Ok(keys)
}

fn hub(path: &Path, log: VerifierKey) -> Result<TrustedKeys, Failure> {
    let set: JwkSet = files::read_json(path, WHAT)?;
    TrustedKeys::new(set, log).map_err(|error| fault(path, &error))
}

/// `<member>__<system>.jwks.json`, in the order of their names.
fn senders_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Failure::unreadable(folder, &error))? {
        let entry = entry.map_err(|error| Failure::unreadable(folder, &error))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.contains("__") && name.ends_with(".jwks.json")) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn fault(path: &Path, error: &NotTrustedKeys) -> Failure {
    Failure::caller(format!("{}: {error}", path.display()), "Fetch the key set from the hub again.")
}

const WHAT: &str = "a JWK Set with `issuer`";
const KEYS: &str = "keys";
const HUB_KEYS: &str = "keys/hub.jwks.json";
const VKEY: &str = "log/vkey";
