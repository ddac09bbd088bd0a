//! `[console]`: the auditors' pages.

use serde::Deserialize;

/// The console.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Whether there is one, under `/console`. Default `true`; `SAPHAN_HUB__CONSOLE__ENABLED`.
    pub enabled: bool,
    /// Whether a proxy serves it over HTTPS though the hub does not: browsers then keep its cookie for HTTPS. Default `false`;
    /// `SAPHAN_HUB__CONSOLE__BEHIND_HTTPS`.
    pub behind_https: bool,
}
