//! Leaves: what the log holds, one JSON object each, at most 16 KiB, written once by the hub.
//!
//! Personal data never enters a leaf.

mod reading;

pub use reading::LeafError;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Hash;
use crate::ids::{Code, HubId, SchemaId, SystemId};
use crate::json::form;
use crate::jws::JwsError;
use crate::keys::PublicKey;
use crate::log::VerifierKey;
use crate::registry::{Change, Entry, HubKey, UnverifiedRegistryEntry, is_shard_name};

/// The longest leaf, in bytes.
pub const MAX_LEAF_BYTES: usize = 16 * 1024;

/// One entry of the log. `ts` is the hub's time in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Leaf {
    /// An accepted message. The envelope comes last: see [`message_prefix`].
    Message {
        /// When it was accepted.
        ts: u64,
        /// What its body was validated against.
        schema: SchemaVersion,
        /// The envelope, verbatim.
        envelope: String,
    },
    /// A message that was not accepted, though its sender is known.
    Refusal {
        /// When it was refused.
        ts: u64,
        /// The problem code.
        code: Code,
        /// SHA-256 of the envelope's exact text.
        env: Sha256Hash,
        /// 16 random bytes as hexadecimal, so that no two refusals are the same leaf.
        #[serde(deserialize_with = "reading::nonce")]
        nonce: String,
    },
    /// A batch of acknowledgements.
    Acknowledgement {
        /// When it was accepted.
        ts: u64,
        /// The receiver's compact JWS, verbatim.
        acknowledgement: String,
    },
    /// A change of the registry.
    Registry {
        /// When it took effect.
        ts: u64,
        /// The signed entry, verbatim.
        entry: String,
    },
    /// A body that was erased.
    Erasure {
        /// When.
        ts: u64,
        /// The erased message's place in its log.
        #[serde(deserialize_with = "form::count")]
        index: u64,
        /// The legal-basis code.
        basis: Code,
        /// The origin of that log, if it is an earlier one than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
    },
    /// An auditor's query, before it was answered. What was asked is committed to, not shown: the log is public.
    Query {
        /// When it was asked.
        ts: u64,
        /// The system, of role `auditor`, that asked.
        auditor: SystemId,
        /// HMAC-SHA-256 of the exact text of the query; the key is a salt of 32 bytes that the hub keeps with the text.
        commit: Sha256Hash,
    },
    /// The first or last leaf of a shard.
    Shard {
        /// When.
        ts: u64,
        /// The link.
        event: ShardEvent,
    },
}

/// A schema and its exact text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaVersion {
    /// Its id.
    pub id: SchemaId,
    /// SHA-256 of its text.
    pub sha256: Sha256Hash,
}

/// The link between two shards of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ShardEvent {
    /// The shard begins.
    Opened {
        /// The log's origin.
        origin: String,
        /// The hub.
        hub: HubId,
        /// The key that signs registry entries.
        operator: Box<PublicKey>,
        /// The key that signs receipts.
        receipts: Box<PublicKey>,
        /// The key that signs checkpoints.
        log: Box<VerifierKey>,
        /// The last checkpoint of the shard before, if there was one; the last one that the hub knows of, if that shard was abandoned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<String>,
        /// What is left of the shard before, if it was not closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abandoned: Option<Box<Abandoned>>,
    },
    /// The shard ends.
    Closed {
        /// The origin of the next shard.
        next: String,
    },
}

/// What a shard begins with when the one before it was lost in part: nothing may be appended to that any more, for entries that the
/// hub does not have were signed. They count for nothing from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abandoned {
    /// The signed checkpoint of the entries that the hub still has. What comes next follows from these.
    pub kept: String,
    /// The registry entry, a compact JWS, in which the operator vouches for the key of the shard that begins, unless one of the
    /// kept entries does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The entry beside an abandoned shard does not vouch for a key of the next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVouched {
    /// It cannot be read.
    #[error("the registry entry in it is not one: {0}")]
    Malformed(#[from] JwsError),
    /// It is about something else.
    #[error("the registry entry in it adds no key of this log")]
    OtherChange,
}

impl ShardEvent {
    /// Whether the names in it belong together: the origin is `<hub>/log/<shard>`, and the key is one of that log. Those of what ends
    /// a shard always do.
    #[must_use]
    pub fn names_fit(&self) -> bool {
        match self {
            Self::Opened { origin, hub, log, .. } => {
                let shard = origin.strip_prefix(hub.as_str()).and_then(|rest| rest.strip_prefix("/log/"));
                shard.is_some_and(is_shard_name) && log.name() == origin
            }
            Self::Closed { .. } => true,
        }
    }
}

impl Abandoned {
    /// The entry that vouches for a key of the shard of this origin, to be taken into the registry as all others.
    ///
    /// # Errors
    /// [`NotVouched`].
    pub fn vouching(&self, origin: &str) -> Result<Option<UnverifiedRegistryEntry>, NotVouched> {
        let Some(entry) = &self.key else { return Ok(None) };
        let entry = UnverifiedRegistryEntry::parse(entry)?;
        match &entry.claims().change {
            Change::Added(Entry::HubKey(HubKey::Log { vkey })) if vkey.name() == origin => Ok(Some(entry)),
            _ => Err(NotVouched::OtherChange),
        }
    }
}

impl Leaf {
    /// The registry entry, a compact JWS, that this leaf brings; most bring none.
    #[must_use]
    pub fn registry_entry(&self) -> Option<&str> {
        match self {
            Self::Registry { entry, .. } => Some(entry),
            Self::Shard { event: ShardEvent::Opened { abandoned: Some(abandoned), .. }, .. } => {
                abandoned.key.as_deref()
            }
            _ => None,
        }
    }

    /// When the hub logged it, in milliseconds since 1970; never earlier than the leaf before it.
    #[must_use]
    pub const fn ts(&self) -> u64 {
        match self {
            Self::Message { ts, .. }
            | Self::Refusal { ts, .. }
            | Self::Acknowledgement { ts, .. }
            | Self::Registry { ts, .. }
            | Self::Erasure { ts, .. }
            | Self::Query { ts, .. }
            | Self::Shard { ts, .. } => *ts,
        }
    }

    /// The bytes that are logged.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and maps with string keys always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The leaf bytes of an accepted message before the text of its envelope. The leaf is this prefix, the envelope, and
/// [`MESSAGE_SUFFIX`]: whoever holds envelope and prefix (the `extra` line of its proof) holds the exact leaf.
#[must_use]
pub fn message_prefix(ts: u64, schema: &SchemaVersion) -> String {
    format!(r#"{{"t":"message","ts":{ts},"schema":{{"id":"{}","sha256":"{}"}},"envelope":""#, schema.id, schema.sha256)
}

/// The leaf bytes of an accepted message from `prefix` and envelope.
#[must_use]
pub fn message_leaf(prefix: &[u8], envelope: &str) -> Vec<u8> {
    [prefix, envelope.as_bytes(), MESSAGE_SUFFIX].concat()
}

/// Prefix and envelope of the leaf of an accepted message; `None` for any other leaf.
#[must_use]
pub fn split_message(leaf: &[u8]) -> Option<(&[u8], &str)> {
    let inner = leaf.strip_suffix(MESSAGE_SUFFIX)?;
    let at = inner.iter().rposition(|byte| *byte == b'"')? + 1;
    let (prefix, envelope) = inner.split_at(at);
    prefix.starts_with(MESSAGE_START).then_some((prefix, std::str::from_utf8(envelope).ok()?))
}

/// What follows the envelope in the leaf of an accepted message.
pub const MESSAGE_SUFFIX: &[u8] = b"\"}";
const MESSAGE_START: &[u8] = br#"{"t":"message""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_envelope_and_suffix_are_the_leaf() {
        let schema = SchemaVersion { id: "a.b@1".parse().unwrap(), sha256: Sha256Hash::of(b"x") };
        let leaf = Leaf::Message { ts: 5, schema: schema.clone(), envelope: "a.b.c".into() };
        let joined = message_leaf(message_prefix(5, &schema).as_bytes(), "a.b.c");
        assert_eq!(String::from_utf8(joined.clone()).unwrap(), String::from_utf8(leaf.to_bytes()).unwrap());
        assert_eq!(Leaf::parse(&joined).unwrap(), leaf);
        let (prefix, envelope) = split_message(&joined).unwrap();
        assert_eq!((prefix, envelope), (message_prefix(5, &schema).as_bytes(), "a.b.c"));
    }

    #[test]
    fn a_query_shows_who_asked_and_a_commitment() {
        let commit = Sha256Hash::of(b"x");
        let leaf = Leaf::Query { ts: 7, auditor: "th.oag/audit".parse().unwrap(), commit };
        let text = format!(r#"{{"t":"query","ts":7,"auditor":"th.oag/audit","commit":"{commit}"}}"#);
        assert_eq!(String::from_utf8(leaf.to_bytes()).unwrap(), text);
        assert_eq!(Leaf::parse(text.as_bytes()).unwrap(), leaf);
        assert_eq!(leaf.ts(), 7);
    }

    #[test]
    fn a_log_is_named_by_its_hub_and_a_shard() {
        let key = PublicKey::clone(crate::keys::SigningKey::generate().unwrap().0.public());
        let opened = |origin: &str, named: &str| {
            let log = crate::log::NoteSigner::generate_pkcs8().unwrap();
            let log = crate::log::NoteSigner::from_pkcs8(named, &log).unwrap().verifier_key().clone();
            let (origin, hub) = (origin.to_owned(), "hub.local".parse().unwrap());
            let (operator, receipts) = (Box::new(key), Box::new(key));
            ShardEvent::Opened { origin, hub, operator, receipts, log: Box::new(log), previous: None, abandoned: None }
        };
        assert!(opened("hub.local/log/a-1", "hub.local/log/a-1").names_fit());
        assert!(!opened("hub.local/log/a-1", "hub.local/log/a-2").names_fit());
        for origin in ["hub.else/log/a", "hub.local/log/", "hub.local/a", "hub.local/log/a/b", "hub.local/log/A"] {
            assert!(!opened(origin, origin).names_fit(), "{origin}");
        }
    }
}
