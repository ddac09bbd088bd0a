//! What blocks are listed under: a name in a role.

use saphan_schemas::facts::EntryKind;

use crate::audit::Fate;

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A member, of which a system sent, received or signed the entry.
    Member = 0,
    /// A system that sent, received or signed the entry.
    Party = 1,
    From = 2,
    To = 3,
    Type = 4,
    Service = 5,
    Code = 6,
}

/// The term of a name.
pub(super) const fn named(role: Role, name: i64) -> i64 {
    name * ROLES + role as i64
}

/// The term of a kind of entry.
pub(super) const fn kind(kind: EntryKind) -> i64 {
    // Names count from 1, so that below one round of roles there is none.
    -(kind_number(kind))
}

/// The term of what became of a message.
pub(super) const fn fate(fate: Fate) -> i64 {
    -(FATES + fate_number(fate))
}

pub(super) const fn kind_number(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::Message => 1,
        EntryKind::Refusal => 2,
        EntryKind::Acknowledgement => 3,
        EntryKind::Registry => 4,
        EntryKind::Erasure => 5,
        EntryKind::Shard => 6,
        EntryKind::Query => 7,
    }
}

/// `None` for a number that no kind has.
pub(super) fn kind_of(number: i64) -> Option<EntryKind> {
    EntryKind::ALL.into_iter().find(|kind| kind_number(*kind) == number)
}

pub(super) const fn fate_number(fate: Fate) -> i64 {
    match fate {
        Fate::Unacknowledged => 0,
        Fate::Processed => 1,
        Fate::Rejected => 2,
    }
}

/// `None` for a number that no fate has.
pub(super) fn fate_of(number: i64) -> Option<Fate> {
    Fate::ALL.into_iter().find(|fate| fate_number(*fate) == number)
}

const ROLES: i64 = 8;
const FATES: i64 = 100;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_terms_are_alike() {
        let roles = [Role::Member, Role::Party, Role::From, Role::To, Role::Type, Role::Service, Role::Code];
        let named = (1..50).flat_map(|name| roles.map(|role| named(role, name)));
        let terms: Vec<i64> = named.chain(EntryKind::ALL.map(kind)).chain(Fate::ALL.map(fate)).collect();
        assert_eq!(terms.iter().collect::<HashSet<_>>().len(), terms.len());
    }

    #[test]
    fn numbers_lead_back() {
        assert!(EntryKind::ALL.into_iter().all(|kind| kind_of(kind_number(kind)) == Some(kind)));
        assert!(Fate::ALL.into_iter().all(|fate| fate_of(fate_number(fate)) == Some(fate)));
        assert_eq!((kind_of(0), fate_of(3)), (None, None));
    }
}
