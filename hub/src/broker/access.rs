//! What a user may do at the broker. A system reads its own inbox; the hub does everything in the exchange's virtual host;
//! nobody else may do anything.

use saphan_schemas::auth::BROKER_PATH;
use saphan_schemas::ids::{HubId, SystemId};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{RegistryState, Role, System, TransportKind};

/// Who knows who may do what, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The hub, which is a user of the broker too.
    pub hub: &'a HubId,
    /// The registry of the moment.
    pub registry: &'a RegistryState,
    /// Seconds since 1970.
    pub now: u64,
}

/// Something within a virtual host that RabbitMQ guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A queue, by its name.
    Queue(&'a str),
    /// An exchange, a routing key of a topic exchange, and what later versions may guard.
    Other,
}

/// What is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Take messages from it, or empty it.
    Read,
    /// Publish to it, bind, declare, delete, and what later versions may add.
    Other,
}

impl Rules<'_> {
    /// Whether a system may use the broker now.
    ///
    /// # Errors
    /// Why not: it is unknown or receives no messages at the broker, or none of its keys is usable.
    pub fn admits(&self, system: &SystemId) -> Result<(), ProblemCode> {
        if !self.registry.system(system).is_some_and(receives_here) {
            return Err(ProblemCode::Forbidden);
        }
        let usable = |system| self.registry.keys_of(system).iter().any(|record| record.usable_at(self.now).is_ok());
        if usable(system) { Ok(()) } else { Err(ProblemCode::KeyNotValid) }
    }

    /// Whether `user` may enter the virtual host.
    #[must_use]
    pub fn may_enter(&self, user: &str, virtual_host: &str) -> bool {
        virtual_host == VIRTUAL_HOST && (self.is_hub(user) || self.system(user).is_some())
    }

    /// Whether `user` may do it in the virtual host.
    #[must_use]
    pub fn may_use(&self, user: &str, virtual_host: &str, resource: Resource<'_>, permission: Permission) -> bool {
        if virtual_host != VIRTUAL_HOST {
            return false;
        }
        if self.is_hub(user) {
            return true;
        }
        match (resource, permission) {
            (Resource::Queue(queue), Permission::Read) => {
                self.system(user).is_some_and(|system| system.inbox_queue() == queue)
            }
            _ => false,
        }
    }

    /// Whether `user` is the hub itself. No system has such a name: theirs hold a slash.
    #[must_use]
    pub fn is_hub(&self, user: &str) -> bool {
        user == self.hub.as_str()
    }

    fn system(&self, user: &str) -> Option<SystemId> {
        user.parse().ok().filter(|system| self.admits(system).is_ok())
    }
}

/// Whether a system is one that receives messages, and at the broker.
pub(super) fn receives_here(system: &System) -> bool {
    system.transport == TransportKind::Amqp && system.roles.contains(&Role::System)
}

/// The only virtual host of the exchange.
pub const VIRTUAL_HOST: &str = BROKER_PATH.split_at(1).1;

#[cfg(test)]
pub(super) mod tests {
    use saphan_schemas::keys::SigningKey;
    use saphan_schemas::log::NoteSigner;
    use saphan_schemas::registry::{Change, Entry, EntryId, Member, Place, Root, SystemKey, just_a_system};

    use super::*;

    /// The registry of a log that has just begun.
    pub(in crate::broker) fn begun() -> RegistryState {
        let [operator, receipts] = [(); 2].map(|()| *SigningKey::generate().unwrap().0.public());
        let log = NoteSigner::from_pkcs8("hub.local/log/main", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let (hub, log) = ("hub.local".parse().unwrap(), log.verifier_key().clone());
        RegistryState::new(Root { hub, operator, receipts, log })
    }

    /// The desk and the archive read at the broker; the portal pulls; the newcomer has no key yet; the auditor
    /// receives nothing.
    fn registry() -> (RegistryState, SigningKey) {
        let member = Member { id: "th.dlt".parse().unwrap(), name_th: "ก".into(), name_en: "a".into() };
        let system = |name: &str, transport| {
            let roles = if name == "auditor" { [Role::Auditor].into() } else { just_a_system() };
            Entry::System(System { id: format!("th.dlt/{name}").parse().unwrap(), transport, roles })
        };
        let (desk, _) = SigningKey::generate().unwrap();
        let key = |name: &str, key: &SigningKey| {
            let system = format!("th.dlt/{name}").parse().unwrap();
            Entry::Key(SystemKey { system, jwk: *key.public(), not_before: None, not_after: Some(ENDS) })
        };
        let [archive, portal, auditor] = [(); 3].map(|()| SigningKey::generate().unwrap().0);
        let entries = [
            Entry::Member(member),
            system("desk", TransportKind::Amqp),
            system("archive", TransportKind::Amqp),
            system("newcomer", TransportKind::Amqp),
            system("portal", TransportKind::Pull),
            system("auditor", TransportKind::Amqp),
            key("desk", &desk),
            key("archive", &archive),
            key("portal", &portal),
            key("auditor", &auditor),
        ];
        let mut registry = begun();
        for entry in entries {
            let place = Place::trial(&registry);
            registry.apply(&Change::Added(entry), place).unwrap();
        }
        (registry, desk)
    }

    #[test]
    fn a_system_reads_its_own_inbox_and_nothing_else() {
        let (hub, (registry, _)) = ("hub.local".parse().unwrap(), registry());
        let rules = Rules { hub: &hub, registry: &registry, now: 1 };
        let (own, other) = (Resource::Queue("inbox.th.dlt.desk"), Resource::Queue("inbox.th.dlt.archive"));
        assert!(rules.may_enter("th.dlt/desk", "saphan"));
        assert!(rules.may_use("th.dlt/desk", "saphan", own, Permission::Read));
        for (virtual_host, resource, permission) in [
            ("saphan", own, Permission::Other),
            ("saphan", other, Permission::Read),
            ("saphan", Resource::Queue("saphan.dead"), Permission::Read),
            ("saphan", Resource::Queue(""), Permission::Read),
            ("saphan", Resource::Other, Permission::Read),
            ("saphan", Resource::Other, Permission::Other),
            ("/", own, Permission::Read),
        ] {
            assert!(!rules.may_use("th.dlt/desk", virtual_host, resource, permission), "{resource:?} {permission:?}");
        }
        assert!(!rules.may_enter("th.dlt/desk", "/"));
    }

    #[test]
    fn who_pulls_who_has_no_usable_key_and_who_is_unknown_may_do_nothing() {
        let (hub, (mut registry, desk)) = ("hub.local".parse().unwrap(), registry());
        let place = Place::trial(&registry);
        registry.apply(&Change::Revoked(EntryId::Key(desk.id())), place).unwrap();
        let rules = Rules { hub: &hub, registry: &registry, now: 1 };
        let systems = ["portal", "newcomer", "auditor", "desk", "unknown"].map(|name| format!("th.dlt/{name}"));
        for user in systems.iter().map(String::as_str).chain(["guest", "", "th.dlt", "hub.elsewhere"]) {
            assert!(!rules.may_enter(user, "saphan"), "{user}");
            let own = format!("inbox.{}", user.replace('/', "."));
            assert!(!rules.may_use(user, "saphan", Resource::Queue(&own), Permission::Read), "{user}");
        }
        assert!(rules.may_enter("th.dlt/archive", "saphan"));
        let later = Rules { now: ENDS, ..rules };
        assert!(!later.may_enter("th.dlt/archive", "saphan"), "its key has ended");
    }

    #[test]
    fn the_hub_does_everything_in_its_virtual_host_only() {
        let (hub, (registry, _)) = ("hub.local".parse().unwrap(), registry());
        let rules = Rules { hub: &hub, registry: &registry, now: 1 };
        assert!(rules.may_enter("hub.local", "saphan"));
        assert!(rules.may_use("hub.local", "saphan", Resource::Other, Permission::Other));
        assert!(!rules.may_enter("hub.local", "/"));
        assert!(!rules.may_use("hub.local", "/", Resource::Other, Permission::Other));
    }

    const ENDS: u64 = 1000;
}
