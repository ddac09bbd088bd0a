//! Opening one connection to the broker: with a login of this moment, over TLS that trusts whom it is told to trust.

use std::io;
use std::sync::Arc;

use lapin::tcp::{AMQPUriTcpExt as _, RustlsConnector, RustlsConnectorConfig, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use saphan_schemas::auth::{AuthClaims, BROKER_PATH};
use saphan_schemas::jws::SignError;

use crate::clock;
use crate::error::ConnectorError;
use crate::hub_api::http::is_this_machine;
use crate::outgoing::Identity;

/// How to open a connection, again and again.
pub(super) struct Dialler {
    uri: AMQPUri,
    identity: Arc<Identity>,
    /// Whether the address names no user: then the system logs in with a token of its own key.
    token: bool,
    /// Trusts the given authorities only; `None`: those of the machine.
    tls: Option<RustlsConnector>,
}

impl Dialler {
    pub(super) fn new(uri: &str, identity: Arc<Identity>, ca: Option<&str>) -> Result<Self, ConnectorError> {
        let url = check(uri)?;
        let mut uri: AMQPUri = uri.parse().map_err(|_| address("the broker's address is not a URL"))?;
        let token = url.username().is_empty() && url.password().is_none();
        if token && matches!(url.path(), "" | "/") {
            // Nothing else is open to tokens.
            uri.vhost = BROKER_PATH.trim_start_matches('/').to_owned();
        }
        // lapin picks rustls' default provider; installing it again is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { uri, identity, token, tls: ca.map(trusting).transpose()? })
    }

    /// Opens a connection with this name, which the broker shows its administrators.
    pub(super) async fn dial(&self, name: &str) -> lapin::Result<Connection> {
        let mut uri = self.uri.clone();
        if self.token {
            uri.authority.userinfo.username = self.identity.system.to_string();
            uri.authority.userinfo.password = self.fresh_token().await.map_err(io::Error::other)?;
        }
        let properties = ConnectionProperties::default().with_connection_name(name.into());
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

    /// A token for one login: it is bound to the broker.
    async fn fresh_token(&self) -> Result<String, SignError> {
        let (issuer, hub) = (self.identity.system.to_string(), self.identity.hub.clone());
        let claims = AuthClaims::for_broker(issuer, hub, clock::unix_seconds());
        Ok(self.identity.sign(claims).await?.as_str().to_owned())
    }
}

/// Without TLS only this machine is a broker.
fn check(uri: &str) -> Result<reqwest::Url, ConnectorError> {
    let Ok(url) = reqwest::Url::parse(uri) else { return Err(address("the broker's address is not a URL")) };
    match (url.scheme(), url.host_str()) {
        ("amqps", Some(_)) => Ok(url),
        ("amqp", Some(host)) if is_this_machine(host) => Ok(url),
        ("amqp", _) => Err(address("plain AMQP is for a broker on this machine only; use amqps")),
        _ => Err(address("the broker's address must begin with amqps://")),
    }
}

/// TLS that trusts these authorities (PEM) and no others.
fn trusting(ca: &str) -> Result<RustlsConnector, ConnectorError> {
    let unusable = || address("the certificates of the broker's authority are not in PEM form, or there are none");
    let certificates = CertificateDer::pem_slice_iter(ca.as_bytes()).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.ok().filter(|all| !all.is_empty()).ok_or_else(unusable)?;
    let config = RustlsConnectorConfig::default().with_parsable_certificates(certificates);
    config.connector_with_no_client_auth().map_err(|_| unusable())
}

fn address(reason: &'static str) -> ConnectorError {
    ConnectorError::Address { reason }
}

#[cfg(test)]
mod tests {
    use saphan_schemas::auth::UnverifiedAuthToken;
    use saphan_schemas::keys::SigningKey;

    use super::*;

    fn identity() -> Arc<Identity> {
        let (key, _) = SigningKey::generate().unwrap();
        let (system, hub) = ("th.dlt/licensing".parse().unwrap(), "hub.local".parse().unwrap());
        Arc::new(Identity { system, hub, key: Arc::new(key) })
    }

    #[test]
    fn plain_amqp_is_for_this_machine_only() {
        assert!(check("amqp://u:p@127.0.0.1:5672/saphan").is_ok());
        assert!(check("amqps://u:p@broker.example/saphan").is_ok());
        assert!(check("amqps://broker.example").is_ok());
        for uri in
            ["amqp://u:p@broker.example/saphan", "amqp://u:p@127.broker.example/saphan", "http://127.0.0.1", "broker"]
        {
            assert!(check(uri).is_err(), "{uri}");
        }
    }

    #[tokio::test]
    async fn an_address_without_a_user_is_logged_in_to_with_a_new_token_each_time() {
        let identity = identity();
        let dialler = Dialler::new("amqps://broker.example", Arc::clone(&identity), None).unwrap();
        assert_eq!((dialler.token, dialler.uri.vhost.as_str()), (true, "saphan"));
        let tokens = [dialler.fresh_token().await.unwrap(), dialler.fresh_token().await.unwrap()];
        let [first, second] = tokens.map(|token| {
            let token = UnverifiedAuthToken::parse(&token).unwrap().verify(identity.key.public()).unwrap();
            token.claims().clone()
        });
        assert_ne!(first.jti, second.jti);
        assert_eq!((first.htm.as_str(), first.htu.as_str()), ("AMQP", "/saphan"));
    }

    #[test]
    fn a_user_in_the_address_logs_in_as_it_says() {
        let dialler = Dialler::new("amqps://u:p@broker.example/v", identity(), None).unwrap();
        assert!(!dialler.token);
        assert_eq!((dialler.uri.authority.userinfo.username.as_str(), dialler.uri.vhost.as_str()), ("u", "v"));
    }

    #[test]
    fn authorities_that_cannot_be_read_are_refused_at_once() {
        for ca in ["", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(Dialler::new("amqps://broker.example", identity(), Some(ca)).is_err(), "{ca:?}");
        }
    }
}
