//! `[limits]`: what is refused for its size, its age, or for want of room.

use std::time::Duration;

use serde::Deserialize;

use crate::connections::ConnectionLimits;

/// What is refused for its size, its age, or for want of room.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Longest body in bytes. Default 10 MiB; `SAPHAN_HUB__LIMITS__BODY_BYTES`.
    pub body_bytes: u64,
    /// Deepest nesting. Default 32; `SAPHAN_HUB__LIMITS__BODY_DEPTH`.
    pub body_depth: usize,
    /// Memory for bodies, MiB. Default 64; `SAPHAN_HUB__LIMITS__BODY_MEMORY_MIB`.
    pub body_memory_mib: u32,
    /// Entries that wait. Default 4096; `SAPHAN_HUB__LIMITS__QUEUE`.
    pub queue: usize,
    /// Requests with a token, a second, of one system; 0 for no limit. Default 500; `SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND`.
    pub requests_per_second: u32,
    /// Messages a second of one system; 0 for no limit. Default 2000; `SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND`.
    pub messages_per_second: u32,
    /// Connections at once. Default 4096; `SAPHAN_HUB__LIMITS__CONNECTIONS`.
    pub connections: usize,
    /// Connections at once of one address; 0 for no limit. Default 1024; `SAPHAN_HUB__LIMITS__CONNECTIONS_PER_ADDRESS`.
    pub connections_per_address: usize,
    /// Seconds for a TLS handshake, and for the headers of a request. Default 30; `SAPHAN_HUB__LIMITS__HEADER_SECONDS`.
    pub header_seconds: u64,
    /// Seconds for a body. Default 15; `SAPHAN_HUB__LIMITS__BODY_SECONDS`.
    pub body_seconds: u64,
    /// Milliseconds to wait with a refusal on a connection that keeps failing to prove anything. Default 500;
    /// `SAPHAN_HUB__LIMITS__REFUSAL_PAUSE_MS`.
    pub refusal_pause_ms: u64,
    /// Seconds in the future. Default 300; `SAPHAN_HUB__LIMITS__FUTURE_SECONDS`.
    pub future_seconds: u64,
    /// Seconds in the past. Default 30 days; `SAPHAN_HUB__LIMITS__PAST_SECONDS`.
    pub past_seconds: u64,
}

impl LimitsConfig {
    /// The limits of connections.
    #[must_use]
    pub const fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections: self.connections,
            per_address: if self.connections_per_address == 0 { usize::MAX } else { self.connections_per_address },
            headers: Duration::from_secs(self.header_seconds),
            body: Duration::from_secs(self.body_seconds),
            refusal_pause: Duration::from_millis(self.refusal_pause_ms),
        }
    }

    /// The rules of these settings: whether one holds, its setting, and what it says.
    pub(super) fn rules(&self) -> [(bool, &'static str, &'static str); 11] {
        [
            ((1..=64 << 20).contains(&self.body_bytes), "limits.body_bytes", "1 to 67108864"),
            ((1..=100).contains(&self.body_depth), "limits.body_depth", "1 to 100"),
            ((1..=1 << 20).contains(&self.body_memory_mib), "limits.body_memory_mib", "1 to 1048576"),
            (
                u64::from(self.body_memory_mib) << 20 >= self.body_bytes,
                "limits.body_memory_mib",
                "enough for the longest body",
            ),
            ((1..=1 << 20).contains(&self.queue), "limits.queue", "1 to 1048576"),
            (self.requests_per_second <= 1_000_000, "limits.requests_per_second", "0 to 1000000"),
            (self.messages_per_second <= 1_000_000, "limits.messages_per_second", "0 to 1000000"),
            ((1..=1 << 20).contains(&self.connections), "limits.connections", "1 to 1048576"),
            ((1..=300).contains(&self.header_seconds), "limits.header_seconds", "1 to 300"),
            (self.refusal_pause_ms <= 10_000, "limits.refusal_pause_ms", "0 to 10000"),
            ((1..=300).contains(&self.body_seconds), "limits.body_seconds", "1 to 300"),
        ]
    }
}
