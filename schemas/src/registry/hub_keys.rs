//! The hub's own keys: those that the log began with, and those that came after.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{RegistryState, RejectedEntry};
use crate::json::form;
use crate::keys::{KeyId, PublicKey};
use crate::log::VerifierKey;

/// A key of the hub itself, signed into the registry by its operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "use", rename_all = "kebab-case")]
pub enum HubKey {
    /// Signs receipts from now on; the newest does. Those before it stay good until they are revoked.
    Receipts {
        /// The key.
        jwk: PublicKey,
    },
    /// Signs checkpoints from now on, beside those that are not revoked: whoever trusts one of them can go on.
    Log {
        /// The C2SP verifier key; its name is the log's origin. One with another name is of the log that comes next.
        vkey: VerifierKey,
    },
    /// May make every change of the registry, as those may that are not revoked.
    Operator {
        /// The key.
        jwk: PublicKey,
    },
}

/// The name of a [`HubKey`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "use", content = "id", rename_all = "kebab-case")]
pub enum HubKeyId {
    /// Its thumbprint.
    Receipts(KeyId),
    /// The verifier key itself.
    Log(VerifierKey),
    /// Its thumbprint.
    Operator(KeyId),
}

/// A key of the hub, also after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubKeyRecord<K> {
    /// The key.
    pub key: K,
    /// The place of the entry that added it; none for those that the log began with.
    pub index: Option<u64>,
    /// Its end, if it was revoked.
    pub revoked: Option<Revocation>,
}

/// The end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// The place of the entry that revoked it.
    pub index: u64,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// The keys of one use, oldest first. At least one is not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubKeyRing<K>(Vec<HubKeyRecord<K>>);

/// A [`HubKey`] as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    r#use: String,
    #[serde(default, deserialize_with = "form::there")]
    jwk: Option<PublicKey>,
    #[serde(default, deserialize_with = "form::there")]
    vkey: Option<VerifierKey>,
}

impl<'de> Deserialize<'de> for HubKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { r#use, jwk, vkey } = form::object(deserializer)?;
        match (&*r#use, jwk, vkey) {
            ("receipts", Some(jwk), None) => Ok(Self::Receipts { jwk }),
            ("operator", Some(jwk), None) => Ok(Self::Operator { jwk }),
            ("log", None, Some(vkey)) => Ok(Self::Log { vkey }),
            _ => Err(D::Error::custom("not a use of a key of the hub, or not with the key that belongs to it")),
        }
    }
}

impl<'de> Deserialize<'de> for HubKeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (usage, id) = form::pair(deserializer, ["use", "id"])?;
        match &*usage {
            "receipts" => KeyId::deserialize(id).map(Self::Receipts),
            "operator" => KeyId::deserialize(id).map(Self::Operator),
            "log" => VerifierKey::deserialize(id).map(Self::Log),
            _ => return Err(D::Error::custom("not a use of a key of the hub")),
        }
        .map_err(D::Error::custom)
    }
}

impl fmt::Display for HubKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receipts(kid) | Self::Operator(kid) => kid.fmt(f),
            Self::Log(vkey) => vkey.fmt(f),
        }
    }
}

impl HubKey {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> HubKeyId {
        match self {
            Self::Receipts { jwk } => HubKeyId::Receipts(jwk.id()),
            Self::Log { vkey } => HubKeyId::Log(vkey.clone()),
            Self::Operator { jwk } => HubKeyId::Operator(jwk.id()),
        }
    }
}

impl<K: Clone + PartialEq> HubKeyRing<K> {
    pub(super) fn new(first: K) -> Self {
        Self(vec![HubKeyRecord { key: first, index: None, revoked: None }])
    }

    /// All keys there ever were, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &HubKeyRecord<K>> {
        self.0.iter()
    }

    /// The places of the entries that added or revoked keys.
    pub fn entries(&self) -> impl Iterator<Item = u64> {
        let places = |record: &HubKeyRecord<K>| [record.index, record.revoked.map(|end| end.index)];
        self.0.iter().flat_map(places).flatten()
    }

    /// The key that the first log began with.
    pub(super) fn first(&self) -> Option<&K> {
        self.0.first().map(|record| &record.key)
    }

    /// Those that are not revoked, newest first.
    pub fn standing(&self) -> impl Iterator<Item = &K> {
        self.0.iter().rev().filter(|record| record.revoked.is_none()).map(|record| &record.key)
    }

    /// Those that are revoked, oldest first.
    pub fn former(&self) -> impl Iterator<Item = &K> {
        self.0.iter().filter(|record| record.revoked.is_some()).map(|record| &record.key)
    }

    pub(super) fn add(&mut self, key: &K, name: &HubKeyId, index: u64) -> Result<(), RejectedEntry> {
        if self.0.iter().any(|record| record.key == *key) {
            return Err(RejectedEntry::Exists { id: name.to_string() });
        }
        self.0.push(HubKeyRecord { key: key.clone(), index: Some(index), revoked: None });
        Ok(())
    }

    pub(super) fn revoke(
        &mut self,
        is_it: impl Fn(&K) -> bool,
        has_its_use: impl Fn(&K) -> bool,
        name: &HubKeyId,
        end: Revocation,
    ) -> Result<(), RejectedEntry> {
        let standing = self.standing().filter(|key| has_its_use(key)).count();
        let record = self.0.iter_mut().find(|record| record.revoked.is_none() && is_it(&record.key));
        let record = record.ok_or_else(|| RejectedEntry::Missing { id: name.to_string() })?;
        if standing == 1 {
            return Err(RejectedEntry::LastHubKey);
        }
        record.revoked = Some(end);
        Ok(())
    }
}

/// Whether two origins are of logs of one hub, one after the other: they differ in the name of the shard.
#[must_use]
pub fn are_logs_of_one_hub(one: &str, other: &str) -> bool {
    let hub = |origin: &str| {
        let (hub, shard) = origin.rsplit_once('/')?;
        is_shard_name(shard).then(|| hub.to_owned())
    };
    one == other || hub(one).is_some_and(|first| hub(other) == Some(first))
}

/// Whether this may be the name of a shard: 1 to 63 of `a-z`, `0-9` and `-`.
#[must_use]
pub fn is_shard_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(plain)
}

impl RegistryState {
    /// The origins of the hub's logs, oldest first; also of one that is to come and has a key already.
    #[must_use]
    pub fn logs(&self) -> Vec<&str> {
        let mut logs: Vec<&str> = Vec::new();
        for record in self.log_keys().all() {
            if !logs.contains(&record.key.name()) {
                logs.push(record.key.name());
            }
        }
        logs
    }

    /// The keys of one of its logs that are not revoked, newest first.
    pub fn keys_of_log<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a VerifierKey> {
        self.log_keys().standing().filter(move |key| key.name() == origin)
    }

    /// The places of all entries about the hub's own keys, in the log's order.
    #[must_use]
    pub fn hub_key_entries(&self) -> Vec<u64> {
        let of_receipts = self.receipt_keys().entries();
        let mut places: Vec<_> =
            of_receipts.chain(self.log_keys().entries()).chain(self.operator_keys().entries()).collect();
        places.sort_unstable();
        places
    }

    /// The revoked keys for receipts and checkpoints, with the places of the entries that revoked them.
    pub fn ended_hub_keys(&self) -> impl Iterator<Item = (HubKeyId, u64)> {
        let receipts = self.receipt_keys().all().map(|record| (HubKeyId::Receipts(record.key.id()), record.revoked));
        let logs = self.log_keys().all().map(|record| (HubKeyId::Log(record.key.clone()), record.revoked));
        receipts.chain(logs).filter_map(|(key, end)| Some((key, end?.index)))
    }

    /// Whether the keys that the hub itself signs with are the same in both.
    #[must_use]
    pub fn has_the_hub_keys_of(&self, other: &Self) -> bool {
        self.receipt_keys() == other.receipt_keys() && self.log_keys() == other.log_keys()
    }
}
