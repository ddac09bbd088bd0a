//! A key as a configuration names it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_schemas::keys::{PublicKey, Signer};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::KeyStoreError;
use crate::file;
use crate::passphrase::Passphrase;

/// Where a private key is: a file's path, or `{ pkcs11 = { … } }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A PEM file.
    File(PathBuf),
    /// A key in a token.
    Token(TokenKey),
}

/// A key in a PKCS #11 token. It holds no secret: the PIN is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// The token's PKCS #11 library, e.g. `/usr/lib/softhsm/libsofthsm2.so`.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label (`CKA_LABEL`); private and public half have the same.
    pub key: String,
    /// The environment variable with the PIN; default `SAPHAN_TOKEN_PIN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_env: Option<String>,
    /// The file whose first line is the PIN; it comes before the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
}

impl KeySource {
    /// Makes relative paths relative to `folder`. A token's library is not touched: a bare name is looked for by the system.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Token(token) => {
                Self::Token(TokenKey { pin_file: token.pin_file.map(|file| folder.join(file)), ..token })
            }
        }
    }

    /// Opens the key. A file's passphrase comes from `passphrase_file`, or as [`Passphrase::of_key`] says; a token's PIN as
    /// [`TokenKey::pin`] says. This reads files, derives keys and talks to devices: it may take a second.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    pub fn open(
        &self,
        passphrase_file: Option<&Path>,
        ask: &dyn Fn(&str) -> Option<Passphrase>,
    ) -> Result<Arc<dyn Signer>, KeyStoreError> {
        match self {
            Self::File(path) => {
                let key = file::read_signing_key(path, || Passphrase::of_key(path, passphrase_file, ask))?;
                Ok(Arc::new(key))
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => Ok(Arc::new(crate::token::TokenSigner::open(key, &key.pin(ask)?)?)),
            #[cfg(not(feature = "pkcs11"))]
            Self::Token(_) => Err(KeyStoreError::NoTokens),
        }
    }
}

impl TokenKey {
    /// Makes the key in its token, from where nobody can read it; answers with the public half. The PIN comes as
    /// [`Self::pin`] says.
    ///
    /// # Errors
    /// [`KeyStoreError`].
    #[cfg_attr(not(feature = "pkcs11"), expect(unused_variables, reason = "only a token has a PIN to ask for"))]
    pub fn generate(&self, ask: &dyn Fn(&str) -> Option<Passphrase>) -> Result<PublicKey, KeyStoreError> {
        #[cfg(feature = "pkcs11")]
        return Ok(crate::token::TokenSigner::generate(self, &self.pin(ask)?)?);
        #[cfg(not(feature = "pkcs11"))]
        Err(KeyStoreError::NoTokens)
    }

    /// The token's PIN: from `pin_file`, else from the environment variable, else from `ask`.
    ///
    /// # Errors
    /// [`KeyStoreError`], [`KeyStoreError::PinMissing`] when nobody knows it.
    pub fn pin(&self, ask: &dyn Fn(&str) -> Option<Passphrase>) -> Result<Passphrase, KeyStoreError> {
        if let Some(file) = &self.pin_file {
            return Passphrase::from_file(file);
        }
        let variable = self.pin_env.as_deref().unwrap_or(TOKEN_PIN);
        if let Some(pin) = Passphrase::from_env(variable)? {
            return Ok(pin);
        }
        ask(&format!("PIN of the token {}: ", self.token))
            .ok_or_else(|| KeyStoreError::PinMissing { token: self.token.clone(), variable: variable.to_owned() })
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Token(key) => write!(f, "the key {} in the token {}", key.key, key.token),
        }
    }
}

impl<'de> Deserialize<'de> for KeySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

/// By hand, so that a mistake within the table is told as what it is.
struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = KeySource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key file's path, or { pkcs11 = { module = \"…\", token = \"…\", key = \"…\" } }")
    }

    fn visit_str<E>(self, path: &str) -> Result<KeySource, E> {
        Ok(KeySource::File(path.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeySource, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            pkcs11: TokenKey,
        }
        let Table { pkcs11 } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(KeySource::Token(pkcs11))
    }
}

/// The environment variable with a token's PIN, unless the configuration names another.
const TOKEN_PIN: &str = "SAPHAN_TOKEN_PIN";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Settings {
        key: KeySource,
    }

    #[test]
    fn a_text_is_a_file_and_a_table_is_a_token() {
        let file: Settings = toml::from_str("key = \"k.pem\"").unwrap();
        assert_eq!(file.key.relative_to(Path::new("/etc/saphan")), KeySource::File("/etc/saphan/k.pem".into()));
        let text = "[key.pkcs11]\nmodule = \"m.so\"\ntoken = \"t\"\nkey = \"k\"\npin_file = \"pin\"";
        let token: Settings = toml::from_str(text).unwrap();
        let KeySource::Token(key) = token.key.relative_to(Path::new("/etc/saphan")) else { panic!("not a token") };
        assert_eq!((key.module, key.pin_file), ("m.so".into(), Some("/etc/saphan/pin".into())));
    }

    #[test]
    fn a_mistake_in_the_table_is_told() {
        for (text, expected) in [
            ("key = 7", "a key file's path"),
            ("key = { pkcs12 = {} }", "pkcs12"),
            ("key = { pkcs11 = { module = \"m\", token = \"t\" } }", "missing field `key`"),
            (
                "key = { pkcs11 = { module = \"m\", token = \"t\", key = \"k\", pin = \"1234\" } }",
                "unknown field `pin`",
            ),
        ] {
            let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
