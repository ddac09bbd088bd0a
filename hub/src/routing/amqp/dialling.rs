//! Opening one connection: with a login of this moment, over TLS that trusts whom it is told to trust.

use std::io;

use lapin::tcp::{AMQPUriTcpExt as _, RustlsConnector, RustlsConnectorConfig, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{AmqpConfig, InvalidBroker};
use crate::broker::access::VIRTUAL_HOST;
use crate::broker::login::HubLogin;

/// How to open a connection, again and again.
pub(super) struct Dialler {
    uri: AMQPUri,
    login: Option<HubLogin>,
    /// Trusts the configured authorities only; `None`: those of the machine.
    tls: Option<RustlsConnector>,
}

impl Dialler {
    pub(super) fn new(config: &AmqpConfig) -> Result<Self, InvalidBroker> {
        let mut uri: AMQPUri = config.uri.parse().map_err(|_| InvalidBroker::Address)?;
        uri.query.heartbeat = Some(u16::try_from(config.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX));
        if config.login.is_some() && matches!(uri.vhost.as_str(), "" | "/") {
            // Nothing else is open to tokens.
            uri.vhost = VIRTUAL_HOST.to_owned();
        }
        let tls = config.ca.as_deref().map(trusting).transpose().map_err(InvalidBroker::Certificates)?;
        Ok(Self { uri, login: config.login.clone(), tls })
    }

    /// Who logs in.
    pub(super) fn user(&self) -> &str {
        self.login.as_ref().map_or(&self.uri.authority.userinfo.username, HubLogin::user)
    }

    pub(super) async fn dial(&self) -> lapin::Result<Connection> {
        let mut uri = self.uri.clone();
        if let Some(login) = &self.login {
            let fresh = login.fresh().await.map_err(io::Error::other)?;
            uri.authority.userinfo.username = fresh.user;
            uri.authority.userinfo.password = fresh.password.to_string();
        }
        let properties = ConnectionProperties::default().with_connection_name("saphan-hub".into());
        let Some(tls) = self.tls.clone().filter(|_| uri.scheme == AMQPScheme::AMQPS) else {
            return Connection::connect_uri(uri, properties).await;
        };
        let runtime = lapin::runtime::default_runtime()?;
        // lapin itself would trust the machine's authorities besides these.
        let connect = async move |uri: AMQPUri, runtime| {
            let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri };
            let stream = plain.connect_with_config_async(TLSConfig::default(), &runtime).await?;
            Ok(stream.into_rustls(&tls, &plain.authority.host).await?)
        };
        Connection::connector(uri, runtime, connect, properties).await
    }
}

/// TLS that trusts these authorities (PEM) and no others.
fn trusting(ca: &str) -> Result<RustlsConnector, String> {
    let certificates = CertificateDer::pem_slice_iter(ca.as_bytes()).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("there are none".to_owned());
    }
    let config = RustlsConnectorConfig::default().with_parsable_certificates(certificates);
    config.connector_with_no_client_auth().map_err(|error| error.to_string())
}
