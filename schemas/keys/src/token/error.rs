//! Why a token does not do what it is asked.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

/// Why a token does not give or use a key. No text holds a PIN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The library cannot be loaded.
    #[error("{} is no PKCS #11 library that can be loaded: {source}", module.display())]
    Module {
        /// Its file.
        module: PathBuf,
        /// What the loader says.
        #[source]
        source: Error,
    },
    /// There is no such token.
    #[error("there is no token with the label {token:?}; is it plugged in, and its service up? Those there: {}", seen(.found))]
    NoToken {
        /// The label looked for.
        token: String,
        /// The labels that are there.
        found: Vec<String>,
    },
    /// The PIN is wrong. It is not tried again.
    #[error(
        "the token {token:?} refused the PIN; it was tried once, since a token locks itself after a few wrong ones"
    )]
    Pin {
        /// The token's label.
        token: String,
    },
    /// Too many wrong PINs.
    #[error("the PIN of the token {token:?} is locked; its security officer can unlock it")]
    PinLocked {
        /// The token's label.
        token: String,
    },
    /// There is no such key.
    #[error("the token {token:?} holds no P-256 key pair with the label {key:?}")]
    NoKey {
        /// The token's label.
        token: String,
        /// The label looked for.
        key: String,
    },
    /// The label is not unique.
    #[error("the token {token:?} holds several keys with the label {key:?}; give each its own")]
    Ambiguous {
        /// The token's label.
        token: String,
        /// The label.
        key: String,
    },
    /// A key that is there already.
    #[error("the token {token:?} holds a key with the label {key:?} already; nothing was made")]
    Exists {
        /// The token's label.
        token: String,
        /// The label.
        key: String,
    },
    /// The public half under this label is not that of the private one.
    #[error("the private and the public key with the label {key:?} do not belong together")]
    Halves {
        /// The label.
        key: String,
    },
    /// Something that is not an ES256 signature or key.
    #[error("the token answered with something that is no ES256 {what}")]
    Answer {
        /// What it should be.
        what: &'static str,
    },
    /// The token failed.
    #[error("the token failed: {0}")]
    Failed(#[from] Error),
}

impl TokenError {
    /// For whoever sees only that nothing was signed.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Module { .. } => "its library cannot be loaded",
            Self::NoToken { .. } => "there is no token with its label; is it plugged in, and its service up?",
            Self::Pin { .. } => "the token refused the PIN; start again with the right one",
            Self::PinLocked { .. } => "the token's PIN is locked",
            Self::NoKey { .. } | Self::Ambiguous { .. } | Self::Exists { .. } | Self::Halves { .. } => {
                "the key is no longer in the token as it was"
            }
            Self::Answer { .. } => "the token's answer is no signature",
            Self::Failed(_) => "the token failed; the log says how",
        }
    }

    /// Sorts out what a token says of a login.
    pub(super) fn of_login(error: Error, token: &str) -> Self {
        let token = token.to_owned();
        match error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => Self::Pin { token },
            Error::Pkcs11(RvError::PinLocked, _) => Self::PinLocked { token },
            error => Self::Failed(error),
        }
    }
}

fn seen(labels: &[String]) -> String {
    if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
}
