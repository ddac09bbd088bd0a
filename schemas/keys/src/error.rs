//! Why a key cannot be had. Each says what is wrong and what to do; all of it is on the side of whoever keeps the key.

use std::io;
use std::path::PathBuf;

/// Why a private key cannot be made, read or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A secret lies open.
    #[error(
        "{} can be read by others than its owner (mode {mode:04o}); it counts as lost if they had access. If they had not: chmod 600 {}",
        path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A certificate's key lies open: others than its owner and its group can get at it.
    #[error(
        "{} is open to everybody (mode {mode:04o}); it counts as lost if they had access. If they had not: chmod o= {}",
        path.display(), path.display()
    )]
    OpenToAll {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No key of the expected kind.
    #[error("{} holds no {kind} key: expected one PEM block of PKCS #8, `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The kind expected.
        kind: &'static str,
    },
    /// The file needs a passphrase, and none was given.
    #[error("{} is protected by a passphrase, and none was given: name a file that holds it, or set SAPHAN_KEY_PASSPHRASE", path.display())]
    PassphraseMissing {
        /// The file.
        path: PathBuf,
    },
    /// Another passphrase.
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// Protected in a way that this program does not read.
    #[error(
        "{} is protected in a way that is not supported; make it anew with: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256",
        path.display()
    )]
    Protection {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase or PIN of no characters.
    #[error("{what} is empty")]
    Empty {
        /// Which one.
        what: String,
    },
    /// The random source failed.
    #[error("the system's random source failed")]
    NoRandomness,
    /// The key is in a token, and the program cannot use one.
    #[error("the key is in a PKCS #11 token, and this program was built without the feature `pkcs11`")]
    NoTokens,
    /// The token's PIN was not given.
    #[error(
        "the PIN of the token {token:?} is missing: set the environment variable {variable}, or name a file with `pin_file`"
    )]
    PinMissing {
        /// The token's label.
        token: String,
        /// The variable that was looked at.
        variable: String,
    },
    /// The token does not give the key.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Token(#[from] crate::token::TokenError),
}
