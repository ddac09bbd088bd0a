//! What a verifier trusts about a hub, and how it follows when the hub's keys change.

use serde::{Deserialize, Serialize};

use crate::ids::HubId;
use crate::keys::{KeyId, PublicKey};
use crate::log::{Checkpoint, SignedCheckpoint, VerifierKey};
use crate::message::VerifyError;
use crate::registry::{Change, Entry, EntryId, HubKey, HubKeyId, UnverifiedRegistryEntry, are_logs_of_one_hub};

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
    /// A key that signs the checkpoints of one of its logs; its name is the log's origin.
    pub log: VerifierKey,
    /// Other keys that sign or signed them, and those of its other logs.
    pub more_logs: Vec<VerifierKey>,
    /// The origins of its logs, oldest first; empty as long as there is one.
    pub logs: Vec<String>,
    /// Where keys among these were revoked.
    pub ended: Vec<EndedKey>,
}

/// A key of the hub that was revoked: what stands before that place of the log stays good, what is said to stand behind it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedKey {
    /// The key.
    pub key: HubKeyId,
    /// The place of the entry that revoked it.
    pub index: u64,
    /// The origin of the log that the entry is in; left out as long as there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
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
    /// The origins of its logs, oldest first; left out as long as there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Where keys of receipts and log were revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<EndedKey>,
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
    /// In the log's order.
    pub entries: Vec<TrustEntry>,
}

/// One of [`TrustEntries`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustEntry {
    /// Its place in the log.
    pub index: u64,
    /// The origin of that log; left out as long as there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// A compact JWS.
    pub entry: String,
}

impl Trust {
    /// The key of a receipt for this place of this log.
    pub(crate) fn receipt_key(&self, kid: KeyId, log: &str, index: u64) -> Result<&PublicKey, VerifyError> {
        let key = self.receipts.iter().find(|key| key.id() == kid).ok_or(VerifyError::ReceiptKeyUnknown)?;
        if self.has_ended(&HubKeyId::Receipts(kid), log, index) { Err(VerifyError::ReceiptKeyRevoked) } else { Ok(key) }
    }

    /// Checks the signature of a checkpoint. Callers that see the same checkpoint often keep the result.
    ///
    /// # Errors
    /// [`VerifyError::Checkpoint`], [`VerifyError::CheckpointKeyRevoked`].
    pub fn verify_checkpoint(&self, text: &str) -> Result<Checkpoint, VerifyError> {
        let mut failed = None;
        for key in std::iter::once(&self.log).chain(&self.more_logs) {
            match SignedCheckpoint::parse_and_verify(text, key).map(SignedCheckpoint::into_checkpoint) {
                // A log of that size has entries up to the place before.
                Ok(checkpoint) => {
                    let last = checkpoint.size.saturating_sub(1);
                    if !self.has_ended(&HubKeyId::Log(key.clone()), &checkpoint.origin, last) {
                        return Ok(checkpoint);
                    }
                    failed = Some(VerifyError::CheckpointKeyRevoked);
                }
                Err(error) => {
                    failed.get_or_insert(error.into());
                }
            }
        }
        Err(failed.unwrap_or(VerifyError::CheckpointKeyRevoked))
    }

    /// Whether the key was revoked before this place of this log, or at it.
    fn has_ended(&self, key: &HubKeyId, log: &str, index: u64) -> bool {
        let Some(ended) = self.end(key) else { return false };
        let number = |log: &str| self.logs.iter().position(|origin| origin == log);
        match ended.log.as_deref() {
            Some(end_log) if end_log != log => match (number(end_log), number(log)) {
                (Some(end), Some(this)) => end < this,
                // Which of the two is earlier nobody has said.
                _ => true,
            },
            // Said without a log: of the first one.
            None if number(log).is_some_and(|this| this > 0) => true,
            _ => ended.index <= index,
        }
    }

    fn end(&self, key: &HubKeyId) -> Option<&EndedKey> {
        self.ended.iter().find(|ended| ended.key == *key)
    }

    /// This trust with the keys that the hub's operator has added and revoked since, as [`TrustEntries`] brings them. An entry
    /// that the operator did not sign for this hub, or that is about something else, changes nothing. A revoked key of the
    /// operator vouches for nothing any more, for ever; revoked keys for receipts and log are good for what stands before their
    /// end. `None` when there is nothing new.
    #[must_use]
    pub fn follow(&self, entries: &[TrustEntry]) -> Option<Self> {
        let mut trust = self.clone();
        for TrustEntry { index, log, entry } in entries {
            match trust.vouched_for(entry) {
                Some(Change::Added(Entry::HubKey(key))) => trust.add(key),
                Some(Change::Revoked(EntryId::HubKey(HubKeyId::Operator(kid)))) => {
                    trust.former_operators.extend(trust.operators.extract_if(.., |key| key.id() == kid));
                }
                Some(Change::Revoked(EntryId::HubKey(key))) if trust.end(&key).is_none() => {
                    trust.ended.push(EndedKey { key, index: *index, log: log.clone() });
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
            HubKey::Log { vkey } if are_logs_of_one_hub(self.log.name(), vkey.name()) && vkey != self.log => {
                if vkey.name() != self.log.name() && !self.logs.iter().any(|log| log == vkey.name()) {
                    if self.logs.is_empty() {
                        self.logs.push(self.log.name().to_owned());
                    }
                    self.logs.push(vkey.name().to_owned());
                }
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
            logs: self.logs.clone(),
            ended: self.ended.clone(),
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
            logs: trust.logs,
            ended: trust.ended,
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
    use crate::digest::Sha256Hash;
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
            logs: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// At place 7 of the log.
    fn entry(signer: &SigningKey, hub: &str, change: Change) -> TrustEntry {
        let claims = RegistryClaims {
            iss: hub.to_owned(),
            aud: hub.parse().unwrap(),
            iat: 1,
            jti: MessageId::new(),
            change,
            invitation: None,
        };
        TrustEntry { index: 7, log: None, entry: Signed::sign(claims, signer).unwrap().as_str().to_owned() }
    }

    fn ended(key: &HubKey) -> Change {
        Change::Revoked(EntryId::HubKey(key.id()))
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
            ("another log", entry(&operator, "hub.test", added(HubKey::Log { vkey: vkey("hub.other/log/2") }))),
            ("a log below", entry(&operator, "hub.test", added(HubKey::Log { vkey: vkey("hub.test/log/1/2") }))),
            ("an end, by another", entry(&thief, "hub.test", ended(&HubKey::Log { vkey: trust.log.clone() }))),
            ("no entry", TrustEntry { index: 7, log: None, entry: "e30.e30.e30".to_owned() }),
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
    fn a_revoked_key_for_receipts_is_good_for_what_stands_before_its_end_only() {
        let operator = key();
        let before = trust(Some(&operator));
        let receipts = before.receipts[0];
        let end = entry(&operator, "hub.test", ended(&HubKey::Receipts { jwk: receipts }));
        let after = before.follow(std::slice::from_ref(&end)).unwrap();
        assert_eq!(after.follow(&[TrustEntry { index: 9, ..end }]), None, "its first end counts");
        assert!(after.receipt_key(receipts.id(), ORIGIN, 6).is_ok());
        assert!(matches!(after.receipt_key(receipts.id(), ORIGIN, 7), Err(VerifyError::ReceiptKeyRevoked)));
        assert!(before.receipt_key(receipts.id(), ORIGIN, 7).is_ok());
    }

    #[test]
    fn the_next_log_is_trusted_by_the_key_that_the_operator_gave_it_and_an_end_counts_from_there_on() {
        const NEXT: &str = "hub.test/log/2";
        let operator = key();
        let before = trust(Some(&operator));
        let next = NoteSigner::from_pkcs8(NEXT, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let checkpoint = Checkpoint::new(NEXT.to_owned(), 3, Sha256Hash::of(b"root")).sign_with(&next, []).unwrap();
        assert!(before.verify_checkpoint(&checkpoint).is_err());
        let vkey = next.verifier_key().clone();
        let opened = before.follow(&[entry(&operator, "hub.test", added(HubKey::Log { vkey }))]).unwrap();
        assert_eq!(opened.verify_checkpoint(&checkpoint).unwrap().size, 3);
        assert_eq!(opened.logs, [ORIGIN, NEXT]);
        let receipts = before.receipts[0].id();
        let end = |log: Option<&str>| {
            let end = entry(&operator, "hub.test", ended(&HubKey::Receipts { jwk: before.receipts[0] }));
            opened.follow(&[TrustEntry { log: log.map(ToOwned::to_owned), ..end }]).unwrap()
        };
        for (log, good, ended) in [
            (Some(NEXT), [(ORIGIN, 900), (NEXT, 6)].as_slice(), [(NEXT, 7), (NEXT, 900)].as_slice()),
            (Some(ORIGIN), &[(ORIGIN, 6)], &[(ORIGIN, 7), (NEXT, 0)]),
            (None, &[(ORIGIN, 6)], &[(ORIGIN, 7), (NEXT, 0)]),
        ] {
            let trust = end(log);
            good.iter()
                .for_each(|(log, index)| assert!(trust.receipt_key(receipts, log, *index).is_ok(), "{log} {index}"));
            ended
                .iter()
                .for_each(|(log, index)| assert!(trust.receipt_key(receipts, log, *index).is_err(), "{log} {index}"));
        }
    }

    #[test]
    fn a_revoked_key_of_the_log_signs_no_larger_log_than_that_of_its_end() {
        let operator = key();
        let pkcs8 = NoteSigner::generate_pkcs8().unwrap();
        let old = NoteSigner::from_pkcs8(ORIGIN, &pkcs8).unwrap();
        let new = NoteSigner::from_pkcs8(ORIGIN, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let checkpoint = |size: u64, signers: &[&NoteSigner]| {
            let root = Sha256Hash::of(b"root");
            let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root, extensions: Vec::new() };
            checkpoint.sign_with(signers[0], signers[1..].iter().copied()).unwrap()
        };
        let log = old.verifier_key().clone();
        let before = Trust { log: log.clone(), more_logs: vec![new.verifier_key().clone()], ..trust(Some(&operator)) };
        let after = before.follow(&[entry(&operator, "hub.test", ended(&HubKey::Log { vkey: log }))]).unwrap();
        for (size, signers, good) in
            [(7, &[&old][..], true), (8, &[&old], false), (8, &[&new], true), (8, &[&old, &new], true)]
        {
            let text = checkpoint(size, signers);
            assert!(before.verify_checkpoint(&text).is_ok());
            match after.verify_checkpoint(&text) {
                Ok(_) => assert!(good, "{size}"),
                Err(error) => assert!(!good && matches!(error, VerifyError::CheckpointKeyRevoked), "{error}"),
            }
        }
    }

    #[test]
    fn without_the_operators_key_nothing_is_followed() {
        let operator = key();
        let entry = entry(&operator, "hub.test", added(HubKey::Receipts { jwk: *key().public() }));
        assert_eq!(trust(None).follow(&[entry]), None);
    }
}
