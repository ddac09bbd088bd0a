//! What is sealed once, by a key that seals nothing else.

use ring::aead::NONCE_LEN;

use super::{Binding, DataKey, SealError, StorageKeys, TAG_BYTES, WrappedKey};

/// Sealed content and its own key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedOnce {
    /// The key.
    pub key: WrappedKey,
    /// The content, and its tag of 16 bytes.
    pub content: Vec<u8>,
}

impl SealedOnce {
    /// Seals the parts, one after the other, with a new key. Takes some microseconds, and about one more for each KB.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(keys: &StorageKeys, binding: &Binding, parts: &[&[u8]]) -> Result<Self, SealError> {
        let key = DataKey::generate()?;
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut content = Vec::with_capacity(len + TAG_BYTES);
        parts.iter().for_each(|part| content.extend_from_slice(part));
        key.seal_at(NONCE, binding, &mut content)?;
        Ok(Self { key: keys.wrap(&key, binding)?, content })
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(self, keys: &StorageKeys, binding: &Binding) -> Result<Vec<u8>, SealError> {
        let Self { key, mut content } = self;
        let len = keys.unwrap(&key, binding)?.open_at(NONCE, binding, &mut content)?.len();
        content.truncate(len);
        Ok(content)
    }
}

/// A nonce must not repeat under a key, and the key is used once.
const NONCE: [u8; NONCE_LEN] = [0; NONCE_LEN];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::StorageKey;

    #[test]
    fn what_was_sealed_once_opens_for_what_it_is_for_and_no_two_are_alike() {
        let keys = StorageKeys::new([StorageKey::generate(1).unwrap()]);
        let (this, other) = (Binding::new("body-1", &[b"1"]), Binding::new("body-1", &[b"2"]));
        let [first, second] = [0, 1].map(|_| SealedOnce::seal(&keys, &this, &[b"salt", b"body"]).unwrap());
        assert_ne!(first.content, second.content);
        assert_eq!(first.clone().open(&keys, &other), Err(SealError::Broken));
        let swapped = SealedOnce { key: second.key, content: first.content.clone() };
        assert_eq!(swapped.open(&keys, &this), Err(SealError::Broken));
        assert_eq!(first.open(&keys, &this).unwrap(), b"saltbody");
        let none = StorageKeys::default();
        assert_eq!(SealedOnce::seal(&none, &this, &[b"x"]), Err(SealError::NoKey));
    }
}
