//! Who may make which change.
//!
//! The operator may make every change. A system may, with a key of its own that is usable at that place of the log, add and
//! revoke keys of its own, and sign agreements that it is a party of. A key that is not registered yet may register itself, if
//! the holder of an invitation's code says so.

use super::state::{Place, RegistryState};
use super::{Change, Entry, EntryId, Role};
use super::{RegistryEntry, RejectedEntry, UnverifiedRegistryEntry};
use crate::digest::Sha256Hash;
use crate::ids::SystemId;
use crate::invitation::InvitationId;
use crate::keys::PublicKey;

/// An entry that was applied.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The entry.
    pub entry: RegistryEntry,
    /// When its signer's right ends by itself, in seconds since 1970: the end of a key or of an invitation.
    pub until: Option<u64>,
}

/// By what right a change is made.
enum Authority {
    Operator,
    System(SystemId),
    Invitation(InvitationId),
}

/// Whose signature an entry must bear, and what that allows.
struct Signer {
    key: PublicKey,
    authority: Authority,
    until: Option<u64>,
}

impl RegistryState {
    /// Checks a signed entry that stands at place `index` of the log, logged at `at` (seconds since 1970): its signature, and
    /// that its signer may make the change; and applies it.
    ///
    /// # Errors
    /// [`RejectedEntry`]; the state is as before.
    pub fn take(&mut self, entry: UnverifiedRegistryEntry, index: u64, at: u64) -> Result<Taken, RejectedEntry> {
        if entry.claims().aud != *self.hub() {
            return Err(RejectedEntry::OtherHub);
        }
        if self.has_seen(entry.claims().jti) {
            return Err(RejectedEntry::Repeated);
        }
        let Signer { key, authority, until } = self.signer(&entry, at)?;
        let entry = entry.verify(&key).map_err(|_| RejectedEntry::Signature)?;
        let place = Place { index, at, entry: entry.hash() };
        match authority {
            Authority::Operator => self.apply(&entry.claims().change, place)?,
            Authority::System(system) => self.apply_for(&system, &entry.claims().change, place)?,
            Authority::Invitation(id) => {
                self.apply(&entry.claims().change, place)?;
                self.consume(id, entry.kid());
            }
        }
        self.note(entry.claims().jti);
        Ok(Taken { entry, until })
    }

    /// Whether an entry would be listened to: its signer has a right, and signed it. What it changes is not looked at.
    ///
    /// # Errors
    /// [`RejectedEntry`].
    pub fn admits(&self, entry: &UnverifiedRegistryEntry, at: u64) -> Result<(), RejectedEntry> {
        let Signer { key, .. } = self.signer(entry, at)?;
        entry.clone().verify(&key).map_err(|_| RejectedEntry::Signature).map(|_| ())
    }

    fn signer(&self, entry: &UnverifiedRegistryEntry, at: u64) -> Result<Signer, RejectedEntry> {
        let claims = entry.claims();
        let not_theirs = || RejectedEntry::NotTheIssuersKey { issuer: claims.iss.clone() };
        if claims.iss == self.hub().as_str() {
            // Only a key that a system adds comes with one.
            if claims.invitation.is_some() {
                return Err(RejectedEntry::NotInvited);
            }
            let key = self.operator_keys().standing().find(|key| key.id() == entry.kid());
            let key = *key.ok_or_else(not_theirs)?;
            return Ok(Signer { key, authority: Authority::Operator, until: None });
        }
        let system: SystemId = claims.iss.parse().map_err(|_| not_theirs())?;
        if claims.invitation.is_some() {
            return self.invited(entry, &system, at);
        }
        let record = self.key(entry.kid()).filter(|record| record.key.system == system).ok_or_else(not_theirs)?;
        record.usable_at(at).map_err(RejectedEntry::KeyNotUsable)?;
        let operates = self.system(&system).is_some_and(|system| system.roles.contains(&Role::Operator));
        let authority = if operates { Authority::Operator } else { Authority::System(system) };
        Ok(Signer { key: record.key.jwk, authority, until: record.key.not_after })
    }

    /// A key that registers itself.
    fn invited(&self, entry: &UnverifiedRegistryEntry, system: &SystemId, at: u64) -> Result<Signer, RejectedEntry> {
        let claims = entry.claims();
        let (Change::Added(Entry::Key(key)), Some(signature)) = (&claims.change, &claims.invitation) else {
            return Err(RejectedEntry::NotInvited);
        };
        if key.system != *system || key.jwk.id() != entry.kid() {
            return Err(RejectedEntry::NotInvited);
        }
        let invitation = self
            .invitations_of(system)
            .find(|invitation| invitation.id.signed(signature, self.hub(), system, entry.kid()))
            .filter(|invitation| at < invitation.not_after)
            .ok_or(RejectedEntry::NotInvited)?;
        let authority = Authority::Invitation(invitation.id);
        Ok(Signer { key: key.jwk, authority, until: Some(invitation.not_after) })
    }

    /// Applies a change that a system makes for itself.
    fn apply_for(&mut self, system: &SystemId, change: &Change, place: Place) -> Result<(), RejectedEntry> {
        let own = match change {
            Change::Added(Entry::Key(key)) if key.system == *system => {
                let standing = self.keys_of(system).iter().filter(|record| record.ended(place.at).is_none()).count();
                if standing >= MOST_KEYS {
                    return Err(RejectedEntry::TooManyKeys { system: system.clone() });
                }
                true
            }
            Change::Revoked(EntryId::Key(kid)) => self.key(*kid).is_some_and(|record| record.key.system == *system),
            Change::Signed(signature) => return self.sign_agreement(system, signature, place),
            _ => false,
        };
        if own { self.apply(change, place) } else { Err(RejectedEntry::NotAllowed { system: system.clone() }) }
    }
}

impl Place {
    /// A place for trying a change out: behind everything, at time 0.
    #[must_use]
    pub fn trial(state: &RegistryState) -> Self {
        Self { index: state.next(), at: 0, entry: Sha256Hash::of(&[]) }
    }
}

/// The keys of one system that may stand when it adds another: each is one more that can be stolen, and all that ever stood are
/// kept for ever.
pub const MOST_KEYS: usize = 16;
