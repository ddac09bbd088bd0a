//! Keys and schemas as the log's registry entries state them.

use std::collections::HashMap;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{SchemaId, SystemId};
use saphan_schemas::keys::{KeyId, PublicKey};
use saphan_schemas::leaf::SchemaVersion;
use saphan_schemas::registry::{Change, Entry, EntryId, SystemKey};

use crate::log_check::error::LeafFault;

/// The part of the registry that signatures are judged by. It grows with the registry, not with the log.
#[derive(Default)]
pub(super) struct RegisteredKeys {
    keys: HashMap<KeyId, KeyRecord>,
    schemas: HashMap<SchemaId, Sha256Hash>,
}

struct KeyRecord {
    key: SystemKey,
    revoked: bool,
}

impl RegisteredKeys {
    /// Applies a change.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), LeafFault> {
        match change {
            Change::Added(Entry::Key(key)) => self.add(key),
            Change::Changed(Entry::Key(_)) => refuse("a key never changes"),
            Change::Revoked(EntryId::Key(kid)) => self.revoke(*kid),
            // A system goes with its keys, and a member with its systems.
            Change::Revoked(EntryId::System(id)) => {
                self.revoke_where(|system| system == id);
                Ok(())
            }
            Change::Revoked(EntryId::Member(id)) => {
                self.revoke_where(|system| system.member() == *id);
                Ok(())
            }
            Change::Added(Entry::Schema(schema)) | Change::Changed(Entry::Schema(schema)) => {
                self.schemas.insert(schema.id.clone(), schema.sha256);
                Ok(())
            }
            Change::Revoked(EntryId::Schema(id)) => {
                self.schemas.remove(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn revoke_where(&mut self, ends: impl Fn(&SystemId) -> bool) {
        self.keys.values_mut().filter(|record| ends(&record.key.system)).for_each(|record| record.revoked = true);
    }

    /// The key `kid` of `system`, valid at `ts` (milliseconds since 1970).
    pub(super) fn valid(&self, kid: KeyId, system: &SystemId, ts: u64) -> Result<PublicKey, LeafFault> {
        let record = self.keys.get(&kid).filter(|record| record.key.system == *system);
        let record = record.ok_or_else(|| LeafFault::KeyUnknown { kid, system: system.clone() })?;
        if record.revoked {
            return Err(LeafFault::KeyRevoked { kid });
        }
        let seconds = ts / 1000;
        let begun = record.key.not_before.is_none_or(|time| seconds >= time);
        let ended = record.key.not_after.is_some_and(|time| seconds >= time);
        if begun && !ended { Ok(record.key.jwk) } else { Err(LeafFault::KeyNotValid { kid }) }
    }

    /// That the schema has the registered text.
    pub(super) fn check_schema(&self, schema: &SchemaVersion) -> Result<(), LeafFault> {
        match self.schemas.get(&schema.id) {
            Some(sha256) if *sha256 == schema.sha256 => Ok(()),
            _ => Err(LeafFault::SchemaText),
        }
    }

    fn add(&mut self, key: &SystemKey) -> Result<(), LeafFault> {
        let record = KeyRecord { key: key.clone(), revoked: false };
        match self.keys.insert(key.jwk.id(), record) {
            None => Ok(()),
            Some(_) => refuse("the key is registered already, or was"),
        }
    }

    fn revoke(&mut self, kid: KeyId) -> Result<(), LeafFault> {
        match self.keys.get_mut(&kid) {
            Some(record) if !record.revoked => {
                record.revoked = true;
                Ok(())
            }
            _ => refuse("the key is not registered, or revoked already"),
        }
    }
}

fn refuse(reason: &'static str) -> Result<(), LeafFault> {
    Err(LeafFault::RegistryChange { reason })
}
