//! What opens a protected key: a passphrase, or a token's PIN.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::KeyStoreError;
use crate::file;

/// A passphrase or PIN. `Debug` shows nothing of it, and its memory is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// From what was typed. Its characters count as they are, white space too.
    ///
    /// # Errors
    /// [`KeyStoreError::Empty`].
    pub fn new(text: String) -> Result<Self, KeyStoreError> {
        Self::named(Zeroizing::new(text), || "the passphrase".to_owned())
    }

    /// The first line of a file that only its owner may read.
    ///
    /// # Errors
    /// [`KeyStoreError`] when it cannot be read, lies open, or begins with an empty line.
    pub fn from_file(path: &Path) -> Result<Self, KeyStoreError> {
        let text = file::read_secret(path)?;
        let line = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
        Self::named(line, || format!("the first line of {}", path.display()))
    }

    /// The value of an environment variable; `None` when it is not set.
    ///
    /// # Errors
    /// [`KeyStoreError::Empty`].
    pub fn from_env(variable: &str) -> Result<Option<Self>, KeyStoreError> {
        let Ok(value) = std::env::var(variable) else { return Ok(None) };
        Self::named(Zeroizing::new(value), || format!("the environment variable {variable}")).map(Some)
    }

    /// The passphrase of the key file `path`: from the file that the configuration names, else from [`KEY_PASSPHRASE`],
    /// else from `ask`, which gets a question for a human and answers `None` when there is none.
    ///
    /// # Errors
    /// [`KeyStoreError`], [`KeyStoreError::PassphraseMissing`] when nobody knows it.
    pub fn of_key(
        path: &Path,
        passphrase_file: Option<&Path>,
        ask: &dyn Fn(&str) -> Option<Self>,
    ) -> Result<Self, KeyStoreError> {
        if let Some(file) = passphrase_file {
            return Self::from_file(file);
        }
        if let Some(passphrase) = Self::from_env(KEY_PASSPHRASE)? {
            return Ok(passphrase);
        }
        ask(&format!("Passphrase of {}: ", path.display()))
            .ok_or_else(|| KeyStoreError::PassphraseMissing { path: path.into() })
    }

    /// The characters, for whoever opens something with them.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn named(text: Zeroizing<String>, what: impl FnOnce() -> String) -> Result<Self, KeyStoreError> {
        if text.is_empty() { Err(KeyStoreError::Empty { what: what() }) } else { Ok(Self(text)) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

/// There is no human to ask, as in a service.
#[must_use]
pub const fn nobody(_: &str) -> Option<Passphrase> {
    None
}

/// The environment variable with the passphrase of a key file.
pub const KEY_PASSPHRASE: &str = "SAPHAN_KEY_PASSPHRASE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_character() {
        assert_eq!(format!("{:?}", Passphrase::new("hunter2".into()).unwrap()), "Passphrase(redacted)");
    }

    #[test]
    fn an_empty_passphrase_protects_nothing_and_is_refused() {
        assert!(matches!(Passphrase::new(String::new()), Err(KeyStoreError::Empty { .. })));
    }
}
