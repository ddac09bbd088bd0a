//! Whose certificates are trusted.

use der::Decode as _;
use der::oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert, ring as algorithms};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;

use crate::fault::TimestampFault;

/// The certificates of timestamp authorities, or of the CAs above them, that are trusted as they are.
#[derive(Debug, Clone)]
pub struct Authorities {
    anchors: Vec<TrustAnchor<'static>>,
    certificates: Vec<CertificateDer<'static>>,
}

/// A file does not hold certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorities {
    /// Not PEM.
    #[error("not PEM, or damaged")]
    NotPem,
    /// No certificate in it.
    #[error("there is no certificate in it")]
    Empty,
    /// A certificate that cannot be read.
    #[error("certificate {number} cannot be read")]
    Unreadable {
        /// Which, counted from 1.
        number: usize,
    },
}

impl Authorities {
    /// From the certificates in a PEM text: of CAs, or of authorities themselves. Each is trusted as it is; whether that of a CA has
    /// expired is not asked.
    ///
    /// # Errors
    /// [`NotAuthorities`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, NotAuthorities> {
        let certificates: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| NotAuthorities::NotPem)?;
        if certificates.is_empty() {
            return Err(NotAuthorities::Empty);
        }
        let anchors = certificates.iter().zip(1..).map(|(certificate, number)| {
            let anchor = anchor_from_trusted_cert(certificate);
            anchor.map(|anchor| anchor.to_owned()).map_err(|_| NotAuthorities::Unreadable { number })
        });
        Ok(Self { anchors: anchors.collect::<Result<_, _>>()?, certificates })
    }

    /// The certificates themselves: a token need not hold the signer's.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }

    /// That the signer's certificate is trusted itself, or that a chain leads from it to one that is; each but that one, and the
    /// signer's own always, valid at `time` (seconds since 1970).
    pub(crate) fn vouch(&self, signer: &[u8], others: &[Vec<u8>], time: u64) -> Result<(), TimestampFault> {
        // No chain leads from what its CA issued to itself.
        if self.certificates().any(|trusted| trusted == signer) {
            return stands_for_itself(signer, time);
        }
        let untrusted = |error: Error| TimestampFault::Untrusted { reason: error.to_string() };
        let signer = CertificateDer::from(signer);
        let certificate = EndEntityCert::try_from(&signer).map_err(untrusted)?;
        let others: Vec<CertificateDer<'_>> = others.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
        let usage = KeyUsage::required_if_present(TIME_STAMPING);
        let chain = certificate.verify_for_usage(CHAIN, &self.anchors, &others, time, usage, None, None);
        match chain {
            Ok(_) => Ok(()),
            Err(error @ (Error::CertExpired { .. } | Error::CertNotValidYet { .. })) => {
                Err(TimestampFault::Expired { reason: error.to_string() })
            }
            Err(error) => Err(untrusted(error)),
        }
    }
}

/// What is asked of an authority's own certificate that is trusted: as of any signer's, that it is none of a CA, and was valid then.
fn stands_for_itself(signer: &[u8], time: u64) -> Result<(), TimestampFault> {
    let untrusted = |reason: &str| TimestampFault::Untrusted { reason: reason.to_owned() };
    let certificate = Certificate::from_der(signer).map_err(|_| untrusted("the certificate cannot be read"))?;
    let certificate = certificate.tbs_certificate;
    let valid = certificate.validity;
    let [from, until] = [valid.not_before, valid.not_after].map(|bound| bound.to_unix_duration().as_secs());
    if !(from..=until).contains(&time) {
        return Err(TimestampFault::Expired {
            reason: format!("{time} is not between {from} and {until}, in seconds"),
        });
    }
    let basic = certificate.extensions.iter().flatten().find(|extension| extension.extn_id == ID_CE_BASIC_CONSTRAINTS);
    match basic.map(|basic| BasicConstraints::from_der(basic.extn_value.as_bytes())) {
        None | Some(Ok(BasicConstraints { ca: false, .. })) => Ok(()),
        Some(_) => Err(untrusted("the certificate is that of a CA")),
    }
}

/// id-kp-timeStamping (RFC 5280 section 4.2.1.12), the value of its DER.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// What certificates may be signed with.
static CHAIN: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];
