//! Where the private keys of systems and hubs are kept.
//!
//! - [`KeySource`]: a file or a token, as a configuration names it; [`KeySource::open`] gives a
//!   [`Signer`](saphan_schemas::keys::Signer);
//! - [`file`](mod@file): PEM files of mode 0600, with or without a passphrase;
//! - [`Passphrase`]: what opens a file or a token; never shown;
//! - `token`, with the feature `pkcs11`: keys that never leave a device.
//!
//! The contract's crate does no I/O, and hub and SDK do not know each other: so this is a crate of its own.

mod error;
pub mod file;
mod passphrase;
mod pbes2;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "pkcs11")]
pub mod token;

pub use error::KeyStoreError;
pub use passphrase::{KEY_PASSPHRASE, Passphrase, nobody};
pub use source::{KeySource, TokenKey};
