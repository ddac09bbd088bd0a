//! `saphan-hub registry apply FILE`: the difference between a TOML file and the registry, as changes.
//!
//! The file names what shall stand. What is new is added, what differs is changed; nothing is revoked by leaving it out:
//! `[revoke]` lists what ends, so that a truncated file cannot lock anyone out.

use std::collections::BTreeSet;

use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::ids::{Code, MemberId, ServiceId, SystemId};
use saphan_schemas::keys::{KeyId, PublicKey};
use saphan_schemas::registry::{
    Agreement, Change, Entry, EntryId, Member, Place, RegistryState, RejectedEntry, Role, Schema, Service, System,
    SystemKey, TransportKind, just_a_system,
};
use serde::{Deserialize, Serialize};

use super::change::must_name_what_stands;

/// A registry file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryFile {
    /// `[[member]]`
    pub member: Vec<Member>,
    /// `[[system]]`
    pub system: Vec<SystemSection>,
    /// `[[service]]`
    pub service: Vec<Service>,
    /// `[[agreement]]`
    pub agreement: Vec<Agreement>,
    /// `[revoke]`
    pub revoke: RevokeSection,
}

/// `[[system]]`: a system with its keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSection {
    /// Its id.
    pub id: SystemId,
    /// `pull` or `amqp`.
    pub transport: TransportKind,
    /// What it may do: `system` (the default), `auditor`, `operator`.
    #[serde(default = "just_a_system")]
    pub roles: BTreeSet<Role>,
    /// Its public keys as JWK, as `saphan keys new` prints them.
    #[serde(default)]
    pub keys: Vec<PublicKey>,
}

/// `[revoke]`: what ends.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RevokeSection {
    /// Keys, by their thumbprint.
    pub keys: Vec<KeyId>,
    /// Agreements.
    pub agreements: Vec<Code>,
    /// Systems.
    pub systems: Vec<SystemId>,
    /// Members.
    pub members: Vec<MemberId>,
    /// Public services.
    pub services: Vec<ServiceId>,
}

/// Why a registry file cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Not a registry file.
    #[error("not a registry file: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// A change that the registry refuses.
    #[error(transparent)]
    Rejected(#[from] RejectedEntry),
}

impl RegistryFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`ApplyError::Unreadable`], with line and column.
    pub fn parse(text: &str) -> Result<Self, ApplyError> {
        Ok(toml::from_str(text)?)
    }

    /// The file's text.
    ///
    /// # Errors
    /// None with names that can be parsed.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// The changes that lead from `state` to what `file` says, in an order in which each can be applied. Empty when nothing differs:
/// applying a file twice changes nothing. Of `schemas`, the texts that the hub is built with, those are registered that the log
/// does not know yet, and those that ended with that text; one that was replaced stays so.
///
/// # Errors
/// [`ApplyError::Rejected`] for a change the registry would refuse; nothing is to be applied then.
pub fn changes_for<'a>(
    state: &RegistryState,
    file: RegistryFile,
    schemas: impl IntoIterator<Item = &'a SchemaText>,
) -> Result<Vec<Change>, ApplyError> {
    let mut plan = Plan { state: state.clone(), changes: Vec::new() };
    for SchemaText { id, sha256, .. } in schemas {
        let standing = plan.state.schema(id).cloned();
        let texts = plan.state.schema_texts(id);
        let ended_with_it = standing.is_none() && texts.last() == Some(sha256);
        if ended_with_it || !texts.contains(sha256) {
            let version = plan.state.schema_version(id, *sha256);
            let schema = Schema { version, ..Schema::first(id.clone(), *sha256) };
            plan.stand(standing.as_ref(), &schema, Entry::Schema)?;
        }
    }
    for member in file.member {
        let standing = plan.state.member(&member.id).cloned();
        plan.stand(standing.as_ref(), &member, Entry::Member)?;
    }
    for section in file.system {
        let system = System { id: section.id.clone(), transport: section.transport, roles: section.roles };
        let standing = plan.state.system(&system.id).cloned();
        plan.stand(standing.as_ref(), &system, Entry::System)?;
        for jwk in section.keys {
            let key = SystemKey { system: section.id.clone(), jwk, not_before: None, not_after: None };
            // A revoked key in the file stays revoked.
            let standing = plan.state.key(key.jwk.id()).map(|record| record.key.clone());
            plan.stand(standing.as_ref(), &key, Entry::Key)?;
        }
    }
    for service in file.service {
        let standing = plan.state.service(&service.id).cloned();
        plan.stand(standing.as_ref(), &service, Entry::Service)?;
    }
    for agreement in file.agreement {
        let standing = plan.state.agreement(&agreement.id).map(|record| record.agreement.clone());
        plan.stand(standing.as_ref(), &agreement, Entry::Agreement)?;
    }
    plan.revoke(file.revoke)?;
    Ok(plan.changes)
}

/// Changes tried out on a copy of the state, so that a file is accepted whole or not at all.
struct Plan {
    state: RegistryState,
    changes: Vec<Change>,
}

impl Plan {
    fn stand<T: Clone + PartialEq>(
        &mut self,
        standing: Option<&T>,
        wanted: &T,
        entry: impl Fn(T) -> Entry,
    ) -> Result<(), ApplyError> {
        match standing {
            Some(standing) if standing == wanted => Ok(()),
            Some(_) => self.push(Change::Changed(entry(wanted.clone()))),
            None => self.push(Change::Added(entry(wanted.clone()))),
        }
    }

    fn revoke(&mut self, section: RevokeSection) -> Result<(), ApplyError> {
        for id in section.keys {
            // Applying the same file again is no mistake.
            if self.state.key(id).is_none_or(|record| record.revoked.is_none()) {
                self.push(Change::Revoked(EntryId::Key(id)))?;
            }
        }
        for id in section.agreements {
            if self.state.agreement(&id).is_some() {
                self.push(Change::Revoked(EntryId::Agreement(id)))?;
            }
        }
        for id in section.services {
            if self.state.service(&id).is_some() {
                self.push(Change::Revoked(EntryId::Service(id)))?;
            }
        }
        for id in section.systems {
            if self.state.system(&id).is_some() {
                self.push(Change::Revoked(EntryId::System(id)))?;
            }
        }
        for id in section.members {
            if self.state.member(&id).is_some() {
                self.push(Change::Revoked(EntryId::Member(id)))?;
            }
        }
        Ok(())
    }

    fn push(&mut self, change: Change) -> Result<(), ApplyError> {
        self.state.apply(&change, Place::trial(&self.state))?;
        must_name_what_stands(&self.state, &change)?;
        self.changes.push(change);
        Ok(())
    }
}
