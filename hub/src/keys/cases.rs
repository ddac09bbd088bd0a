//! The keys of the room of cases, which are made when they are asked for first.

use std::fs;
use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use saphan_keys::{KeyStoreError, file};
use saphan_schemas::b64;
use saphan_schemas::keys::Signer;

use super::adding::es256_key;
use super::{KeyStore, KeyUse};
use crate::cases::PseudonymKey;

impl KeyStore {
    /// The key of the hub's own system, which is made when it is asked for first.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn cases(&self) -> Result<Arc<dyn Signer>, KeyStoreError> {
        let path = self.folder.join(format!("{CASES}.pem"));
        if !path.exists() {
            let passphrase = self.passphrase_of_another(KeyUse::Receipts)?;
            self.write(CASES, &es256_key()?.1, passphrase.as_ref())?;
        }
        self.file(&path)
    }

    /// The key of the pseudonyms by which the hub knows people again, which is made when it is asked for first: 32 bytes in
    /// `pseudonyms.key`. Without it, evidence of earlier cases is not found again.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn pseudonyms(&self) -> Result<PseudonymKey, KeyStoreError> {
        let path = self.folder.join(PSEUDONYMS);
        if !path.exists() {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).map_err(|_| KeyStoreError::NoRandomness)?;
            file::write_new(&path, &b64::encode_url(bytes))?;
        }
        let text = fs::read_to_string(&path).map_err(|source| KeyStoreError::File { path: path.clone(), source })?;
        let bytes = b64::decode_url_array(text.trim());
        let bytes: [u8; 32] = bytes.map_err(|_| KeyStoreError::Content { path, kind: "pseudonym" })?;
        Ok(PseudonymKey::new(&bytes))
    }
}

const CASES: &str = "cases";
const PSEUDONYMS: &str = "pseudonyms.key";
