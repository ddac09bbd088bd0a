//! Keys in files and in tokens, beside the programs that others use for them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, as tests do")]

mod files;
mod openssl;
#[cfg(feature = "pkcs11")]
mod tokens;
