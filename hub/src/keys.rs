//! The hub's own keys: files of mode 0600 in its data folder, and keys in tokens.

mod adding;
mod cases;
mod found;
mod storage;

pub use self::found::{Found, KeysUnusable};
use self::found::{newest, unopened_logs, unopened_signers};

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_keys::{KeySource, KeyStoreError, Passphrase, file, nobody};
use saphan_schemas::ids::HubId;
use saphan_schemas::keys::{PublicKey, Signer};
use saphan_schemas::log::NoteSigner;
use saphan_schemas::registry::{RegistryState, Root};

use crate::ledger::LedgerKeys;

/// The keys of a hub, opened. Which of them sign, the registry says.
#[derive(Debug)]
pub struct HubKeys {
    /// Sign receipts (ES256).
    pub receipts: Found<Arc<dyn Signer>>,
    /// Sign checkpoints (Ed25519, C2SP signed-note).
    pub logs: Found<Arc<NoteSigner>>,
}

/// What a key of the hub signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Receipts.
    Receipts,
    /// Checkpoints.
    Log,
    /// Registry entries.
    Operator,
}

/// Where the keys of a hub are: in files of its data folder, protected by one passphrase or by none, and in tokens.
#[derive(Debug, Clone)]
pub struct KeyStore {
    /// The data folder.
    pub folder: PathBuf,
    /// The log's origin.
    pub origin: String,
    /// Receipt keys that are elsewhere, in tokens mostly; relative paths are relative to the data folder.
    pub receipts: Vec<KeySource>,
    /// The operator's key; a relative path is relative to the data folder.
    pub operator: KeySource,
    /// Holds the passphrase of the files. Without it the environment variable [`saphan_keys::KEY_PASSPHRASE`] may.
    pub passphrase_file: Option<PathBuf>,
}

impl KeyStore {
    /// Files without a passphrase in a folder, for the log of this origin.
    #[must_use]
    pub fn new(folder: &Path, origin: String) -> Self {
        let operator = KeySource::File(format!("{OPERATOR}.pem").into());
        Self { folder: folder.into(), origin, receipts: Vec::new(), operator, passphrase_file: None }
    }

    /// Opens all keys that the hub itself signs with: those in tokens, `receipts.pem`, `log.pem`, and what [`Self::add`] made. It
    /// reads files, derives keys and talks to devices, and may take seconds. Files that do not open are noted: the registry may
    /// not know them.
    ///
    /// # Errors
    /// [`KeyStoreError`] for a key in a token, or when the folder cannot be read.
    pub fn open(&self) -> Result<HubKeys, KeyStoreError> {
        let mut receipts = Found::new();
        for source in &self.receipts {
            receipts.keys.push(self.signer(source)?);
        }
        self.find(RECEIPTS, receipts.keys.is_empty(), &mut receipts, |path| self.file(path))?;
        let mut logs = Found::new();
        self.find(LOG, true, &mut logs, |path| self.log_key(path).map(Arc::new))?;
        Ok(HubKeys { receipts, logs })
    }

    /// Sees to it that the files of a use open as far as the registry has their keys, before another comes beside them. The
    /// operator's open already, or nothing could be signed.
    ///
    /// # Errors
    /// [`KeysUnusable`].
    pub fn check(&self, usage: KeyUse, registry: &RegistryState) -> Result<(), KeysUnusable> {
        match usage {
            KeyUse::Receipts => {
                let mut found = Found::new();
                self.find(RECEIPTS, false, &mut found, |path| self.file(path))?;
                found.lacks_none_of(&unopened_signers(&found.keys, registry.receipt_keys()))
            }
            KeyUse::Log => {
                let mut found = Found::new();
                self.find(LOG, false, &mut found, |path| self.log_key(path).map(Arc::new))?;
                found.lacks_none_of(&unopened_logs(&found.keys, registry, &self.origin))
            }
            KeyUse::Operator => Ok(()),
        }
    }

    /// Opens the operator's keys: the one that the configuration names first, then what [`Self::add`] made, and `operator.pem`
    /// if it is there. Files that do not open, or are not there, are noted.
    ///
    /// # Errors
    /// [`KeyStoreError`] for a key in a token, or when the folder cannot be read.
    pub fn open_operators(&self) -> Result<Found<Arc<dyn Signer>>, KeyStoreError> {
        let named = self.operator.clone().relative_to(&self.folder);
        let mut sources = vec![named];
        for path in files(&self.folder, OPERATOR, false)? {
            let source = KeySource::File(path);
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        // Once it is revoked, the one that is named may be gone.
        if let [KeySource::File(path), _, ..] = sources.as_slice()
            && !path.exists()
        {
            sources.remove(0);
        }
        let mut found = Found::new();
        for source in sources {
            let opened = source.open(self.passphrase_file.as_deref(), &nobody);
            match source {
                KeySource::File(path) => found.note(path, opened),
                KeySource::Token(_) => found.keys.push(opened?),
            }
        }
        Ok(found)
    }

    fn find<K>(
        &self,
        name: &str,
        needed: bool,
        found: &mut Found<K>,
        open: impl Fn(&Path) -> Result<K, KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        for path in files(&self.folder, name, needed)? {
            let opened = open(&path);
            found.note(path, opened);
        }
        Ok(())
    }

    /// A file of the folder, wherever that is from here.
    fn file(&self, path: &Path) -> Result<Arc<dyn Signer>, KeyStoreError> {
        KeySource::File(path.into()).open(self.passphrase_file.as_deref(), &nobody)
    }

    fn signer(&self, source: &KeySource) -> Result<Arc<dyn Signer>, KeyStoreError> {
        source.clone().relative_to(&self.folder).open(self.passphrase_file.as_deref(), &nobody)
    }

    fn log_key(&self, path: &Path) -> Result<NoteSigner, KeyStoreError> {
        let passphrase = || Passphrase::of_key(path, self.passphrase_file.as_deref(), &nobody);
        let der = file::read_pkcs8(path, LOG_KIND, passphrase)?;
        NoteSigner::from_pkcs8(&self.origin, &der)
            .map_err(|_| KeyStoreError::Content { path: path.into(), kind: LOG_KIND })
    }
}

impl HubKeys {
    /// The keys that a log begins with, and what it states of them.
    ///
    /// # Errors
    /// [`KeysUnusable`], also when a file does not open: it may be the one to begin with.
    pub fn root(&self, hub: &HubId, operator: &PublicKey) -> Result<Root, KeysUnusable> {
        let receipts = self.receipts.all()?.first().ok_or(KeysUnusable::Missing("receipts"))?;
        let log = self.logs.all()?.first().ok_or(KeysUnusable::Missing("log"))?;
        Ok(Root {
            hub: hub.clone(),
            operator: *operator,
            receipts: *receipts.public(),
            log: log.verifier_key().clone(),
        })
    }

    /// The keys that sign now: of those that the registry has and that are here, the newest for receipts, and all for the log.
    ///
    /// # Errors
    /// [`KeysUnusable`]: one that the registry has does not open, or none is here.
    pub fn signing(&self, registry: &RegistryState, origin: &str) -> Result<LedgerKeys, KeysUnusable> {
        self.receipts.lacks_none_of(&unopened_signers(&self.receipts.keys, registry.receipt_keys()))?;
        self.logs.lacks_none_of(&unopened_logs(&self.logs.keys, registry, origin))?;
        let receipts = newest(&self.receipts.keys, registry.receipt_keys()).ok_or(KeysUnusable::Missing("receipts"))?;
        let mut logs = Vec::new();
        for vkey in registry.keys_of_log(origin) {
            match self.logs.keys.iter().find(|signer| signer.verifier_key() == vkey) {
                Some(signer) => logs.push(Arc::clone(signer)),
                None => tracing::error!(
                    %vkey,
                    "a key of the log is not here, and signs nothing: who trusts only this one cannot verify the log any more"
                ),
            }
        }
        if logs.is_empty() {
            return Err(KeysUnusable::Missing("log"));
        }
        Ok(LedgerKeys { hub: registry.hub().clone(), origin: origin.to_owned(), receipts: Arc::clone(receipts), logs })
    }
}

/// The first file, and those that were added to it; none only if that is not `needed`.
fn files(folder: &Path, name: &str, needed: bool) -> Result<Vec<PathBuf>, KeyStoreError> {
    let failed = |source| KeyStoreError::File { path: folder.into(), source };
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
    if first.exists() || (needed && added.is_empty()) {
        added.insert(0, first);
    }
    Ok(added)
}

const RECEIPTS: &str = "receipts";
const OPERATOR: &str = "operator";
const LOG: &str = "log";
const LOG_KIND: &str = "Ed25519";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    pub(super) fn store(folder: &Path) -> KeyStore {
        KeyStore::new(folder, "hub.local/log/main".into())
    }

    #[test]
    fn debug_shows_no_private_part() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path()).create().unwrap();
        let shown = format!("{:?}", store(folder.path()).open().unwrap());
        for name in [RECEIPTS, OPERATOR, LOG] {
            let pem = fs::read_to_string(folder.path().join(format!("{name}.pem"))).unwrap();
            let private = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
            assert!(!shown.contains(&private[..40]), "{name}");
        }
    }

    #[test]
    fn keys_that_others_can_read_are_refused() {
        for name in [RECEIPTS, OPERATOR, LOG].map(|name| format!("{name}.pem")) {
            let folder = tempfile::tempdir().unwrap();
            store(folder.path()).create().unwrap();
            fs::set_permissions(folder.path().join(&name), fs::Permissions::from_mode(0o640)).unwrap();
            let HubKeys { receipts, logs } = store(folder.path()).open().unwrap();
            let operators = store(folder.path()).open_operators().unwrap();
            let refused = [receipts.all().err(), logs.all().err(), operators.all().err()];
            let [KeysUnusable::Unopened(error)] = &refused.into_iter().flatten().collect::<Vec<_>>()[..] else {
                panic!("{name}")
            };
            assert!(matches!(&**error, KeyStoreError::Open { path, .. } if path.ends_with(&name)), "{error}");
        }
    }

    #[test]
    fn protected_keys_old_and_new_open_with_the_file_that_holds_their_passphrase_and_not_without() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        file::write_new(&secret, "hub\n").unwrap();
        let protected = KeyStore { passphrase_file: Some(secret), ..store(folder.path()) };
        protected.create().unwrap();
        protected.add(KeyUse::Receipts).unwrap();
        protected.add(KeyUse::Log).unwrap();
        let keys = protected.open().unwrap();
        assert_eq!((keys.receipts.all().unwrap().len(), keys.logs.all().unwrap().len()), (2, 2));
        let KeysUnusable::Unopened(error) = store(folder.path()).open().unwrap().receipts.all().unwrap_err() else {
            panic!()
        };
        assert!(matches!(*error, KeyStoreError::PassphraseMissing { .. }), "{error}");
    }
}
