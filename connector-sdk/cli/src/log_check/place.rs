//! A place of a log that a check can go on from.

use saphan_schemas::digest::Sha256Hash;
use serde::{Deserialize, Serialize};

use super::report::LeafCounts;

/// What a check knows after the first `size` entries of a log, a multiple of 256, beside what [`super::history::History`] keeps.
///
/// It is as small for a long log as for a short one: a level has at most 255 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The number of entries of the hub's logs before this one.
    #[serde(default)]
    pub(crate) first: u64,
    /// The last checkpoint of the log before, as it was signed.
    #[serde(default)]
    pub(crate) previous: Option<String>,
    /// The number of entries.
    pub(crate) size: u64,
    /// The hashes since the last full tile, level by level.
    pub(crate) levels: Vec<Vec<Sha256Hash>>,
    /// The entries by kind.
    pub(crate) counts: LeafCounts,
    /// The signatures checked.
    pub(crate) signatures: u64,
    /// The time of the last entry, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) ts: u64,
}

impl Place {
    /// The place after the last entry, over all of the hub's logs.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.size
    }

    /// The text of the place, and a sum that shows whether it was damaged.
    pub(crate) fn to_text(&self) -> (String, String) {
        // Numbers and texts always serialize.
        let text = serde_json::to_string(self).unwrap_or_default();
        let sum = Sha256Hash::of(text.as_bytes()).to_string();
        (text, sum)
    }

    /// What [`Self::to_text`] wrote; `None` if it was damaged.
    pub(crate) fn from_text(text: &str, sum: &str) -> Option<Self> {
        let same = Sha256Hash::of(text.as_bytes()).to_string() == sum;
        if same { serde_json::from_str(text).ok() } else { None }
    }
}

/// How many entries are checked before the place is kept: a minute's work in an optimised build is several of these.
pub(super) const REST_EVERY: u64 = 64 * 256;
