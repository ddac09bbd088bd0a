//! `[cases]`: applications that need evidence.

use saphan_schemas::ids::SystemId;
use serde::{Deserialize, Deserializer};

/// Applications that need evidence.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasesConfig {
    /// The hub's own system, which takes applications, asks for evidence and hands cases over. Default empty: none;
    /// `SAPHAN_HUB__CASES__SYSTEM`.
    #[serde(deserialize_with = "system_or_none")]
    pub system: Option<SystemId>,
    /// How long a provider may take before somebody else is asked. Default 3 days; `SAPHAN_HUB__CASES__EVIDENCE_SECONDS`.
    pub evidence_seconds: u64,
    /// How long the applicant may take to answer what the hub asks. Default 30 days; `SAPHAN_HUB__CASES__ANSWER_DAYS`.
    pub answer_days: u16,
    /// After how long what was rejected or could not be sent is tried again; doubled each time. Default 10 minutes;
    /// `SAPHAN_HUB__CASES__AGAIN_SECONDS`.
    pub again_seconds: u32,
}

impl CasesConfig {
    /// The rules of these settings: whether one holds, its setting, and what it says.
    pub(super) fn rules(&self) -> [(bool, &'static str, &'static str); 3] {
        [
            ((1..=31_536_000).contains(&self.evidence_seconds), "cases.evidence_seconds", "1 to 31536000"),
            ((1..=365).contains(&self.answer_days), "cases.answer_days", "1 to 365"),
            ((1..=3600).contains(&self.again_seconds), "cases.again_seconds", "1 to 3600"),
        ]
    }
}

fn system_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemId>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}
