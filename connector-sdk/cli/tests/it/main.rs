//! The real program on good and tampered files, logs and hubs. One module a command.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, as tests do")]

mod audit;
mod audit_bundle;
mod audit_bundle_shards;
mod audit_export;
mod audit_log;
mod audit_receipts;
mod hub;
mod keys;
mod ledger;
mod listen;
mod log_check;
mod log_shards;
mod passphrases;
mod program;
mod send;
mod timestamps;
#[cfg(feature = "pkcs11")]
mod tokens;
mod trust;
mod usage;
mod verify;
mod witness;
