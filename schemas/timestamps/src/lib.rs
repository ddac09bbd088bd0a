//! Timestamps by somebody else than the hub (RFC 3161): that a text existed by some time, which an authority signs that knows
//! nothing but the text's hash.
//!
//! Nothing here reads or writes: callers bring bytes. In reading order:
//!
//! - `request`: what an authority is asked; `reply`: what it answers;
//! - `token`: what it signed, and how that is verified; `time`: the time in it; `signer`, `digests`: with what it signed;
//! - `authorities`: whose certificates are trusted;
//! - `fault`: why a token proves nothing;
//! - `asn1`: the structures of RFC 3161, and of CMS (RFC 5652) as far as tokens need it.

mod asn1;
mod authorities;
mod digests;
mod fault;
mod reply;
mod request;
mod signer;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod token;

pub use authorities::{Authorities, NotAuthorities};
pub use fault::TimestampFault;
pub use reply::{ReplyFault, token_in_reply};
pub use request::{NotAPolicy, PolicyId, TimestampRequest};
pub use token::{Timestamp, Token};

/// The media type of a request (RFC 3161 section 3.4).
pub const REQUEST_MEDIA_TYPE: &str = "application/timestamp-query";
/// The media type of a reply (RFC 3161 section 3.4).
pub const REPLY_MEDIA_TYPE: &str = "application/timestamp-reply";
/// The media type of a token (RFC 7193).
pub const TOKEN_MEDIA_TYPE: &str = "application/cms";
/// The longest token that is taken, in bytes: some certificates, and a signature.
pub const LONGEST_TOKEN: usize = 32 << 10;
/// How many seconds the clock of an authority may be behind the hub's: so much earlier than an entry a token on it may be.
pub const CLOCKS_APART: u64 = 600;
