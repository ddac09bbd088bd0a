//! What the registry, as the log states it, says about a leaf.

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, PublicKey};
use saphan_schemas::leaf::SchemaVersion;
use saphan_schemas::registry::{KeyNotUsable, MessageFacts, RegistryState, Role};

use crate::log_check::error::LeafFault;

/// The key `kid` of `system`, valid at `ts` (milliseconds since 1970).
pub(super) fn valid_key(
    registry: &RegistryState,
    kid: KeyId,
    system: &SystemId,
    ts: u64,
) -> Result<PublicKey, LeafFault> {
    let record = registry.key(kid).filter(|record| record.key.system == *system);
    let record = record.ok_or_else(|| LeafFault::KeyUnknown { kid, system: system.clone() })?;
    match record.usable_at(ts / 1000) {
        Ok(()) => Ok(record.key.jwk),
        Err(KeyNotUsable::Revoked) => Err(LeafFault::KeyRevoked { kid }),
        Err(KeyNotUsable::NotYet | KeyNotUsable::Expired) => Err(LeafFault::KeyNotValid { kid }),
    }
}

/// That the schema has the registered text.
pub(super) fn check_schema(registry: &RegistryState, schema: &SchemaVersion) -> Result<(), LeafFault> {
    match registry.schema(&schema.id) {
        Some(registered) if registered.sha256 == schema.sha256 => Ok(()),
        _ => Err(LeafFault::SchemaText),
    }
}

/// That the system may audit.
pub(super) fn check_auditor(registry: &RegistryState, auditor: &SystemId) -> Result<(), LeafFault> {
    if registry.system(auditor).is_some_and(|system| system.roles.contains(&Role::Auditor)) {
        return Ok(());
    }
    Err(LeafFault::NotAnAuditor { system: auditor.clone() })
}

/// That its sender may send, and that an agreement in force allowed the message at `ts` (milliseconds since 1970).
pub(super) fn check_agreement(registry: &RegistryState, claims: &EnvelopeClaims, ts: u64) -> Result<(), LeafFault> {
    if !registry.system(&claims.iss).is_some_and(|system| system.roles.contains(&Role::System)) {
        return Err(LeafFault::NotASystem { system: claims.iss.clone() });
    }
    let facts = MessageFacts { claims, now: ts / 1000 };
    registry.allows(facts).map(|_| ()).map_err(LeafFault::NotAllowed)
}
