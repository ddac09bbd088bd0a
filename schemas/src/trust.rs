//! What a verifier trusts about a hub, and how it follows when the hub's keys change.

use serde::{Deserialize, Serialize};

use crate::ids::HubId;
use crate::keys::{KeyId, PublicKey};
use crate::log::{Checkpoint, SignedCheckpoint, VerifierKey};
use crate::message::VerifyError;
use crate::registry::{Change, Entry, EntryId, HubKey, HubKeyId, UnverifiedRegistryEntry};

/// What a verifier trusts: one hub's receipt keys and its log's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The hub.
    pub hub: HubId,
    /// The keys of the hub's operator, who vouches for later keys of the hub; without one there is no following.
    pub operators: Vec<PublicKey>,
    /// Revoked keys of the operator: what they signed before stays valid, and they vouch for nothing.
    pub former_operators: Vec<PublicKey>,
    /// The keys that may sign its receipts.
    pub receipts: Vec<PublicKey>,
    /// The key that signs its log's checkpoints; its name is the log's origin.
    pub log: VerifierKey,
    /// Other keys that sign or signed them.
    pub more_logs: Vec<VerifierKey>,
}

/// What a system needs to know about a hub, and keeps: `GET /v1/trust`, `trust.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBundle {
    /// The hub.
    pub hub: HubId,
    /// The key that its operator signs registry entries with; one of them, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<PublicKey>,
    /// Other keys of the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_operators: Vec<PublicKey>,
    /// Revoked keys of the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_operators: Vec<PublicKey>,
    /// The keys that sign its receipts, or signed them once.
    pub receipts: Vec<PublicKey>,
    /// The C2SP verifier key of its log; the newest, if there are several.
    pub vkey: VerifierKey,
    /// Other keys that sign the log's checkpoints, or signed them once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_vkeys: Vec<VerifierKey>,
    /// The broker's address, e.g. `amqps://broker.example:5671/saphan`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// The CA certificates (PEM) that vouch for hub and broker, if they are not among those that the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// The registry entries that added or revoked keys of the hub since its log began, oldest first, each signed by the operator:
/// whoever knows a key of the operator can follow from the keys that it trusted before. `GET /v1/trust/entries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustEntries {
    /// Compact JWS.
    pub entries: Vec<String>,
}

impl Trust {
    pub(crate) fn receipt_key(&self, kid: KeyId) -> Result<&PublicKey, VerifyError> {
        self.receipts.iter().find(|key| key.id() == kid).ok_or(VerifyError::ReceiptKeyUnknown)
    }

    /// Checks the signature of a checkpoint. Callers that see the same checkpoint often keep the result.
    ///
    /// # Errors
    /// [`VerifyError::Checkpoint`].
    pub fn verify_checkpoint(&self, text: &str) -> Result<Checkpoint, VerifyError> {
        Ok(SignedCheckpoint::parse_and_verify_any(text, &self.log, &self.more_logs)?.into_checkpoint())
    }

    /// This trust with the keys that the hub's operator has added since, as [`TrustEntries`] brings them. An entry that the
    /// operator did not sign for this hub, or that is about something else, changes nothing. A revoked key of the operator
    /// vouches for nothing any more, for ever; keys for receipts and log stay: what was signed with an earlier one stays
    /// verifiable. `None` when there is nothing new.
    #[must_use]
    pub fn follow(&self, entries: &[String]) -> Option<Self> {
        let mut trust = self.clone();
        for entry in entries {
            match trust.vouched_for(entry) {
                Some(Change::Added(Entry::HubKey(key))) => trust.add(key),
                Some(Change::Revoked(EntryId::HubKey(HubKeyId::Operator(kid)))) => {
                    trust.former_operators.extend(trust.operators.extract_if(.., |key| key.id() == kid));
                }
                _ => {}
            }
        }
        (trust != *self).then_some(trust)
    }

    fn vouched_for(&self, entry: &str) -> Option<Change> {
        let entry = UnverifiedRegistryEntry::parse(entry).ok()?;
        let operator = self.operators.iter().find(|key| key.id() == entry.kid())?;
        let entry = entry.verify(operator).ok()?;
        let claims = entry.claims();
        let of_this_hub = claims.aud == self.hub && claims.iss == self.hub.as_str();
        of_this_hub.then(|| claims.change.clone())
    }

    fn add(&mut self, key: HubKey) {
        match key {
            HubKey::Receipts { jwk } => add_once(&mut self.receipts, jwk),
            // A list that leaves out its end does not bring it back.
            HubKey::Operator { jwk } if self.former_operators.contains(&jwk) => {}
            HubKey::Operator { jwk } => add_once(&mut self.operators, jwk),
            HubKey::Log { vkey } if vkey.name() == self.log.name() && vkey != self.log => {
                add_once(&mut self.more_logs, vkey);
            }
            HubKey::Log { .. } => {}
        }
    }
}

fn add_once<K: PartialEq>(keys: &mut Vec<K>, key: K) {
    if !keys.contains(&key) {
        keys.push(key);
    }
}

impl TrustBundle {
    /// What it says, for verification.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust {
            hub: self.hub.clone(),
            operators: self.operator.iter().chain(&self.more_operators).copied().collect(),
            former_operators: self.former_operators.clone(),
            receipts: self.receipts.clone(),
            log: self.vkey.clone(),
            more_logs: self.more_vkeys.clone(),
        }
    }

    /// All keys of its log.
    pub fn vkeys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.vkey).chain(&self.more_vkeys)
    }

    /// The same with the keys of a trust that followed.
    #[must_use]
    pub fn with(self, trust: Trust) -> Self {
        let mut operators = trust.operators.into_iter();
        Self {
            operator: operators.next(),
            more_operators: operators.collect(),
            former_operators: trust.former_operators,
            receipts: trust.receipts,
            vkey: trust.log,
            more_vkeys: trust.more_logs,
            ..self
        }
    }
}

impl From<TrustBundle> for Trust {
    fn from(bundle: TrustBundle) -> Self {
        bundle.trust()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MessageId;
    use crate::jws::Signed;
    use crate::keys::SigningKey;
    use crate::log::NoteSigner;
    use crate::registry::RegistryClaims;

    const ORIGIN: &str = "hub.test/log/1";

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    fn vkey(origin: &str) -> VerifierKey {
        let signer = NoteSigner::from_pkcs8(origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        signer.verifier_key().clone()
    }

    fn trust(operator: Option<&SigningKey>) -> Trust {
        Trust {
            hub: "hub.test".parse().unwrap(),
            operators: operator.iter().map(|key| *key.public()).collect(),
            former_operators: Vec::new(),
            receipts: vec![*key().public()],
            log: vkey(ORIGIN),
            more_logs: Vec::new(),
        }
    }

    fn entry(signer: &SigningKey, hub: &str, change: Change) -> String {
        let claims = RegistryClaims {
            iss: hub.to_owned(),
            aud: hub.parse().unwrap(),
            iat: 1,
            jti: MessageId::new(),
            change,
            invitation: None,
        };
        Signed::sign(claims, signer).unwrap().as_str().to_owned()
    }

    fn added(key: HubKey) -> Change {
        Change::Added(Entry::HubKey(key))
    }

    #[test]
    fn keys_that_the_operator_added_are_taken_up_once_and_none_is_dropped() {
        let operator = key();
        let (receipts, log) = (*key().public(), vkey(ORIGIN));
        let entries = [
            entry(&operator, "hub.test", added(HubKey::Receipts { jwk: receipts })),
            entry(&operator, "hub.test", added(HubKey::Log { vkey: log.clone() })),
        ];
        let before = trust(Some(&operator));
        let after = before.follow(&entries).unwrap();
        assert_eq!(after.receipts, [before.receipts[0], receipts]);
        assert_eq!((&after.log, after.more_logs.as_slice()), (&before.log, [log].as_slice()));
        assert_eq!(after.follow(&entries), None, "there is nothing new");
    }

    #[test]
    fn what_the_operator_did_not_sign_for_this_hub_adds_nothing() {
        let (operator, thief) = (key(), key());
        let receipts = || added(HubKey::Receipts { jwk: *key().public() });
        let trust = trust(Some(&operator));
        for (case, entry) in [
            ("another key", entry(&thief, "hub.test", receipts())),
            ("another hub", entry(&operator, "hub.other", receipts())),
            ("another log", entry(&operator, "hub.test", added(HubKey::Log { vkey: vkey("hub.test/log/2") }))),
            (
                "an end",
                entry(&operator, "hub.test", Change::Revoked(EntryId::HubKey(HubKey::Log { vkey: vkey(ORIGIN) }.id()))),
            ),
            ("no entry", "e30.e30.e30".to_owned()),
        ] {
            assert_eq!(trust.follow(&[entry]), None, "{case}");
        }
    }

    #[test]
    fn a_new_key_of_the_operator_vouches_from_then_on_and_a_revoked_one_no_longer() {
        let (old, new) = (key(), key());
        let receipts = || added(HubKey::Receipts { jwk: *key().public() });
        let handed_on = [
            entry(&old, "hub.test", added(HubKey::Operator { jwk: *new.public() })),
            entry(&new, "hub.test", receipts()),
            entry(&new, "hub.test", Change::Revoked(EntryId::HubKey(HubKeyId::Operator(old.public().id())))),
        ];
        let before = trust(Some(&old));
        let after = before.follow(&handed_on).unwrap();
        assert_eq!((after.operators.as_slice(), after.receipts.len()), ([*new.public()].as_slice(), 2));
        assert_eq!(after.follow(&[entry(&old, "hub.test", receipts())]), None);
        assert_eq!(after.follow(&handed_on), None, "the old key cannot vouch for anything again");
        assert_eq!(after.former_operators, before.operators);
        let again = entry(&new, "hub.test", added(HubKey::Operator { jwk: *old.public() }));
        assert_eq!(after.follow(&[again]), None, "a revoked key stays revoked, whatever a list leaves out");
    }

    #[test]
    fn without_the_operators_key_nothing_is_followed() {
        let operator = key();
        let entry = entry(&operator, "hub.test", added(HubKey::Receipts { jwk: *key().public() }));
        assert_eq!(trust(None).follow(&[entry]), None);
    }
}
