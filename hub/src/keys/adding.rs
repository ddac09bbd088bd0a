//! New keys, and what their files are protected with.

use std::fs;
use std::path::PathBuf;

use saphan_keys::{KEY_PASSPHRASE, KeySource, KeyStoreError, Passphrase, file};
use saphan_schemas::keys::{self, PublicKey, SigningKey};
use saphan_schemas::log::NoteSigner;
use saphan_schemas::registry::HubKey;
use zeroize::Zeroizing;

use super::found::log_name;
use super::{KeyStore, KeyUse, LOG, OPERATOR, RECEIPTS, files};

impl KeyStore {
    /// Makes new keys in the folder, under the passphrase if there is one. Never overwrites a file: a lost log key cannot be made
    /// again.
    ///
    /// # Errors
    /// [`KeyStoreError`], also when a file exists.
    pub fn create(&self) -> Result<(), KeyStoreError> {
        let passphrase = self.passphrase()?;
        for name in [RECEIPTS, OPERATOR] {
            self.write(name, &es256_key()?.1, passphrase.as_ref())?;
        }
        let der = NoteSigner::generate_pkcs8().map_err(|_| KeyStoreError::NoRandomness)?;
        self.write(LOG, &der, passphrase.as_ref())?;
        self.make_storage(passphrase.as_ref()).map(|_| ())
    }

    /// Makes another key for a use, in a file of its own, under the passphrase of the files that are there. It signs once the
    /// registry has it.
    ///
    /// # Errors
    /// [`KeyStoreError`], also when files that are there are protected and the passphrase is missing or opens none of them.
    pub fn add(&self, usage: KeyUse) -> Result<HubKey, KeyStoreError> {
        let passphrase = self.passphrase_of_another(usage)?;
        match usage {
            KeyUse::Receipts => Ok(HubKey::Receipts { jwk: self.add_es256(RECEIPTS, passphrase.as_ref())? }),
            KeyUse::Operator => Ok(HubKey::Operator { jwk: self.add_es256(OPERATOR, passphrase.as_ref())? }),
            KeyUse::Log => {
                let der = NoteSigner::generate_pkcs8().map_err(|_| KeyStoreError::NoRandomness)?;
                let signer = NoteSigner::from_pkcs8(&self.origin, &der).map_err(|_| KeyStoreError::NoRandomness)?;
                let vkey = signer.verifier_key().clone();
                self.write(&format!("{LOG}-{}", log_name(&vkey)), &der, passphrase.as_ref())?;
                Ok(HubKey::Log { vkey })
            }
        }
    }

    /// Takes away the file that [`Self::add`] made for a key.
    ///
    /// # Errors
    /// [`KeyStoreError::File`].
    pub fn remove(&self, key: &HubKey) -> Result<(), KeyStoreError> {
        let path = self.folder.join(match key {
            HubKey::Receipts { jwk } => format!("{RECEIPTS}-{}.pem", jwk.id()),
            HubKey::Operator { jwk } => format!("{OPERATOR}-{}.pem", jwk.id()),
            HubKey::Log { vkey } => format!("{LOG}-{}.pem", log_name(vkey)),
        });
        fs::remove_file(&path).map_err(|source| KeyStoreError::File { path, source })
    }

    fn add_es256(&self, name: &str, passphrase: Option<&Passphrase>) -> Result<PublicKey, KeyStoreError> {
        let (key, der) = es256_key()?;
        self.write(&format!("{name}-{}", key.id()), &der, passphrase)?;
        Ok(*key.public())
    }

    /// What new files are protected with.
    fn passphrase(&self) -> Result<Option<Passphrase>, KeyStoreError> {
        match &self.passphrase_file {
            Some(file) => Passphrase::from_file(file).map(Some),
            None => Passphrase::from_env(KEY_PASSPHRASE),
        }
    }

    /// What a file beside others is protected with: as they are. A hub that has the passphrase for them alone could not be started,
    /// and without one a key would lie there unprotected beside keys that are not.
    pub(super) fn passphrase_of_another(&self, usage: KeyUse) -> Result<Option<Passphrase>, KeyStoreError> {
        let given = self.passphrase()?;
        let protected = |mut paths: Vec<PathBuf>| {
            paths.retain(|path| file::is_protected(path).is_ok_and(|protected| protected));
            paths
        };
        let of_the_hub = [files(&self.folder, RECEIPTS, false)?, files(&self.folder, LOG, false)?].concat();
        let mut of_operators = files(&self.folder, OPERATOR, false)?;
        if let KeySource::File(path) = self.operator.clone().relative_to(&self.folder) {
            of_operators.push(path);
        }
        let (is_operators, hub_has_files) = (usage == KeyUse::Operator, !of_the_hub.is_empty());
        let (of_operators, of_the_hub) = (protected(of_operators), protected(of_the_hub));
        // Those that are opened with it come first: an operator may have a passphrase of their own. It is none for the hub's keys,
        // as long as the hub has files to go by.
        let beside = match is_operators {
            true if of_operators.is_empty() => of_the_hub,
            true => of_operators,
            false if hub_has_files => of_the_hub,
            false => of_operators,
        };
        let Some(path) = beside.first() else {
            // One that only this command was given, the hub may not have at its next start.
            let is_good = is_operators || !hub_has_files || self.passphrase_file.is_some();
            return Ok(given.filter(|_| is_good));
        };
        let given = given.ok_or_else(|| KeyStoreError::PassphraseMissing { path: path.clone() })?;
        let opens = |path: &PathBuf| file::read_pkcs8(path, "private", || Ok(given.clone())).is_ok();
        if beside.iter().any(opens) {
            Ok(Some(given))
        } else {
            Err(KeyStoreError::WrongPassphrase { path: path.clone() })
        }
    }

    pub(super) fn write(&self, name: &str, der: &[u8], passphrase: Option<&Passphrase>) -> Result<(), KeyStoreError> {
        file::write_new(&self.folder.join(format!("{name}.pem")), &file::to_pem(der, passphrase)?)
    }
}

/// A new key, with its PKCS #8 form.
pub(super) fn es256_key() -> Result<(SigningKey, Zeroizing<Vec<u8>>), KeyStoreError> {
    let (key, pem) = SigningKey::generate().map_err(|_| KeyStoreError::NoRandomness)?;
    Ok((key, keys::from_pem(&pem).ok_or(KeyStoreError::NoRandomness)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::store;
    use super::*;

    #[test]
    fn another_key_beside_protected_ones_is_made_with_their_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = tempfile::tempdir().unwrap();
        let protected = |passphrase: &str| {
            let secret = secrets.path().join(passphrase);
            let _ = file::write_new(&secret, passphrase);
            KeyStore { passphrase_file: Some(secret), ..store(folder.path()) }
        };
        protected("hub").create().unwrap();
        for usage in [KeyUse::Receipts, KeyUse::Log, KeyUse::Operator] {
            let error = store(folder.path()).add(usage).unwrap_err();
            assert!(matches!(error, KeyStoreError::PassphraseMissing { .. }), "{error}");
            let error = protected("other").add(usage).unwrap_err();
            assert!(matches!(error, KeyStoreError::WrongPassphrase { .. }), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing was written");
        let key = protected("hub").add(KeyUse::Receipts).unwrap();
        protected("hub").remove(&key).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "the file of that key is gone");

        // A passphrase that only the operator's key has makes no protected key beside unprotected ones.
        let mixed = tempfile::tempdir().unwrap();
        store(mixed.path()).create().unwrap();
        let secret = file::to_pem(&es256_key().unwrap().1, protected("own").passphrase().unwrap().as_ref()).unwrap();
        let named = secrets.path().join("named.pem");
        file::write_new(&named, &secret).unwrap();
        let named = KeyStore { operator: KeySource::File(named), ..store(mixed.path()) };
        named.add(KeyUse::Log).unwrap();
        assert_eq!(store(mixed.path()).open().unwrap().logs.all().unwrap().len(), 2);

        // An operator who keeps a key elsewhere, under a passphrase of their own.
        let elsewhere = secrets.path().join("operator.pem");
        let pem = file::to_pem(&es256_key().unwrap().1, protected("own").passphrase().unwrap().as_ref()).unwrap();
        file::write_new(&elsewhere, &pem).unwrap();
        fs::remove_file(folder.path().join("operator.pem")).unwrap();
        let own = KeyStore { operator: KeySource::File(elsewhere), ..protected("own") };
        own.add(KeyUse::Operator).unwrap();
        let error = own.add(KeyUse::Log).unwrap_err();
        assert!(matches!(error, KeyStoreError::WrongPassphrase { .. }), "{error}");
    }
}
