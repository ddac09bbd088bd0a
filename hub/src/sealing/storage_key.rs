//! The keys that wrap the keys of single things (key-encryption keys).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use saphan_schemas::digest::Sha256Hash;
use zeroize::Zeroizing;

use super::data_key::{DataKey, Sealed};
use super::{Binding, SealError};

/// The name of a storage key: its number among the hub's, by which the newest is known, and what tells it from a key of the same
/// number that somebody else made. Written `<number>-<8 hexadecimal digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageKeyId {
    number: u32,
    print: [u8; 4],
}

/// A text is no name of a storage key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a storage key, such as 1-9f3ac2e1")]
pub struct NotAStorageKeyId;

impl fmt::Display for StorageKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.number, u32::from_be_bytes(self.print))
    }
}

impl FromStr for StorageKeyId {
    type Err = NotAStorageKeyId;

    fn from_str(text: &str) -> Result<Self, NotAStorageKeyId> {
        let (number, print) = text.split_once('-').ok_or(NotAStorageKeyId)?;
        let number = number.parse().map_err(|_| NotAStorageKeyId)?;
        let print = u32::from_str_radix(print, 16).map_err(|_| NotAStorageKeyId)?.to_be_bytes();
        let id = Self { number, print };
        // One name, one text.
        if id.to_string() == text { Ok(id) } else { Err(NotAStorageKeyId) }
    }
}

/// A key that wraps others. `Debug` shows its name only.
pub struct StorageKey {
    id: StorageKeyId,
    key: DataKey,
}

/// A data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The storage key that opens it.
    pub storage_key: StorageKeyId,
    /// The data key, sealed.
    pub sealed: Sealed,
}

impl StorageKey {
    /// A new one with this number.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn generate(number: u32) -> Result<Self, SealError> {
        Ok(Self::new(number, DataKey::generate()?))
    }

    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn from_bytes(number: u32, bytes: Zeroizing<[u8; 32]>) -> Result<Self, SealError> {
        DataKey::from_bytes(bytes).map(|key| Self::new(number, key))
    }

    fn new(number: u32, key: DataKey) -> Self {
        // Of a random key of 256 bits, 32 bits of a hash tell nothing.
        let hash = Sha256Hash::of_parts([b"saphan storage key\0".as_slice(), key.as_bytes()]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self { id: StorageKeyId { number, print: [a, b, c, d] }, key }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> StorageKeyId {
        self.id
    }

    /// The 32 bytes, for its file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    fn wrap(&self, key: &DataKey, binding: &Binding) -> Result<WrappedKey, SealError> {
        Ok(WrappedKey { storage_key: self.id, sealed: self.key.seal(binding, key.as_bytes())? })
    }

    fn unwrap(&self, wrapped: &WrappedKey, binding: &Binding) -> Result<DataKey, SealError> {
        let bytes = self.key.open(binding, &wrapped.sealed)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::Broken)?;
        DataKey::from_bytes(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageKey({})", self.id)
    }
}

impl StorageKeyId {
    /// Its number among the hub's; the newest key has the highest.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }
}

/// All storage keys of a hub. The newest wraps; every one unwraps.
#[derive(Debug, Default)]
pub struct StorageKeys {
    keys: RwLock<Arc<BTreeMap<StorageKeyId, Arc<StorageKey>>>>,
}

impl StorageKeys {
    /// These.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = StorageKey>) -> Self {
        let found = Self::default();
        found.add(keys);
        found
    }

    /// These too. None is let go of: something may still be wrapped with it, and its file may be gone already.
    pub fn add(&self, more: impl IntoIterator<Item = StorageKey>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut all = BTreeMap::clone(&keys);
        for key in more {
            all.entry(key.id).or_insert_with(|| Arc::new(key));
        }
        *keys = Arc::new(all);
    }

    /// Their names, the newest last.
    #[must_use]
    pub fn ids(&self) -> Vec<StorageKeyId> {
        self.current().keys().copied().collect()
    }

    /// The name of the key that wraps.
    ///
    /// # Errors
    /// [`SealError::NoKey`].
    pub fn newest(&self) -> Result<StorageKeyId, SealError> {
        self.current().keys().next_back().copied().ok_or(SealError::NoKey)
    }

    /// Wraps a data key for what it is for.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn wrap(&self, key: &DataKey, binding: &Binding) -> Result<WrappedKey, SealError> {
        self.current().values().next_back().ok_or(SealError::NoKey)?.wrap(key, binding)
    }

    /// The data key.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn unwrap(&self, wrapped: &WrappedKey, binding: &Binding) -> Result<DataKey, SealError> {
        let keys = self.current();
        let id = wrapped.storage_key;
        keys.get(&id).ok_or(SealError::KeyMissing { id })?.unwrap(wrapped, binding)
    }

    fn current(&self) -> Arc<BTreeMap<StorageKeyId, Arc<StorageKey>>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_for_what_it_is_for_and_after_a_rotation_too() {
        let first = StorageKey::generate(1).unwrap();
        let first_again = StorageKey::from_bytes(1, Zeroizing::new(*first.as_bytes())).unwrap();
        let keys = StorageKeys::new([first]);
        let (key, binding) = (DataKey::generate().unwrap(), Binding::new("document-1", &[b"x"]));
        let wrapped = keys.wrap(&key, &binding).unwrap();
        let second = StorageKey::generate(2).unwrap();
        let (old, new) = (first_again.id(), second.id());
        // The file of the first may be gone by now.
        keys.add([second]);
        assert_eq!((keys.newest(), wrapped.storage_key), (Ok(new), old));
        assert_eq!(keys.unwrap(&wrapped, &binding).unwrap().as_bytes(), key.as_bytes());
        let other = Binding::new("document-1", &[b"y"]);
        assert_eq!(keys.unwrap(&wrapped, &other).unwrap_err(), SealError::Broken);
        let again = keys.wrap(&keys.unwrap(&wrapped, &binding).unwrap(), &binding).unwrap();
        assert_eq!(again.storage_key, new);
        let others = StorageKeys::new([first_again]);
        assert_eq!(others.unwrap(&again, &binding).unwrap_err(), SealError::KeyMissing { id: new });
    }

    #[test]
    fn a_name_has_one_text_and_the_newest_is_the_one_with_the_highest_number() {
        let [nine, ten] = [9, 10].map(|number| StorageKey::generate(number).unwrap().id());
        assert!(nine < ten);
        assert_eq!(ten.to_string().parse(), Ok(ten));
        for text in ["", "1", "1-", "1-xyz", "01-9f3ac2e1", "1-9F3AC2E1", "1-9f3ac2e", "+1-9f3ac2e1"] {
            assert_eq!(text.parse::<StorageKeyId>(), Err(NotAStorageKeyId), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_name_of_a_storage_key_and_nothing_else() {
        let key = StorageKey::generate(3).unwrap();
        assert_eq!(format!("{key:?}"), format!("StorageKey({})", key.id()));
    }
}
