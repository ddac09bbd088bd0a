//! Client certificates: a second lock on the door. Who a system is, its own key says.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use rustls::client::danger::HandshakeSignatureValid;

use super::TlsError;
use super::files::certificates;
use crate::config::{ClientCertificates, TlsSection};

/// What the listener asks of those who connect.
pub(super) fn verifier(
    section: &TlsSection,
    provider: &Arc<CryptoProvider>,
    own_chain: &[CertificateDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if section.client_certificates == ClientCertificates::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let path = &section.client_ca;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| TlsError::NoCertificate { path: path.clone() })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match section.client_certificates {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    let signed = builder.build().map_err(|source| TlsError::ClientCa { path: path.clone(), source })?;
    let own = own_chain.first().map(|own| own.to_vec()).unwrap_or_default();
    Ok(Arc::new(SignedOrOwn { signed, own }))
}

/// Certificates of the client CA; and the hub's own, with which the operator's commands come: who has its key could be the
/// hub itself.
#[derive(Debug)]
struct SignedOrOwn {
    signed: Arc<dyn ClientCertVerifier>,
    /// DER.
    own: Vec<u8>,
}

impl ClientCertVerifier for SignedOrOwn {
    fn offer_client_auth(&self) -> bool {
        self.signed.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.signed.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if end_entity.as_ref() == self.own {
            return Ok(ClientCertVerified::assertion());
        }
        self.signed.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
