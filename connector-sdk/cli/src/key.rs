//! Opening and making private keys: passphrases and PINs from files, the environment, or whoever sits at the terminal.

use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use saphan_keys::{KEY_PASSPHRASE, KeySource, KeyStoreError, Passphrase, TokenKey, file};
use saphan_schemas::keys::{PublicKey, Signer, SigningKey};

use crate::outcome::Failure;

/// How a key's file is protected.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArguments {
    /// Protect the key's file with a passphrase, asked for on the terminal. SAPHAN_KEY_PASSPHRASE does so without asking
    #[arg(long)]
    passphrase: bool,

    /// The file whose first line is the passphrase of the key's file; only its owner may be able to read it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// A key in a PKCS #11 token.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// Keep the key in a PKCS #11 token: its library, e.g. /usr/lib/softhsm/libsofthsm2.so
    #[arg(long, value_name = "FILE", requires_all = ["token", "token_key"])]
    pkcs11_module: Option<PathBuf>,

    /// The token's label
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    token: Option<String>,

    /// The key's label in the token
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    token_key: Option<String>,

    /// The environment variable with the token's PIN; without it SAPHAN_TOKEN_PIN, or the terminal
    #[arg(long, value_name = "NAME", requires = "pkcs11_module")]
    pin_env: Option<String>,

    /// The file whose first line is the token's PIN; only its owner may be able to read it
    #[arg(long, value_name = "FILE", requires = "pkcs11_module")]
    pin_file: Option<PathBuf>,
}

impl TokenArguments {
    /// The key, if they name one. Relative paths become absolute, so that they hold in a configuration elsewhere.
    pub(crate) fn key(&self) -> Option<TokenKey> {
        Some(TokenKey {
            module: self.pkcs11_module.clone()?,
            token: self.token.clone()?,
            key: self.token_key.clone()?,
            pin_env: self.pin_env.clone(),
            pin_file: self.pin_file.as_deref().map(absolute),
        })
    }
}

impl PassphraseArguments {
    /// What a new file is to be protected with: the first line of the file, the environment variable, what is typed twice, or
    /// nothing.
    pub(crate) fn of_new_key(&self) -> Result<Option<Passphrase>, Failure> {
        of_new_key(self.passphrase, self.passphrase_file.as_deref())
    }
}

/// Opens a key that is there.
pub(crate) fn open(source: &KeySource, passphrase_file: Option<&Path>) -> Result<Arc<dyn Signer>, Failure> {
    source.open(passphrase_file, &ask).map_err(|error| failure(&error))
}

/// As [`PassphraseArguments::of_new_key`]; `wanted` asks on the terminal, if nothing else gives one.
pub(crate) fn of_new_key(wanted: bool, file: Option<&Path>) -> Result<Option<Passphrase>, Failure> {
    let given = match file {
        Some(file) => Passphrase::from_file(file).map(Some),
        None => Passphrase::from_env(KEY_PASSPHRASE),
    };
    match given.map_err(|error| failure(&error))? {
        None if wanted => ask_twice().map(Some),
        given => Ok(given),
    }
}

/// Makes a key in a new file.
pub(crate) fn make(path: &Path, passphrase: Option<&Passphrase>) -> Result<SigningKey, Failure> {
    file::make_signing_key(path, passphrase).map_err(|error| match &error {
        KeyStoreError::File { path, source } if source.kind() == ErrorKind::AlreadyExists => {
            let what = format!("{} exists already, and is not overwritten", path.display());
            Failure::caller(what, "Choose another name with --out, or move the file away.")
        }
        KeyStoreError::File { path, source } => Failure::unwritable(path, source),
        error => failure(error),
    })
}

/// Makes a key in a token.
pub(crate) fn make_in_token(key: &TokenKey) -> Result<PublicKey, Failure> {
    key.generate(&ask).map_err(|error| failure(&error))
}

/// The key in a token; made, if it is not there.
pub(crate) fn open_or_make_in_token(key: &TokenKey) -> Result<Arc<dyn Signer>, Failure> {
    let source = KeySource::Token(key.clone());
    match source.open(None, &ask) {
        #[cfg(feature = "pkcs11")]
        Err(KeyStoreError::Token(saphan_keys::token::TokenError::NoKey { .. })) => {
            make_in_token(key)?;
            open(&source, None)
        }
        opened => opened.map_err(|error| failure(&error)),
    }
}

/// `key = …` as a configuration has it.
pub(crate) fn toml_line(source: &KeySource) -> Result<String, Failure> {
    let value = match source {
        KeySource::File(path) => toml::Value::String(path.display().to_string()),
        KeySource::Token(key) => toml::Value::try_from(key)
            .map(|key| toml::Table::from_iter([("pkcs11".to_owned(), key)]).into())
            .map_err(|error| Failure::machine(format!("cannot write the key as TOML: {error}"), "Report this."))?,
    };
    Ok(format!("key = {value}"))
}

pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Asks on the terminal, without echo; `None` when there is none.
fn ask(question: &str) -> Option<Passphrase> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(question).ok().and_then(|text| Passphrase::new(text).ok())
}

fn ask_twice() -> Result<Passphrase, Failure> {
    let advice = "Give --passphrase-file, or set SAPHAN_KEY_PASSPHRASE.";
    let none = || Failure::caller("there is no terminal to ask for a passphrase, or none was typed", advice);
    let first = ask("Passphrase for the new key: ").ok_or_else(none)?;
    let second = ask("The same again: ").ok_or_else(none)?;
    if first == second {
        return Ok(first);
    }
    Err(Failure::caller("the two passphrases differ; no key was made", "Try again."))
}

/// Why a private key is not had, and what to do.
pub(crate) fn failure(error: &KeyStoreError) -> Failure {
    match error {
        KeyStoreError::File { path, source } => Failure::unreadable(path, source),
        KeyStoreError::Open { path, mode } => {
            let what = format!("{} can be read by others than its owner (mode {mode:04o})", path.display());
            let advice = format!(
                "chmod 600 {}; if others had access, rotate the key after that: `saphan keys rotate`.",
                path.display()
            );
            Failure::caller(what, advice)
        }
        KeyStoreError::OpenToAll { path, mode } => {
            let what = format!("{} is open to everybody (mode {mode:04o})", path.display());
            let advice = format!(
                "chmod o= {}; if others had access, let its issuer revoke the certificate, and get one with a new key.",
                path.display()
            );
            Failure::caller(what, advice)
        }
        KeyStoreError::Content { .. } => Failure::caller(error, "Make a key with `saphan keys new`."),
        KeyStoreError::PassphraseMissing { path } => Failure::caller(
            format!("{} is protected by a passphrase, and none was given", path.display()),
            "Name a file that holds it (`key_passphrase_file` in saphan.toml, or --passphrase-file), or set SAPHAN_KEY_PASSPHRASE.",
        ),
        KeyStoreError::WrongPassphrase { .. } => Failure::caller(
            error,
            "Give the one that the key was made with. If nobody knows it, the key is lost: make another, and ask the hub's \
             operator for an invitation.",
        ),
        KeyStoreError::NoRandomness => Failure::machine(format!("cannot make a key: {error}"), "Try again."),
        KeyStoreError::NoTokens => Failure::caller(error, "Build it with: cargo install --features pkcs11"),
        #[cfg(feature = "pkcs11")]
        KeyStoreError::Token(token) => token_failure(token),
        error => Failure::caller(error, "Compare with saphan.sample.toml, which documents every setting."),
    }
}

#[cfg(feature = "pkcs11")]
fn token_failure(error: &saphan_keys::token::TokenError) -> Failure {
    use saphan_keys::token::TokenError;
    match error {
        TokenError::Pin { .. } => Failure::caller(error, "Give the right PIN before you try again."),
        TokenError::NoKey { .. } => {
            Failure::caller(error, "Check the label; `saphan keys new --pkcs11-module …` makes a key.")
        }
        TokenError::Exists { .. } | TokenError::Ambiguous { .. } => Failure::caller(error, "Choose another label."),
        TokenError::NoToken { .. } => Failure::machine(error, "Check the label, and the device."),
        error => Failure::machine(error, "Check the device, its library and its service."),
    }
}
