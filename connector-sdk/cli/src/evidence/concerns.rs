//! Which entries of the registry a bundle needs: all that say, or end, what its messages rest on.

use std::collections::{BTreeMap, BTreeSet};

use saphan_schemas::ids::{Code, MemberId, SchemaId, SystemId};
use saphan_schemas::invitation::InvitationId;
use saphan_schemas::keys::KeyId;
use saphan_schemas::registry::{Change, Entry, EntryId, RegistryClaims};

use super::gather::{Gathered, RegistryLeaf};

/// What messages rest on.
#[derive(Default)]
pub(super) struct Concerns {
    systems: BTreeSet<SystemId>,
    members: BTreeSet<MemberId>,
    schemas: BTreeSet<SchemaId>,
    agreements: BTreeSet<Code>,
    keys: BTreeSet<KeyId>,
    invitations: BTreeSet<InvitationId>,
}

impl Concerns {
    /// Everything that the gathered messages rest on, and that again.
    pub(super) fn of(gathered: &Gathered) -> Self {
        let mut concerns = Self::default();
        for message in &gathered.messages {
            concerns.add_system(&message.claims.iss);
            concerns.add_system(&message.claims.aud);
            concerns.schemas.insert(message.claims.schema.clone());
            concerns.agreements.extend(message.agreement.clone());
        }
        gathered.vouch.iter().for_each(|system| concerns.add_system(system));
        // Who signed an entry that matters, matters: until nobody is new.
        while concerns.grow(gathered) {}
        concerns
    }

    /// The leaves of the bundle by their places: those that open and close logs, what is about the messages, all about the hub's own
    /// keys, and the other entries that matter, up to the last of these.
    pub(super) fn leaves<'g>(&self, gathered: &'g Gathered) -> BTreeMap<u64, &'g str> {
        let messages = gathered.messages.iter().map(|message| (message.place, message.leaf.as_str()));
        let others = gathered.about_them.iter().chain(&gathered.shards).map(|(place, leaf)| (*place, leaf.as_str()));
        let of_registry = |entry: &'g RegistryLeaf| (entry.place, entry.leaf.as_str());
        let hub_keys = gathered.registry.iter().filter(|entry| is_about_a_hub_key(&entry.claims)).map(of_registry);
        let mut leaves: BTreeMap<u64, &str> = messages.chain(others).chain(hub_keys).collect();
        let last = leaves.last_key_value().map_or(0, |(place, _)| *place);
        let before = gathered.registry.iter().take_while(|entry| entry.place < last);
        leaves.extend(before.filter(|entry| self.concern(&entry.claims)).map(of_registry));
        leaves
    }

    /// Returns whether there was anything new.
    fn grow(&mut self, gathered: &Gathered) -> bool {
        let before = self.count();
        for entry in &gathered.registry {
            if !self.concern(&entry.claims) {
                continue;
            }
            if let Ok(system) = entry.claims.iss.parse::<SystemId>() {
                self.add_system(&system);
            }
            match &entry.claims.change {
                Change::Added(Entry::Key(key)) => drop(self.keys.insert(key.jwk.id())),
                Change::Added(Entry::Invitation(invitation)) => drop(self.invitations.insert(invitation.id)),
                _ => {}
            }
        }
        self.count() > before
    }

    fn count(&self) -> usize {
        self.systems.len() + self.keys.len() + self.invitations.len()
    }

    fn add_system(&mut self, system: &SystemId) {
        self.members.insert(system.member());
        self.systems.insert(system.clone());
    }

    fn concern(&self, claims: &RegistryClaims) -> bool {
        match &claims.change {
            Change::Added(entry) | Change::Changed(entry) => match entry {
                Entry::Member(member) => self.members.contains(&member.id),
                Entry::System(system) => self.systems.contains(&system.id),
                Entry::Key(key) => self.systems.contains(&key.system),
                Entry::Schema(schema) => self.schemas.contains(&schema.id),
                Entry::Agreement(agreement) => self.agreements.contains(&agreement.id),
                Entry::Invitation(invitation) => self.systems.contains(&invitation.system),
                Entry::HubKey(_) => true,
                // Which authority a service has is no matter of a message's right.
                Entry::Service(_) => false,
            },
            Change::Revoked(ended) => match ended {
                EntryId::Member(id) => self.members.contains(id),
                EntryId::System(id) => self.systems.contains(id),
                EntryId::Key(id) => self.keys.contains(id),
                EntryId::Schema(id) => self.schemas.contains(id),
                EntryId::Agreement(id) => self.agreements.contains(id),
                EntryId::Invitation(id) => self.invitations.contains(id),
                EntryId::HubKey(_) => true,
                EntryId::Service(_) => false,
            },
            Change::Signed(signature) => self.agreements.contains(&signature.agreement),
        }
    }
}

fn is_about_a_hub_key(claims: &RegistryClaims) -> bool {
    matches!(
        claims.change,
        Change::Added(Entry::HubKey(_)) | Change::Changed(Entry::HubKey(_)) | Change::Revoked(EntryId::HubKey(_))
    )
}
