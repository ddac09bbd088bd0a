//! The state that the entries lead to, and the questions asked of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::agreement::{AgreementGap, AgreementRecord, MessageFacts};
use super::error::RejectedEntry;
use super::hub_keys::{HubKey, HubKeyId, HubKeyRing, Revocation, are_logs_of_one_hub};
use super::keys::KeyRecord;
use super::schemas::{Schema, Schemas, TextVersion};
use super::{Agreement, AgreementSignature, Change, Entry, EntryId, Invitation, Member, Service, System, SystemKey};
use crate::digest::Sha256Hash;
use crate::ids::{Code, HubId, MemberId, MessageId, SchemaId, ServiceId, SystemId};
use crate::invitation::InvitationId;
use crate::keys::{KeyId, PublicKey};
use crate::log::VerifierKey;

/// What a registry begins with, as the log's first leaf states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The hub.
    pub hub: HubId,
    /// The operator's key at first: its holder may change everything.
    pub operator: PublicKey,
    /// The key that signs receipts at first.
    pub receipts: PublicKey,
    /// The key that signs checkpoints at first.
    pub log: VerifierKey,
}

/// Who exists and may do what, at one place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryState {
    hub: HubId,
    operator_keys: HubKeyRing<PublicKey>,
    receipt_keys: HubKeyRing<PublicKey>,
    log_keys: HubKeyRing<VerifierKey>,
    next: u64,
    seen: HashSet<MessageId>,
    members: BTreeMap<MemberId, Member>,
    systems: BTreeMap<SystemId, System>,
    keys: HashMap<KeyId, KeyRecord>,
    services: BTreeMap<ServiceId, Service>,
    schemas: Schemas,
    agreements: BTreeMap<Code, AgreementRecord>,
    invitations: BTreeMap<InvitationId, Invitation>,
    used_invitations: BTreeMap<InvitationId, KeyId>,
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its index in the log.
    pub index: u64,
    /// When it was logged, in seconds since 1970.
    pub at: u64,
    /// SHA-256 of the exact text of its entry.
    pub entry: Sha256Hash,
}

impl RegistryState {
    /// The registry of a log that has just begun.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self {
            hub: root.hub,
            operator_keys: HubKeyRing::new(root.operator),
            receipt_keys: HubKeyRing::new(root.receipts),
            log_keys: HubKeyRing::new(root.log),
            next: 0,
            seen: HashSet::new(),
            members: BTreeMap::new(),
            systems: BTreeMap::new(),
            keys: HashMap::new(),
            services: BTreeMap::new(),
            schemas: Schemas::default(),
            agreements: BTreeMap::new(),
            invitations: BTreeMap::new(),
            used_invitations: BTreeMap::new(),
        }
    }

    /// The hub.
    #[must_use]
    pub const fn hub(&self) -> &HubId {
        &self.hub
    }

    /// The operator's keys.
    #[must_use]
    pub const fn operator_keys(&self) -> &HubKeyRing<PublicKey> {
        &self.operator_keys
    }

    /// The hub's keys for receipts.
    #[must_use]
    pub const fn receipt_keys(&self) -> &HubKeyRing<PublicKey> {
        &self.receipt_keys
    }

    /// The hub's keys for checkpoints.
    #[must_use]
    pub const fn log_keys(&self) -> &HubKeyRing<VerifierKey> {
        &self.log_keys
    }

    /// The first place of the log that is not folded in.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// A member.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// A system.
    #[must_use]
    pub fn system(&self, id: &SystemId) -> Option<&System> {
        self.systems.get(id)
    }

    /// All systems.
    pub fn systems(&self) -> impl Iterator<Item = &System> {
        self.systems.values()
    }

    /// A key, also a revoked one.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&KeyRecord> {
        self.keys.get(&id)
    }

    /// All keys a system ever had, ordered by their name.
    #[must_use]
    pub fn keys_of(&self, system: &SystemId) -> Vec<&KeyRecord> {
        let mut keys: Vec<_> = self.keys.values().filter(|record| record.key.system == *system).collect();
        keys.sort_by_key(|record| record.key.jwk.id());
        keys
    }

    /// A public service.
    #[must_use]
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.get(id)
    }

    /// All public services.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// A schema.
    #[must_use]
    pub fn schema(&self, id: &SchemaId) -> Option<&Schema> {
        self.schemas.standing().get(id)
    }

    /// The schemas that stand, in the order of their ids.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.standing().values()
    }

    /// SHA-256 of each text that a schema ever had, the first first.
    #[must_use]
    pub fn schema_texts(&self, id: &SchemaId) -> &[Sha256Hash] {
        self.schemas.texts(id)
    }

    /// Every id that a schema ever had, with SHA-256 of the text that stands under it or, where it ended, stood last.
    pub fn last_schema_texts(&self) -> impl Iterator<Item = (&SchemaId, Sha256Hash)> {
        self.schemas.last()
    }

    /// The version that a text of a schema has if it stands, or gets when it comes next.
    #[must_use]
    pub fn schema_version(&self, id: &SchemaId, sha256: Sha256Hash) -> TextVersion {
        self.schemas.version(id, sha256)
    }

    /// An agreement with its signatures.
    #[must_use]
    pub fn agreement(&self, id: &Code) -> Option<&AgreementRecord> {
        self.agreements.get(id)
    }

    /// All agreements.
    pub fn agreements(&self) -> impl Iterator<Item = &AgreementRecord> {
        self.agreements.values()
    }

    /// The agreements that a system sends or receives under.
    pub fn agreements_of(&self, system: &SystemId) -> impl Iterator<Item = &AgreementRecord> {
        self.agreements.values().filter(move |record| record.agreement.is_party(system))
    }

    /// An invitation that was not used; it may have expired.
    #[must_use]
    pub fn invitation(&self, id: InvitationId) -> Option<&Invitation> {
        self.invitations.get(&id)
    }

    /// The key that joined with an invitation.
    #[must_use]
    pub fn joined_with(&self, id: InvitationId) -> Option<&KeyRecord> {
        self.used_invitations.get(&id).and_then(|kid| self.keys.get(kid))
    }

    /// The invitations that were not used; some may have expired.
    pub fn invitations(&self) -> impl Iterator<Item = &Invitation> {
        self.invitations.values()
    }

    /// The invitations of a system that were not used; some may have expired.
    pub fn invitations_of(&self, system: &SystemId) -> impl Iterator<Item = &Invitation> {
        self.invitations.values().filter(move |invitation| invitation.system == *system)
    }

    /// The agreement that allows a message.
    ///
    /// # Errors
    /// The part that is missing in the agreement that comes nearest.
    pub fn allows(&self, facts: MessageFacts<'_>) -> Result<&Agreement, AgreementGap> {
        let claims = facts.claims;
        let between = |record: &&AgreementRecord| {
            record.agreement.sender == claims.iss && record.agreement.receiver == claims.aud
        };
        let mut nearest = AgreementGap::Parties;
        for record in self.agreements.values().filter(between) {
            match record.gap(facts) {
                None => return Ok(&record.agreement),
                Some(gap) => nearest = nearest.max(gap),
            }
        }
        Err(nearest)
    }

    /// Applies a change that stands at `place`, as its operator may.
    ///
    /// # Errors
    /// [`RejectedEntry`]; the state is as before.
    pub fn apply(&mut self, change: &Change, place: Place) -> Result<(), RejectedEntry> {
        match change {
            Change::Added(entry) => self.put(entry, place, true)?,
            Change::Changed(entry) => self.put(entry, place, false)?,
            Change::Revoked(id) => self.revoke(id, place)?,
            Change::Signed(signature) => return Err(not_a_party(signature, &self.hub)),
        }
        self.next = place.index + 1;
        Ok(())
    }

    pub(super) fn sign_agreement(
        &mut self,
        system: &SystemId,
        signature: &AgreementSignature,
        place: Place,
    ) -> Result<(), RejectedEntry> {
        let id = &signature.agreement;
        let record = self.agreements.get_mut(id).ok_or_else(|| RejectedEntry::Missing { id: id.to_string() })?;
        if !record.agreement.is_party(system) {
            return Err(RejectedEntry::NotAParty { agreement: id.clone(), issuer: system.to_string() });
        }
        if record.terms != signature.terms {
            return Err(RejectedEntry::OtherTerms { agreement: id.clone() });
        }
        let member = system.member();
        if record.signatures.contains_key(&member) {
            return Err(RejectedEntry::SignedBefore { agreement: id.clone(), member });
        }
        record.signatures.insert(member, place.index);
        self.next = place.index + 1;
        Ok(())
    }

    pub(super) fn has_seen(&self, entry: MessageId) -> bool {
        self.seen.contains(&entry)
    }

    pub(super) fn note(&mut self, entry: MessageId) {
        self.seen.insert(entry);
    }

    pub(super) fn consume(&mut self, invitation: InvitationId, key: KeyId) {
        self.invitations.remove(&invitation);
        self.used_invitations.insert(invitation, key);
    }

    fn put(&mut self, entry: &Entry, place: Place, new: bool) -> Result<(), RejectedEntry> {
        match entry {
            Entry::Member(member) => put(&mut self.members, member.id.clone(), member, new),
            Entry::System(system) => {
                self.must_have_member(&system.id.member())?;
                put(&mut self.systems, system.id.clone(), system, new)
            }
            Entry::Key(key) => self.put_key(key, new),
            Entry::Service(service) => {
                self.must_have_member(&service.authority)?;
                put(&mut self.services, service.id.clone(), service, new)
            }
            Entry::Schema(schema) => self.schemas.put(schema, new),
            Entry::Agreement(agreement) => {
                self.must_have_system(&agreement.sender)?;
                self.must_have_system(&agreement.receiver)?;
                agreement.must_mean_something()?;
                // Other terms, so whoever signed the old ones must look at them again.
                let record = AgreementRecord {
                    agreement: agreement.clone(),
                    terms: place.entry,
                    index: place.index,
                    signatures: BTreeMap::new(),
                };
                put(&mut self.agreements, agreement.id.clone(), &record, new)
            }
            Entry::Invitation(invitation) => {
                self.must_have_system(&invitation.system)?;
                if !new {
                    return Err(RejectedEntry::Unchangeable { kind: "invitation" });
                }
                self.invitations.retain(|_, old| place.at < old.not_after);
                put(&mut self.invitations, invitation.id, invitation, true)
            }
            Entry::HubKey(_) if !new => Err(RejectedEntry::Unchangeable { kind: "key" }),
            Entry::HubKey(key @ HubKey::Receipts { jwk }) => self.receipt_keys.add(jwk, &key.id(), place.index),
            Entry::HubKey(key @ HubKey::Operator { jwk }) => self.operator_keys.add(jwk, &key.id(), place.index),
            Entry::HubKey(key @ HubKey::Log { vkey }) => {
                let origin = self.log_keys.first().map(VerifierKey::name).unwrap_or_default();
                if !are_logs_of_one_hub(origin, vkey.name()) {
                    return Err(RejectedEntry::OtherLog { origin: origin.to_owned() });
                }
                self.log_keys.add(vkey, &key.id(), place.index)
            }
        }
    }

    fn put_key(&mut self, key: &SystemKey, new: bool) -> Result<(), RejectedEntry> {
        let kid = key.jwk.id();
        self.must_have_system(&key.system)?;
        if !new {
            return Err(RejectedEntry::Unchangeable { kind: "key" });
        }
        if self.keys.contains_key(&kid) {
            return Err(RejectedEntry::KeyReused { kid });
        }
        if key.not_before.zip(key.not_after).is_some_and(|(start, end)| start >= end) {
            return Err(RejectedEntry::NeverValid { kid });
        }
        self.keys.insert(kid, KeyRecord { key: key.clone(), revoked: None });
        Ok(())
    }

    fn revoke(&mut self, id: &EntryId, Place { index, at, .. }: Place) -> Result<(), RejectedEntry> {
        let end = Revocation { index, at };
        match id {
            EntryId::Member(id) => self.revoke_member(id, at),
            EntryId::System(id) => self.revoke_system(id, at),
            EntryId::Service(id) => remove(&mut self.services, id),
            EntryId::Schema(id) => self.schemas.remove(id),
            EntryId::Agreement(id) => remove(&mut self.agreements, id),
            EntryId::Invitation(id) => remove(&mut self.invitations, id),
            EntryId::HubKey(name @ HubKeyId::Receipts(kid)) => {
                self.receipt_keys.revoke(|key| key.id() == *kid, |_| true, name, end)
            }
            EntryId::HubKey(name @ HubKeyId::Operator(kid)) => {
                self.operator_keys.revoke(|key| key.id() == *kid, |_| true, name, end)
            }
            EntryId::HubKey(name @ HubKeyId::Log(vkey)) => {
                self.log_keys.revoke(|key| key == vkey, |key| key.name() == vkey.name(), name, end)
            }
            EntryId::Key(id) => {
                let record = self.keys.get_mut(id).filter(|record| record.revoked.is_none());
                record.ok_or_else(|| RejectedEntry::Missing { id: id.to_string() })?.revoked = Some(at);
                Ok(())
            }
        }
    }

    /// A member goes with its systems.
    fn revoke_member(&mut self, id: &MemberId, at: u64) -> Result<(), RejectedEntry> {
        remove(&mut self.members, id)?;
        let systems: Vec<_> = self.systems.keys().filter(|system| system.member() == *id).cloned().collect();
        systems.iter().try_for_each(|system| self.revoke_system(system, at))
    }

    /// A system goes with its keys, its invitations, and the agreements that name it.
    fn revoke_system(&mut self, id: &SystemId, at: u64) -> Result<(), RejectedEntry> {
        remove(&mut self.systems, id)?;
        let keys = self.keys.values_mut().filter(|record| record.key.system == *id && record.revoked.is_none());
        keys.for_each(|record| record.revoked = Some(at));
        self.agreements.retain(|_, record| !record.agreement.is_party(id));
        self.invitations.retain(|_, invitation| invitation.system != *id);
        Ok(())
    }

    fn must_have_member(&self, id: &MemberId) -> Result<(), RejectedEntry> {
        if self.members.contains_key(id) { Ok(()) } else { Err(RejectedEntry::Missing { id: id.to_string() }) }
    }

    fn must_have_system(&self, id: &SystemId) -> Result<(), RejectedEntry> {
        if self.systems.contains_key(id) { Ok(()) } else { Err(RejectedEntry::Missing { id: id.to_string() }) }
    }
}

/// An operator signs entries, not agreements.
fn not_a_party(signature: &AgreementSignature, hub: &HubId) -> RejectedEntry {
    RejectedEntry::NotAParty { agreement: signature.agreement.clone(), issuer: hub.to_string() }
}

pub(super) fn put<K: Ord + ToString, V: Clone>(
    map: &mut BTreeMap<K, V>,
    id: K,
    value: &V,
    new: bool,
) -> Result<(), RejectedEntry> {
    match (map.contains_key(&id), new) {
        (true, true) => Err(RejectedEntry::Exists { id: id.to_string() }),
        (false, false) => Err(RejectedEntry::Missing { id: id.to_string() }),
        _ => {
            map.insert(id, value.clone());
            Ok(())
        }
    }
}

pub(super) fn remove<K: Ord + ToString, V>(map: &mut BTreeMap<K, V>, id: &K) -> Result<(), RejectedEntry> {
    map.remove(id).map(|_| ()).ok_or_else(|| RejectedEntry::Missing { id: id.to_string() })
}
