//! The keys that a verifier trusts, from files.

use std::collections::HashMap;

use saphan_schemas::ids::{HubId, InvalidId, SystemId};
use saphan_schemas::keys::{JwkSet, KeyId, PublicKey, PublishedKey};
use saphan_schemas::log::VerifierKey;
use saphan_schemas::trust::Trust;

/// A hub's receipt keys, its log's key, and the keys of senders.
#[derive(Debug, Clone)]
pub struct TrustedKeys {
    hub: HubId,
    receipts: Vec<PublishedKey>,
    log: VerifierKey,
    more_logs: Vec<VerifierKey>,
    senders: HashMap<SystemId, Vec<PublishedKey>>,
}

/// A key set is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTrustedKeys {
    /// The `issuer` is not the id of a hub or of a system.
    #[error("its `issuer` is {0}")]
    Issuer(#[from] InvalidId),
    /// A `kid` is not the thumbprint of its key.
    #[error("its `kid` {kid} is not the thumbprint of the key beside it")]
    KeyId {
        /// The name it gives.
        kid: KeyId,
    },
    /// A key is for something else.
    #[error("the key {kid} is not one with `alg` ES256 and `use` sig")]
    OtherUse {
        /// The key.
        kid: KeyId,
    },
}

impl TrustedKeys {
    /// What is trusted about a hub: its receipt keys and its log's key.
    ///
    /// # Errors
    /// [`NotTrustedKeys`].
    pub fn new(hub: JwkSet, log: VerifierKey) -> Result<Self, NotTrustedKeys> {
        let id = hub.issuer.parse()?;
        Ok(Self {
            hub: id,
            receipts: named_by_thumbprint(hub.keys)?,
            log,
            more_logs: Vec::new(),
            senders: HashMap::new(),
        })
    }

    /// The same from a [`Trust`], whose receipt keys have no time limits.
    #[must_use]
    pub fn from_trust(trust: Trust) -> Self {
        let receipts = trust.receipts.into_iter().map(PublishedKey::unlimited).collect();
        Self { hub: trust.hub, receipts, log: trust.log, more_logs: trust.more_logs, senders: HashMap::new() }
    }

    /// Adds the keys of a sender.
    ///
    /// # Errors
    /// [`NotTrustedKeys`].
    pub fn add_sender(&mut self, keys: JwkSet) -> Result<(), NotTrustedKeys> {
        let system: SystemId = keys.issuer.parse()?;
        self.senders.entry(system).or_default().extend(named_by_thumbprint(keys.keys)?);
        Ok(())
    }

    /// The hub.
    #[must_use]
    pub const fn hub(&self) -> &HubId {
        &self.hub
    }

    /// The log's key.
    #[must_use]
    pub const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// Other keys that sign or signed the log's checkpoints.
    pub(super) fn more_logs(&self) -> &[VerifierKey] {
        &self.more_logs
    }

    pub(super) fn trust(&self) -> Trust {
        let receipts = self.receipts.iter().map(|published| published.key).collect();
        let (log, more_logs) = (self.log.clone(), self.more_logs.clone());
        let (operators, former_operators) = (Vec::new(), Vec::new());
        Trust {
            hub: self.hub.clone(),
            operators,
            former_operators,
            receipts,
            log,
            more_logs,
            logs: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(super) fn knows(&self, system: &SystemId) -> bool {
        self.senders.contains_key(system)
    }

    pub(super) fn sender_key(&self, system: &SystemId, kid: KeyId) -> Option<&PublicKey> {
        self.published(system, kid).map(|published| &published.key)
    }

    pub(super) fn published(&self, system: &SystemId, kid: KeyId) -> Option<&PublishedKey> {
        self.senders.get(system)?.iter().find(|published| published.kid == kid)
    }

    pub(super) fn receipt_key(&self, kid: KeyId) -> Option<&PublishedKey> {
        self.receipts.iter().find(|published| published.kid == kid)
    }
}

fn named_by_thumbprint(keys: Vec<PublishedKey>) -> Result<Vec<PublishedKey>, NotTrustedKeys> {
    for PublishedKey { kid, alg, usage, key, .. } in &keys {
        if *kid != key.id() {
            return Err(NotTrustedKeys::KeyId { kid: *kid });
        }
        if (&**alg, &**usage) != ("ES256", "sig") {
            return Err(NotTrustedKeys::OtherUse { kid: *kid });
        }
    }
    Ok(keys)
}
