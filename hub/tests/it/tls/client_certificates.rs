//! Client certificates: required, optional, forged, stolen.

use std::sync::Arc;

use reqwest::Client;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::{alive, hub};
use crate::harness::{Authority, Issued, TestHub, TlsFiles};

#[tokio::test]
async fn where_client_certificates_are_required_only_those_of_the_client_authority_connect() {
    let (files, clients) = (TlsFiles::new(), Authority::new(CLIENTS));
    let hub = hub(&files.settings_with_clients(&clients, "required")).await;
    assert!(alive(&with(&files, &clients.issue(&["agency"])), &hub).await.unwrap());
    assert!(alive(&files.client().build().unwrap(), &hub).await.is_err(), "without one");
    refuses_forged_ones(&files, &hub).await;
}

#[tokio::test]
async fn where_client_certificates_are_optional_a_wrong_one_is_still_refused() {
    let (files, clients) = (TlsFiles::new(), Authority::new(CLIENTS));
    let hub = hub(&files.settings_with_clients(&clients, "optional")).await;
    assert!(alive(&with(&files, &clients.issue(&["agency"])), &hub).await.unwrap());
    assert!(alive(&files.client().build().unwrap(), &hub).await.unwrap(), "without one");
    refuses_forged_ones(&files, &hub).await;
}

#[tokio::test]
async fn the_hubs_own_certificate_lets_the_operator_in_and_without_its_key_nobody() {
    let (files, clients) = (TlsFiles::new(), Authority::new(CLIENTS));
    let hub = hub(&files.settings_with_clients(&clients, "required")).await;
    assert!(alive(&showing(&files, &files.hub.certificate, &files.hub.key), &hub).await.unwrap());
    // Everyone sees the certificate; the key behind it makes the difference.
    let another = files.authority.issue(&["agency"]);
    assert!(alive(&showing(&files, &files.hub.certificate, &another.key), &hub).await.is_err());
    assert!(alive(&with(&files, &another), &hub).await.is_err(), "its authority vouches for hubs, not for clients");
}

/// An authority of the same name as the client authority is not it; nor is a client its own authority.
async fn refuses_forged_ones(files: &TlsFiles, hub: &TestHub) {
    let forger = Authority::new(CLIENTS);
    assert!(alive(&with(files, &forger.issue(&["agency"])), hub).await.is_err());
    let own = rcgen::generate_simple_self_signed(["agency".to_owned()]).unwrap();
    let own = Issued { certificate: own.cert.pem(), key: own.signing_key.serialize_pem() };
    assert!(alive(&with(files, &own), hub).await.is_err());
}

fn with(files: &TlsFiles, client: &Issued) -> Client {
    files.client().identity(client.identity()).build().unwrap()
}

/// Shows a certificate with a key, whether they belong together or not.
fn showing(files: &TlsFiles, certificate: &str, key: &str) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(files.authority.pem().as_bytes()).unwrap()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config = ClientConfig::builder().with_root_certificates(roots).with_client_cert_resolver(Arc::new(shown));
    Client::builder().no_proxy().tls_backend_preconfigured(config).build().unwrap()
}

const CLIENTS: &str = "Clients of the exchange";
