//! A hub and a RabbitMQ node that knows nothing but what `saphan-hub broker config` says.

use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use saphan_conformance::programs;
use saphan_conformance::world::World;
use saphan_connector::{ConnectorBuilder, Receive};
use saphan_examples::local::hub::{HubOptions, HubProgram};
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_examples::local::ruled_broker::RuledBroker;
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::registry::TransportKind;

/// Both, running.
pub(super) struct Exchange {
    pub(super) world: World,
    pub(super) broker: RabbitNode,
}

impl Exchange {
    pub(super) async fn start() -> Self {
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let planned = RuledBroker::plan().unwrap();
        let settings = planned.settings();
        let world = World::start_with(TransportKind::Amqp, |registry| HubOptions {
            tls: true,
            settings,
            ..HubOptions::new(program, registry)
        });
        let world = world.await.unwrap();
        let broker = planned.start(&world.hub).await.unwrap();
        Self { world, broker }
    }

    /// The receiving system of the world.
    pub(super) fn receiver(&self) -> SystemId {
        self.world.receiver().unwrap()
    }

    /// A connector of that system which reads at the broker, with its key.
    pub(super) fn connector(&self) -> ConnectorBuilder {
        let receive = Receive::Amqp { uri: self.broker.uri().to_owned() };
        self.world.connector(&self.receiver()).unwrap().receive(receive)
    }

    /// What a token for one login of a system says; nothing is wrong with it.
    pub(super) fn claims(&self, system: &SystemId) -> AuthClaims {
        AuthClaims {
            iss: system.to_string(),
            aud: self.world.hub_id().clone(),
            jti: MessageId::new(),
            iat: now(),
            htm: "AMQP".to_owned(),
            htu: "/saphan".to_owned(),
        }
    }

    /// Logs a system in with a fresh token of its key.
    pub(super) async fn log_in(&self, system: &SystemId) -> lapin::Result<Connection> {
        let token = sign(self.claims(system), &self.world.key(system).unwrap());
        self.connect(system.as_str(), &token, "saphan").await
    }

    /// Opens a connection with any user, password and virtual host.
    pub(super) async fn connect(&self, user: &str, password: &str, virtual_host: &str) -> lapin::Result<Connection> {
        let mut uri: AMQPUri = self.broker.uri().parse().unwrap();
        uri.authority.userinfo.username = user.to_owned();
        uri.authority.userinfo.password = password.to_owned();
        uri.vhost = virtual_host.to_owned();
        let tls =
            OwnedTLSConfig { cert_chain: self.world.hub.ca().map(ToOwned::to_owned), ..OwnedTLSConfig::default() };
        Connection::connect_uri_with_config(uri, ConnectionProperties::default(), tls, default_runtime()?).await
    }
}

pub(super) fn sign(claims: AuthClaims, key: &SigningKey) -> String {
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}

pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
