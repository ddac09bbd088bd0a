//! The hub's own keys: files of mode 0600 in its data folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_schemas::keys::{self, Signer, SigningKey};
use saphan_schemas::log::NoteSigner;

/// The three keys of a hub.
#[derive(Debug)]
pub struct HubKeys {
    /// Signs receipts (ES256).
    pub receipts: Arc<dyn Signer>,
    /// Signs checkpoints (Ed25519, C2SP signed-note).
    pub log: NoteSigner,
    /// Signs registry entries (ES256). Held by the hub until operators have keys of their own.
    pub operator: Arc<dyn Signer>,
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

impl HubKeys {
    /// Makes new keys in `folder`. Never overwrites a file: a lost log key cannot be made again.
    ///
    /// # Errors
    /// [`KeyFileError`], also when a file exists.
    pub fn create(folder: &Path) -> Result<(), KeyFileError> {
        for name in [RECEIPTS, OPERATOR] {
            let (_, pem) = SigningKey::generate().map_err(|_| KeyFileError::NoRandomness)?;
            write_new(&folder.join(name), &pem)?;
        }
        let der = NoteSigner::generate_pkcs8().map_err(|_| KeyFileError::NoRandomness)?;
        write_new(&folder.join(LOG), &keys::to_pem(&der))
    }

    /// Reads the keys of a log from `folder`.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(folder: &Path, origin: &str) -> Result<Self, KeyFileError> {
        Ok(Self {
            receipts: read_signing_key(&folder.join(RECEIPTS))?,
            operator: Self::read_operator(folder)?,
            log: read_log_key(&folder.join(LOG), origin)?,
        })
    }

    /// Reads the operator's key alone.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_operator(folder: &Path) -> Result<Arc<dyn Signer>, KeyFileError> {
        read_signing_key(&folder.join(OPERATOR))
    }
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

const RECEIPTS: &str = "receipts.pem";
const OPERATOR: &str = "operator.pem";
const LOG: &str = "log.pem";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_private_part() {
        let folder = tempfile::tempdir().unwrap();
        HubKeys::create(folder.path()).unwrap();
        let shown = format!("{:?}", HubKeys::read(folder.path(), "hub.local/log/main").unwrap());
        for name in [RECEIPTS, OPERATOR, LOG] {
            let pem = fs::read_to_string(folder.path().join(name)).unwrap();
            let private = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
            assert!(!shown.contains(&private[..40]), "{name}");
        }
    }
}
