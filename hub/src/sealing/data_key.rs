//! The key of one thing.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::{Binding, SealError};

/// A random AES-256 key that seals one thing. It is wiped when dropped, and `Debug` shows nothing of it.
pub struct DataKey {
    bytes: Zeroizing<[u8; 32]>,
    key: LessSafeKey,
}

/// Something small that was sealed in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Random; what repeats less than once in 2^32 times is as good as unique (NIST SP 800-38D section 8.3).
    pub nonce: [u8; NONCE_LEN],
    /// The content, and its tag of 16 bytes.
    pub ciphertext: Vec<u8>,
}

impl DataKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| SealError::NoRandomness)?;
        Self::from_bytes(bytes)
    }

    pub(super) fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, &*bytes).map_err(|_| SealError::Broken)?;
        Ok(Self { bytes, key: LessSafeKey::new(key) })
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Seals something small.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, binding: &Binding, content: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut ciphertext = Vec::with_capacity(content.len() + TAG_BYTES);
        ciphertext.extend_from_slice(content);
        self.seal_at(nonce, binding, &mut ciphertext)?;
        Ok(Sealed { nonce, ciphertext })
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open(&self, binding: &Binding, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut content = Zeroizing::new(sealed.ciphertext.clone());
        let len = self.open_at(sealed.nonce, binding, &mut content)?.len();
        content.truncate(len);
        Ok(content)
    }

    /// Seals in place with a nonce that the caller never uses again with this key; the tag is appended.
    ///
    /// # Errors
    /// [`SealError::Broken`] beyond what AES-GCM can take.
    pub fn seal_at(&self, nonce: [u8; NONCE_LEN], binding: &Binding, content: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(binding.as_bytes());
        self.key.seal_in_place_append_tag(nonce, aad, content).map_err(|_| SealError::Broken)
    }

    /// Opens in place what was sealed with this nonce; answers with the content.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open_at<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        binding: &Binding,
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], SealError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.open_in_place(nonce, Aad::from(binding.as_bytes()), sealed).map_err(|_| SealError::Broken)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(redacted)")
    }
}

/// What sealing adds, in bytes.
pub(crate) const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_key_and_for_its_purpose_only() {
        let key = DataKey::generate().unwrap();
        let salt = Binding::new("salt-1", &[b"a"]);
        let sealed = key.seal(&salt, b"secret").unwrap();
        assert_eq!(&**key.open(&salt, &sealed).unwrap(), b"secret");
        assert_eq!(key.open(&Binding::new("salt-1", &[b"b"]), &sealed), Err(SealError::Broken));
        assert_eq!(key.open(&Binding::new("salt-2", &[b"a"]), &sealed), Err(SealError::Broken));
        assert_eq!(DataKey::generate().unwrap().open(&salt, &sealed), Err(SealError::Broken));
        for at in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[at] ^= 1;
            assert_eq!(key.open(&salt, &changed), Err(SealError::Broken));
        }
    }

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        assert_eq!(format!("{:?}", DataKey::generate().unwrap()), "DataKey(redacted)");
    }
}
