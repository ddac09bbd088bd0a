//! `[witnesses]`: who cosigns the log's checkpoints.

use std::path::PathBuf;

use serde::Deserialize;

/// Witnesses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessesConfig {
    /// A C2SP tlog-policy: the witnesses with their addresses, and which of them are a quorum. Default empty: none;
    /// `SAPHAN_HUB__WITNESSES__POLICY`.
    pub policy: PathBuf,
}
