//! Schemas in the registry: which text stands, and the texts before it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::RejectedEntry;
use crate::digest::Sha256Hash;
use crate::ids::{Reason, SchemaId};
use crate::json::form;

/// A schema that bodies may name, with the text that stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Its id with major version.
    pub id: SchemaId,
    /// Which of its texts this is.
    pub version: TextVersion,
    /// SHA-256 of the exact text.
    pub sha256: Sha256Hash,
    /// Why the operator took it for compatible with the text before, where that could not be decided.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Reason>,
}

impl Schema {
    /// The first text of a schema.
    #[must_use]
    pub fn first(id: SchemaId, sha256: Sha256Hash) -> Self {
        let version = TextVersion { major: id.major(), minor: 0 };
        Self { id, version, sha256, accepted: None }
    }
}

/// The version of a text, e.g. `1.3`: the major version of its id, and how many other texts the id had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextVersion {
    /// That of the id, 1 to 999.
    pub major: u16,
    /// From 0.
    pub minor: u32,
}

/// A text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version: expected <major>.<minor>, e.g. 1.3")]
pub struct InvalidVersion;

impl fmt::Display for TextVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for TextVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let (major, minor) = text.split_once('.').ok_or(InvalidVersion)?;
        let version = Self {
            major: major.parse().map_err(|_| InvalidVersion)?,
            minor: minor.parse().map_err(|_| InvalidVersion)?,
        };
        // One way to write it: no sign, no leading zero.
        if version.to_string() == text && (1..=999).contains(&version.major) {
            Ok(version)
        } else {
            Err(InvalidVersion)
        }
    }
}

impl Serialize for TextVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TextVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

/// The schemas that stand, and every text that any of them ever had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schemas {
    standing: BTreeMap<SchemaId, Schema>,
    texts: BTreeMap<SchemaId, Vec<Sha256Hash>>,
}

impl Schemas {
    pub(super) fn standing(&self) -> &BTreeMap<SchemaId, Schema> {
        &self.standing
    }

    pub(super) fn texts(&self, id: &SchemaId) -> &[Sha256Hash] {
        self.texts.get(id).map_or(&[], Vec::as_slice)
    }

    /// The text of each id that stood last.
    pub(super) fn last(&self) -> impl Iterator<Item = (&SchemaId, Sha256Hash)> {
        self.texts.iter().filter_map(|(id, texts)| Some((id, *texts.last()?)))
    }

    /// The version that a text has, or gets when it comes next.
    pub(super) fn version(&self, id: &SchemaId, sha256: Sha256Hash) -> TextVersion {
        let texts = self.texts(id);
        let before = if texts.last() == Some(&sha256) { texts.len() - 1 } else { texts.len() };
        TextVersion { major: id.major(), minor: u32::try_from(before).unwrap_or(u32::MAX) }
    }

    pub(super) fn put(&mut self, schema: &Schema, new: bool) -> Result<(), RejectedEntry> {
        let expected = self.version(&schema.id, schema.sha256);
        if schema.version != expected {
            return Err(RejectedEntry::OtherVersion { id: schema.id.clone(), expected });
        }
        super::state::put(&mut self.standing, schema.id.clone(), schema, new)?;
        let texts = self.texts.entry(schema.id.clone()).or_default();
        if texts.last() != Some(&schema.sha256) {
            texts.push(schema.sha256);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &SchemaId) -> Result<(), RejectedEntry> {
        super::state::remove(&mut self.standing, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(version: &str, text: &str) -> Schema {
        let (id, version) = ("a@2".parse().unwrap(), version.parse().unwrap());
        Schema { id, version, sha256: Sha256Hash::of(text.as_bytes()), accepted: None }
    }

    #[test]
    fn versions_count_the_texts_of_an_id_also_across_its_end() {
        let mut schemas = Schemas::default();
        schemas.put(&schema("2.0", "a"), true).unwrap();
        schemas.put(&schema("2.1", "b"), false).unwrap();
        let id = "a@2".parse().unwrap();
        schemas.remove(&id).unwrap();
        schemas.put(&schema("2.1", "b"), true).unwrap();
        schemas.put(&schema("2.2", "a"), false).unwrap();
        assert_eq!(schemas.texts(&id).len(), 3);
    }

    #[test]
    fn another_version_than_the_next_is_refused_and_nothing_changes() {
        let mut schemas = Schemas::default();
        schemas.put(&schema("2.0", "a"), true).unwrap();
        let before = schemas.clone();
        for version in ["2.0", "2.2", "1.1"] {
            let refused = schemas.put(&schema(version, "b"), false);
            let expected = TextVersion { major: 2, minor: 1 };
            assert_eq!(refused, Err(RejectedEntry::OtherVersion { id: "a@2".parse().unwrap(), expected }));
        }
        assert!(schemas.put(&schema("2.1", "b"), true).is_err(), "it exists");
        assert_eq!(schemas, before);
    }

    #[test]
    fn a_version_is_written_in_one_way() {
        assert_eq!("1.30".parse(), Ok(TextVersion { major: 1, minor: 30 }));
        for text in ["", "1", "1.", ".1", "01.0", "1.01", "+1.0", "1.0.0", "1.-1", "70000.0", "1000.0", "0.1"] {
            assert_eq!(text.parse::<TextVersion>(), Err(InvalidVersion), "{text}");
        }
    }
}
