//! The hub's own keys: files of mode 0600 in its data folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_schemas::ids::HubId;
use saphan_schemas::keys::{self, PublicKey, Signer, SigningKey};
use saphan_schemas::log::{NoteSigner, VerifierKey};
use saphan_schemas::registry::{HubKey, RegistryState, Root};

use crate::ledger::LedgerKeys;

/// The keys of a hub, as its folder holds them. Which of them sign, the registry says.
#[derive(Debug)]
pub struct HubKeys {
    /// Sign receipts (ES256).
    pub receipts: Vec<Arc<dyn Signer>>,
    /// Sign checkpoints (Ed25519, C2SP signed-note).
    pub logs: Vec<Arc<NoteSigner>>,
    /// Signs registry entries (ES256). Held by the hub until operators have keys of their own.
    pub operator: Arc<dyn Signer>,
}

/// What a key of the hub signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Receipts.
    Receipts,
    /// Checkpoints.
    Log,
}

/// Why keys cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A file holds no key of the expected kind.
    #[error("{path} holds no {kind} key in PKCS #8 PEM form")]
    Content {
        /// The file.
        path: PathBuf,
        /// The kind expected.
        kind: &'static str,
    },
    /// No key could be made.
    #[error("no key could be made: the system's random source failed")]
    NoRandomness,
}

/// A key that the hub must sign with is not in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log was opened with other keys, or a {0} key was lost; start with the keys and the data that belong together"
)]
pub struct KeyMissing(&'static str);

impl HubKeys {
    /// Makes new keys in `folder`. Never overwrites a file: a lost log key cannot be made again.
    ///
    /// # Errors
    /// [`KeyFileError`], also when a file exists.
    pub fn create(folder: &Path) -> Result<(), KeyFileError> {
        for name in [RECEIPTS, OPERATOR] {
            let (_, pem) = SigningKey::generate().map_err(|_| KeyFileError::NoRandomness)?;
            write_new(&folder.join(format!("{name}.pem")), &pem)?;
        }
        let der = NoteSigner::generate_pkcs8().map_err(|_| KeyFileError::NoRandomness)?;
        write_new(&folder.join(format!("{LOG}.pem")), &keys::to_pem(&der))
    }

    /// Makes another key for a use, in a file of its own. It signs once the registry has it.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn add(folder: &Path, usage: KeyUse, origin: &str) -> Result<HubKey, KeyFileError> {
        match usage {
            KeyUse::Receipts => {
                let (key, pem) = SigningKey::generate().map_err(|_| KeyFileError::NoRandomness)?;
                write_new(&folder.join(format!("{RECEIPTS}-{}.pem", key.id())), &pem)?;
                Ok(HubKey::Receipts { jwk: *key.public() })
            }
            KeyUse::Log => {
                let der = NoteSigner::generate_pkcs8().map_err(|_| KeyFileError::NoRandomness)?;
                let signer = NoteSigner::from_pkcs8(origin, &der).map_err(|_| KeyFileError::NoRandomness)?;
                let vkey = signer.verifier_key().clone();
                let id = u32::from_be_bytes(*vkey.key_id());
                write_new(&folder.join(format!("{LOG}-{id:08x}.pem")), &keys::to_pem(&der))?;
                Ok(HubKey::Log { vkey })
            }
        }
    }

    /// Reads the keys of a log from `folder`: `receipts.pem`, `log.pem`, `operator.pem`, and what [`Self::add`] made.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(folder: &Path, origin: &str) -> Result<Self, KeyFileError> {
        let receipts = files(folder, RECEIPTS)?.iter().map(|path| read_signing_key(path)).collect::<Result<_, _>>()?;
        let log = |path: &PathBuf| read_log_key(path, origin).map(Arc::new);
        let logs = files(folder, LOG)?.iter().map(log).collect::<Result<_, _>>()?;
        Ok(Self { receipts, logs, operator: Self::read_operator(folder)? })
    }

    /// Reads the operator's key alone.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_operator(folder: &Path) -> Result<Arc<dyn Signer>, KeyFileError> {
        read_signing_key(&folder.join(format!("{OPERATOR}.pem")))
    }

    /// The keys that a log begins with, and what it states of them.
    ///
    /// # Errors
    /// None after [`Self::read`].
    pub fn root(&self, hub: &HubId) -> Result<Root, KeyMissing> {
        let receipts = self.receipts.first().ok_or(KeyMissing("receipts"))?;
        let log = self.logs.first().ok_or(KeyMissing("log"))?;
        Ok(Root {
            hub: hub.clone(),
            operator: *self.operator.public(),
            receipts: *receipts.public(),
            log: log.verifier_key().clone(),
        })
    }

    /// The keys that sign now: the newest for receipts that is here, and all for the log.
    ///
    /// # Errors
    /// [`KeyMissing`]: the registry has a key whose file is not here.
    pub fn signing(&self, registry: &RegistryState, origin: &str) -> Result<LedgerKeys, KeyMissing> {
        let with_key = |public: &PublicKey| self.receipts.iter().find(|signer| signer.public() == public);
        let receipts = registry.receipt_keys().standing().find_map(with_key).ok_or(KeyMissing("receipts"))?;
        let with_vkey = |vkey: &VerifierKey| {
            self.logs.iter().find(|signer| signer.verifier_key() == vkey).cloned().ok_or(KeyMissing("log"))
        };
        let logs = registry.log_keys().standing().map(with_vkey).collect::<Result<Vec<_>, _>>()?;
        Ok(LedgerKeys { hub: registry.hub().clone(), origin: origin.to_owned(), receipts: Arc::clone(receipts), logs })
    }
}

/// The first file, and those that were added to it.
fn files(folder: &Path, name: &str) -> Result<Vec<PathBuf>, KeyFileError> {
    let failed = |source| KeyFileError::File { path: folder.into(), source };
    let mut added = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = path.file_name().and_then(|file| file.to_str());
        if file.is_some_and(|file| file.starts_with(&format!("{name}-")) && file.ends_with(".pem")) {
            added.push(path);
        }
    }
    added.sort();
    // The first may be gone once it is revoked.
    let first = folder.join(format!("{name}.pem"));
    if added.is_empty() || first.exists() {
        added.insert(0, first);
    }
    Ok(added)
}

fn read_signing_key(path: &Path) -> Result<Arc<dyn Signer>, KeyFileError> {
    let key = SigningKey::from_pem(&read(path)?);
    Ok(Arc::new(key.map_err(|_| KeyFileError::Content { path: path.into(), kind: "ES256" })?))
}

fn read_log_key(path: &Path, origin: &str) -> Result<NoteSigner, KeyFileError> {
    let wrong = || KeyFileError::Content { path: path.into(), kind: "Ed25519" };
    let der = keys::from_pem(&read(path)?).ok_or_else(wrong)?;
    NoteSigner::from_pkcs8(origin, &der).map_err(|_| wrong())
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<String>, KeyFileError> {
    let text = fs::read_to_string(path).map_err(|source| KeyFileError::File { path: path.into(), source })?;
    Ok(zeroize::Zeroizing::new(text))
}

pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| KeyFileError::File { path: path.into(), source })
}

const RECEIPTS: &str = "receipts";
const OPERATOR: &str = "operator";
const LOG: &str = "log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_private_part() {
        let folder = tempfile::tempdir().unwrap();
        HubKeys::create(folder.path()).unwrap();
        let shown = format!("{:?}", HubKeys::read(folder.path(), "hub.local/log/main").unwrap());
        for name in [RECEIPTS, OPERATOR, LOG] {
            let pem = fs::read_to_string(folder.path().join(format!("{name}.pem"))).unwrap();
            let private = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
            assert!(!shown.contains(&private[..40]), "{name}");
        }
    }
}
