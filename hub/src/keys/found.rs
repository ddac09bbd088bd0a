//! Keys of one use as they were found: those that opened, and files that did not. Whether that matters, the registry says.

use std::path::PathBuf;
use std::sync::Arc;

use saphan_keys::KeyStoreError;
use saphan_schemas::keys::{KeyId, PublicKey, Signer};
use saphan_schemas::log::{NoteSigner, VerifierKey};
use saphan_schemas::registry::{HubKeyRing, RegistryState};

/// Keys of one use, opened, and the files that did not open.
#[derive(Debug, Clone)]
pub struct Found<K> {
    /// Those that opened.
    pub keys: Vec<K>,
    unopened: Vec<Unopened>,
}

/// The hub cannot sign with the keys that are here.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeysUnusable {
    /// A key that the hub must sign with is not in its folder.
    #[error(
        "the log was opened with other keys, or a {0} key was lost; start with the keys and the data that belong together"
    )]
    Missing(&'static str),
    /// A key that the registry has does not open, or the folder does not.
    #[error(transparent)]
    Unopened(Arc<KeyStoreError>),
}

impl From<KeyStoreError> for KeysUnusable {
    fn from(error: KeyStoreError) -> Self {
        Self::Unopened(Arc::new(error))
    }
}

/// A file that does not open.
#[derive(Debug, Clone)]
struct Unopened {
    path: PathBuf,
    reason: Arc<KeyStoreError>,
}

impl<K> Found<K> {
    pub(super) const fn new() -> Self {
        Self { keys: Vec::new(), unopened: Vec::new() }
    }

    /// Takes up what opening the file at `path` gave.
    pub(super) fn note(&mut self, path: PathBuf, opened: Result<K, KeyStoreError>) {
        match opened {
            Ok(key) => self.keys.push(key),
            Err(reason) => self.unopened.push(Unopened { path, reason: Arc::new(reason) }),
        }
    }

    /// All of them, for who cannot know which of them matter.
    ///
    /// # Errors
    /// [`KeysUnusable::Unopened`] when one does not open.
    pub fn all(&self) -> Result<&[K], KeysUnusable> {
        match self.unopened.first() {
            Some(file) => Err(KeysUnusable::Unopened(Arc::clone(&file.reason))),
            None => Ok(&self.keys),
        }
    }

    /// Sees to it that none of the `wanted` keys, which are not among those that opened, is in a file that does not open. Keys
    /// are named as in [`KeyStore::add`](super::KeyStore::add)'s file names. Other files are passed over with a line in the log.
    ///
    /// # Errors
    /// [`KeysUnusable::Unopened`].
    pub(super) fn lacks_none_of(&self, wanted: &[String]) -> Result<(), KeysUnusable> {
        for file in &self.unopened {
            if file.may_be_one_of(wanted) {
                return Err(KeysUnusable::Unopened(Arc::clone(&file.reason)));
            }
            tracing::warn!(
                reason = %file.reason,
                "a key file does not open, and is passed over: the registry has no such key that stands"
            );
        }
        Ok(())
    }
}

impl Found<Arc<dyn Signer>> {
    /// The newest of the operator's keys that is here; `None` if the registry has none of them.
    ///
    /// # Errors
    /// [`KeysUnusable::Unopened`]: one that the registry has does not open.
    pub fn operator(&self, registry: &RegistryState) -> Result<Option<&Arc<dyn Signer>>, KeysUnusable> {
        self.lacks_none_of(&unopened_signers(&self.keys, registry.operator_keys()))?;
        Ok(newest(&self.keys, registry.operator_keys()))
    }

    /// The key of this name, if it is here.
    ///
    /// # Errors
    /// [`KeysUnusable::Unopened`]: it does not open.
    pub fn named(&self, kid: KeyId) -> Result<Option<&Arc<dyn Signer>>, KeysUnusable> {
        match self.keys.iter().find(|signer| signer.public().id() == kid) {
            None => self.lacks_none_of(&[kid.to_string()]).map(|()| None),
            found => Ok(found),
        }
    }
}

impl Unopened {
    /// The name of a file that [`KeyStore::add`](super::KeyStore::add) made tells its key; any other may be each.
    fn may_be_one_of(&self, wanted: &[String]) -> bool {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = stem.split_once('-').map_or("", |(_, name)| name);
        let is_of_a_log = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_of_a_log || name.parse::<KeyId>().is_ok() {
            wanted.iter().any(|wanted| wanted == name)
        } else {
            !wanted.is_empty()
        }
    }
}

/// The newest key of a ring that is among these.
pub(super) fn newest<'a>(signers: &'a [Arc<dyn Signer>], ring: &HubKeyRing<PublicKey>) -> Option<&'a Arc<dyn Signer>> {
    ring.standing().find_map(|key| signers.iter().find(|signer| signer.public() == key))
}

/// The names of the standing keys that are not among these.
pub(super) fn unopened_signers(signers: &[Arc<dyn Signer>], ring: &HubKeyRing<PublicKey>) -> Vec<String> {
    let elsewhere = ring.standing().filter(|key| signers.iter().all(|signer| signer.public() != *key));
    elsewhere.map(|key| key.id().to_string()).collect()
}

/// The same for keys of the log.
pub(super) fn unopened_logs(signers: &[Arc<NoteSigner>], registry: &RegistryState, origin: &str) -> Vec<String> {
    let standing = registry.keys_of_log(origin);
    standing.filter(|key| signers.iter().all(|signer| signer.verifier_key() != *key)).map(log_name).collect()
}

/// What the file of a log key is named by.
pub(super) fn log_name(vkey: &VerifierKey) -> String {
    format!("{:08x}", u32::from_be_bytes(*vkey.key_id()))
}
