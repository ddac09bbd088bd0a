//! The lines of an export: what it is of, each row with its proof, and that it is whole.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Filter, Row};
use crate::digest::Sha256Hash;

/// The first line: what the proofs are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Always [`FORMAT`].
    pub format: String,
    /// The origin of the log that all rows are of.
    pub log: String,
    /// The size of the checkpoint that the proofs are for.
    pub size: u64,
    /// The signed checkpoint: of a closed log the last one.
    pub checkpoint: String,
    /// The index of the entry that says that this was asked.
    pub query: u64,
    /// The origin of that entry's log, if it is a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_log: Option<String>,
    /// How many entries were searched, from the hub's first on.
    pub indexed: u64,
    /// What was asked for.
    pub filter: Filter,
}

/// The last line: without it, the file was cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Rows that fit.
    pub rows: u64,
    /// Rows that others cite.
    pub supporting: u64,
}

/// A row with the proof that its entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenRow {
    /// The row.
    #[serde(deserialize_with = "known_members")]
    pub row: Row,
    /// Whether it is here because a row that fits, and comes later, cites it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub supports: bool,
    /// The exact leaf.
    pub leaf: String,
    /// Its leaf hash.
    pub hash: Sha256Hash,
    /// The inclusion proof (RFC 9162 section 2.1.3.1) for the checkpoint of the [`Head`].
    pub proof: Vec<Sha256Hash>,
}

/// A record of a table is not one of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRecord {
    /// It has more or fewer fields than there are columns.
    #[error("it has other columns")]
    Columns,
    /// A field cannot be read.
    #[error("`{column}` cannot be read")]
    Field {
        /// Its column.
        column: &'static str,
    },
}

impl ProvenRow {
    /// Its fields as texts, one for each of [`COLUMNS`].
    #[must_use]
    pub fn to_record(&self) -> Vec<String> {
        let mut texts = self.row.texts();
        let proof: Vec<String> = self.proof.iter().map(ToString::to_string).collect();
        let field = |column: &&str| match *column {
            "supports" if self.supports => "true".to_owned(),
            "supports" => String::new(),
            "leaf" => self.leaf.clone(),
            "hash" => self.hash.to_string(),
            "proof" => proof.join(" "),
            member => {
                let found = texts.iter_mut().find(|(name, _)| *name == member);
                found.map(|(_, text)| std::mem::take(text)).unwrap_or_default()
            }
        };
        COLUMNS.iter().map(field).collect()
    }

    /// What [`Self::to_record`] wrote.
    ///
    /// # Errors
    /// [`MalformedRecord`].
    pub fn from_record(record: Vec<String>) -> Result<Self, MalformedRecord> {
        if record.len() != COLUMNS.len() {
            return Err(MalformedRecord::Columns);
        }
        let mut fields = COLUMNS.into_iter().zip(record).collect::<std::collections::BTreeMap<_, _>>();
        let mut take = |column| fields.remove(column).unwrap_or_default();
        let malformed = |column| MalformedRecord::Field { column };
        let supports = match take("supports").as_str() {
            "" => false,
            "true" => true,
            _ => return Err(malformed("supports")),
        };
        let hash = take("hash").parse().map_err(|_| malformed("hash"))?;
        let proof = take("proof").split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>();
        let (leaf, proof) = (take("leaf"), proof.map_err(|_| malformed("proof"))?);
        let mut row = Map::new();
        for (column, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
            let value = match column {
                "index" | "at" | "acknowledgement" | "acknowledged_at" | "erasure" => {
                    text.parse::<u64>().map_err(|_| malformed(column))?.into()
                }
                _ => Value::String(text),
            };
            row.insert(column.to_owned(), value);
        }
        let row = serde_json::from_value(Value::Object(row)).map_err(|_| malformed("index"))?;
        Ok(Self { row, supports, leaf, hash, proof })
    }
}

/// A member that nobody knows could say anything, unproven.
fn known_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Row, D::Error> {
    let members = Map::deserialize(deserializer)?;
    let known = Row::empty(0, 0).texts();
    if members.keys().any(|member| known.iter().all(|(name, _)| name != member)) {
        return Err(serde::de::Error::custom("a row has a member that is not known"));
    }
    serde_json::from_value(Value::Object(members)).map_err(serde::de::Error::custom)
}

/// What the first line says about all that follow.
pub const FORMAT: &str = "saphan-audit-export-1";
/// The columns of an export as a table: members of the row, which is of one log, and then those of the line.
pub const COLUMNS: [&str; 18] = [
    "index",
    "at",
    "kind",
    "id",
    "from",
    "to",
    "type",
    "service",
    "case",
    "outcome",
    "code",
    "acknowledgement",
    "acknowledged_at",
    "erasure",
    "supports",
    "leaf",
    "hash",
    "proof",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Fate;
    use crate::facts::EntryKind;
    use crate::ids::{CaseId, MessageId};

    fn whole() -> ProvenRow {
        let row = Row {
            index: 7,
            log: None,
            at: 5,
            kind: Some(EntryKind::Message),
            id: Some(MessageId::new()),
            from: Some("th.dga/portal".into()),
            to: Some("th.dlt/licensing".into()),
            message_type: Some("information.supplied".into()),
            service: Some("th.dlt.renewal".into()),
            case: Some(CaseId::new()),
            outcome: Some(Fate::Rejected),
            code: Some("not-ours".into()),
            acknowledgement: Some(8),
            acknowledgement_log: None,
            acknowledged_at: Some(9),
            erasure: Some(10),
            erasure_log: None,
        };
        let hash = Sha256Hash::of(b"x");
        ProvenRow { row, supports: true, leaf: "{}".into(), hash, proof: vec![hash, Sha256Hash::of(b"y")] }
    }

    #[test]
    fn a_row_is_the_same_as_an_object_and_as_a_record() {
        let empty = ProvenRow { row: Row::empty(0, 0), supports: false, proof: Vec::new(), ..whole() };
        for line in [whole(), empty] {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<ProvenRow>(&text).unwrap(), line);
            let record = line.to_record();
            assert_eq!(record.len(), COLUMNS.len());
            assert_eq!(ProvenRow::from_record(record).unwrap(), line);
        }
        assert!(whole().to_record().iter().all(|field| !field.is_empty()), "each member has a column");
    }

    #[test]
    fn what_is_no_row_is_not_read_as_one() {
        let at = |column| COLUMNS.iter().position(|name| *name == column).unwrap();
        for (column, text) in [
            ("index", ""),
            ("index", "-1"),
            ("at", "x"),
            ("kind", "gossip"),
            ("id", "7"),
            ("outcome", "lost"),
            ("erasure", "1.5"),
            ("supports", "false"),
            ("hash", "x"),
            ("proof", "x y"),
        ] {
            let mut record = whole().to_record();
            record[at(column)] = text.into();
            assert!(ProvenRow::from_record(record).is_err(), "{column} {text}");
        }
        let mut record = whole().to_record();
        record.push(String::new());
        assert_eq!(ProvenRow::from_record(record), Err(MalformedRecord::Columns));
        let text = serde_json::to_string(&whole()).unwrap();
        let more = text.replacen("{\"index\":7", "{\"index\":7,\"mood\":\"bad\"", 1);
        assert_ne!(more, text);
        assert!(serde_json::from_str::<ProvenRow>(&more).is_err());
    }

    #[test]
    fn rows_differ_in_the_first_member_that_does() {
        let row = whole().row;
        assert_eq!(row.first_difference(&row), None);
        for (member, other) in [
            ("log", Row { log: Some("hub.local/log/x".into()), ..row.clone() }),
            ("from", Row { from: None, ..row.clone() }),
            ("erasure_log", Row { erasure_log: Some("hub.local/log/x".into()), ..row.clone() }),
            ("at", Row { at: 6, code: None, ..row.clone() }),
        ] {
            assert_eq!(row.first_difference(&other), Some(member));
        }
    }
}
