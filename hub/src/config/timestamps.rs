//! `[timestamps]`: who else says when a checkpoint existed.

use std::path::PathBuf;

use serde::Deserialize;

/// Timestamps (RFC 3161).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampsConfig {
    /// The authority's address, `http://…` or `https://…`. Default empty: none; `SAPHAN_HUB__TIMESTAMPS__URL`.
    pub url: String,
    /// PEM file: the certificates that its tokens must lead to. Default empty; `SAPHAN_HUB__TIMESTAMPS__AUTHORITY`.
    pub authority: PathBuf,
    /// The policy that is asked for, an object identifier. Default empty: the authority's own;
    /// `SAPHAN_HUB__TIMESTAMPS__POLICY`.
    pub policy: String,
    /// Seconds from one token to the next. Default 3600; `SAPHAN_HUB__TIMESTAMPS__EVERY_SECONDS`.
    pub every_seconds: u32,
    /// Seconds that the authority may take to answer. Default 10; `SAPHAN_HUB__TIMESTAMPS__TIMEOUT_SECONDS`.
    pub timeout_seconds: u64,
}

impl TimestampsConfig {
    /// Whether each setting is in its range, its name, and the range.
    pub(super) fn rules(&self) -> [(bool, &'static str, &'static str); 3] {
        let has_certificates = !self.authority.as_os_str().is_empty();
        [
            (
                has_certificates != self.url.is_empty(),
                "timestamps.authority",
                "set if timestamps.url is set, and only then",
            ),
            ((1..=604_800).contains(&self.every_seconds), "timestamps.every_seconds", "1 to 604800"),
            ((1..=60).contains(&self.timeout_seconds), "timestamps.timeout_seconds", "1 to 60"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError};

    #[test]
    fn an_authority_needs_its_certificates_and_certificates_an_authority() {
        for (text, expected) in [
            ("url = \"https://tsa.example\"", Some("timestamps.authority")),
            ("authority = \"ca.pem\"", Some("timestamps.authority")),
            ("every_seconds = 0", Some("timestamps.every_seconds")),
            ("timeout_seconds = 61", Some("timestamps.timeout_seconds")),
            ("url = \"https://tsa.example\"\nauthority = \"ca.pem\"", None),
        ] {
            let refused = match Config::parse(&format!("[timestamps]\n{text}"), std::iter::empty()) {
                Err(ConfigError::Range { setting, .. }) => Some(setting),
                other => other.map(|_| None).unwrap(),
            };
            assert_eq!(refused, expected, "{text}");
        }
    }
}
