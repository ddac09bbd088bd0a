//! The state that the entries lead to, and the questions asked of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{Code, LegalBasis, MemberId, SchemaId, ServiceId, SystemId};
use saphan_schemas::keys::KeyId;
use saphan_schemas::registry::{Agreement, Change, Entry, EntryId, Member, Schema, Service, System, SystemKey};

/// Who exists and may do what, at one place in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryState {
    next: u64,
    members: BTreeMap<MemberId, Member>,
    systems: BTreeMap<SystemId, System>,
    keys: HashMap<KeyId, KeyRecord>,
    services: BTreeMap<ServiceId, Service>,
    schemas: BTreeMap<SchemaId, Schema>,
    agreements: BTreeMap<Code, Agreement>,
}

/// A key, also after its end: old messages stay verifiable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key and its system.
    pub key: SystemKey,
    /// When it was revoked, in seconds since 1970.
    pub revoked: Option<u64>,
}

/// Why an entry cannot be applied. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RejectedEntry {
    /// Something new has the id of something that stands.
    #[error("{id} exists already; change it instead of adding it")]
    Exists {
        /// The id.
        id: String,
    },
    /// Something is changed, revoked or referred to that does not exist.
    #[error("{id} does not exist")]
    Missing {
        /// The id.
        id: String,
    },
    /// A key never changes.
    #[error("a key cannot be changed; revoke it and add another")]
    KeyChange,
    /// A key can be registered once, for one system, for ever.
    #[error("the key {kid} is registered already, or was; make a new one")]
    KeyReused {
        /// The key.
        kid: KeyId,
    },
}

/// What an agreement must cover.
#[derive(Debug, Clone, Copy)]
pub struct MessageFacts<'a> {
    /// The envelope.
    pub claims: &'a EnvelopeClaims,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// The part that no agreement covers; the best agreement decides which part is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AgreementGap {
    /// No agreement between the two systems, in this direction.
    #[error("there is no agreement from this sender to this recipient")]
    Parties,
    /// None for the message type.
    #[error("no agreement between the two covers this message type")]
    Type,
    /// None for the public service.
    #[error("no agreement covers this public service for this message type")]
    Service,
    /// None for the purpose.
    #[error("no agreement covers this purpose for this message type and service")]
    Purpose,
    /// Another law than the agreement's.
    #[error("the legal basis cited is not the agreement's")]
    LegalBasis,
    /// Not yet or no longer valid.
    #[error("the agreement that would cover it is not valid at this time")]
    Validity,
}

impl RegistryState {
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

    /// A schema.
    #[must_use]
    pub fn schema(&self, id: &SchemaId) -> Option<&Schema> {
        self.schemas.get(id)
    }

    /// An agreement.
    #[must_use]
    pub fn agreement(&self, id: &Code) -> Option<&Agreement> {
        self.agreements.get(id)
    }

    /// The agreement that allows a message.
    ///
    /// # Errors
    /// The part that is missing in the agreement that comes nearest.
    pub fn allows(&self, facts: MessageFacts<'_>) -> Result<&Agreement, AgreementGap> {
        let claims = facts.claims;
        let between = |agreement: &&Agreement| agreement.sender == claims.iss && agreement.receiver == claims.aud;
        let mut nearest = AgreementGap::Parties;
        for agreement in self.agreements.values().filter(between) {
            match gap(agreement, facts) {
                None => return Ok(agreement),
                Some(gap) => nearest = nearest.max(gap),
            }
        }
        Err(nearest)
    }

    /// Applies a change that stands at place `index` of the log, logged at `at` (seconds since 1970).
    ///
    /// # Errors
    /// [`RejectedEntry`]; the state is as before.
    pub fn apply(&mut self, change: &Change, index: u64, at: u64) -> Result<(), RejectedEntry> {
        match change {
            Change::Added(entry) => self.put(entry, true)?,
            Change::Changed(entry) => self.put(entry, false)?,
            Change::Revoked(id) => self.revoke(id, at)?,
        }
        self.next = index + 1;
        Ok(())
    }

    fn put(&mut self, entry: &Entry, new: bool) -> Result<(), RejectedEntry> {
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
            Entry::Schema(schema) => put(&mut self.schemas, schema.id.clone(), schema, new),
            Entry::Agreement(agreement) => {
                self.must_have_system(&agreement.sender)?;
                self.must_have_system(&agreement.receiver)?;
                put(&mut self.agreements, agreement.id.clone(), agreement, new)
            }
        }
    }

    fn put_key(&mut self, key: &SystemKey, new: bool) -> Result<(), RejectedEntry> {
        let kid = key.jwk.id();
        self.must_have_system(&key.system)?;
        if !new {
            return Err(RejectedEntry::KeyChange);
        }
        if self.keys.contains_key(&kid) {
            return Err(RejectedEntry::KeyReused { kid });
        }
        self.keys.insert(kid, KeyRecord { key: key.clone(), revoked: None });
        Ok(())
    }

    fn revoke(&mut self, id: &EntryId, at: u64) -> Result<(), RejectedEntry> {
        match id {
            EntryId::Member(id) => self.revoke_member(id, at),
            EntryId::System(id) => self.revoke_system(id, at),
            EntryId::Service(id) => remove(&mut self.services, id),
            EntryId::Schema(id) => remove(&mut self.schemas, id),
            EntryId::Agreement(id) => remove(&mut self.agreements, id),
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

    /// A system goes with its keys and with the agreements that name it.
    fn revoke_system(&mut self, id: &SystemId, at: u64) -> Result<(), RejectedEntry> {
        remove(&mut self.systems, id)?;
        let keys = self.keys.values_mut().filter(|record| record.key.system == *id && record.revoked.is_none());
        keys.for_each(|record| record.revoked = Some(at));
        self.agreements.retain(|_, agreement| agreement.sender != *id && agreement.receiver != *id);
        Ok(())
    }

    fn must_have_member(&self, id: &MemberId) -> Result<(), RejectedEntry> {
        if self.members.contains_key(id) { Ok(()) } else { Err(RejectedEntry::Missing { id: id.to_string() }) }
    }

    fn must_have_system(&self, id: &SystemId) -> Result<(), RejectedEntry> {
        if self.systems.contains_key(id) { Ok(()) } else { Err(RejectedEntry::Missing { id: id.to_string() }) }
    }
}

fn gap(agreement: &Agreement, MessageFacts { claims, now }: MessageFacts<'_>) -> Option<AgreementGap> {
    let other_law = |law: &LegalBasis| *law != agreement.legal_basis;
    if !agreement.types.contains(&claims.message_type) {
        Some(AgreementGap::Type)
    } else if !covers(&agreement.services, claims.service.as_ref()) {
        Some(AgreementGap::Service)
    } else if !covers(&agreement.purposes, claims.purpose.as_ref()) {
        Some(AgreementGap::Purpose)
    } else if claims.legal_basis.as_ref().is_some_and(other_law) {
        Some(AgreementGap::LegalBasis)
    } else if agreement.not_before.is_some_and(|time| now < time) || agreement.not_after.is_some_and(|time| now >= time)
    {
        Some(AgreementGap::Validity)
    } else {
        None
    }
}

fn covers<T: Ord>(allowed: &BTreeSet<T>, named: Option<&T>) -> bool {
    named.map_or(allowed.is_empty(), |named| allowed.contains(named))
}

fn put<K: Ord + ToString, V: Clone>(
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

fn remove<K: Ord + ToString, V>(map: &mut BTreeMap<K, V>, id: &K) -> Result<(), RejectedEntry> {
    map.remove(id).map(|_| ()).ok_or_else(|| RejectedEntry::Missing { id: id.to_string() })
}
