//! What one system may ask for and hold, so that its flood is its own affair.
//!
//! The hub's own bounds (bodies in memory, entries that wait) are answered 503 when they are reached. A system alone reaches none
//! of them: it has at most half of each, and beyond it is answered 429.

mod lanes;
mod rate;
mod shares;

pub use lanes::{Lane, Lanes};
pub use rate::RateLimit;
pub use shares::{Share, Shares};

use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::KeyId;

use crate::config::LimitsConfig;

/// The limits of single systems.
#[derive(Debug)]
pub struct SystemLimits {
    /// Requests with a token.
    pub requests: RateLimit,
    /// Messages: accepted ones, refusals that are logged, and everything in batches.
    pub messages: RateLimit,
    /// Changes that a system makes in the registry. They stay in the log and in everyone's memory for ever.
    pub changes: RateLimit,
    /// Memory for bodies, in KiB.
    pub bodies: Shares,
    /// Messages of batches that are worked on.
    pub batches: Lanes,
}

/// Whose allowance pays. Only what a good signature proved may be one: so a stranger neither spends another's allowance nor
/// makes the hub remember anything, and there are never more than the registry has seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Payer {
    /// A system that a usable key speaks for.
    System(SystemId),
    /// A key that may not speak for the system it names, because it was revoked, say: its owner pays nothing for it.
    Key(KeyId),
}

/// A limit of one system is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit of one system's {what} is reached")]
pub struct Exhausted {
    /// Of what, e.g. `messages a second`.
    pub what: &'static str,
    /// When to try again, in seconds, at least 1: by then something is free if the system asks for no more meanwhile.
    pub seconds: u64,
}

impl Exhausted {
    const fn of(what: &'static str) -> Self {
        // Of a whole number a second there is one again within a second; what is in progress takes less, mostly.
        Self { what, seconds: 1 }
    }
}

impl SystemLimits {
    /// As configured.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        let kib = config.body_memory_mib as usize * 1024;
        // The longest body always finds room, if there is any.
        let longest = usize::try_from(config.body_bytes.div_ceil(1024)).unwrap_or(usize::MAX).max(REQUEST_KIB);
        Self {
            requests: RateLimit::new(config.requests_per_second, "requests a second"),
            messages: RateLimit::new(config.messages_per_second, "messages a second"),
            changes: RateLimit::spaced(SECONDS_PER_CHANGE, CHANGES_AT_ONCE, "changes of the registry"),
            bodies: Shares::new((kib / 2).max(longest), "memory for bodies"),
            batches: Lanes::new(BATCH_PLACES, BATCH_PLACES / 2),
        }
    }
}

/// Changes of the registry that one system may make at once, after a while without any: a new key, an old one revoked, and
/// signatures under its agreements when it joins.
pub const CHANGES_AT_ONCE: u32 = 60;
const SECONDS_PER_CHANGE: u32 = 60;

/// The longest body of a request that is no message, in KiB.
const REQUEST_KIB: usize = 1024;

/// A few commits' worth: two connectors at full speed.
const BATCH_PLACES: usize = 1024;
