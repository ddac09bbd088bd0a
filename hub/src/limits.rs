//! What one system may ask for and hold, so that its flood is its own affair.

mod rate;

pub use rate::{Exhausted, Payer, RateLimit};

use crate::config::LimitsConfig;

/// The limits of single systems.
#[derive(Debug)]
pub struct SystemLimits {
    /// Requests with a token.
    pub requests: RateLimit,
    /// Messages: accepted ones, and refusals that are logged.
    pub messages: RateLimit,
}

impl SystemLimits {
    /// As configured.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            requests: RateLimit::new(config.requests_per_second),
            messages: RateLimit::new(config.messages_per_second),
        }
    }
}
