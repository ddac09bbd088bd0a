//! Ends connections to the broker whose right has ended: RabbitMQ asks at the login and once for each channel and queue, and
//! then delivers for as long as the connection lives.
//!
//! Nothing is remembered: each look compares what is open with the registry, so it does not matter what was missed before.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::ids::SystemId;
use saphan_schemas::registry::RegistryState;
use tokio::time::{Instant, timeout};

use super::access::receives_here;
use super::management::{Connections, Management, ManagementError};
use crate::app::App;

/// Looks after every change of the registry, and every quarter of a minute, until the hub stops.
pub async fn run(app: Arc<App>, management: Management) {
    let mut stopping = app.stopping.clone();
    let mut looked: Option<(u64, Instant)> = None;
    loop {
        let registry = app.registry.state();
        let due = looked.is_none_or(|(next, at)| next != registry.next() || at.elapsed() >= LOOK_AGAIN);
        if due {
            looked = Some((registry.next(), Instant::now()));
            let outcome = look(&app, &management, &registry).await;
            app.metrics.broker_management_up.set(i64::from(outcome.is_ok()));
            if let Err(error) = outcome {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the broker's management cannot be used: connections of systems whose keys ended stay open"
                );
            }
        }
        if timeout(PAUSE, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

async fn look(app: &App, management: &Management, registry: &RegistryState) -> Result<(), ManagementError> {
    let connections = management.connections().await?;
    let mut outcome = Ok(());
    for (system, name) in ended(registry, &connections, app.clock.now_ms()) {
        match management.close(name).await {
            Ok(()) => {
                app.metrics.broker_connections_closed.inc();
                tracing::warn!(%system, "a connection to the broker was closed: the right that it was opened with has ended");
            }
            // The others all the same; this one at the next look.
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

/// The connections that must go, by system and name.
///
/// Which key a connection was opened with is not known, so it goes when any key of its system ended after it was opened; one
/// whose key is still good comes back at once, and is then younger than that end. Users that are no systems are not ours.
fn ended<'a>(registry: &RegistryState, connections: &'a Connections, now_ms: u64) -> Vec<(SystemId, &'a str)> {
    let ended = |system: &SystemId, opened_ms: u64| {
        let admitted = registry.system(system).is_some_and(receives_here);
        let last_end = registry.keys_of(system).into_iter().filter_map(|key| key.ended(now_ms / 1000)).max();
        // An end is known to the second, and counts to the end of that second.
        !admitted || last_end.is_some_and(|end| end.saturating_add(1).saturating_mul(1000) + TOLERANCE_MS >= opened_ms)
    };
    let systems = connections.open.iter().filter_map(|connection| {
        let system: SystemId = connection.user.parse().ok()?;
        // By the broker's clock an age, by ours a moment: the two clocks need not agree.
        let age = connections.broker_ms.saturating_sub(connection.connected_at);
        ended(&system, now_ms.saturating_sub(age)).then_some((system, connection.name.as_str()))
    });
    systems.collect()
}

const LOOK_AGAIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
/// The broker's clock is read to the second. A connection that was opened this soon after an end is closed needlessly, once.
const TOLERANCE_MS: u64 = 2000;

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;
    use saphan_schemas::registry::{
        Change, Entry, EntryId, Member, Place, System, SystemKey, TransportKind, just_a_system,
    };

    use super::super::access::tests::begun;
    use super::super::management::OpenConnection;
    use super::*;

    const DESK: &str = "th.dlt/desk";
    const NOW_S: u64 = 1_000_000;
    const NOW_MS: u64 = NOW_S * 1000;

    struct World {
        registry: RegistryState,
    }

    impl World {
        /// A member, and a system that reads at the broker.
        fn new() -> Self {
            let mut world = Self { registry: begun() };
            let member = Member { id: "th.dlt".parse().unwrap(), name_th: "ก".into(), name_en: "a".into() };
            world.apply(&Change::Added(Entry::Member(member)), 0);
            world.apply(&Change::Added(Self::desk(TransportKind::Amqp)), 0);
            world
        }

        fn desk(transport: TransportKind) -> Entry {
            Entry::System(System { id: DESK.parse().unwrap(), transport, roles: just_a_system() })
        }

        fn apply(&mut self, change: &Change, at: u64) {
            let place = Place { at, ..Place::trial(&self.registry) };
            self.registry.apply(change, place).unwrap();
        }

        fn key(&mut self, not_after: Option<u64>) -> EntryId {
            let (key, _) = SigningKey::generate().unwrap();
            let entry = SystemKey { system: DESK.parse().unwrap(), jwk: *key.public(), not_before: None, not_after };
            self.apply(&Change::Added(Entry::Key(entry)), 0);
            EntryId::Key(key.id())
        }

        /// Whether a connection of the desk that is `age` seconds old is ended, whatever the broker's clock shows.
        fn ends(&self, age: u64) -> bool {
            let answers = [0, 3_600_000, -3_600_000].map(|ahead: i64| {
                let broker_ms = NOW_MS.saturating_add_signed(ahead);
                let open = vec![connection(DESK, broker_ms - age * 1000)];
                !ended(&self.registry, &Connections { open, broker_ms }, NOW_MS).is_empty()
            });
            assert!(answers.iter().all(|answer| *answer == answers[0]), "it depends on the broker's clock");
            answers[0]
        }
    }

    fn connection(user: &str, connected_at: u64) -> OpenConnection {
        OpenConnection { name: format!("connection of {user}"), user: user.to_owned(), connected_at }
    }

    #[test]
    fn a_revoked_key_ends_what_was_opened_before_and_not_what_is_opened_with_another_key() {
        let mut world = World::new();
        let (revoked, _other) = (world.key(None), world.key(None));
        assert!(!world.ends(600));
        world.apply(&Change::Revoked(revoked), NOW_S - 60);
        assert!(world.ends(600) && world.ends(61));
        assert!(!world.ends(50));
    }

    #[test]
    fn a_key_ends_when_it_expires_and_not_before() {
        let mut world = World::new();
        world.key(Some(NOW_S + 1));
        assert!(!world.ends(600));
        world.key(Some(NOW_S - 30));
        assert!(world.ends(600));
        assert!(!world.ends(20));
    }

    #[test]
    fn a_key_that_expired_and_was_then_revoked_ended_when_it_expired() {
        let mut world = World::new();
        let key = world.key(Some(NOW_S - 300));
        world.apply(&Change::Revoked(key), NOW_S - 10);
        assert!(world.ends(301));
        assert!(!world.ends(100), "that one was opened with another key");
    }

    #[test]
    fn a_system_that_pulls_now_or_is_gone_keeps_no_connection() {
        let mut world = World::new();
        world.key(None);
        world.apply(&Change::Changed(World::desk(TransportKind::Pull)), NOW_S - 60);
        assert!(world.ends(600) && world.ends(0));
        world.apply(&Change::Changed(World::desk(TransportKind::Amqp)), NOW_S - 50);
        assert!(!world.ends(0));
        world.apply(&Change::Revoked(EntryId::System(DESK.parse().unwrap())), NOW_S - 40);
        assert!(world.ends(0));
    }

    #[test]
    fn users_that_are_no_systems_are_left_alone() {
        let open = ["hub.local", "guest", "", "th.dlt"].map(|user| connection(user, 0)).into();
        let connections = Connections { open, broker_ms: NOW_MS };
        assert!(ended(&World::new().registry, &connections, NOW_MS).is_empty());
    }
}
