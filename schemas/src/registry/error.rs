//! Why an entry is not applied.

use crate::ids::{Code, MemberId, SchemaId, SystemId};
use crate::keys::KeyId;

use super::agreement::AgreementFlaw;
use super::authority::MOST_KEYS;
use super::keys::KeyNotUsable;
use super::schemas::TextVersion;

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
    /// The texts of a schema are numbered without gaps.
    #[error("the next text of {id} has version {expected}")]
    OtherVersion {
        /// The schema.
        id: SchemaId,
        /// The version that it must have.
        expected: TextVersion,
    },
    /// The logs of a hub differ in the last part of their names.
    #[error("a key of this hub's log has the name {origin}, or that with another shard of a-z, 0-9 and '-' at its end")]
    OtherLog {
        /// The log's origin.
        origin: String,
    },
    /// A hub without a key could sign nothing.
    #[error("it is the hub's last key for this use; add another before it is revoked")]
    LastHubKey,
    /// Something that never changes: another must take its place.
    #[error("a {kind} cannot be changed; revoke it and add another")]
    Unchangeable {
        /// Key or invitation.
        kind: &'static str,
    },
    /// A key can be registered once, for one system, for ever.
    #[error("the key {kid} is registered already, or was; make a new one")]
    KeyReused {
        /// The key.
        kid: KeyId,
    },
    /// Its validity ends before it begins.
    #[error("the key {kid} would never be valid: its not_before is not before its not_after")]
    NeverValid {
        /// The key.
        kid: KeyId,
    },
    /// The entry stood in the log before.
    #[error("this very entry stands in the log already; sign a new one")]
    Repeated,
    /// For another hub.
    #[error("the entry is for another hub")]
    OtherHub,
    /// Signed with a key that is not one of its issuer.
    #[error("the entry names a key that is not registered for {issuer}")]
    NotTheIssuersKey {
        /// Who it says has signed.
        issuer: String,
    },
    /// Signed with a key that must not sign now.
    #[error("the key that signed the entry {0}")]
    KeyNotUsable(KeyNotUsable),
    /// The signature does not hold.
    #[error("the entry's signature does not hold")]
    Signature,
    /// The issuer may not make such a change.
    #[error(
        "{system} may add and revoke keys of its own, and sign agreements that it is a party of; this change needs an operator"
    )]
    NotAllowed {
        /// The issuer.
        system: SystemId,
    },
    /// A system collects keys.
    #[error("{system} has {most} keys that stand; revoke those that are not used before another is added", most = MOST_KEYS)]
    TooManyKeys {
        /// The system.
        system: SystemId,
    },
    /// No invitation that stands fits the code.
    #[error("the invitation's code is wrong, was used, or has expired; ask the hub's operator for a new one")]
    NotInvited,
    /// Nobody could make use of the agreement.
    #[error("agreement {agreement} would mean nothing: {flaw}")]
    Meaningless {
        /// The agreement.
        agreement: Code,
        /// Why.
        flaw: AgreementFlaw,
    },
    /// The signature is for other terms than those that stand.
    #[error(
        "the terms of agreement {agreement} are others than those that were signed; read and sign those that stand now"
    )]
    OtherTerms {
        /// The agreement.
        agreement: Code,
    },
    /// The member has signed already.
    #[error("{member} has signed agreement {agreement} already")]
    SignedBefore {
        /// The agreement.
        agreement: Code,
        /// The member.
        member: MemberId,
    },
    /// The issuer is not a party.
    #[error("{issuer} is not a party of agreement {agreement}")]
    NotAParty {
        /// The agreement.
        agreement: Code,
        /// Who signed.
        issuer: String,
    },
}
