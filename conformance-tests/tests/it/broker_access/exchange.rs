//! A hub and a RabbitMQ node that knows nothing but what `saphan-hub broker config` says.

use std::path::Path;

use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use saphan_conformance::programs;
use saphan_conformance::world::World;
use saphan_connector::{ConnectorBuilder, Receive};
use saphan_examples::local::hub::{HubOptions, HubProgram};
use saphan_examples::local::port;
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::registry::TransportKind;
use tempfile::TempDir;

/// Both, running.
pub(super) struct Exchange {
    pub(super) world: World,
    pub(super) broker: RabbitNode,
    certificates: TempDir,
}

impl Exchange {
    pub(super) async fn start() -> Self {
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let certificates = TempDir::new().unwrap();
        write_certificates(certificates.path());
        let path = |name: &str| certificates.path().join(name).display().to_string();
        let uri = format!("amqps://localhost:{}/saphan", port::free().unwrap());
        let world = World::start_with(TransportKind::Amqp, |registry| HubOptions {
            settings: vec![
                ("SAPHAN_HUB__AMQP__URI", uri.clone()),
                ("SAPHAN_HUB__AMQP__MANAGEMENT", format!("https://localhost:{}", port::free().unwrap())),
                ("SAPHAN_HUB__AMQP__CA_FILE", path(CA)),
            ],
            ..HubOptions::new(program, registry)
        });
        let world = world.await.unwrap();
        let (ca, certificate, key) = (path(CA), path(CERTIFICATE), path(KEY));
        let arguments = ["--ca", &ca, "--certificate", &certificate, "--key", &key];
        let files = world.hub.broker_files(&arguments);
        let broker = RabbitNode::start_configured(&files.await.unwrap(), &uri).await.unwrap();
        Self { world, broker, certificates }
    }

    /// The receiving system of the world.
    pub(super) fn receiver(&self) -> SystemId {
        self.world.receiver().unwrap()
    }

    /// A connector of that system which reads at the broker, with its key.
    pub(super) fn connector(&self) -> ConnectorBuilder {
        let receive = Receive::Amqp { uri: self.broker.uri().to_owned() };
        self.world.connector(&self.receiver()).unwrap().ca(self.ca()).receive(receive)
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
        let tls = OwnedTLSConfig { cert_chain: Some(self.ca()), ..OwnedTLSConfig::default() };
        Connection::connect_uri_with_config(uri, ConnectionProperties::default(), tls, default_runtime()?).await
    }

    fn ca(&self) -> String {
        std::fs::read_to_string(self.certificates.path().join(CA)).unwrap()
    }
}

pub(super) fn sign(claims: AuthClaims, key: &SigningKey) -> String {
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}

pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// An authority, and a certificate of it for a broker on this machine.
fn write_certificates(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1"].map(ToOwned::to_owned);
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    for (name, text) in [(CA, authority.pem()), (CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

const CA: &str = "ca.pem";
const CERTIFICATE: &str = "broker.pem";
const KEY: &str = "broker.key.pem";
