//! Whom hub and connector take for the broker: only one whose certificate is of the authority that they were told.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use saphan_conformance::programs;
use saphan_conformance::world::World;
use saphan_connector::Receive;
use saphan_examples::local::hub::HubProgram;
use saphan_hub::routing::amqp::{AmqpConfig, AmqpTransport};
use saphan_hub::tls::development;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::patience::in_time;

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_believes_a_broker_by_its_own_authority_only() {
    let (ours, others) = (authority(), authority());
    for (ca, believed) in [(&ours, true), (&others, false)] {
        let mut broker = Broker::start(ours.path());
        let config = AmqpConfig { ca: Some(read(ca.path(), "ca.pem")), ..AmqpConfig::new(&broker.uri) };
        let _transport = AmqpTransport::new(&config).unwrap();
        let told = in_time(broker.believed.recv(), || "nobody tried".to_owned()).await;
        assert_eq!(told, Some(believed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_believes_a_broker_by_its_own_authority_only() {
    let (ours, others) = (authority(), authority());
    let world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    for (ca, believed) in [(&ours, true), (&others, false)] {
        let mut broker = Broker::start(ours.path());
        // A folder for each: the first connector may still be letting go of its own.
        let connector = world.connector(&world.receiver().unwrap()).unwrap().data_dir(ca.path().join("journal"));
        let connector = connector.ca(read(ca.path(), "ca.pem"));
        let _connector = connector.receive(Receive::Amqp { uri: broker.uri.clone() }).build().await.unwrap();
        let told = in_time(broker.believed.recv(), || "nobody tried".to_owned()).await;
        assert_eq!(told, Some(believed));
    }
}

/// Takes connections and says of each whether the client finished the handshake; it speaks no AMQP.
struct Broker {
    uri: String,
    believed: mpsc::UnboundedReceiver<bool>,
}

impl Broker {
    /// With the certificate in this folder.
    fn start(folder: &Path) -> Self {
        let certificates = CertificateDer::pem_file_iter(folder.join("broker.pem")).unwrap();
        let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("broker.key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(certificates, key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("amqps://localhost:{}/saphan", listener.local_addr().unwrap().port());
        let (told, believed) = mpsc::unbounded_channel();
        let config = Arc::new(config);
        // It ends with the test's process; a client that is refused tries again for as long as it lives.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if told.send(handshake(&config, stream.unwrap())).is_err() {
                    return;
                }
            }
        });
        Self { uri, believed }
    }
}

fn handshake(config: &Arc<ServerConfig>, mut stream: TcpStream) -> bool {
    let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            return false;
        }
    }
    true
}

/// A development CA with a certificate for a broker on this machine.
fn authority() -> TempDir {
    let folder = TempDir::new().unwrap();
    development::create(folder.path(), &[]).unwrap();
    folder
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}
