//! The files of the storage keys: `storage-<number>-<print>.key` in the data folder, protected as the hub's other key files are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use saphan_keys::{KeyStoreError, Passphrase, file, nobody};
use zeroize::Zeroizing;

use super::{KeyStore, KeyUse};
use crate::sealing::{StorageKey, StorageKeyId};

impl KeyStore {
    /// Opens all storage keys; none when the folder has none. It derives keys from passphrases and may take seconds.
    ///
    /// # Errors
    /// [`KeyStoreError`] for the first that does not open: each may be needed.
    pub fn open_storage(&self) -> Result<Vec<StorageKey>, KeyStoreError> {
        let keys = self.storage_files()?;
        keys.into_iter().map(|(id, path)| self.open_storage_key(id, &path)).collect()
    }

    /// The names of the storage keys whose files are there.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn storage_ids(&self) -> Result<Vec<StorageKeyId>, KeyStoreError> {
        Ok(self.storage_files()?.into_iter().map(|(id, _)| id).collect())
    }

    /// Makes another storage key, the newest from now on, under the passphrase of the files that are there.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn add_storage(&self) -> Result<StorageKey, KeyStoreError> {
        let passphrase = self.passphrase_of_another(KeyUse::Receipts)?;
        self.make_storage(passphrase.as_ref())
    }

    /// Destroys the file of a storage key.
    ///
    /// # Errors
    /// [`KeyStoreError::File`].
    pub fn remove_storage(&self, id: StorageKeyId) -> Result<(), KeyStoreError> {
        let path = self.storage_file(id);
        fs::remove_file(&path).map_err(|source| KeyStoreError::File { path, source })
    }

    pub(super) fn make_storage(&self, passphrase: Option<&Passphrase>) -> Result<StorageKey, KeyStoreError> {
        let newest = self.storage_ids()?.iter().map(StorageKeyId::number).max().unwrap_or(0);
        let key = StorageKey::generate(newest + 1).map_err(|_| KeyStoreError::NoRandomness)?;
        let mut der = Zeroizing::new(PKCS8_AES_256.to_vec());
        der.extend_from_slice(key.as_bytes());
        let path = self.storage_file(key.id());
        file::write_new(&path, &file::to_pem(&der, passphrase)?)?;
        // What is sealed with it is lost if the folder forgets it.
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| KeyStoreError::File { path, source })?;
        Ok(key)
    }

    fn open_storage_key(&self, id: StorageKeyId, path: &Path) -> Result<StorageKey, KeyStoreError> {
        let passphrase = || Passphrase::of_key(path, self.passphrase_file.as_deref(), &nobody);
        let der = file::read_pkcs8(path, STORAGE_KIND, passphrase)?;
        let key = der.strip_prefix(PKCS8_AES_256).and_then(|key| <[u8; 32]>::try_from(key).ok()).map(Zeroizing::new);
        key.and_then(|key| StorageKey::from_bytes(id.number(), key).ok())
            .filter(|key| key.id() == id)
            .ok_or_else(|| KeyStoreError::Content { path: path.into(), kind: STORAGE_KIND })
    }

    fn storage_files(&self) -> Result<Vec<(StorageKeyId, PathBuf)>, KeyStoreError> {
        let failed = |source| KeyStoreError::File { path: self.folder.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let id = name.and_then(|name| name.strip_prefix("storage-")?.strip_suffix(".key")?.parse().ok());
            if let Some(id) = id {
                found.push((id, path));
            }
        }
        found.sort();
        Ok(found)
    }

    fn storage_file(&self, id: StorageKeyId) -> PathBuf {
        self.folder.join(format!("storage-{id}.key"))
    }
}

/// A PKCS #8 `PrivateKeyInfo` (RFC 5208 section 5) up to the key itself: version 0, the algorithm id-aes256-GCM
/// (2.16.840.1.101.3.4.1.46) without parameters, and 32 bytes. So key files are protected in one way, whatever is in them.
const PKCS8_AES_256: &[u8] = &[
    0x30, 0x32, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e, 0x04,
    0x20,
];
const STORAGE_KIND: &str = "AES-256";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_storage_key_is_made_with_the_hubs_keys_and_another_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path(), String::new());
        store.create().unwrap();
        let first = store.open_storage().unwrap().pop().unwrap();
        let second = store.add_storage().unwrap();
        assert_eq!(store.storage_ids().unwrap(), [first.id(), second.id()]);
        let mode = fs::metadata(store.storage_file(second.id())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = store.open_storage().unwrap().pop().unwrap();
        assert_eq!(read.as_bytes(), second.as_bytes());
    }

    #[test]
    fn a_storage_key_beside_protected_keys_is_protected() {
        let folder = tempfile::tempdir().unwrap();
        let passphrase = folder.path().join("passphrase");
        file::write_new(&passphrase, "correct horse\n").unwrap();
        let mut store = KeyStore::new(folder.path(), String::new());
        store.passphrase_file = Some(passphrase);
        store.create().unwrap();
        let added = store.add_storage().unwrap();
        for id in store.storage_ids().unwrap() {
            assert!(file::is_protected(&store.storage_file(id)).unwrap());
        }
        assert_eq!(store.open_storage().unwrap().pop().unwrap().as_bytes(), added.as_bytes());
    }

    #[test]
    fn a_file_that_holds_the_key_of_another_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::new(folder.path(), String::new());
        let key = store.make_storage(None).unwrap();
        let other = StorageKey::generate(2).unwrap();
        fs::rename(store.storage_file(key.id()), store.storage_file(other.id())).unwrap();
        assert!(matches!(store.open_storage(), Err(KeyStoreError::Content { kind: STORAGE_KIND, .. })));
    }
}
